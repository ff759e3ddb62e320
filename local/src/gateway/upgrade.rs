//! Opening a connection: the upgrade waits for the authorizer and for `$connect`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::connection::Connection;
use super::event::{self, Caller};
use super::function::Authorization;
use super::open_connection::OpenConnection;
use super::{AUTHORIZER_RESULT_BYTES_MAX, Inner, InvokeError, URL_CHARS_MAX};

/// `GET /{stage}`.
pub(super) async fn upgrade(State(gateway): State<Arc<Inner>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let Some((key, on_upgrade)) = handshake(&mut parts) else {
        return refusal(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
    };
    if parts.uri.to_string().len() > URL_CHARS_MAX {
        return refusal(StatusCode::URI_TOO_LONG, "URI Too Long");
    }
    if gateway.shutdown.get().is_some() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    }
    // In a task of its own: a client that gives up must not cut a function short, and one that gives
    // up after $connect has run is owed a $disconnect.
    let (answer, answered) = oneshot::channel();
    tokio::spawn(async move {
        let opened = open(gateway, parts).await;
        if let Err(Ok((connection, _))) = answer.send(opened) {
            connection.abandon().await;
        }
    });
    match answered.await {
        Ok(Ok((connection, subprotocol))) => {
            tokio::spawn(connection.run(on_upgrade));
            switching_protocols(&key, subprotocol)
        }
        Ok(Err(status)) => refusal(status, status.canonical_reason().unwrap_or("Forbidden")),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

type Opened = (OpenConnection, Option<HeaderValue>);

async fn open(gateway: Arc<Inner>, parts: Parts) -> Result<Opened, StatusCode> {
    let activity = gateway.activities.begin();
    let caller = Caller::new(source_ip(&parts), &parts.headers);
    let queue_max = gateway.config.outgoing_buffer_bytes;
    let (mut connection, outgoing) = Connection::new(event::new_id(), caller, HashMap::new(), queue_max);
    connection.authorizer = authorize(&gateway, &connection, &parts).await?;

    let mut subprotocol = None;
    if let Some(route) = gateway.routes.get("$connect") {
        let event = event::connect_event(&gateway.config, &connection, &parts.headers, &parts.uri);
        let response =
            gateway.invoke("$connect", &route.function, event).await.map_err(|error| match error {
                InvokeError::Failed => StatusCode::BAD_GATEWAY,
                InvokeError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            })?;
        match u16::try_from(response.status_code).ok().and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(status) if status.is_success() => subprotocol = subprotocol_of(&response),
            // The upgrade cannot be answered with an informational status.
            Some(status) if !status.is_informational() => return Err(status),
            _ => return Err(StatusCode::BAD_GATEWAY),
        }
    }

    // Known from here on only: a push inside $connect gets 410, as on AWS.
    let connection = Arc::new(connection);
    gateway.connections.insert(connection.clone());
    if let Some(ending) = gateway.shutdown.get() {
        connection.close(ending.clone());
    }
    Ok((OpenConnection { gateway, connection, outgoing, _activity: activity }, subprotocol))
}

async fn authorize(
    gateway: &Inner,
    connection: &Connection,
    parts: &Parts,
) -> Result<HashMap<String, String>, StatusCode> {
    let Some(route) = &gateway.routes.authorizer else { return Ok(HashMap::new()) };
    if !route.identity_sources.iter().all(|source| has_identity(source, parts)) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let event = event::authorizer_event(&gateway.config, connection, &parts.headers, &parts.uri);
    let answer = tokio::time::timeout(gateway.config.integration_timeout, route.authorizer.authorize(event));
    match answer.await {
        Ok(Ok(Authorization::Allow { principal_id, mut context })) => {
            context.insert("principalId".to_owned(), principal_id);
            let bytes = serde_json::to_string(&context).map_or(usize::MAX, |json| json.len());
            if bytes > AUTHORIZER_RESULT_BYTES_MAX {
                tracing::error!(bytes, "the authorizer's answer is too large");
                return Err(StatusCode::INTERNAL_SERVER_ERROR);
            }
            Ok(context)
        }
        Ok(Ok(Authorization::Deny)) => Err(StatusCode::FORBIDDEN),
        Ok(Ok(Authorization::Unauthorized)) => Err(StatusCode::UNAUTHORIZED),
        Ok(Err(error)) => {
            tracing::error!(error, "the authorizer failed");
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Whether the request has a value for an identity source such as `route.request.querystring.token`.
fn has_identity(source: &str, parts: &Parts) -> bool {
    if let Some(name) = source.strip_prefix("route.request.querystring.") {
        return event::query_of(&parts.uri)
            .get(name)
            .is_some_and(|values| values.iter().any(|v| !v.is_empty()));
    }
    let header = source.strip_prefix("route.request.header.").and_then(|name| parts.headers.get(name));
    header.is_some_and(|value| !value.is_empty())
}

/// Where the request comes from; the address is missing only where no `serve` recorded it.
fn source_ip(parts: &Parts) -> IpAddr {
    let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip())
}

/// The client's key and the way to the raw socket, if this is a WebSocket upgrade.
fn handshake(parts: &mut Parts) -> Option<(HeaderValue, OnUpgrade)> {
    let has = |name, token: &str| {
        let values = parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    let asked = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket");
    if !asked || !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return None;
    }
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY)?.clone();
    Some((key, parts.extensions.remove::<OnUpgrade>()?))
}

/// The subprotocol, which goes back only if the function says so.
fn subprotocol_of(response: &ApiGatewayProxyResponse) -> Option<HeaderValue> {
    let of = |headers: &HeaderMap| headers.get(header::SEC_WEBSOCKET_PROTOCOL).cloned();
    of(&response.headers).or_else(|| of(&response.multi_value_headers))
}

fn switching_protocols(key: &HeaderValue, subprotocol: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = derive_accept_key(key.as_bytes());
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.parse().expect("base64 is a header value"));
    if let Some(subprotocol) = subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    response
}

fn refusal(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "message": message, "requestId": event::new_id() });
    (status, axum::Json(body)).into_response()
}
