//! What users may no longer do with the tokens that they have.

use async_trait::async_trait;
use inklog_crdt::planted::{Bug, planted};
use inklog_protocol::limits::{CLOCK_LEEWAY, TOKEN_LIFETIME_MAX};
use inklog_protocol::{DocId, UserName};

use crate::StoreError;

/// Makes a user's older tokens void. Times are seconds since the epoch, as in tokens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revocation {
    /// For this document only; `None` for all.
    pub doc: Option<DocId>,
    /// Tokens issued up to this second are void.
    pub at: u64,
}

impl Revocation {
    /// Whether a token issued at `issued_at` is void for the document; with `None`, whether it is void for all.
    pub fn voids(&self, issued_at: u64, doc: Option<&DocId>) -> bool {
        // Tokens tell whole seconds. One of the same second may be the very one to be revoked; whoever may
        // still have one gets another a second later.
        let is_older = issued_at <= self.at && !planted(Bug::RevokedPass);
        is_older && (self.doc.is_none() || self.doc.as_ref() == doc)
    }

    /// Whether a token that this voids may still be in use.
    pub(super) fn holds(&self, now_s: u64) -> bool {
        now_s <= self.at.saturating_add((TOKEN_LIFETIME_MAX + CLOCK_LEEWAY).as_secs())
    }
}

/// The revocations of all users. Reads are strongly consistent.
#[async_trait]
pub trait Revocations: Send + Sync {
    /// Adds a revocation; an earlier one of the same user and document makes room, a later one stays. Removes
    /// the user's revocations that have become needless by `now_s`, so that they cannot pile up.
    async fn revoke(&self, user: &UserName, revocation: &Revocation, now_s: u64) -> Result<(), StoreError>;

    /// The user's revocations, without those that are older than any token.
    async fn of(&self, user: &UserName, now_s: u64) -> Result<Vec<Revocation>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_up_to_that_second_are_void_for_that_document_or_all() {
        let (notes, other) = (DocId::new("notes").unwrap(), DocId::new("other").unwrap());
        for (doc, asked, voids) in [
            (None, None, true),
            (None, Some(&notes), true),
            (Some(&notes), Some(&notes), true),
            (Some(&notes), Some(&other), false),
            (Some(&notes), None, false),
        ] {
            let revocation = Revocation { doc: doc.cloned(), at: 100 };
            for (issued_at, is_older) in [(99, true), (100, true), (101, false)] {
                assert_eq!(
                    revocation.voids(issued_at, asked),
                    voids && is_older,
                    "{doc:?} {asked:?} {issued_at}"
                );
            }
        }
    }
}
