//! The catalogue's table in DynamoDB, with four kinds of items.
//!
//! | `doc` (partition) | `item` (sort) | holds |
//! |---|---|---|
//! | document | `doc` | `created`, `last_edit`, `pointer` (JSON), while dirty `dirty_in` = `1`, `dirty_since`, `dirty_nonce`, and once it was over its limit `size`, `size_at` |
//! | document | `floor#<agent>` | `end`, `at`, and of the floors before it `earlier` (JSON: `[[end, at], …]`, ascending) |
//! | `#user#<name>` | `revoked`, or `revoked#<document>` | `at`: tokens issued up to this second are void |
//! | `#sweep` | `place` | `after`: the document that the sweep has reached |
//!
//! The sparse index [`DIRTY_INDEX`] (`dirty_in`, `dirty_since`) holds the dirty documents only.

use inklog_crdt::Agent;
use inklog_protocol::{DocId, UserName};

pub(crate) const DOC: &str = "doc";
pub(crate) const ITEM: &str = "item";

/// Name of the sparse index of dirty documents.
pub(crate) const DIRTY_INDEX: &str = "dirty";
/// Sort key of a document's own item.
pub(crate) const DOC_ITEM: &str = "doc";
/// Prefix of a floor's sort key.
pub(crate) const FLOOR_PREFIX: &str = "floor#";
/// Keys of the sweep's place; no document's id holds a `#`.
pub(crate) const SWEEP: (&str, &str) = ("#sweep", "place");

/// Prefix of a user's partition; no document's id holds a `#`.
const USER_PREFIX: &str = "#user#";
/// Sort key of a revocation for all documents.
const REVOKED_ITEM: &str = "revoked";
/// Prefix of the sort key of a revocation for one.
const REVOKED_PREFIX: &str = "revoked#";

/// Sort key of an agent's floor.
pub(crate) fn floor_key(agent: &Agent) -> String {
    format!("{FLOOR_PREFIX}{agent}")
}

/// The agent that a floor is of.
pub(crate) fn agent_of(sort_key: &str) -> Option<Agent> {
    Agent::new(sort_key.strip_prefix(FLOOR_PREFIX)?).ok()
}

/// The partition of a user's revocations.
pub(crate) fn user_partition(user: &UserName) -> String {
    format!("{USER_PREFIX}{user}")
}

/// Sort key of a revocation for one document, or for all.
pub(crate) fn revoked_key(doc: Option<&DocId>) -> String {
    doc.map_or_else(|| REVOKED_ITEM.to_owned(), |doc| format!("{REVOKED_PREFIX}{doc}"))
}

/// The document that a revocation is for; `Some(None)` for all, `None` if the key is no revocation's.
pub(crate) fn revoked_doc(sort_key: &str) -> Option<Option<DocId>> {
    match sort_key {
        REVOKED_ITEM => Some(None),
        _ => DocId::new(sort_key.strip_prefix(REVOKED_PREFIX)?).ok().map(Some),
    }
}
