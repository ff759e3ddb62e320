//! The push through API Gateway's connection management.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::SdkError;
use aws_sdk_apigatewaymanagement::primitives::Blob;

use inklog_protocol::limits::BROADCAST_CONCURRENCY;
use tokio::sync::Semaphore;

use super::{Push, PushError};

/// Posts to `@connections` of one API stage, with [`BROADCAST_CONCURRENCY`] calls in flight in total.
#[derive(Debug, Clone)]
pub struct ApiGatewayPush {
    client: Client,
    under_way: Arc<Semaphore>,
}

impl ApiGatewayPush {
    /// The stage that the client's endpoint names. The client should not retry: the caller decides
    /// whether a retry is worth it.
    pub fn new(client: Client) -> ApiGatewayPush {
        ApiGatewayPush { client, under_way: Arc::new(Semaphore::new(BROADCAST_CONCURRENCY)) }
    }
}

#[async_trait]
impl Push for ApiGatewayPush {
    async fn post(&self, connection: &str, message: &str) -> Result<(), PushError> {
        // Before the client's time-out starts: waiting here does not make a connection slow.
        let _permit = self.under_way.acquire().await.expect("it is never closed");
        let post = self
            .client
            .post_to_connection()
            .connection_id(connection)
            .data(Blob::new(message.as_bytes()))
            .send()
            .await;
        post.map(|_| ()).map_err(classify)
    }

    async fn close(&self, connection: &str) -> Result<(), PushError> {
        let _turn = self.under_way.acquire().await.expect("it is never closed");
        let closed = self.client.delete_connection().connection_id(connection).send().await;
        closed.map(|_| ()).map_err(classify)
    }
}

/// By the status alone: not every answer names its error.
fn classify<E: std::error::Error + 'static>(error: SdkError<E>) -> PushError {
    let status = error.raw_response().map(|response| response.status().as_u16());
    match status {
        Some(410) => PushError::Gone,
        Some(status @ 429) => PushError::Busy(format!("status {status}")),
        Some(status @ 500..=599) => PushError::Retry(format!("status {status}")),
        Some(status) => PushError::Refused(format!("status {status}: {error}")),
        None if matches!(error, SdkError::TimeoutError(_)) => PushError::Late(error.to_string()),
        None => PushError::Retry(error.to_string()),
    }
}
