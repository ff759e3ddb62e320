//! `$default`: answers messages without a route with an ERROR, and `PING` with `PONG`.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use inklog_protocol::{ClientMessage, ErrorCode, Refusal, ServerMessage};

use crate::gate::Gate;
use crate::request::{Response, answer, respond};

/// Answers what no other function handles. Uses no store.
pub struct Fallback {
    gate: Gate,
}

impl Fallback {
    /// A function behind this gate.
    pub fn new(gate: Gate) -> Fallback {
        Fallback { gate }
    }

    /// Handles one message of the gateway.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Response {
        let answered = answer(&self.gate, &event, async |_, message, reference| match message {
            ClientMessage::Ping => Ok(Some(ServerMessage::Pong { reference }.to_json())),
            // A sound message ends up here only where the API lacks its route.
            _ => Err(Refusal::new(ErrorCode::UnknownAction, "this API has no route for that action")),
        });
        respond(200, answered.await)
    }
}
