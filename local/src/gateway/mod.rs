//! An emulator of API Gateway's WebSocket APIs.
//!
//! A client's upgrade waits in `upgrade` for the authorizer and `$connect`. `open_connection` serves
//! the connection and passes each message to the function of its route. Functions answer through
//! `management`, the `@connections` API, which the real AWS SDK calls over HTTP. Limits, close codes,
//! error texts, signatures and event fields are AWS's, so that what works here works there. Omitted on purpose:
//! account-wide rate limits, and billing.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::serve::ListenerExt;
use axum::{Router, middleware, routing};
use tokio::net::TcpListener;

mod activity;
mod connection;
mod ending;
mod event;
mod function;
mod management;
mod open_connection;
mod signature;
mod upgrade;

pub use function::{Authorization, Authorizer, BoxError, Routes, WebSocketFunction};
pub use signature::new_credentials;

use activity::Activities;
use connection::{Connection, Connections};
use ending::Ending;

/// The largest frame that a client may send, in bytes. One of exactly this size passes.
pub const FRAME_BYTES_MAX: usize = 32 * 1024;
/// The largest message, in bytes, in either direction. One of exactly this size passes.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// The largest answer of an authorizer, in bytes: its policy and its context as JSON.
pub const AUTHORIZER_RESULT_BYTES_MAX: usize = 8 * 1024;
/// The longest URL that opens a connection, in characters.
pub const URL_CHARS_MAX: usize = 4096;

/// What a gateway is told about itself, and the limits that tests may shorten.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The stage, which is the first segment of every path.
    pub stage: String,
    /// The API's id, as events carry it.
    pub api_id: String,
    /// The host, as events carry it; functions build the `@connections` URL from it.
    pub domain_name: String,
    /// The region in the ARN that an authorizer gets.
    pub region: String,
    /// The account in the ARN that an authorizer gets.
    pub account_id: String,
    /// With these, requests to `@connections` are signed.
    pub credentials: Credentials,
    /// How long a connection may go without a message in either direction.
    pub idle_timeout: Duration,
    /// How long a connection may stay open at all.
    pub connection_lifetime: Duration,
    /// How long a function may take before the gateway answers for it.
    pub integration_timeout: Duration,
    /// How many bytes may wait for one client before a push gets 429. AWS does not say how much it
    /// holds; the default is 1 MiB, so that a push under the message limit always fits an empty one.
    pub outgoing_buffer_bytes: usize,
    /// How many messages of one connection functions may handle at once; more wait in the socket.
    pub concurrent_messages_max: usize,
    /// How many messages per second a client may send before it is closed with 1008; `None`: any.
    pub messages_per_second_max: Option<u32>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            stage: "dev".to_owned(),
            api_id: "local00000".to_owned(),
            domain_name: "127.0.0.1:8080".to_owned(),
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            credentials: new_credentials(),
            idle_timeout: Duration::from_secs(10 * 60),
            connection_lifetime: Duration::from_secs(2 * 60 * 60),
            integration_timeout: Duration::from_secs(29),
            outgoing_buffer_bytes: 1024 * 1024,
            concurrent_messages_max: 64,
            messages_per_second_max: None,
        }
    }
}

/// How a stopping gateway closes its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Close code 1001: going away.
    GoingAway,
    /// Close code 1012: restarting; clients should reconnect.
    Restarting,
}

/// The emulator. Clones are handles on the same gateway.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    config: GatewayConfig,
    routes: Routes,
    connections: Connections,
    activities: Activities,
    /// How to end connections, once the gateway is stopping.
    shutdown: OnceLock<Ending>,
}

/// Why a function gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InvokeError {
    Failed,
    TimedOut,
}

impl Gateway {
    /// A gateway without connections.
    pub fn new(config: GatewayConfig, routes: Routes) -> Self {
        let (connections, activities) = (Connections::default(), Activities::new());
        Self(Arc::new(Inner { config, routes, connections, activities, shutdown: OnceLock::new() }))
    }

    /// `/{stage}`, where clients open their WebSockets.
    pub fn websocket(&self) -> Router {
        let stage = &self.0.config.stage;
        Router::new()
            .route(&format!("/{stage}"), routing::get(upgrade::upgrade))
            .route(&format!("/{stage}/"), routing::get(upgrade::upgrade))
            .with_state(self.0.clone())
    }

    /// `/{stage}/@connections/{id}` as it is served on a socket: requests are signed.
    pub fn management(&self) -> Router {
        let signed = middleware::from_fn_with_state(self.0.clone(), signature::signed);
        self.unsigned_management().layer(signed)
    }

    /// The same for callers in this process, which sign nothing. It must not be served on a socket.
    pub fn in_process(&self) -> Router {
        self.unsigned_management().fallback(forbidden)
    }

    fn unsigned_management(&self) -> Router {
        let connections = routing::post(management::post).get(management::get).delete(management::delete);
        Router::new().route("/{stage}/@connections/{id}", connections).with_state(self.0.clone())
    }

    /// All that is served on a socket; every other path, such as an unknown stage, gets 403.
    pub fn router(&self) -> Router {
        self.websocket().merge(self.management()).fallback(forbidden)
    }

    /// How many connections are open.
    pub fn connection_count(&self) -> usize {
        self.0.connections.len()
    }

    /// Closes every connection, refuses new ones, and waits until each `$disconnect` has run and no
    /// function is handling a message. Bound the wait if a function may hang.
    pub async fn shutdown(&self, leave: Leave) {
        let ending = match leave {
            Leave::GoingAway => Ending::going_away(),
            Leave::Restarting => Ending::restarting(),
        };
        let ending = self.0.shutdown.get_or_init(|| ending);
        for connection in self.0.connections.all() {
            connection.close(ending.clone());
        }
        self.0.activities.none().await;
    }
}

async fn forbidden() -> impl IntoResponse {
    (StatusCode::FORBIDDEN, axum::Json(serde_json::json!({ "message": "Forbidden" })))
}

impl Inner {
    /// Calls a function, for at most as long as API Gateway waits. It runs in a task of its own: it
    /// continues after a time-out, as a Lambda does, and a panic is an error like any other.
    async fn invoke(
        &self,
        route_key: &str,
        function: &Arc<dyn WebSocketFunction>,
        event: ApiGatewayWebsocketProxyRequest,
    ) -> Result<ApiGatewayProxyResponse, InvokeError> {
        let function = function.clone();
        let running = tokio::spawn(async move { function.invoke(event).await });
        match tokio::time::timeout(self.config.integration_timeout, running).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(error))) => {
                tracing::error!(route_key, error, "a function failed");
                Err(InvokeError::Failed)
            }
            Ok(Err(error)) => {
                tracing::error!(route_key, %error, "a function panicked");
                Err(InvokeError::Failed)
            }
            Err(_) => {
                tracing::error!(route_key, "a function timed out");
                Err(InvokeError::TimedOut)
            }
        }
    }

    /// Calls `$disconnect` at the end of a connection, best effort.
    async fn disconnect(&self, connection: &Connection) {
        let (Some(route), Some(ending)) = (self.routes.get("$disconnect"), connection.ending()) else {
            return;
        };
        let event = event::disconnect_event(&self.config, connection, ending);
        // What went wrong has been logged, and nobody is left to be told.
        let _ = self.invoke("$disconnect", &route.function, event).await;
    }
}

/// Serves a router, with the clients' addresses available and without Nagle's algorithm, which would
/// delay small messages.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
    });
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(shutdown)
        .await
}
