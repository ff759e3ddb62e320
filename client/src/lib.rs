//! A WebSocket client of Inklog for tools: its outbox is in memory.
//!
//! ```text
//!   edits ──> outbox.rs ──┐                       ┌── link.rs ── WebSocket
//!                         ├──> core.rs (no I/O) <─┤   sends frames, reconnects
//!   updates <─────────────┘         │             └── reads the clock
//!                               answer.rs  parts of a state or a replay, assembled
//!                               forgotten.rs  what two replicas have under the same ids
//! ```
//!
//! [`Core`] keeps the rules of the wire: one event in flight, sent again unchanged until it is known
//! to be durable; after every reconnect the server's version first; gaps and silence lead to a sync.
//! It reads no clock and opens no socket, so that every rule is tested without a network. [`Link`]
//! drives one over a socket.

mod answer;
mod backoff;
mod core;
#[cfg(test)]
mod core_tests;
mod forgotten;
mod link;
mod message;
mod outbox;

pub use self::backoff::{Backoff, Random};
pub use self::core::{Core, CoreConfig, Update};
pub use link::{Link, LinkConfig, ws_url_of};
pub use outbox::{EVENT_JSON_BYTES_MAX, Outbox};

use inklog_crdt::{Agent, DecodeError, MergeError};
use inklog_protocol::ErrorCode;

/// Why a client cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server was unreachable for longer than the client's patience.
    #[error("{url} does not respond: {reason}")]
    Unreachable {
        /// The address tried.
        url: String,
        /// The last attempt's error.
        reason: String,
    },
    /// A final refusal: the same again would be refused again.
    #[error("the server refused ({}): {message}", code_name(*.code))]
    Refused {
        /// Which kind.
        code: ErrorCode,
        /// The server's line.
        message: String,
    },
    /// Somebody else writes under this client's name.
    #[error(
        "the server has events of {agent} up to {end} that this client never wrote: somebody else uses the name"
    )]
    ForeignHistory {
        /// This client's agent.
        agent: Agent,
        /// What the server knows of it.
        end: u64,
    },
    /// The document was started over ([`Update::Forked`]), which this client's owner does not support.
    #[error("the server lost what it had acknowledged, or it is another server: start over")]
    Forgotten,
    /// A message that breaks the protocol.
    #[error("the server sent an invalid message: {0}")]
    Odd(String),
    /// A state that does not decode.
    #[error("the server sent an unreadable state: {0}")]
    Decode(#[from] DecodeError),
    /// A state that contradicts this client's.
    #[error("the server sent a state that contradicts this client's: {0}")]
    Merge(#[from] MergeError),
}

fn code_name(code: ErrorCode) -> String {
    serde_json::to_value(code).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
