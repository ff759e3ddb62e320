//! Who somebody is, as the authorizer tells the other functions.

use std::collections::HashMap;

use inklog_protocol::limits::DISPLAY_NAME_CHARS_MAX;
use inklog_protocol::{DocId, Right, UserName};
use sha2::{Digest as _, Sha256};

use crate::Grants;

/// What a valid token said. Times are seconds since the epoch, as in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who they are.
    pub user: UserName,
    /// What others see of them, if it is not the user's name.
    pub name: Option<String>,
    /// What they may do.
    pub grants: Grants,
    /// When the token was issued.
    pub issued_at: u64,
    /// When it ends; from then on, nothing is allowed.
    pub expires_at: u64,
}

/// The context is not what the authorizer writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the authorizer's context lacks `{0}`, or it cannot be read")]
pub struct ContextError(pub &'static str);

const USER: &str = "user";
const NAME: &str = "name";
const DOCS: &str = "docs";
const ISSUED_AT: &str = "iat";
const EXPIRES_AT: &str = "exp";

impl Identity {
    /// The right to a document, if there is any.
    pub fn right(&self, doc: &DocId) -> Option<Right> {
        self.grants.right(doc)
    }

    /// The authorizer's context: strings only, since API Gateway makes strings of everything.
    pub fn to_context(&self) -> HashMap<String, String> {
        let docs = serde_json::to_string(&self.grants).expect("names and rights are plain JSON");
        let mut context = HashMap::from([
            (USER.to_owned(), self.user.as_str().to_owned()),
            (DOCS.to_owned(), docs),
            (ISSUED_AT.to_owned(), self.issued_at.to_string()),
            (EXPIRES_AT.to_owned(), self.expires_at.to_string()),
        ]);
        if let Some(name) = &self.name {
            context.insert(NAME.to_owned(), name.clone());
        }
        context
    }

    /// Reads what [`Identity::to_context`] wrote; `field` gives a field of the context. Whatever is
    /// missing or malformed is an error: there is no identity with less.
    pub fn from_context<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Identity, ContextError> {
        let of = |name: &'static str| field(name).ok_or(ContextError(name));
        let seconds = |name| of(name)?.parse::<u64>().map_err(|_| ContextError(name));
        Ok(Identity {
            user: UserName::new(of(USER)?).map_err(|_| ContextError(USER))?,
            name: field(NAME).map(str::to_owned),
            grants: serde_json::from_str(of(DOCS)?).map_err(|_| ContextError(DOCS))?,
            issued_at: seconds(ISSUED_AT)?,
            expires_at: seconds(EXPIRES_AT)?,
        })
    }
}

/// The user of a token's subject: the subject itself if it is a user name, and otherwise a name made of its
/// hash. A subject that looks like such a name is hashed as well, so that nobody can ask for another's.
pub fn user_of_subject(subject: &str) -> UserName {
    let hashed = |name: &str| {
        name.strip_prefix("u-")
            .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    match UserName::new(subject) {
        Ok(user) if !hashed(subject) => user,
        _ => {
            let digest = Sha256::digest(subject.as_bytes());
            let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            UserName::new(&format!("u-{hex}")).expect("hexadecimal digits are legal")
        }
    }
}

/// The name that others see: without control characters, and truncated to [`DISPLAY_NAME_CHARS_MAX`].
/// `None` if nothing is left.
pub fn display_name(name: &str) -> Option<String> {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(DISPLAY_NAME_CHARS_MAX).collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Identity {
        Identity {
            user: UserName::new("alice").unwrap(),
            name: Some("Alice \"A\" Ångström".to_owned()),
            grants: serde_json::from_str(r#"{"notes":"write","team-a.*":"read"}"#).unwrap(),
            issued_at: 1_700_000_000,
            expires_at: 1_700_003_600,
        }
    }

    #[test]
    fn a_context_carries_the_whole_identity() {
        for identity in [alice(), Identity { name: None, grants: Grants::default(), ..alice() }] {
            let context = identity.to_context();
            let read = Identity::from_context(|name| context.get(name).map(String::as_str));
            assert_eq!(read, Ok(identity));
        }
    }

    #[test]
    fn a_context_that_lacks_anything_is_no_identity() {
        for name in [USER, DOCS, ISSUED_AT, EXPIRES_AT] {
            let mut context = alice().to_context();
            for bad in [None, Some(""), Some("~"), Some("+ 1"), Some("{\"a\":\"all\"}")] {
                match bad {
                    Some(bad) => context.insert(name.to_owned(), bad.to_owned()),
                    None => context.remove(name),
                };
                let read = Identity::from_context(|name| context.get(name).map(String::as_str));
                assert_eq!(read, Err(ContextError(name)), "{bad:?}");
            }
        }
    }

    #[test]
    fn nobody_can_ask_for_a_hashed_name() {
        assert_eq!(user_of_subject("alice").as_str(), "alice");
        let hashed = user_of_subject("auth0|5f7c8ec7c33c6c004bbafe82");
        assert!(hashed.as_str().starts_with("u-") && hashed.as_str().len() == 34, "{hashed:?}");
        assert_ne!(user_of_subject(hashed.as_str()), hashed);
        assert_ne!(user_of_subject(&hashed.as_str().to_uppercase().replace("U-", "u-")), hashed);
        assert_ne!(user_of_subject("a~b"), user_of_subject("a~c"));
        assert_ne!(user_of_subject(""), user_of_subject("~"));
    }

    #[test]
    fn a_name_is_shown_without_control_characters() {
        assert_eq!(display_name(" Bob\u{1b}[31m\n").as_deref(), Some("Bob[31m"));
        assert_eq!(display_name("\u{7}\n "), None);
        assert_eq!(display_name(&"é".repeat(101)).unwrap().chars().count(), DISPLAY_NAME_CHARS_MAX);
    }
}
