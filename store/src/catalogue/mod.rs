//! The catalogue: which documents there are, which snapshot is newest, what is compacted, what is
//! worth compacting.

use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_protocol::DocId;
use serde::{Deserialize, Serialize};

use crate::StoreError;

mod dynamodb;

pub use dynamodb::{DynamoCatalogue, create_table};

/// Names a document's newest snapshot and newest history segment. Every object that a pointer does
/// not lead to is garbage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Key of the snapshot.
    pub snapshot: String,
    /// Key of the newest history segment, which names the one before it.
    pub segment: String,
    /// When the snapshot was made, ms since the epoch.
    pub at: u64,
}

/// Below `end`, an agent's events are compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Events with `after` below this may be gone from the log.
    pub end: u64,
    /// When it was published, ms since the epoch.
    pub at: u64,
}

/// A mark that a document has changed since it was last compacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirtyMark {
    /// Since when, ms since the epoch.
    pub since: u64,
    /// Changes with every mark.
    pub nonce: String,
}

/// What the catalogue says of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocEntry {
    /// Which document.
    pub doc: DocId,
    /// When its first event was seen, ms since the epoch.
    pub created: u64,
    /// When it was last seen to change (to a minute or so).
    pub last_edit: u64,
    /// Its newest snapshot.
    pub pointer: Option<Pointer>,
    /// Whether it has changed since that.
    pub dirty: Option<DirtyMark>,
}

/// The catalogue of all documents. Reads of one document are strongly consistent; [`Catalogue::dirty`]
/// and [`Catalogue::docs`] may lag.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// A document's entry; `None` when it was never marked.
    async fn entry(&self, doc: &DocId) -> Result<Option<DocEntry>, StoreError>;

    /// Marks the document as changed at `at`, with a fresh nonce; makes its entry if need be.
    async fn mark_dirty(&self, doc: &DocId, at: u64, nonce: &str) -> Result<(), StoreError>;

    /// Takes the mark away if it is still the one with this nonce. Tells whether it was.
    async fn clear_dirty(&self, doc: &DocId, nonce: &str) -> Result<bool, StoreError>;

    /// Up to `limit` documents that are marked, those marked longest ago first.
    async fn dirty(&self, limit: usize) -> Result<Vec<DocId>, StoreError>;

    /// A page of all documents: up to `limit`, from after `start`; with where to go on, `None` at the
    /// end.
    async fn docs(
        &self,
        start: Option<&DocId>,
        limit: usize,
    ) -> Result<(Vec<DocEntry>, Option<DocId>), StoreError>;

    /// Replaces the pointer if it is still `old`. Tells whether it was.
    async fn move_pointer(
        &self,
        doc: &DocId,
        old: Option<&Pointer>,
        new: &Pointer,
    ) -> Result<bool, StoreError>;

    /// The floor of one agent.
    async fn floor(&self, doc: &DocId, agent: &Agent) -> Result<Option<Floor>, StoreError>;

    /// All floors of a document.
    async fn floors(&self, doc: &DocId) -> Result<Vec<(Agent, Floor)>, StoreError>;

    /// Raises an agent's floor; a lower one changes nothing.
    async fn publish_floor(&self, doc: &DocId, agent: &Agent, floor: Floor) -> Result<(), StoreError>;
}
