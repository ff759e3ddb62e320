//! The push to connections.

use async_trait::async_trait;

mod apigateway;

pub use apigateway::ApiGatewayPush;

/// Why a message did not reach a connection.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The connection is closed (410): forget it.
    #[error("the connection is gone")]
    Gone,
    /// Throttled, or the gateway failed (429, 5xx, no answer): the same again may work.
    #[error("the gateway does not take the message now: {0}")]
    Retry(String),
    /// It will not work (403, 413, …).
    #[error("the gateway refuses the message: {0}")]
    Refused(String),
}

/// Sends text frames to connections.
#[async_trait]
pub trait Push: Send + Sync {
    /// Sends one message; one try.
    async fn post(&self, connection: &str, message: &str) -> Result<(), PushError>;
}
