//! Embedded stores: DynamoDB with Streams and S3, each on a loopback port of its own, so that the
//! AWS SDK reaches them as it reaches AWS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpSocket};

mod bounded;
mod dynamodb;
mod s3;

pub(crate) use bounded::Bounded;

pub use dynamodb::EmbeddedDynamoDb;
pub use s3::EmbeddedS3;

/// The region to name to the embedded stores.
pub const LOCAL_REGION: &str = "us-east-1";
/// The access key that the embedded S3 knows; the embedded DynamoDB takes any.
pub const LOCAL_ACCESS_KEY_ID: &str = "local";
/// The secret to `LOCAL_ACCESS_KEY_ID`. It protects nothing: the stores listen on loopback only.
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
    /// No port could be opened, or no thread started.
    #[error("could not open a loopback port: {0}")]
    Listen(#[from] std::io::Error),
}

/// A listener on a free loopback port. Linux gives accepted sockets the listener's options, so Nagle's
/// algorithm is off for them even where another crate accepts them.
fn loopback_listener() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.listen(1024)
}
