//! Embedded stores: DynamoDB with Streams and S3. The AWS SDK reaches them with the requests that it
//! would send to AWS, handed over without a socket.

use std::path::PathBuf;

use axum::Router;
use inklog_store::config::{self, SdkConfig};

use crate::in_process::InProcess;

mod dynamodb;
mod s3;

pub use dynamodb::EmbeddedDynamoDb;
pub use s3::EmbeddedS3;

/// The region to name to the embedded stores.
pub const LOCAL_REGION: &str = "us-east-1";
/// The access key that the embedded S3 knows; the embedded DynamoDB takes any.
pub const LOCAL_ACCESS_KEY_ID: &str = "local";
/// The secret to `LOCAL_ACCESS_KEY_ID`. It protects nothing: the stores listen nowhere.
pub const LOCAL_SECRET_ACCESS_KEY: &str = "local-secret";

/// Why an embedded store did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// A folder could not be made.
    #[error("could not make the folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The database file could not be opened; it may be in use, or not a database.
    #[error("could not open the database {path}: {reason}")]
    Database {
        /// The file, or `:memory:`.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The folder could not be served as S3.
    #[error("could not serve {path} as S3: {reason}")]
    S3 {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A temporary folder, a thread or randomness could not be had.
    #[error("could not start an embedded store: {0}")]
    Start(#[from] std::io::Error),
}

/// Nothing resolves it.
const ENDPOINT: &str = "http://embedded";

/// The settings of SDK clients whose server is `router`.
fn sdk_config(router: Router) -> SdkConfig {
    let client = InProcess::new();
    client.serve(router);
    config::in_process(client, ENDPOINT)
}
