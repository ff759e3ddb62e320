//! The catalogue: which documents exist, which snapshot is newest, what is compacted, and what needs
//! compaction. Beside it, what was revoked from whom.

use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_protocol::DocId;
use serde::{Deserialize, Serialize};

use crate::StoreError;

mod dynamodb;
pub mod memory;
mod revocations;

pub use dynamodb::{DynamoCatalogue, create_table};
pub use revocations::{Revocation, Revocations};

/// Floors of one agent that are kept besides the newest.
pub const FLOORS_KEPT: usize = 16;

/// Names a document's newest snapshot and newest history segment. An object that no pointer leads to is
/// garbage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Key of the snapshot.
    pub snapshot: String,
    /// Key of the newest history segment, which names those before it.
    pub segment: String,
    /// When the snapshot was made, ms since the epoch.
    pub at: u64,
    /// The snapshots before it that are not deleted yet, newest first. Only readers of an older pointer
    /// need them, and readers that find the newest one lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<Superseded>,
}

/// A snapshot that a newer one has superseded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// Its key.
    pub snapshot: String,
    /// When it was superseded, ms since the epoch.
    pub at: u64,
}

/// Below `end`, an agent's events are compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Events with `after` below this may be deleted from the log.
    pub end: u64,
    /// When it was published, ms since the epoch.
    pub at: u64,
}

/// A mark that a document has changed since it was last compacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirtyMark {
    /// Since when, ms since the epoch; or when a compaction last left the document marked.
    pub since: u64,
    /// Changes with every mark.
    pub nonce: String,
}

/// A document's measured size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocSize {
    /// Bytes of its encoded state and of the events that wait in it.
    pub bytes: u64,
    /// When the measured read began, ms since the epoch.
    pub at: u64,
}

/// A marked document, and its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirtyDoc {
    /// Which document.
    pub doc: DocId,
    /// [`DirtyMark::since`].
    pub since: u64,
}

/// A document's entry in the catalogue.
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
    /// Its size, if it was ever noted.
    pub size: Option<DocSize>,
    /// The unreadable part of this entry, in a page of many: one damaged entry does not hide the others.
    pub damaged: Option<String>,
}

/// The catalogue of all documents. Reads of one document are strongly consistent; [`Catalogue::size`],
/// [`Catalogue::dirty_after`] and [`Catalogue::docs`] may lag.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// A document's entry; `None` if it was never marked. Fails if the entry is damaged.
    async fn entry(&self, doc: &DocId) -> Result<Option<DocEntry>, StoreError>;

    /// Marks the document as changed at `at`, with a fresh nonce; creates its entry if needed.
    async fn mark_dirty(&self, doc: &DocId, at: u64, nonce: &str) -> Result<(), StoreError>;

    /// Removes the mark if it still has this nonce. Returns whether it did.
    async fn clear_dirty(&self, doc: &DocId, nonce: &str) -> Result<bool, StoreError>;

    /// Up to `limit` marked documents after `start`, oldest mark first.
    async fn dirty_after(&self, start: Option<&DirtyDoc>, limit: usize) -> Result<Vec<DirtyDoc>, StoreError>;

    /// The first of [`Catalogue::dirty_after`].
    async fn dirty(&self, limit: usize) -> Result<Vec<DocId>, StoreError> {
        Ok(self.dirty_after(None, limit).await?.into_iter().map(|dirty| dirty.doc).collect())
    }

    /// Moves a document that stays marked behind those marked before `at`, so that they get their turn.
    /// Does nothing to a document that is no longer marked.
    async fn move_back(&self, doc: &DocId, at: u64) -> Result<(), StoreError>;

    /// The document after which a sweep over all documents resumes; `None` at the beginning.
    async fn sweep_place(&self) -> Result<Option<DocId>, StoreError>;

    /// Saves where the sweep resumes.
    async fn keep_sweep_place(&self, after: Option<&DocId>) -> Result<(), StoreError>;

    /// A page of all documents: up to `limit` after `start`, and where the next page starts, `None` at the
    /// end.
    async fn docs(
        &self,
        start: Option<&DocId>,
        limit: usize,
    ) -> Result<(Vec<DocEntry>, Option<DocId>), StoreError>;

    /// The document's size in bytes as it was last noted, 0 for a document that never exceeded its limit;
    /// `None` if the catalogue does not know the document. Succeeds even if the pointer is damaged.
    async fn size(&self, doc: &DocId) -> Result<Option<u64>, StoreError>;

    /// Notes the document's size, unless a newer one is noted.
    async fn note_size(&self, doc: &DocId, size: DocSize) -> Result<(), StoreError>;

    /// Replaces the pointer if it is still `old`. Returns whether it did.
    async fn move_pointer(
        &self,
        doc: &DocId,
        old: Option<&Pointer>,
        new: &Pointer,
    ) -> Result<bool, StoreError>;

    /// The floor of one agent.
    async fn floor(&self, doc: &DocId, agent: &Agent) -> Result<Option<Floor>, StoreError>;

    /// All floors of a document. An agent may have several, ascending: a newer one does not delay the
    /// deletions of an older one.
    async fn floors(&self, doc: &DocId) -> Result<Vec<(Agent, Floor)>, StoreError>;

    /// Raises an agent's floor; a lower one changes nothing. The previous [`FLOORS_KEPT`] stay.
    async fn publish_floor(&self, doc: &DocId, agent: &Agent, floor: Floor) -> Result<(), StoreError>;
}
