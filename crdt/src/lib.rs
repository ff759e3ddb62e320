//! The text CRDT of Inklog: a Fugue tree with one anchor per insert.
//!
//! What flows through here: an [`Event`] (one step of one agent's chain, holding [`Op`]s) arrives in
//! any order, as often as it likes; a [`Doc`] applies it as soon as its chain and its references
//! allow, keeps it waiting otherwise, and reports the index changes that an editor has to make.
//! Documents that hold the same events show the same text and encode to the same bytes.
//!
//! This crate does no I/O, reads no clock, draws no randomness and is not async.
#![deny(missing_docs)]

mod doc;
mod event;
mod id;
mod op;
mod version;

pub use doc::{Applied, Change, Doc, EditError, MergeError, Span, SpanContent};
pub use event::{DecodeError, Event, EventError};
pub use id::{Agent, Id, IdError, MAX_AGENT_LEN, MAX_SEQ};
pub use op::{Anchor, MAX_DELETE_LEN, Op};
pub use version::Version;
