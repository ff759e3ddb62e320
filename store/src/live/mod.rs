//! The live state: what a document is now, ready to be read. A cache of the log, never the truth.
//!
//! A document has a **base** (an encoded [`inklog_crdt::Doc`], with the events that waited when it
//! was made) and a **tail** of events in order of arrival, each at an offset that counts on for ever.
//! The base has taken in the tail up to its `folded` offset; the tail keeps some folded events
//! before that, so that a [`Cursor`] stays good for a while.
//!
//! - The materializer only **appends**: also when the base is missing, and whatever is in the event.
//! - A **fold** reads all, makes the next base, and swaps it in if base and tail are still the ones
//!   that it read.
//! - A **rebuild** leaves a nonce, reads the log, and puts its base in if the nonce still stands and
//!   no base has come meanwhile; it does not touch the tail.
//!
//! What belongs to somebody else, or is damaged, is a miss. A document that a store has no room for is
//! refused without harm to others ([`StoreError::Refused`]).
//!
//! Two implementations, one conformance suite (`store/tests`): [`redis`] and [`memory`].

use async_trait::async_trait;
use inklog_protocol::{DocId, LoggedEvent};

use crate::StoreError;

pub mod memory;
pub mod redis;

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
        Some(Cursor { tail: tail.to_owned(), offset: offset.parse().ok()? })
    }
}

/// How a document stands after an append, for deciding whether to fold or rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TailStatus {
    /// Whether there is a base that may be used. One of which a part is lost still counts: its next
    /// reader finds out, for an append must not cost more where a document is long.
    pub has_base: bool,
    /// Bytes of the base's state, 0 without one.
    pub base_bytes: u64,
    /// Bytes of the events appended since the base was made. Events that waited then are not counted.
    pub unfolded_bytes: u64,
}

/// Names the base and the tail that a fold has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseTag {
    /// The base's random name.
    pub generation: String,
    /// The tail, and the offset up to which the base has taken it in.
    pub folded: Cursor,
}

/// A document's live state, read in one atomic step.
#[derive(Debug, Clone)]
pub struct LiveDoc {
    /// Which base and tail this is.
    pub tag: BaseTag,
    /// The base: what [`inklog_crdt::Doc::encode`] wrote.
    pub base: Vec<u8>,
    /// Events beyond the base: those that waited when it was made, then the tail from the folded
    /// offset on. Some may still wait, some may be repeats.
    pub events: Vec<LoggedEvent>,
    /// The end of the tail.
    pub cursor: Cursor,
}

/// A base about to be put in.
#[derive(Debug, Clone)]
pub struct NewBase {
    /// A fresh random name ([`crate::Entropy::nonce`]).
    pub generation: String,
    /// What [`inklog_crdt::Doc::encode`] wrote.
    pub state: Vec<u8>,
    /// Events that have been taken in but cannot be applied yet.
    pub waiting: Vec<LoggedEvent>,
}

/// The live state of all documents. Every method is one atomic step, and idempotent where its
/// nonce, tag or event is.
#[async_trait]
pub trait LiveState: Send + Sync {
    /// Adds events to the end of the tail, whether or not there is a base. `fresh_tail` (a nonce)
    /// names the tail if it must be begun: because there is none, or what is there belongs to another
    /// log or another Redis process, or is incomplete; then the old base goes as well.
    async fn append(
        &self,
        doc: &DocId,
        events: &[LoggedEvent],
        fresh_tail: &str,
    ) -> Result<TailStatus, StoreError>;

    /// Base and tail in one step; `None` is a miss: no base, or one that must not be used.
    async fn read(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError>;

    /// [`LiveState::read`] for those who look after documents and do not use them: it leaves an idle
    /// document's life as it is.
    async fn peek(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError>;

    /// The events from the cursor on, and where the tail ends now; `None` when the cursor is of
    /// another tail, or its events are no longer kept, or lies beyond the end. Needs no base.
    async fn since(
        &self,
        doc: &DocId,
        cursor: &Cursor,
    ) -> Result<Option<(Vec<LoggedEvent>, Cursor)>, StoreError>;

    /// A fold's second half: puts `base` in place of the one that `read` names, as having taken in
    /// the tail up to `folded_to`, if base and tail are still those and the folded offset has not
    /// moved. Trims folded events beyond [`inklog_protocol::limits::TAIL_KEPT_BYTES`], and ends a
    /// rebuild that is under way. `false`: someone else was faster, and nothing changed. A repeat of
    /// the call that succeeded is `true`.
    async fn fold(
        &self,
        doc: &DocId,
        read: &BaseTag,
        folded_to: &Cursor,
        base: NewBase,
    ) -> Result<bool, StoreError>;

    /// A rebuild's first half: leaves `nonce`, before the log is read. A later rebuild's nonce
    /// replaces it. Drops a base that must not be used any more.
    async fn begin_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError>;

    /// A rebuild's second half: puts `base` in if `nonce` still stands and there is no base. All of
    /// the tail counts as not folded yet. `false`: nothing changed. A repeat of the call that
    /// succeeded is `true`.
    async fn commit_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError>;

    /// [`LiveState::commit_rebuild`] that puts `base` in place of one that is there.
    async fn swap_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError>;

    /// Gives a rebuild up: takes `nonce` away if it still stands, and the document where nothing else is
    /// left of it.
    async fn end_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError>;

    /// Forgets the document: base, tail and nonce. Needs no memory where the store is full.
    async fn drop_doc(&self, doc: &DocId) -> Result<(), StoreError>;
}
