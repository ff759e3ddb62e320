//! DynamoDB with Streams: dynoxide over HTTP, in memory or on a SQLite file.

use std::path::Path;
use std::thread::JoinHandle;

use dynoxide::Database;
use tokio::sync::oneshot;

use super::{EmbeddedError, loopback_listener};

/// A running embedded DynamoDB.
#[derive(Debug)]
pub struct EmbeddedDynamoDb {
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedDynamoDb {
    /// Starts an empty one that ends with the process.
    pub async fn memory() -> Result<Self, EmbeddedError> {
        let database = Database::memory().map_err(|error| refused(":memory:", &error))?;
        Self::serve(database)
    }

    /// Opens or makes the database in `file`.
    pub async fn open(file: &Path) -> Result<Self, EmbeddedError> {
        let path = file.display().to_string();
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| EmbeddedError::Folder { path: folder.to_owned(), source })?;
        }
        let database = Database::new(&path).map_err(|error| refused(&path, &error))?;
        // dynoxide opens the file with a write-ahead log but leaves SQLite's `synchronous` at FULL: an
        // fsync a commit. This call sets it to NORMAL (and the cache to SQLite's defaults). A commit is
        // then in the operating system's hands when it is acknowledged, which survives `kill -9`; only
        // a power cut can lose the last ones, and it cannot damage the file.
        database.disable_bulk_loading().map_err(|error| refused(&path, &error))?;
        Self::serve(database)
    }

    /// dynoxide runs each request to its end on the thread that serves it, SQLite included. A thread
    /// of its own keeps that from holding up the Lambdas, which share the main runtime's few threads.
    fn serve(database: Database) -> Result<Self, EmbeddedError> {
        let listener = loopback_listener()?.into_std()?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            let served = runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).map_err(|e| e.to_string())?;
                // Stopped by a message, or by the handle being dropped.
                let shutdown = async { drop(stopped.await) };
                dynoxide::server::serve_with_shutdown(listener, database, shutdown).await
            });
            if let Err(error) = served {
                tracing::error!(error, "the embedded DynamoDB stopped serving");
            }
        })?;
        Ok(Self { endpoint, stop: Some(stop), thread: Some(thread) })
    }

    /// Where the SDK finds it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Finishes what is under way and closes the file. The SDK's idle connections are closed.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the embedded DynamoDB had panicked");
        }
    }
}

fn refused(path: &str, error: &impl std::fmt::Display) -> EmbeddedError {
    EmbeddedError::Database { path: path.to_owned(), reason: error.to_string() }
}
