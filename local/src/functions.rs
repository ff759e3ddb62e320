//! The Lambdas, as the emulators call them: the same handlers that run on AWS.

use async_trait::async_trait;
use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest,
};
use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::streams::DynamoDbEventResponse;
use std::time::Duration;

use inklog_broadcaster::Broadcaster;
use inklog_ingest::{Connection, Fallback, NotAllowed, PresenceUpdate, SendOp, Sync};
use inklog_materializer::Materializer;
use inklog_snapshotter::Snapshotter;

use crate::gateway::{Authorization, Authorizer, BoxError, WebSocketFunction};
use crate::schedule::ScheduledFunction;
use crate::streams::StreamFunction;

/// The functions' time-outs, as the template sets them.
pub(crate) const STREAM_FUNCTION_TIMEOUT: Duration = Duration::from_secs(60);
const SNAPSHOTTER_TIME: Duration = Duration::from_secs(14 * 60);

macro_rules! behind_the_gateway {
    ($($function:ty),*) => {$(
        #[async_trait]
        impl WebSocketFunction for $function {
            async fn invoke(
                &self,
                event: ApiGatewayWebsocketProxyRequest,
            ) -> Result<ApiGatewayProxyResponse, BoxError> {
                Ok(self.handle(event).await)
            }
        }
    )*};
}

behind_the_gateway!(Connection, SendOp, Sync, PresenceUpdate, Fallback);

#[async_trait]
impl Authorizer for inklog_ingest::Authorizer {
    async fn authorize(
        &self,
        request: ApiGatewayCustomAuthorizerRequestTypeRequest,
    ) -> Result<Authorization, BoxError> {
        match self.handle(request).await {
            Ok(allowed) => Ok(Authorization::Allow {
                principal_id: allowed.principal_id.unwrap_or_default(),
                context: allowed.context,
            }),
            Err(NotAllowed::Unauthorized) => Ok(Authorization::Unauthorized),
            Err(unavailable) => Err(unavailable.into()),
        }
    }
}

#[async_trait]
impl StreamFunction for Materializer {
    async fn invoke(&self, event: Event) -> Result<DynamoDbEventResponse, BoxError> {
        Ok(self.handle(event).await)
    }
}

#[async_trait]
impl StreamFunction for Broadcaster {
    async fn invoke(&self, event: Event) -> Result<DynamoDbEventResponse, BoxError> {
        Ok(self.handle(event).await)
    }
}

#[async_trait]
impl ScheduledFunction for Snapshotter {
    async fn invoke(&self, event: EventBridgeEvent) -> Result<(), BoxError> {
        let sweep = event.detail["sweep"] == true;
        let run = self.scheduled(sweep, SNAPSHOTTER_TIME).await?;
        if run.docs > 0 {
            tracing::info!(?run, sweep, "compacted");
        }
        Ok(())
    }
}
