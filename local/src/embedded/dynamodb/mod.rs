//! DynamoDB with Streams: dynoxide behind DynamoDB's protocol, in memory or on a SQLite file.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Response};
use axum::routing::post;
use dynoxide::Database;
use dynoxide::storage::Storage;
use inklog_store::config::SdkConfig;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{EmbeddedError, sdk_config};

mod actions;

/// dynoxide numbers each stream record by the highest number so far, and finds that, as it finds what
/// GetRecords asks for, by reading its whole stream table: a write would cost more with every write
/// before it. This index is on the very expressions that it uses.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS inklog_stream_order
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER), shard_id)";
/// A stream holds a record for 24 hours; dynoxide alone would hold it for ever. In small steps, since
/// nothing else is served meanwhile.
const TRIM_STREAM: &str = "DELETE FROM _stream_records
    WHERE id IN (SELECT id FROM _stream_records ORDER BY id LIMIT 500)
    AND created_at < unixepoch() - 86400";
/// How often the stream is trimmed. Not at the start: after a pause of days the mappings may first
/// catch up.
const TRIM_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often it is made sure that the file is still there.
const FILE_LOOKED_AT_EVERY: Duration = Duration::from_millis(100);

/// Requests that wait for the thread that answers them, one after the other. Those beyond wait with
/// whoever asks.
const WAITING_MAX: usize = 64;

/// A running embedded DynamoDB.
#[derive(Debug)]
pub struct EmbeddedDynamoDb {
    router: Router,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A request on its way to the thread.
#[derive(Debug)]
struct Request {
    target: String,
    body: Bytes,
    answer: oneshot::Sender<Response<Bytes>>,
}

impl EmbeddedDynamoDb {
    /// Starts an empty one that ends with the process.
    pub async fn memory() -> Result<Self, EmbeddedError> {
        // A name of its own in SQLite's shared cache, so that a second connection can reach it.
        let mut id = [0_u8; 16];
        getrandom::fill(&mut id).map_err(std::io::Error::other)?;
        let uri = format!("file:inklog-{:032x}?mode=memory&cache=shared", u128::from_ne_bytes(id));
        let (_index, database) = open(&uri)?;
        Self::serve(database, None, None)
    }

    /// Opens or makes the database in `file`.
    pub async fn open(file: &Path) -> Result<Self, EmbeddedError> {
        let path = file.display().to_string();
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| EmbeddedError::Folder { path: folder.to_owned(), source })?;
        }
        let (storage, database) = open(&path)?;
        // dynoxide opens the file with a write-ahead log but leaves SQLite's `synchronous` at FULL: an
        // fsync a commit. This call sets it to NORMAL (and the cache to SQLite's defaults). A commit is
        // then in the operating system's hands when it is acknowledged, which survives `kill -9`; only
        // a power cut can lose the last ones, and it cannot damage the file.
        database.disable_bulk_loading().map_err(|error| refused(&path, &error))?;
        Self::serve(database, Some(storage), Some(file.to_owned()))
    }

    /// dynoxide runs each request to its end on the thread that asks, SQLite included. A thread of its
    /// own keeps that from holding up the Lambdas, which share the main runtime's few threads.
    fn serve(
        database: Database,
        to_trim: Option<Storage>,
        file: Option<PathBuf>,
    ) -> Result<Self, EmbeddedError> {
        let is_here =
            file.as_deref().map(std::fs::metadata).transpose()?.map(|here| (here.dev(), here.ino()));
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = answer(database, waiting, stopped) => {}
                    () = trim(to_trim) => unreachable!("trimming never ends"),
                    gone = gone(file, is_here) => {
                        tracing::error!(error = gone, "the embedded DynamoDB stopped serving");
                    }
                }
            });
        })?;
        let router =
            Router::new().route("/", post(hand_over)).layer(DefaultBodyLimit::disable()).with_state(requests);
        Ok(Self { router, stop: Some(stop), thread: Some(thread) })
    }

    /// How the SDK's clients of this process reach it: without a socket.
    pub fn sdk_config(&self) -> SdkConfig {
        sdk_config(self.router())
    }

    /// What answers, for whoever serves other processes.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Answers what has been asked and closes the file. Whoever asks later is refused.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the embedded DynamoDB had panicked");
        }
    }
}

async fn hand_over(
    State(requests): State<mpsc::Sender<Request>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<axum::body::Body> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let (answer, answered) = oneshot::channel();
    let request = Request { target: target.to_owned(), body, answer };
    let answered = match requests.send(request).await {
        Ok(()) => answered.await.unwrap_or_else(|_| actions::stopped()),
        Err(_) => actions::stopped(),
    };
    answered.map(axum::body::Body::from)
}

/// Answers requests until it is stopped, by a message or by the handle being dropped, and then those
/// that wait.
async fn answer(
    database: Database,
    mut waiting: mpsc::Receiver<Request>,
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        let request = tokio::select! {
            request = waiting.recv() => request,
            _ = &mut stopped, if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        };
        let Some(Request { target, body, answer }) = request else { return };
        // Whoever was given up has nobody to answer.
        if !answer.is_closed() {
            let _ = answer.send(actions::answer(&database, &target, &body));
        }
    }
}

/// Opens a database twice: for dynoxide, and for the SQL that dynoxide has no call for.
fn open(path: &str) -> Result<(Storage, Database), EmbeddedError> {
    let storage = Storage::new(path).map_err(|error| refused(path, &error))?;
    storage.conn().execute_batch(STREAM_INDEX).map_err(|error| refused(path, &error))?;
    let database = Database::new(path).map_err(|error| refused(path, &error))?;
    Ok((storage, database))
}

/// Trims the stream now and then. It shares the thread that answers, so that neither waits for the other's
/// locks. Never returns.
async fn trim(storage: Option<Storage>) {
    let Some(storage) = storage else { return std::future::pending().await };
    let mut ticks = tokio::time::interval_at(Instant::now() + TRIM_EVERY, TRIM_EVERY);
    loop {
        ticks.tick().await;
        loop {
            match storage.conn().execute(TRIM_STREAM, []) {
                Ok(0) => break,
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => {
                    tracing::warn!(%error, "could not trim the embedded stream");
                    break;
                }
            }
        }
    }
}

/// Returns when the file is not there any more. What is then written is nowhere, so that nothing may be
/// acknowledged.
async fn gone(file: Option<PathBuf>, is_here: Option<(u64, u64)>) -> String {
    let (Some(file), Some(is_here)) = (file, is_here) else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(FILE_LOOKED_AT_EVERY);
    loop {
        ticks.tick().await;
        match std::fs::metadata(&file) {
            Ok(here) if (here.dev(), here.ino()) == is_here => {}
            _ => {
                return format!(
                    "{} was deleted or replaced: nothing is acknowledged any more; stop inklog and start it again",
                    file.display()
                );
            }
        }
    }
}

fn refused(path: &str, error: &impl std::fmt::Display) -> EmbeddedError {
    EmbeddedError::Database { path: path.to_owned(), reason: error.to_string() }
}
