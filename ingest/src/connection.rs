//! `$connect` and `$disconnect`.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::http::HeaderValue;
use inklog_protocol::ErrorCode;
use inklog_store::StoreError;
use inklog_store::audience::Audience;

use crate::gate::Gate;
use crate::request::{Response, connection_id, respond};

/// Inklog's subprotocol; a client may offer a token next to it, because browsers cannot set headers.
const SUBPROTOCOL: &str = "inklog";

/// Accepts connections, and cleans up after those that disconnect. Both are best effort: JOIN_DOC makes
/// the registration, which expires on its own.
pub struct Connection {
    gate: Gate,
    audience: Audience,
}

impl Connection {
    /// A function over these stores, behind this gate.
    pub fn new(gate: Gate, audience: Audience) -> Connection {
        Connection { gate, audience }
    }

    /// Handles `$connect` and `$disconnect`.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Response {
        match event.request_context.event_type.as_deref() {
            // The authorizer has let it in. Whoever comes past it is not let in here.
            Some("CONNECT") => match self.gate.identify(&event).await {
                Ok(_) => connect(&event),
                Err(refusal) if refusal.code == ErrorCode::Unauthorized => respond(401, None),
                Err(_) => respond(500, None),
            },
            Some("DISCONNECT") => match self.disconnect(connection_id(&event)).await {
                Ok(()) => respond(200, None),
                Err(error) => {
                    tracing::warn!(%error, "could not clean up after a connection; it will expire");
                    respond(500, None)
                }
            },
            other => {
                tracing::error!(?other, "received an event that is neither CONNECT nor DISCONNECT");
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

/// If a client offers a subprotocol, the answer must choose it, or browsers refuse the connection.
fn connect(event: &ApiGatewayWebsocketProxyRequest) -> Response {
    let mut response = respond(200, None);
    let offered = event.headers.get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
    if offered.is_some_and(|offered| offered.split(',').any(|name| name.trim() == SUBPROTOCOL)) {
        response.headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    }
    response
}
