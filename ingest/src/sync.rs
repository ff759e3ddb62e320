//! `JOIN_DOC`, `SYNC_STATE`, `LEAVE_DOC`: send the document, and what a client missed.
//!
//! The connection is registered **before** the state is read: later events are broadcast to it, and
//! earlier ones are in the state. If Redis is unusable, the answer comes from log and snapshot; the
//! client then gets later edits when it syncs.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use futures::future;
use inklog_crdt::Version;
use inklog_protocol::limits::{CONFIRM_AGENTS_MAX, DOCS_PER_CONNECTION_MAX, READER_PATIENCE};
use inklog_protocol::parts::{self, Answer, Own};
use inklog_protocol::{ClientMessage, DocId, ErrorCode, LoggedEvent, Refusal, StateFormat, VersionMap};
use inklog_store::StoreError;
use inklog_store::audience::{Audience, Post, presence_json};
use inklog_store::document::Documents;
use inklog_store::live::Cursor;
use serde_json::Value;

use crate::gate::{Caller, Gate};
use crate::rates::Work;
use crate::request::{Response, answer, connection_id, misrouted, refuse_store, respond};
use crate::states::{State, States};

/// After this long, the last part is posted like the others: the gateway no longer waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);

/// Brings clients up to date.
pub struct Sync {
    gate: Gate,
    documents: Documents,
    audience: Audience,
    log_name: String,
    states: Arc<States>,
    patience: Duration,
}

/// What a client asks for.
struct Wish {
    doc: DocId,
    caller: Caller,
    connection: String,
    format: StateFormat,
    cursor: Option<Cursor>,
    version: Version,
    /// Whether `version` is all that the client has, or only what came after its cursor.
    whole: bool,
    /// Whether the log itself is asked for what the live state lacks of `version`.
    confirm: bool,
    reference: Option<Value>,
    begun: Duration,
}

/// An answer: its parts, which others may share, and this client's own addition to the last one.
struct Parts {
    parts: Arc<[String]>,
    missing: VersionMap,
    /// Holds the state's room until all is sent; `None` for a replay.
    _state: Option<Arc<State>>,
}

impl Sync {
    /// A function over these stores, behind this gate. `log_name` is what clients are told of the log's name
    /// ([`inklog_store::log::short_name`]).
    pub fn new(gate: Gate, documents: Documents, audience: Audience, log_name: String) -> Sync {
        let states = States::new(documents.clone(), log_name.clone(), audience.clock.clone());
        Sync { gate, documents, audience, log_name, states, patience: READER_PATIENCE }
    }

    /// With another patience than [`READER_PATIENCE`].
    pub fn with_patience(self, patience: Duration) -> Sync {
        Sync { patience, ..self }
    }

    /// Handles one message of the gateway.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Response {
        let (connection, begun) = (connection_id(&event).to_owned(), self.audience.clock.monotonic());
        let answered = answer(&self.gate, &event, async |caller, message, reference| {
            let joins = matches!(message, ClientMessage::JoinDoc { .. });
            let (doc, format, cursor, version, confirm) = match message {
                ClientMessage::JoinDoc { doc, format, cursor } => (doc, format, cursor, None, false),
                ClientMessage::SyncState { doc, cursor, version, confirm, format } => {
                    (doc, format, cursor, version, confirm)
                }
                ClientMessage::LeaveDoc { doc } => {
                    self.audience.leave(&doc, &connection).await.map_err(refuse_store)?;
                    return Ok(None);
                }
                _ => return Err(misrouted()),
            };
            let whole = cursor.is_none() && version.is_some();
            let cursor = cursor.as_deref().and_then(Cursor::from_wire);
            let version = version.unwrap_or_default();
            let wish =
                Wish { doc, caller, connection, format, cursor, version, whole, confirm, reference, begun };
            self.bring_up_to_date(&wish, joins).await
        });
        respond(200, answered.await)
    }

    async fn bring_up_to_date(&self, wish: &Wish, joins: bool) -> Result<Option<String>, Refusal> {
        let now = self.audience.clock.now_ms();
        let holder = wish.caller.holder();
        let registered =
            self.audience.connections.register(&wish.doc, &wish.connection, holder.as_ref(), now).await;
        match &registered {
            Ok(true) => {}
            Ok(false) => {
                let message = format!(
                    "this connection has joined {DOCS_PER_CONNECTION_MAX} documents: leave one, or open another \
                     connection"
                );
                return Err(Refusal::new(ErrorCode::RateLimited, message));
            }
            Err(error) => {
                tracing::warn!(doc = %wish.doc, %error, "a connection is not registered: it gets edits only when it syncs");
            }
        }
        // A Redis that is silent is not waited for again and again.
        let silent = matches!(registered, Err(StoreError::Unavailable { .. }));
        let (parts, confirmed) =
            future::join(self.parts(wish, silent), self.gate.confirm(&wish.caller, &wish.doc)).await;
        if let Err(refusal) = confirmed {
            self.audience.leave(&wish.doc, &wish.connection).await.map_err(refuse_store)?;
            return Err(refusal);
        }
        let answer = self.send_parts(wish, parts?).await?;
        if joins
            && !silent
            && let Err(error) = self.show_presence(wish).await
        {
            tracing::warn!(doc = %wish.doc, %error, "could not send presence to a joiner");
        }
        Ok(answer)
    }

    /// What the client lacks.
    async fn parts(&self, wish: &Wish, silent: bool) -> Result<Parts, Refusal> {
        if let Some(cursor) = wish.cursor.as_ref().filter(|_| !silent) {
            match self.documents.live.since(&wish.doc, cursor).await {
                Ok(Some((events, end))) => {
                    return self.replay(wish, &Version::new(), events, Some(&end)).await;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(doc = %wish.doc, %error, "could not replay from a cursor"),
            }
        }
        let state = self.states.state(&wish.doc, wish.format).await?;
        let beyond = &state.beyond;
        if wish.whole
            && let Some((base, events)) = beyond.since(&wish.version)
        {
            return self.replay(wish, base, events, beyond.cursor.as_ref()).await;
        }
        let missing = self.missing(wish, &beyond.base, &beyond.events).await.map_err(refuse_store)?;
        let parts = self.states.parts(&wish.doc, wish.format, &state).await?;
        self.spend(wish, parts.iter().map(String::len).sum())?;
        Ok(Parts { parts, missing, _state: Some(state) })
    }

    /// Takes bytes that are sent from the caller's buckets.
    fn spend(&self, wish: &Wish, bytes: usize) -> Result<(), Refusal> {
        self.gate.spend(wish.caller.identity.as_ref(), &wish.connection, Work::State(bytes))
    }

    /// The events that the client lacks, where it has all that is in `base`.
    async fn replay(
        &self,
        wish: &Wish,
        base: &Version,
        mut events: Vec<LoggedEvent>,
        end: Option<&Cursor>,
    ) -> Result<Parts, Refusal> {
        let missing = self.missing(wish, base, &events).await.map_err(refuse_store)?;
        events.retain(|logged| !wish.version.covers(&logged.event));
        let end = end.map(Cursor::to_wire);
        // The client's own comes when it is sent.
        let (own, reference) = (None, None);
        let answer = Answer { doc: &wish.doc, log: &self.log_name, cursor: end.as_deref(), own, reference };
        let parts: Arc<[String]> = parts::op_replay(answer, &events).into();
        self.spend(wish, parts.iter().map(String::len).sum())?;
        Ok(Parts { parts, missing, _state: None })
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
    async fn send_parts(&self, wish: &Wish, parts: Parts) -> Result<Option<String>, Refusal> {
        let Parts { parts, missing, _state } = parts;
        let Some((last, first)) = parts.split_last() else { return Ok(None) };
        let reference = wish.reference.as_ref();
        let user = wish.caller.identity.as_ref().map(|identity| identity.user.as_str());
        let access = wish.caller.right.expect("whoever reads has a right");
        let own = Own { missing: &missing, access, user };
        let last = parts::made_own(last, Some(own), reference);
        if first.is_empty() {
            return Ok(Some(last));
        }
        let Some(_sending) = self.states.sending(&wish.connection, &wish.doc) else {
            let message = format!("the state of {} is already being sent to this connection", wish.doc);
            return Err(Refusal::new(ErrorCode::RateLimited, message));
        };
        // One at a time: each that is taken is progress, and renews the patience.
        for part in first {
            let part = parts::made_own(part, None, reference);
            if !self.audience.deliver(&wish.connection, &part, self.patience).await {
                return Ok(None);
            }
        }
        if self.audience.clock.monotonic() - wish.begun < ANSWER_WITHIN {
            return Ok(Some(last));
        }
        self.audience.deliver(&wish.connection, &last, self.patience).await;
        Ok(None)
    }

    /// Shows a joiner who is there.
    async fn show_presence(&self, wish: &Wish) -> Result<(), StoreError> {
        self.audience.expire_presence(&wish.doc).await?;
        let entries = self.audience.presence.all(&wish.doc, self.audience.clock.now_ms()).await?;
        let messages: Arc<[String]> = entries
            .iter()
            .filter(|entry| entry.connection != wish.connection)
            .map(|entry| presence_json(&wish.doc, &entry.agent, Some(entry)))
            .collect();
        if messages.is_empty() {
            return Ok(());
        }
        let post = Post { connection: wish.connection.clone(), messages };
        self.audience.mention(&wish.doc, vec![post]).await;
        Ok(())
    }
}
