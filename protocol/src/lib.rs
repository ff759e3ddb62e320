//! The wire: the JSON of every message between an editor and Inklog, and every limit.
//!
//! A frame from a client goes through [`Request::parse`] and comes out as a [`ClientMessage`] whose
//! event is already a checked [`inklog_crdt::Event`], or as a [`Refusal`] that is ready to be sent
//! back. What the server says is a [`ServerMessage`]; what may grow beyond a frame (a document's
//! state, a replay, a batch of events) is cut into messages by [`parts`]. Unknown fields are ignored
//! on both sides, so that the protocol can grow.
#![deny(missing_docs)]

mod client;
mod doc_id;
mod error;
pub mod limits;
mod op;
pub mod parts;
mod server;
mod user;

pub use client::{ClientMessage, Request, StateFormat};
pub use doc_id::{DocId, DocIdError};
pub use error::{ErrorCode, Refusal};
pub use op::{OpError, WireOp};
pub use server::{
    LoggedEvent, ServerMessage, VersionMap, WireEvent, WireEventError, version_from_wire, version_to_wire,
};
pub use user::{UserName, UserNameError};
