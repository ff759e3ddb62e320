//! Reads the gateway's event and writes its response.

use std::future::Future;

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::encodings::Body;
use inklog_protocol::{ClientMessage, ErrorCode, Refusal, Request};
use inklog_store::StoreError;
use serde_json::Value;

use crate::gate::{Caller, Gate, doc_of};
use crate::rates::Work;

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

/// Reads the message, has the gate decide on it, calls its handler, and adds the message's `ref` and `docId`
/// to every refusal.
pub(crate) async fn answer<F>(
    gate: &Gate,
    event: &ApiGatewayWebsocketProxyRequest,
    handle: impl FnOnce(Caller, ClientMessage, Option<Value>) -> F,
) -> Option<String>
where
    F: Future<Output = Result<Option<String>, Refusal>>,
{
    let parsed = Request::parse(event.body.as_deref().unwrap_or_default());
    let (reference, doc_id) = match &parsed {
        Ok(request) => {
            (request.reference.clone(), doc_of(&request.message).map(|doc| doc.as_str().to_owned()))
        }
        Err(refusal) => (refusal.reference.clone(), refusal.doc_id.clone()),
    };
    let answered = async {
        // First of all: also whoever is refused is slowed down.
        let work = Work::Message(event.body.as_deref().map_or(0, str::len));
        gate.spend(None, connection_id(event), work)?;
        // Whoever has no identity learns nothing, not even what is wrong with a message.
        let known = gate.identify(event).await?;
        gate.spend_of_user(known.as_ref().map(|known| &known.identity), work)?;
        let message = parsed?.message;
        let caller = gate.admit(known, &message)?;
        handle(caller, message, reference.clone()).await
    };
    match answered.await {
        Ok(answer) => answer,
        Err(refusal) => Some(Refusal { reference, doc_id, ..refusal }.into_message().to_json()),
    }
}

/// A message on the wrong route: the template and the code disagree.
pub(crate) fn misrouted() -> Refusal {
    Refusal::new(ErrorCode::UnknownAction, "this function does not handle that action")
}
