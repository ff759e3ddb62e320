//! The Inklog client: a program opens a document, reads and edits it, and follows what others do.
//!
//! ```no_run
//! # async fn bot() -> Result<(), Box<dyn std::error::Error>> {
//! use inklog_client::{Client, FileStorage, Notice, Options};
//!
//! let options = Options::new("ws://127.0.0.1:8080/dev", "minutes", "bot");
//! let mut client = Client::open(options.storage(FileStorage::open("minutes.outbox")?)).await?;
//! client.append("Hello, world\n")?;
//! client.saved().await?;
//! loop {
//!     if let Notice::Changed(changes) = client.next().await? {
//!         println!("{changes:?}");
//!     }
//! }
//! # }
//! ```
//!
//! ```text
//!   client.rs    what an application uses           options.rs  how it opens a document
//!   text.rs      positions by byte, char, UTF-16    storage/    stores edits until they are saved
//!   link.rs      a core on a socket and a store     socket.rs tls.rs token.rs  open a connection
//!   core/        the rules: no socket, no clock, no store
//!     outbox.rs  what is not known to be durable    answer.rs   a state or a replay in parts
//!     compare.rs what two replicas say of one id    message.rs  frames that a client sends
//! ```
#![deny(missing_docs)]

mod answer;
mod backoff;
mod client;
mod compare;
pub mod core;
mod error;
mod link;
mod message;
mod options;
mod outbox;
mod socket;
mod storage;
mod text;
mod tls;
mod token;

pub use self::core::{Access, Agents, Core, CoreConfig, Fork, JournalError, PresenceError, Problem, Update};
pub use backoff::{Backoff, Jitter, Random};
pub use client::{Client, Notice};
pub use error::{ClientError, TextError};
pub use link::{Link, ws_url_of};
pub use options::Options;
pub use storage::{FileStorage, Storage, StorageError};
pub use text::{TextChange, Unit};

/// A writer's name, and what a document consists of.
pub use inklog_crdt::{Agent, Doc, Event};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
