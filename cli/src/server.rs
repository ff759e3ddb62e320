//! The server that `play` and `load` talk to: a running one, or one of their own in memory.

use inklog_local::{Data, Stack, StackConfig, StackError};

/// There is no server.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a private stack: {0}")]
pub struct ServerError(#[from] StackError);

/// A server's address, and the stack if it is ours.
pub struct Server {
    http_url: String,
    own: Option<Stack>,
}

impl Server {
    /// The running one at `url`, or a new one in memory on a free port.
    pub async fn find_or_start(url: Option<&str>) -> Result<Server, ServerError> {
        if let Some(url) = url {
            return Ok(Server { http_url: url.to_owned(), own: None });
        }
        let stack =
            Stack::start(StackConfig { port: 0, data: Data::Memory, ..StackConfig::default() }).await?;
        Ok(Server { http_url: stack.http_url().to_owned(), own: Some(stack) })
    }

    /// `http://host:port`.
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// Stops the stack, if it is ours.
    pub async fn stop(self) {
        if let Some(stack) = self.own {
            stack.stop().await;
        }
    }
}
