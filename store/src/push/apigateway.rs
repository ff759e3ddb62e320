//! The push through API Gateway's connection management.

use async_trait::async_trait;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::SdkError;
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;

use super::{Push, PushError};

/// Posts to `@connections` of one API stage.
#[derive(Debug, Clone)]
pub struct ApiGatewayPush {
    client: Client,
}

impl ApiGatewayPush {
    /// The stage that the client's endpoint names. The client should not retry on its own: who pushes
    /// decides what a retry is worth.
    pub fn new(client: Client) -> ApiGatewayPush {
        ApiGatewayPush { client }
    }
}

#[async_trait]
impl Push for ApiGatewayPush {
    async fn post(&self, connection: &str, message: &str) -> Result<(), PushError> {
        let post = self
            .client
            .post_to_connection()
            .connection_id(connection)
            .data(Blob::new(message.as_bytes()))
            .send()
            .await;
        post.map(|_| ()).map_err(|error| classify(&error))
    }
}

fn classify(error: &SdkError<PostToConnectionError>) -> PushError {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let gone = error.as_service_error().is_some_and(PostToConnectionError::is_gone_exception);
    match status {
        // A bare 410 counts as well: not every answer names its error.
        _ if gone => PushError::Gone,
        Some(410) => PushError::Gone,
        Some(status @ (429 | 500..=599)) => PushError::Retry(format!("status {status}")),
        Some(status) => PushError::Refused(format!("status {status}: {error}")),
        None => PushError::Retry(error.to_string()),
    }
}
