//! `$connect` and `$disconnect`.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::http::HeaderValue;
use inklog_store::StoreError;
use inklog_store::audience::Audience;

use crate::request::{Response, connection_id, respond};

/// The subprotocol that Inklog speaks; a client may offer a token beside it, as browsers cannot set
/// headers.
const SUBPROTOCOL: &str = "inklog";

/// Lets connections in, and cleans up after those that say goodbye. Both are best effort: a
/// registration belongs to JOIN_DOC, and lapses on its own.
pub struct Connection {
    audience: Audience,
}

impl Connection {
    /// A function over these stores.
    pub fn new(audience: Audience) -> Connection {
        Connection { audience }
    }

    /// Handles `$connect` and `$disconnect`.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Response {
        match event.request_context.event_type.as_deref() {
            Some("CONNECT") => connect(&event),
            Some("DISCONNECT") => match self.disconnect(connection_id(&event)).await {
                Ok(()) => respond(200, None),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be cleaned up; it will lapse");
                    respond(500, None)
                }
            },
            other => {
                tracing::error!(?other, "an event that is neither CONNECT nor DISCONNECT");
                respond(400, None)
            }
        }
    }

    async fn disconnect(&self, connection: &str) -> Result<(), StoreError> {
        for doc in self.audience.connections.docs_of(connection).await? {
            self.audience.leave(&doc, connection).await?;
        }
        Ok(())
    }
}

/// A subprotocol that is offered must be chosen, or browsers refuse the connection.
fn connect(event: &ApiGatewayWebsocketProxyRequest) -> Response {
    let mut response = respond(200, None);
    let offered = event.headers.get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
    if offered.is_some_and(|offered| offered.split(',').any(|name| name.trim() == SUBPROTOCOL)) {
        response.headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    }
    response
}
