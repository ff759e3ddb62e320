//! The jobs, each over one document, or over a user's access.

mod compact;
mod floors;
mod log;
mod read;
mod rebuild;
mod revoke;
mod status;
mod verify;
mod who;

pub use compact::{Compacted, LIVE_LAG_MAX_MS};
pub use log::ListedEvent;
pub use read::{Reading, Source};
pub use rebuild::Rebuilt;
pub use revoke::Revoked;
pub use status::{BaseStatus, SnapshotStatus, Status, TailStatus};
pub use verify::{LiveCheck, Verified};
pub use who::Present;
