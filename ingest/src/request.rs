//! Reads the gateway's event and writes its response.

use std::future::Future;

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::encodings::Body;
use inklog_crdt::Agent;
use inklog_protocol::{ClientMessage, ErrorCode, Refusal, Request, UserName};
use inklog_store::StoreError;
use serde_json::Value;

/// A function's answer to the gateway.
pub type Response = ApiGatewayProxyResponse;

/// A status and, if the route has a route response, the frame to send as the body.
pub(crate) fn respond(status: i64, body: Option<String>) -> Response {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status;
    response.body = body.map(Body::Text);
    response
}

/// The id of the event's connection.
pub(crate) fn connection_id(event: &ApiGatewayWebsocketProxyRequest) -> &str {
    event.request_context.connection_id.as_deref().unwrap_or_default()
}

/// The authorizer's identity; `None` without an authorizer.
pub(crate) fn user(event: &ApiGatewayWebsocketProxyRequest) -> Result<Option<UserName>, Refusal> {
    match event.request_context.authorizer.fields.get("user") {
        None => Ok(None),
        Some(Value::String(name)) => UserName::new(name)
            .map(Some)
            .map_err(|error| Refusal::new(ErrorCode::Unauthorized, error.to_string())),
        Some(_) => Err(Refusal::new(ErrorCode::Unauthorized, "the identity is not a user name")),
    }
}

/// With an identity, a client may use only the user's own agents.
pub(crate) fn check_agent(user: Option<&UserName>, agent: &Agent) -> Result<(), Refusal> {
    match user {
        Some(user) if !user.owns(agent) => {
            let message = format!("agent {agent} does not belong to {}", user.as_str());
            Err(Refusal::new(ErrorCode::Forbidden, message))
        }
        _ => Ok(()),
    }
}

/// A store's failure, as the client sees it. The change may have happened: repeating it is safe.
pub(crate) fn refuse_store(error: StoreError) -> Refusal {
    tracing::error!(%error, "a store failed");
    match error {
        StoreError::Unavailable { .. } | StoreError::Refused { .. } => {
            Refusal::new(ErrorCode::Unavailable, "a store is unavailable; try again")
        }
        _ => Refusal::new(ErrorCode::Internal, "the document cannot be read; ask its operator"),
    }
}

/// Reads the message, calls its handler, and adds the message's `ref` and `docId` to every refusal.
pub(crate) async fn answer<F>(
    event: &ApiGatewayWebsocketProxyRequest,
    handle: impl FnOnce(ClientMessage, Option<Value>) -> F,
) -> Option<String>
where
    F: Future<Output = Result<Option<String>, Refusal>>,
{
    let request = match Request::parse(event.body.as_deref().unwrap_or_default()) {
        Ok(request) => request,
        Err(refusal) => return Some(refusal.into_message().to_json()),
    };
    let doc_id = doc_of(&request.message);
    match handle(request.message, request.reference.clone()).await {
        Ok(answer) => answer,
        Err(refusal) => {
            let refusal = Refusal { reference: request.reference, doc_id, ..refusal };
            Some(refusal.into_message().to_json())
        }
    }
}

fn doc_of(message: &ClientMessage) -> Option<String> {
    match message {
        ClientMessage::JoinDoc { doc, .. }
        | ClientMessage::SendEvent { doc, .. }
        | ClientMessage::SendOp { doc, .. }
        | ClientMessage::SyncState { doc, .. }
        | ClientMessage::Presence { doc, .. }
        | ClientMessage::LeaveDoc { doc } => Some(doc.as_str().to_owned()),
        ClientMessage::Ping => None,
    }
}

/// A message on the wrong route: the template and the code disagree.
pub(crate) fn misrouted() -> Refusal {
    Refusal::new(ErrorCode::UnknownAction, "this function does not handle that action")
}
