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
    /// The client reads too slowly, or too much is posted to it (429), or there is no answer in time: the
    /// same again may work later.
    #[error("the connection cannot take the message now: {0}")]
    Busy(String),
    /// The gateway failed (5xx, no connection): the same again may work.
    #[error("the gateway cannot take the message now: {0}")]
    Retry(String),
    /// It will not work (403, 413, …).
    #[error("the gateway refused the message: {0}")]
    Refused(String),
}

/// Sends text frames to connections, and closes them.
#[async_trait]
pub trait Push: Send + Sync {
    /// Sends one message, in one try that takes about a second at most once it starts.
    async fn post(&self, connection: &str, message: &str) -> Result<(), PushError>;

    /// Closes a connection, in one try. [`PushError::Gone`] if it is closed already.
    async fn close(&self, connection: &str) -> Result<(), PushError>;
}
