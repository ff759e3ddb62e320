//! S3 on a folder: s3s over HTTP. An object is a file under `FOLDER/BUCKET/`.

use std::path::{Path, PathBuf};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{EmbeddedError, LOCAL_ACCESS_KEY_ID, LOCAL_SECRET_ACCESS_KEY, loopback_listener};

/// A running embedded S3 with one bucket. Clients need `force_path_style(true)`.
#[derive(Debug)]
pub struct EmbeddedS3 {
    endpoint: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    /// Removed when the handle is dropped.
    _temporary: Option<TempDir>,
}

impl EmbeddedS3 {
    /// Starts an empty one on a temporary folder.
    pub async fn memory(bucket: &str) -> Result<Self, EmbeddedError> {
        let folder = tempfile::Builder::new().prefix("inklog-s3-").tempdir()?;
        let mut started = Self::open(folder.path(), bucket).await?;
        started._temporary = Some(folder);
        Ok(started)
    }

    /// Serves `folder`, with the bucket as a folder in it; both are made if they are missing.
    pub async fn open(folder: &Path, bucket: &str) -> Result<Self, EmbeddedError> {
        let path = folder.join(bucket);
        std::fs::create_dir_all(&path).map_err(|source| EmbeddedError::Folder { path, source })?;
        let service = service(folder.to_owned())?;
        let listener = loopback_listener()?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut closing = stopped.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => {
                            connections.spawn(serve(stream, service.clone(), stopped.clone()));
                        }
                        // Such as too many open files; the next connection may fare better.
                        Err(error) => tracing::warn!(%error, "the embedded S3 could not accept"),
                    },
                    Some(_) = connections.join_next() => {}
                    () = async { drop(closing.wait_for(|stop| *stop).await) } => break,
                }
            }
            while connections.join_next().await.is_some() {}
        });
        Ok(Self { endpoint, stop, task, _temporary: None })
    }

    /// Where the SDK finds it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Finishes the requests that are under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if self.task.await.is_err() {
            tracing::error!("the embedded S3 had panicked");
        }
    }
}

fn service(folder: PathBuf) -> Result<S3Service, EmbeddedError> {
    let files = s3s_fs::FileSystem::new(&folder)
        .map_err(|error| EmbeddedError::S3 { path: folder, reason: format!("{error:?}") })?;
    let mut builder = S3ServiceBuilder::new(files);
    // Without an auth s3s refuses signed requests, and the SDK signs all of them.
    builder.set_auth(SimpleAuth::from_single(LOCAL_ACCESS_KEY_ID, LOCAL_SECRET_ACCESS_KEY));
    Ok(builder.build())
}

async fn serve(stream: TcpStream, service: S3Service, mut stop: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    // After the clock was set back, hyper goes on with the date that it had; the SDK believes the date,
    // signs with it, and is told that its time is wrong.
    let mut server = http1::Builder::new();
    server.auto_date_header(false);
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // Also when the handle is dropped.
        () = async { drop(stop.wait_for(|stop| *stop).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the embedded S3 failed");
    }
}
