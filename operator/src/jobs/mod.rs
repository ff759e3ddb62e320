//! The jobs, each over one document.

mod compact;
mod floors;
mod log;
mod read;
mod rebuild;
mod status;
mod verify;

pub use compact::{Compacted, LIVE_LAG_MAX_MS};
pub use log::ListedEvent;
pub use read::{Reading, Source};
pub use rebuild::Rebuilt;
pub use status::{BaseStatus, SnapshotStatus, Status, TailStatus};
pub use verify::{LiveCheck, Verified};
