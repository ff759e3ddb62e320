//! The live state: a document's current state, ready to be read. A cache of the log, never authoritative.
//!
//! A document has a **base** (an encoded [`inklog_crdt::Doc`], with the newest of the events that were
//! waiting when it was made) and a **tail** of events in order of arrival, each at an offset that only
//! ever increases. The base includes the tail up to its `folded` offset; the tail keeps some folded events before that,
//! so that a [`Cursor`] stays valid for a while.
//!
//! - The materializer only **appends**, even if the base is missing, and whatever the event contains.
//! - A **fold** reads everything, builds the next base, and swaps it in if base and tail are still those
//!   that it read.
//! - A **rebuild** writes a nonce, reads the log, and stores its base if the nonce still stands and no
//!   base has appeared meanwhile; it does not touch the tail.
//!
//! Data that belongs to somebody else, or is damaged, is a miss. A document that a store has no room for
//! is refused without harm to others ([`StoreError::Refused`]).
//!
//! Two implementations, one conformance suite (`store/tests`): [`redis`] and [`memory`].

use async_trait::async_trait;
use inklog_protocol::{DocId, LoggedEvent};

use crate::StoreError;

pub mod memory;
pub mod redis;
mod waiting;

/// A place in a document's tail: clients hold it as an opaque string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Names this tail; another tail has other offsets.
    pub tail: String,
    /// Offset of the next event.
    pub offset: u64,
}

impl Cursor {
    /// `<tail>-<offset>`.
    pub fn to_wire(&self) -> String {
        format!("{}-{}", self.tail, self.offset)
    }

    /// Reads what [`Cursor::to_wire`] wrote; `None` for anything else.
    pub fn from_wire(text: &str) -> Option<Cursor> {
        let (tail, offset) = text.rsplit_once('-')?;
        let cursor = Cursor { tail: tail.to_owned(), offset: offset.parse().ok()? };
        // Zeros in front, and a plus, would parse as well.
        (cursor.to_wire() == text).then_some(cursor)
    }
}

/// A document's status after an append, for deciding whether to fold or rebuild.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TailStatus {
    /// Whether there is a usable base. A base with a lost part still counts: its next reader finds out,
    /// because an append must not cost more in a long document.
    pub has_base: bool,
    /// Bytes of the base's state, 0 without one.
    pub base_bytes: u64,
    /// Bytes of the waiting events that the base carries, with the length before each.
    pub waiting_bytes: u64,
    /// Bytes of the other events that were waiting then: they are in the log only.
    pub aside_bytes: u64,
    /// Bytes of the events appended since the base was made, without those that were waiting then.
    pub unfolded_bytes: u64,
}

/// Names the base and the tail that a fold has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseTag {
    /// The base's random name.
    pub generation: String,
    /// The tail, and the offset up to which the base includes it.
    pub folded: Cursor,
}

/// A document's live state, read in one atomic step.
#[derive(Debug, Clone)]
pub struct LiveDoc {
    /// Which base and tail this is.
    pub tag: BaseTag,
    /// The base: what [`inklog_crdt::Doc::encode`] wrote.
    pub base: Vec<u8>,
    /// Events beyond the base: those that were waiting when it was made, then the tail from the folded
    /// offset on. Some may still wait, some may be repeats.
    pub events: Vec<LoggedEvent>,
    /// Bytes of the events that waited as well when the base was made, and are in the log only.
    pub aside_bytes: u64,
    /// The end of the tail.
    pub cursor: Cursor,
}

/// A base about to be stored.
#[derive(Debug, Clone)]
pub struct NewBase {
    /// A fresh random name ([`crate::Entropy::nonce`]).
    pub generation: String,
    /// What [`inklog_crdt::Doc::encode`] wrote.
    pub state: Vec<u8>,
    /// Events that are included but cannot be applied yet.
    pub waiting: Vec<LoggedEvent>,
    /// Bytes of those of them that are left to the log, because there are too many.
    pub aside_bytes: u64,
}

/// The live state of all documents. Every method is one atomic step, and idempotent where its
/// nonce, tag or event is.
#[async_trait]
pub trait LiveState: Send + Sync {
    /// Adds events to the end of the tail, whether or not there is a base. `fresh_tail` (a nonce)
    /// names the tail if a new one is needed: because there is none, or the existing one belongs to
    /// another log or another Redis process, or is incomplete; then the old base is dropped as well.
    async fn append(
        &self,
        doc: &DocId,
        events: &[LoggedEvent],
        fresh_tail: &str,
    ) -> Result<TailStatus, StoreError>;

    /// Base and tail in one step; `None` is a miss: no base, or one that must not be used.
    async fn read(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError>;

    /// [`LiveState::read`] for maintenance: it does not extend the life of an idle document.
    async fn peek(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError>;

    /// The events from the cursor on, and the end of the tail; `None` if the cursor belongs to another
    /// tail, its events are no longer kept, or it lies beyond the end. Needs no base.
    async fn since(
        &self,
        doc: &DocId,
        cursor: &Cursor,
    ) -> Result<Option<(Vec<LoggedEvent>, Cursor)>, StoreError>;

    /// A fold's second half: replaces the base that `read` names with `base`, which includes the tail up
    /// to `folded_to`, if base and tail are still those and the folded offset has not moved. Trims folded
    /// events beyond [`inklog_protocol::limits::TAIL_KEPT_BYTES`], and ends a rebuild in progress.
    /// `false`: someone else was faster, and nothing changed. A repeat of the successful call returns
    /// `true`.
    async fn fold(
        &self,
        doc: &DocId,
        read: &BaseTag,
        folded_to: &Cursor,
        base: NewBase,
    ) -> Result<bool, StoreError>;

    /// A rebuild's first half: writes `nonce`, before the log is read. A later rebuild's nonce
    /// replaces it. Drops a base that must no longer be used.
    async fn begin_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError>;

    /// A rebuild's second half: stores `base` if `nonce` still stands and there is no base. All of
    /// the tail counts as not folded yet. `false`: nothing changed. A repeat of the successful call
    /// returns `true`.
    async fn commit_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError>;

    /// [`LiveState::commit_rebuild`] that replaces an existing base.
    async fn swap_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError>;

    /// Cancels a rebuild: removes `nonce` if it still stands, and the document if nothing else is left
    /// of it.
    async fn end_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError>;

    /// Forgets the document: base, tail and nonce. Needs no memory, even if the store is full.
    async fn drop_doc(&self, doc: &DocId) -> Result<(), StoreError>;
}
