//! `PRESENCE`: shares where somebody is with the others. It has a function of its own, so that it never
//! delays an edit.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use inklog_protocol::{ClientMessage, ErrorCode, Refusal};
use inklog_store::audience::Audience;
use inklog_store::connections::PresenceEntry;

use crate::gate::Gate;
use crate::rates::Work;
use crate::request::{Response, answer, connection_id, misrouted, refuse_store, respond};

/// Stores presence and sends it to the others.
pub struct PresenceUpdate {
    gate: Gate,
    audience: Audience,
}

impl PresenceUpdate {
    /// A function over these stores, behind this gate.
    pub fn new(gate: Gate, audience: Audience) -> PresenceUpdate {
        PresenceUpdate { gate, audience }
    }

    /// Handles one message of the gateway.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Response {
        let connection = connection_id(&event);
        let answered = answer(&self.gate, &event, async |caller, message, _| {
            let ClientMessage::Presence { doc, agent, state } = message else { return Err(misrouted()) };
            self.gate.spend(caller.identity.as_ref(), connection, Work::Presence)?;
            let audience = &self.audience;
            let now = audience.clock.now_ms();
            if !audience.connections.is_registered(&doc, connection, now).await.map_err(refuse_store)? {
                return Err(Refusal::new(
                    ErrorCode::NotJoined,
                    format!("join {doc} before sending presence"),
                ));
            }
            let changed = match state {
                Some(state) => {
                    let entry = PresenceEntry {
                        agent: agent.clone(),
                        connection: connection.to_owned(),
                        state,
                        author: caller.author(),
                    };
                    let token_ends = caller.identity.as_ref().map(|identity| identity.expires_at);
                    if !audience.presence.set(&doc, &entry, token_ends, now).await.map_err(refuse_store)? {
                        let message = "this connection has presence for too many agents";
                        return Err(Refusal::new(ErrorCode::RateLimited, message));
                    }
                    vec![(agent, Some(entry))]
                }
                None => {
                    let gone = audience
                        .presence
                        .clear(&doc, connection, Some(&agent))
                        .await
                        .map_err(refuse_store)?;
                    gone.into_iter().map(|agent| (agent, None)).collect()
                }
            };
            audience.expire_presence(&doc).await.map_err(refuse_store)?;
            audience.tell_presence(&doc, changed, connection).await.map_err(refuse_store)?;
            Ok(None)
        });
        respond(200, answered.await)
    }
}
