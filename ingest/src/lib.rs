//! The Lambdas behind the routes of the WebSocket API.
//!
//! API Gateway picks a function by the message's `action`; each takes the gateway's event, does its
//! one task over the store traits, and answers the sender with the response's body. Answers that do not
//! fit into one message, and messages to others, go through the push. [`SendOp`] only validates an
//! edit and appends it to the log: everything else follows from the log's stream.
//!
//! | function | routes | uses |
//! |---|---|---|
//! | [`Authorizer`] | before `$connect` | the keys, revocations |
//! | [`Connection`] | `$connect`, `$disconnect` | connections, presence |
//! | [`SendOp`] | `SEND_OP` | op log, floors, sizes |
//! | [`Sync`] | `JOIN_DOC`, `SYNC_STATE`, `LEAVE_DOC` | connections, live state (log on a miss) |
//! | [`PresenceUpdate`] | `PRESENCE` | connections, presence |
//! | [`Fallback`] | `$default`, `PING` | nothing |
//!
//! Each asks its [`Gate`] first, which also reads revocations where access is controlled.
#![deny(missing_docs)]

pub mod authorizer;
mod connection;
mod fallback;
mod gate;
mod presence;
mod rates;
mod request;
mod send_op;
mod sizes;
mod states;
mod sync;

pub use authorizer::{Authorizer, NotAllowed};
pub use connection::Connection;
pub use fallback::Fallback;
pub use gate::{Gate, GateError, is_revoked};
pub use presence::PresenceUpdate;
pub use request::Response;
pub use send_op::SendOp;
pub use sync::Sync;
