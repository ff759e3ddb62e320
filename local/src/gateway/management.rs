//! `@connections`: how functions push to clients, look at connections and close them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::connection::{Connection, SendError};
use super::ending::Ending;
use super::{Inner, MESSAGE_BYTES_MAX};

/// Why a call is refused; the SDK distinguishes these by the code, not by the status.
pub(super) enum Refusal {
    Unsigned,
    BadSignature,
    Forbidden,
    Gone,
    PayloadTooLarge,
    LimitExceeded,
    NotText,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::Unsigned => {
                (StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", "Missing Authentication Token")
            }
            Self::BadSignature => (
                StatusCode::FORBIDDEN,
                "InvalidSignatureException",
                "The request is not signed with this API's credentials, or not now: check your secret and your clock",
            ),
            Self::Forbidden => (StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"),
            Self::Gone => (StatusCode::GONE, "GoneException", "Gone"),
            Self::PayloadTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "Payload too large")
            }
            Self::LimitExceeded => {
                (StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "The client's buffer is full")
            }
            Self::NotText => (StatusCode::BAD_REQUEST, "BadRequestException", "The payload is not UTF-8"),
        };
        let mut response = (status, axum::Json(serde_json::json!({ "message": message }))).into_response();
        response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(code));
        response
    }
}

type Target = Path<(String, String)>;

/// `POST /{stage}/@connections/{id}`: answered once the message is queued for the client.
pub(super) async fn post(
    State(gateway): State<Arc<Inner>>,
    Path((stage, id)): Target,
    body: Body,
) -> Response {
    match push(&gateway, &stage, &id, body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn push(gateway: &Inner, stage: &str, id: &str, body: Body) -> Result<(), Refusal> {
    let connection = find(gateway, stage, id)?;
    let bytes = axum::body::to_bytes(body, MESSAGE_BYTES_MAX).await.map_err(|_| Refusal::PayloadTooLarge)?;
    let text = Utf8Bytes::try_from(bytes).map_err(|_| Refusal::NotText)?;
    connection.send(text).map_err(|error| match error {
        SendError::Gone => Refusal::Gone,
        SendError::BufferFull => Refusal::LimitExceeded,
    })
}

/// `GET /{stage}/@connections/{id}`.
pub(super) async fn get(State(gateway): State<Arc<Inner>>, Path((stage, id)): Target) -> Response {
    match find(&gateway, &stage, &id) {
        Ok(connection) => axum::Json(serde_json::json!({
            "connectedAt": iso(connection.connected_at_ms),
            "identity": {
                "sourceIp": connection.caller.source_ip.to_string(),
                "userAgent": connection.caller.user_agent.clone().unwrap_or_default(),
            },
            "lastActiveAt": iso(connection.last_active_ms()),
        }))
        .into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// `DELETE /{stage}/@connections/{id}`: queued messages are still sent before the close frame.
pub(super) async fn delete(State(gateway): State<Arc<Inner>>, Path((stage, id)): Target) -> Response {
    match find(&gateway, &stage, &id) {
        Ok(connection) => {
            connection.close(Ending::deleted());
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn find(gateway: &Inner, stage: &str, id: &str) -> Result<Arc<Connection>, Refusal> {
    if stage != gateway.config.stage {
        return Err(Refusal::Forbidden);
    }
    let connection = gateway.connections.get(id).ok_or(Refusal::Gone)?;
    // One that is closing is gone already, though its socket may still be saying goodbye.
    if connection.ending().is_some() { Err(Refusal::Gone) } else { Ok(connection) }
}

fn iso(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}
