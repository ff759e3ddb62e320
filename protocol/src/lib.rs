//! The wire: the JSON of every message between an editor and Inklog, and every limit.
//!
//! [`Request::parse`] turns a client's frame into a [`ClientMessage`] whose event is already a validated
//! [`inklog_crdt::Event`], or into a [`Refusal`] that is ready to be sent back. The server sends
//! [`ServerMessage`]s; [`parts`] splits what may exceed a frame (a document's state, a replay, a batch
//! of events) into several messages. Both sides ignore unknown fields, so that the protocol can grow.
#![deny(missing_docs)]

mod author;
mod client;
mod doc_id;
mod error;
pub mod limits;
mod op;
pub mod parts;
mod right;
mod server;
mod user;

pub use author::Author;
pub use client::{ClientMessage, Request, StateFormat};
pub use doc_id::{DocId, DocIdError};
pub use error::{ErrorCode, Refusal};
pub use op::{OpError, WireOp};
pub use right::{Right, RightError};
pub use server::{
    LoggedEvent, ServerMessage, VersionMap, WireEvent, WireEventError, version_from_wire, version_to_wire,
};
pub use user::{UserName, UserNameError};
