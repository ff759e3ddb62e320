//! The stores of Inklog behind traits, and what is derived from them.
//!
//! The **op log** ([`OpLog`], DynamoDB) is the source of truth: an event is acknowledged once it is there.
//! The **catalogue** ([`Catalogue`], DynamoDB) knows the documents, their newest snapshot and what is
//! compacted, and which tokens are void ([`Revocations`]); **objects** ([`Objects`], S3) hold snapshots and
//! history segments. Everything else may be
//! lost at any moment: the **live state** ([`LiveState`], Redis or memory) from which clients join, the
//! **connections** and their **presence** ([`Connections`], [`Presence`], Redis or memory), and the
//! **push** to connections ([`Push`], API Gateway).
//!
//! [`document`] combines them: it replays the log, and rebuilds and folds the live state. Each of its
//! steps is a call to one of these traits, through a [`tap`] where one is set, and clock and randomness are
//! passed in ([`Clock`], [`Entropy`]), so that a simulator can stop a process between any two steps. Each
//! trait has an in-memory implementation beside the real one, and one test suite that both pass.
#![deny(missing_docs)]

pub mod audience;
pub mod catalogue;
pub mod config;
pub mod connections;
pub mod document;
mod env;
mod error;
pub mod keys;
pub mod live;
pub mod log;
mod manual_clock;
pub mod objects;
pub mod push;
mod record;
mod redis_client;
pub mod stream;
pub mod tap;

pub use catalogue::{Catalogue, Revocations};
pub use connections::{ConnectionId, Connections, Presence};
pub use env::{Clock, Entropy, SystemClock, SystemEntropy};
pub use error::StoreError;
pub use live::LiveState;
pub use log::OpLog;
pub use manual_clock::ManualClock;
pub use objects::Objects;
pub use push::{Push, PushError};
pub use record::{LogRecord, decode_logged, encode_logged, logged_len};
pub use redis_client::RedisClient;
