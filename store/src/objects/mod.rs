//! Snapshots and history segments: immutable objects, compressed whole.
//!
//! [`Snapshot`] is a document's state; [`Segment`] is exactly the events between two snapshots, and
//! names the segments before it, so that the newest one leads to a document's whole history.

use async_trait::async_trait;

use crate::StoreError;

mod format;
pub mod memory;
mod s3;

pub use format::{Segment, Snapshot};
pub use s3::S3Objects;

/// A place for immutable objects.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Writes an object under an unused key. Repeating a put that may have happened is safe: the same
    /// bytes under the same key are not an error.
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError>;

    /// Reads an object; `None` when there is none.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Deletes an object. A missing object is not an error.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;
}
