//! The push to connections.

use async_trait::async_trait;

mod apigateway;
pub mod memory;

pub use apigateway::ApiGatewayPush;

/// Why a message did not reach a connection.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The connection is closed (410): forget it.
    #[error("the connection is gone")]
    Gone,
    /// The client reads too slowly, or too much is posted to it (429): a retry may succeed later.
    #[error("the connection cannot take the message now: {0}")]
    Busy(String),
    /// There was no answer in time: a retry may succeed.
    #[error("the connection has not taken the message in time: {0}")]
    Late(String),
    /// The gateway failed (5xx, no connection): a retry may succeed.
    #[error("the gateway cannot take the message now: {0}")]
    Retry(String),
    /// A retry would fail too (403, 413, …).
    #[error("the gateway refused the message: {0}")]
    Refused(String),
}

/// Sends text frames to connections, and closes them.
#[async_trait]
pub trait Push: Send + Sync {
    /// Sends one message, in one attempt that takes at most about a second once it starts.
    async fn post(&self, connection: &str, message: &str) -> Result<(), PushError>;

    /// Closes a connection, in one try. [`PushError::Gone`] if it is closed already.
    async fn close(&self, connection: &str) -> Result<(), PushError>;
}
