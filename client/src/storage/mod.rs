//! Stores edits until they are saved.

mod file;

pub use file::FileStorage;

use std::path::PathBuf;

use crate::core::JournalError;

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another process uses it.
    #[error("{path} is in use by another process: end that one, or use another file")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("{path} cannot be used: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// What it has was changed by somebody else, or damaged.
    #[error("{path} is damaged at byte {offset}: put it aside, and begin a new one")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From where on.
        offset: u64,
    },
    /// This client cannot continue from what it has.
    #[error("the store cannot be used: {0}")]
    Journal(#[from] JournalError),
    /// A store of the application's own.
    #[error("the store failed: {0}")]
    Other(String),
}

/// A journal of batches. Each batch is stored whole or not at all, in the order of the calls. One client uses a store at a
/// time. Calls may block: they are made on a thread of their own.
pub trait Storage: Send + 'static {
    /// Returns all batches, the oldest first.
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StorageError>;

    /// Appends a batch. Once this returns, the batch survives a crash.
    fn append(&mut self, batch: &[u8]) -> Result<(), StorageError>;

    /// Replaces all batches with this one, atomically: after a crash, either they are there or it is.
    fn replace(&mut self, batch: &[u8]) -> Result<(), StorageError>;
}
