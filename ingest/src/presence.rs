//! `PRESENCE`: shares where somebody is with the others. It has a function of its own, so that it never
//! delays an edit.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use inklog_protocol::{ClientMessage, ErrorCode, Refusal};
use inklog_store::audience::Audience;
use inklog_store::connections::PresenceEntry;

use crate::request::{Response, answer, check_agent, connection_id, misrouted, refuse_store, respond, user};

/// Stores presence and sends it to the others.
pub struct PresenceUpdate {
    audience: Audience,
}

impl PresenceUpdate {
    /// A function over these stores.
    pub fn new(audience: Audience) -> PresenceUpdate {
        PresenceUpdate { audience }
    }

    /// Handles one message of the gateway.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Response {
        let connection = connection_id(&event);
        let answered = answer(&event, async |message, _| {
            let ClientMessage::Presence { doc, agent, state } = message else { return Err(misrouted()) };
            check_agent(user(&event)?.as_ref(), &agent)?;
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
                        state: state.clone(),
                    };
                    if !audience.presence.set(&doc, &entry, now).await.map_err(refuse_store)? {
                        let message = "this connection has presence for too many agents";
                        return Err(Refusal::new(ErrorCode::RateLimited, message));
                    }
                    vec![(agent, Some(state))]
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
