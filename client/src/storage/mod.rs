//! Where what was typed is kept until it is saved.

mod file;

pub use file::FileStorage;

use std::path::PathBuf;

use crate::core::JournalError;

/// Why a store does not work.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another process has it.
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
    /// What it has is nothing that this client can go on with.
    #[error("what is kept cannot be gone on with: {0}")]
    Journal(#[from] JournalError),
    /// A store of the application's own.
    #[error("the store failed: {0}")]
    Other(String),
}

/// A journal of batches: each is kept whole or not at all, in the order in which they were written. One client uses it
/// at a time. The calls may block: they are made on a thread of their own.
pub trait Storage: Send + 'static {
    /// All batches, the oldest first.
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StorageError>;

    /// Adds a batch. When this returns, it survives whatever happens to the process.
    fn append(&mut self, batch: &[u8]) -> Result<(), StorageError>;

    /// Puts a batch in the place of all others, at once: whenever the process ends, either they are there or it is.
    fn replace(&mut self, batch: &[u8]) -> Result<(), StorageError>;
}
