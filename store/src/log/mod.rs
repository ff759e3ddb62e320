//! The op log: every event that is not compacted yet. The source of truth.
//!
//! One item per event, keyed by document and `<agent>#<after>`, so that the log itself admits one
//! event for each place of an agent's chain. Items are added by ingest and removed by compaction,
//! never changed.

use async_trait::async_trait;
use inklog_crdt::{Agent, DecodeError};
use inklog_protocol::DocId;

use crate::{LogRecord, StoreError};

mod dynamodb;
mod item;
pub mod memory;
mod name;

pub use dynamodb::{DynamoOpLog, create_table};
pub use item::{Place, place_from_image, record_from_image};
pub use name::short_name;

/// The outcome of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// The event is in the log now.
    Added,
    /// The same event was already there.
    Repeat,
    /// Another event of the agent has this place in its chain.
    Conflict,
}

/// One item as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogItem {
    /// A sound item.
    Record(LogRecord),
    /// An item whose bytes are damaged: ingest never acknowledged it. Readers skip and report it; it
    /// stays where it is.
    Damaged {
        /// The item's sort key.
        key: String,
        /// What is wrong.
        error: DecodeError,
    },
}

/// The op log of all documents. All reads are strongly consistent.
#[async_trait]
pub trait OpLog: Send + Sync {
    /// Stores the record, unless its place is taken.
    async fn append(&self, doc: &DocId, record: &LogRecord) -> Result<Appended, StoreError>;

    /// The agent's last record whose `after` is at most `at_most` (all of them with `None`).
    async fn last_of(
        &self,
        doc: &DocId,
        agent: &Agent,
        at_most: Option<u64>,
    ) -> Result<Option<LogRecord>, StoreError>;

    /// All of a document's items, by agent and `after`. Fails rather than omit one, and fails with
    /// [`StoreError::Newer`] when one was written by a newer Inklog.
    async fn read(&self, doc: &DocId) -> Result<Vec<LogItem>, StoreError>;

    /// Removes the items at these places of the document. Not atomic; safe to repeat.
    async fn delete(&self, doc: &DocId, places: &[(Agent, u64)]) -> Result<(), StoreError>;
}
