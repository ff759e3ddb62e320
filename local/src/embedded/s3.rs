//! S3 on a folder, by s3s. An object is a file under `FOLDER/BUCKET/`.

use std::path::{Path, PathBuf};

use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use inklog_store::config::SdkConfig;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;

use super::{EmbeddedError, LOCAL_ACCESS_KEY_ID, LOCAL_SECRET_ACCESS_KEY, sdk_config};

/// An embedded S3 with one bucket. Clients need `force_path_style(true)`.
#[derive(Debug)]
pub struct EmbeddedS3 {
    router: Router,
    /// Removed when the handle is dropped.
    _temporary: Option<TempDir>,
}

impl EmbeddedS3 {
    /// An empty one on a temporary folder.
    pub fn memory(bucket: &str) -> Result<Self, EmbeddedError> {
        let folder = tempfile::Builder::new().prefix("inklog-s3-").tempdir()?;
        let mut opened = Self::open(folder.path(), bucket)?;
        opened._temporary = Some(folder);
        Ok(opened)
    }

    /// `folder` as S3, with the bucket as a folder in it; both are made if they are missing.
    pub fn open(folder: &Path, bucket: &str) -> Result<Self, EmbeddedError> {
        let path = folder.join(bucket);
        std::fs::create_dir_all(&path).map_err(|source| EmbeddedError::Folder { path, source })?;
        let service = service(folder.to_owned())?;
        let router = Router::new().fallback(async move |request: Request| answer(service, request).await);
        Ok(Self { router, _temporary: None })
    }

    /// How the SDK's clients of this process reach it: without a socket.
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::from_keys(LOCAL_ACCESS_KEY_ID, LOCAL_SECRET_ACCESS_KEY, None);
        let credentials = SharedCredentialsProvider::new(credentials);
        sdk_config(self.router()).into_builder().credentials_provider(credentials).build()
    }

    /// What answers, for whoever serves other processes.
    pub fn router(&self) -> Router {
        self.router.clone()
    }
}

async fn answer(service: S3Service, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(axum::body::Body::new),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
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
