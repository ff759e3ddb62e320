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
    /// Empty: pages of every site may connect.
    origins: Vec<String>,
}

impl Connection {
    /// A function over these stores, behind this gate.
    pub fn new(gate: Gate, audience: Audience) -> Connection {
        Connection { gate, audience, origins: Vec::new() }
    }

    /// Lets in pages of these sites only, separated by commas, such as `https://notes.example.org`; all sites' if
    /// there are none. Programs name no site, and are let in.
    pub fn with_allowed_origins(mut self, origins: &str) -> Connection {
        let origins =
            origins.split(',').map(|origin| origin.trim().trim_end_matches('/').to_ascii_lowercase());
        self.origins = origins.filter(|origin| !origin.is_empty()).collect();
        self
    }

    /// Handles `$connect` and `$disconnect`.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Response {
        match event.request_context.event_type.as_deref() {
            Some("CONNECT") if !self.is_welcome(&event) => respond(403, None),
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

    fn is_welcome(&self, event: &ApiGatewayWebsocketProxyRequest) -> bool {
        let Some(origin) = event.headers.get("origin") else { return true };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        self.origins.is_empty() || self.origins.contains(&origin)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use inklog_store::SystemClock;
    use inklog_store::connections::memory::MemoryConnections;
    use inklog_store::push::memory::MemoryPush;

    #[tokio::test]
    async fn pages_of_sites_that_are_not_listed_do_not_connect() {
        let connections = Arc::new(MemoryConnections::new());
        let audience = Audience {
            presence: connections.clone(),
            connections,
            push: Arc::new(MemoryPush::new()),
            clock: Arc::new(SystemClock),
        };
        let connect = async |allowed: &str, origin: Option<&'static str>| {
            let connection = Connection::new(Gate::open(), audience.clone()).with_allowed_origins(allowed);
            let mut event = ApiGatewayWebsocketProxyRequest::default();
            event.request_context.event_type = Some("CONNECT".to_owned());
            if let Some(origin) = origin {
                event.headers.insert("Origin", HeaderValue::from_static(origin));
            }
            connection.handle(event).await.status_code
        };
        let listed = "https://notes.example, http://localhost:5173/";
        for (allowed, origin, status) in [
            ("", None, 200),
            ("", Some("https://elsewhere.example"), 200),
            (listed, None, 200),
            (listed, Some("https://notes.example"), 200),
            (listed, Some("http://localhost:5173"), 200),
            (listed, Some("http://notes.example"), 403),
            (listed, Some("https://notes.example.evil.example"), 403),
            (listed, Some("https://notes.example:8443"), 403),
            (listed, Some("null"), 403),
            (listed, Some(""), 403),
        ] {
            assert_eq!(connect(allowed, origin).await, status, "{allowed:?} {origin:?}");
        }
    }
}
