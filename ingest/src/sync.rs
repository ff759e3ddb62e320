//! `JOIN_DOC`, `SYNC_STATE`, `LEAVE_DOC`: what the document is, and what a client missed.
//!
//! The connection is registered **before** the state is read: what comes later is broadcast to it,
//! and what came earlier is in the state.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use futures::future;
use inklog_crdt::{Doc, Version};
use inklog_protocol::limits::CONFIRM_AGENTS_MAX;
use inklog_protocol::parts::{self, Answer, StateBody};
use inklog_protocol::{ClientMessage, DocId, LoggedEvent, Refusal, StateFormat, VersionMap};
use inklog_store::StoreError;
use inklog_store::audience::{Audience, Post, presence_json};
use inklog_store::document::Documents;
use inklog_store::live::{Cursor, LiveDoc};
use serde_json::Value;

use crate::request::{Response, answer, connection_id, misrouted, refuse_store, respond, user};

/// How long a state's parts are offered to a client whose buffer is full.
const PATIENCE: Duration = Duration::from_secs(20);

/// Brings clients up to date.
pub struct Sync {
    documents: Documents,
    audience: Audience,
    log_name: String,
}

/// What a client asks for.
struct Wish {
    doc: DocId,
    connection: String,
    format: StateFormat,
    cursor: Option<Cursor>,
    version: Version,
    /// Whether `version` is all that the client has, or only what came after its cursor.
    whole: bool,
    /// Whether the log itself is asked for what the live state lacks of `version`.
    confirm: bool,
    reference: Option<Value>,
}

impl Sync {
    /// A function over these stores. `log_name` is what clients are told of the log's name
    /// ([`inklog_store::log::short_name`]).
    pub fn new(documents: Documents, audience: Audience, log_name: String) -> Sync {
        Sync { documents, audience, log_name }
    }

    /// Handles one message of the gateway.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Response {
        let connection = connection_id(&event).to_owned();
        let answered = answer(&event, async |message, reference| {
            user(&event)?;
            match message {
                ClientMessage::JoinDoc { doc, format, cursor } => {
                    let cursor = cursor.as_deref().and_then(Cursor::from_wire);
                    let version = Version::new();
                    let (whole, confirm) = (false, false);
                    let wish = Wish { doc, connection, format, cursor, version, whole, confirm, reference };
                    let answer = self.bring_up_to_date(&wish).await.map_err(refuse_store)?;
                    self.show_presence(&wish).await.map_err(refuse_store)?;
                    Ok(answer)
                }
                ClientMessage::SyncState { doc, cursor, version, confirm, format } => {
                    let whole = cursor.is_none() && version.is_some();
                    let cursor = cursor.as_deref().and_then(Cursor::from_wire);
                    let version = version.unwrap_or_default();
                    let wish = Wish { doc, connection, format, cursor, version, whole, confirm, reference };
                    self.bring_up_to_date(&wish).await.map_err(refuse_store)
                }
                ClientMessage::LeaveDoc { doc } => {
                    self.audience.leave(&doc, &connection).await.map_err(refuse_store)?;
                    Ok(None)
                }
                _ => Err::<Option<String>, Refusal>(misrouted()),
            }
        });
        respond(200, answered.await)
    }

    async fn bring_up_to_date(&self, wish: &Wish) -> Result<Option<String>, StoreError> {
        let now = self.audience.clock.now_ms();
        self.audience.connections.register(&wish.doc, &wish.connection, now).await?;
        if let Some(cursor) = &wish.cursor
            && let Some((events, end)) = self.documents.live.since(&wish.doc, cursor).await?
        {
            return self.replay(wish, &Version::new(), events, &end).await;
        }
        let live = self.documents.open(&wish.doc).await?;
        let base = Doc::decode(&live.base)
            .map_err(|error| StoreError::undecodable(format!("the live base of {}", wish.doc), error))?;
        let LiveDoc { events, cursor, .. } = live;
        if wish.whole && wish.version.includes(base.version()) {
            return self.replay(wish, base.version(), events, &cursor).await;
        }
        let missing = self.missing(wish, base.version(), &events).await?;
        let events: Vec<LoggedEvent> =
            events.into_iter().filter(|logged| !base.version().covers(&logged.event)).collect();
        let body = match wish.format {
            StateFormat::Ops => StateBody::Ops(&base),
            StateFormat::Binary => StateBody::Binary(&live.base),
        };
        let state_id = self.documents.entropy.nonce();
        let cursor = cursor.to_wire();
        let messages = parts::doc_state(self.answer(wish, &cursor, &missing), &state_id, body, &events);
        self.send_parts(wish, messages).await
    }

    /// Sends the events that the client lacks, where it has all that is in `base`.
    async fn replay(
        &self,
        wish: &Wish,
        base: &Version,
        mut events: Vec<LoggedEvent>,
        end: &Cursor,
    ) -> Result<Option<String>, StoreError> {
        let missing = self.missing(wish, base, &events).await?;
        events.retain(|logged| !wish.version.covers(&logged.event));
        let cursor = end.to_wire();
        let messages = parts::op_replay(self.answer(wish, &cursor, &missing), &events);
        self.send_parts(wish, messages).await
    }

    fn answer<'a>(&'a self, wish: &'a Wish, cursor: &'a str, missing: &'a VersionMap) -> Answer<'a> {
        Answer { doc: &wish.doc, log: &self.log_name, cursor, missing, reference: wish.reference.as_ref() }
    }

    /// The log's own word on what the client has and the live state (`base` and `events`) has not:
    /// where the chains end that are shorter in the log. Read after the live state, so that nothing
    /// is missing that was durable when the client asked.
    async fn missing(
        &self,
        wish: &Wish,
        base: &Version,
        events: &[LoggedEvent],
    ) -> Result<VersionMap, StoreError> {
        if !wish.confirm {
            return Ok(VersionMap::new());
        }
        let mut live = base.clone();
        for logged in events {
            live.advance(logged.event.agent(), logged.event.end());
        }
        let ahead = wish.version.iter().filter(|(agent, end)| live.get(agent) < *end);
        let asked = ahead.take(CONFIRM_AGENTS_MAX).map(async |(agent, end)| {
            match self.documents.chain_end(&wish.doc, agent).await {
                Ok(in_log) => Ok((in_log < end).then(|| (agent.as_str().to_owned(), in_log))),
                // A damaged item proves nothing: it may have held what the client has.
                Err(StoreError::Damaged { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        Ok(future::try_join_all(asked).await?.into_iter().flatten().collect())
    }

    /// Pushes all parts but the last, which is the answer's body.
    async fn send_parts(&self, wish: &Wish, mut messages: Vec<String>) -> Result<Option<String>, StoreError> {
        let last = messages.pop();
        if !messages.is_empty() {
            let post = Post { connection: wish.connection.clone(), messages: messages.into() };
            self.audience.send(&wish.doc, vec![post], PATIENCE).await?;
        }
        Ok(last)
    }

    /// Shows a joiner who is there.
    async fn show_presence(&self, wish: &Wish) -> Result<(), StoreError> {
        self.audience.expire_presence(&wish.doc).await?;
        let entries = self.audience.presence.all(&wish.doc, self.audience.clock.now_ms()).await?;
        let messages: Arc<[String]> = entries
            .iter()
            .filter(|entry| entry.connection != wish.connection)
            .map(|entry| presence_json(&wish.doc, &entry.agent, Some(&entry.state)))
            .collect();
        if messages.is_empty() {
            return Ok(());
        }
        let post = Post { connection: wish.connection.clone(), messages };
        self.audience.send(&wish.doc, vec![post], Duration::ZERO).await
    }
}
