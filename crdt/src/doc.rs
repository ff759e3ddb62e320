//! (skeleton: signatures only)
use crate::{Agent, Anchor, DecodeError, Event, Id, Op, Version};

/// One change that an editor makes to follow the document; several are made in the order given.
/// Positions and lengths count Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Put `text` before the character at `at`.
    Insert {
        /// Index before which the text goes.
        at: usize,
        /// What was inserted.
        text: String,
    },
    /// Remove `len` characters from `at` on.
    Delete {
        /// Index of the first character removed.
        at: usize,
        /// How many.
        len: usize,
    },
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the document now (and so may be events that waited for it).
    Now,
    /// It was already part of the document; nothing changed.
    Repeat,
    /// Its chain or its references are not complete yet; it is kept.
    Waits,
}

/// What a [`Span`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanContent {
    /// Visible characters.
    Text(String),
    /// That many deleted characters.
    Deleted(u64),
}

/// A run of characters of one agent with ascending ids, each the right child of the one before: how
/// a document's state travels as ops (an insert, with `len` in place of `text` when deleted).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The first character's id.
    pub id: Id,
    /// Text or tombstones.
    pub content: SpanContent,
    /// Where the first character hangs.
    pub anchor: Anchor,
}

/// A local edit outside the document, or a chain that has used up its numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The position or range ends beyond the document.
    #[error("position {end} is beyond the document's {len} characters")]
    OutOfRange {
        /// The end of what was asked for.
        end: usize,
        /// The document's length.
        len: usize,
    },
    /// The agent's numbers reach 2^53.
    #[error("agent {0} has used up its ids")]
    IdsUsedUp(Agent),
}

/// A state that cannot be part of any document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A span hangs at a character that is neither here nor among the spans.
    #[error("span {span} hangs at {anchor}, which is nowhere")]
    NoAnchor {
        /// The span.
        span: Id,
        /// Its anchor.
        anchor: Id,
    },
    /// A span is empty, reaches beyond the version that came with it, or overlaps another.
    #[error("span {0} is empty, overlaps another or is not covered by the version")]
    BadSpan(Id),
}

/// A replica of one document: the applied events' text and tree, and the events that still wait.
#[derive(Debug, Clone, Default)]
pub struct Doc {}

impl Doc {
    /// An empty document.
    pub fn new() -> Doc {
        todo!()
    }
    /// Visible length in Unicode scalar values.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether no character is visible.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The visible text.
    pub fn text(&self) -> String {
        todo!()
    }
    /// What has been applied.
    pub fn version(&self) -> &Version {
        todo!()
    }
    /// Events that cannot be applied yet, by agent and `after`.
    pub fn waiting(&self) -> impl Iterator<Item = &Event> {
        std::iter::empty()
    }
    /// Applies an event, or keeps it until it can be.
    pub fn apply(&mut self, _event: &Event) -> Applied {
        todo!()
    }
    /// The same, appending the editor's changes, those of released events included, to `changes`.
    pub fn apply_with(&mut self, _event: &Event, _changes: &mut Vec<Change>) -> Applied {
        todo!()
    }
    /// A local insert: integrates at once and advances `agent`'s version; the op's `seq` is the
    /// agent's version before.
    pub fn insert(&mut self, _agent: &Agent, _at: usize, _text: &str) -> Result<Op, EditError> {
        todo!()
    }
    /// A local delete, as one op per range of consecutive ids.
    pub fn delete(&mut self, _agent: &Agent, _at: usize, _len: usize) -> Result<Vec<Op>, EditError> {
        todo!()
    }
    /// The whole state as spans, every span after the one it hangs at.
    pub fn spans(&self) -> Vec<Span> {
        todo!()
    }
    /// Unites another replica's state with this one: nodes, tombstones and versions.
    pub fn merge(&mut self, _spans: &[Span], _version: &Version) -> Result<Vec<Change>, MergeError> {
        todo!()
    }
    /// The canonical encoding of the applied state: the same bytes for the same set of events.
    /// Waiting events are not part of it.
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }
    /// Reads what [`Doc::encode`] wrote.
    pub fn decode(_bytes: &[u8]) -> Result<Doc, DecodeError> {
        todo!()
    }
    /// Panics when an inner invariant is broken; for tests.
    pub fn assert_invariants(&self) {}
}
