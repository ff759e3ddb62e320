//! The text CRDT of Inklog: a Fugue tree with one origin per insert.
//!
//! An [`Event`] (one step of one agent's chain, made of [`Op`]s) may arrive in any order and any number
//! of times. A [`Doc`] applies it as soon as its chain and its references allow, keeps it waiting until
//! then, and reports the index changes that an editor has to make. Documents that hold the same events
//! show the same text and encode to the same bytes.
//!
//! ```text
//!   id.rs  op.rs  event.rs  version.rs      what replicas exchange
//!   compose.rs                              merges many small ops into few before they are sent
//!   doc/                                    what is applied, what waits, how siblings are ordered
//!   tree/                                   the characters in document order
//!   planted.rs                              bugs for the fault simulation to find
//!   change.rs                               the index changes an editor makes to follow
//!   event_codec.rs  event_reader.rs         an event's binary form, written and read
//!   history.rs                              the binary form of many events
//!   state.rs  codec.rs                      a state's binary form; the parts that all formats share
//! ```
//!
//! The algorithm is Fugue (Weidner & Kleppmann, "The Art of the Fugue: Minimizing Interleaving in
//! Collaborative Text Editing", 2023), with one origin per insert and siblings ordered by id.
//!
//! This crate does no I/O, uses no clock and no randomness, and is not async.
#![deny(missing_docs)]

mod change;
mod codec;
mod compose;
mod doc;
mod event;
mod event_codec;
mod event_reader;
mod history;
mod id;
mod op;
#[doc(hidden)]
pub mod planted;
mod state;
mod tree;
mod version;

pub use change::Change;
pub use codec::DecodeError;
pub use compose::{Draft, push_op};
pub use doc::{Applied, Doc, EditError, MergeError, Span, SpanContent};
pub use event::{Event, EventError};
pub use history::{decode_events, encode_events};
pub use id::{Agent, Id, IdError, MAX_AGENT_LEN, MAX_SEQ};
pub use op::{MAX_DELETE_LEN, Op, Origin};
pub use version::Version;
