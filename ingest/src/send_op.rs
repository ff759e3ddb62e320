//! `SEND_OP`: validate, append, acknowledge. Nothing else.
//!
//! What it has to know of a document comes from the catalogue and is remembered for a while: the agents'
//! floors, and whether the document is full ([`crate::sizes`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Agent, Event, Op};
use inklog_protocol::limits::{DOC_BYTES_MAX, FLOOR_CACHE_TTL};
use inklog_protocol::{ClientMessage, DocId, ErrorCode, Refusal, ServerMessage};
use inklog_store::log::Appended;
use inklog_store::{Catalogue, Clock, LogRecord, OpLog};
use serde_json::Value;

use crate::gate::{Caller, Gate};
use crate::rates::Work;
use crate::request::{Response, answer, connection_id, misrouted, refuse_store, respond};
use crate::sizes::Sizes;

/// A lost race for a place in the chain is repeated this often.
const CHAIN_TRIES: usize = 4;
/// Maximum number of floors that a warm function caches.
const FLOORS_MAX: usize = 10_000;

/// Appends events to the op log.
pub struct SendOp {
    gate: Gate,
    log: Arc<dyn OpLog>,
    catalogue: Arc<dyn Catalogue>,
    clock: Arc<dyn Clock>,
    /// Floors read lately, and when. A std mutex: it is never held across an await.
    floors: Mutex<HashMap<(DocId, Agent), (u64, u64)>>,
    sizes: Sizes,
}

/// The sender and its connection.
struct Sender {
    caller: Caller,
    connection: String,
}

impl SendOp {
    /// A function over these stores, behind this gate.
    pub fn new(
        gate: Gate,
        log: Arc<dyn OpLog>,
        catalogue: Arc<dyn Catalogue>,
        clock: Arc<dyn Clock>,
    ) -> SendOp {
        SendOp { gate, log, catalogue, clock, floors: Mutex::default(), sizes: Sizes::new(DOC_BYTES_MAX) }
    }

    /// With another limit than [`DOC_BYTES_MAX`].
    pub fn with_doc_bytes_max(self, max: u64) -> SendOp {
        SendOp { sizes: Sizes::new(max), ..self }
    }

    /// Handles one message of the gateway.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Response {
        let answered = answer(&self.gate, &event, async |caller, message, reference| {
            let sender = Sender { caller, connection: connection_id(&event).to_owned() };
            let (doc, appended) = match message {
                ClientMessage::SendEvent { doc, event } => {
                    let appended = self.send_event(&doc, event, sender).await?;
                    (doc, appended)
                }
                ClientMessage::SendOp { doc, agent, op } => {
                    let appended = self.send_single(&doc, agent, op, sender).await?;
                    (doc, appended)
                }
                _ => return Err(misrouted()),
            };
            Ok(Some(ack(&doc, &appended, reference)))
        });
        respond(200, answered.await)
    }

    /// Appends an event whose place in the chain the client knows.
    async fn send_event(&self, doc: &DocId, event: Event, sender: Sender) -> Result<Event, Refusal> {
        if event.after() < self.floor(doc, event.agent()).await? && !planted(Bug::FloorIsIgnored) {
            let refusal = conflict(&event);
            return self.repeated(doc, event, refusal).await;
        }
        if let Some(refusal) = self.no_room(doc, &event, &sender).await? {
            return self.repeated(doc, event, refusal).await;
        }
        match self.append(doc, event, &sender).await? {
            (event, Appended::Added | Appended::Repeat) => Ok(event),
            (event, Appended::Conflict) => Err(conflict(&event)),
        }
    }

    /// Below the floor, or in a full document, nothing is added, but an event that is still there is
    /// acknowledged.
    async fn repeated(&self, doc: &DocId, event: Event, refusal: Refusal) -> Result<Event, Refusal> {
        let there = self.log.last_of(doc, event.agent(), Some(event.after())).await.map_err(refuse_store)?;
        match there {
            Some(record) if record.event == event => Ok(event),
            _ => Err(refusal),
        }
    }

    /// Appends a lone op: its place is after what the log holds of the agent, or after the floor.
    async fn send_single(&self, doc: &DocId, agent: Agent, op: Op, sender: Sender) -> Result<Event, Refusal> {
        for _ in 0..CHAIN_TRIES {
            let last = self.log.last_of(doc, &agent, None).await.map_err(refuse_store)?;
            let floor = self.floor(doc, &agent).await?;
            let end = last.map_or(0, |record| record.event.end()).max(floor);
            if op.seq() < end {
                return self.repeated_single(doc, &agent, &op).await;
            }
            let event = Event::new(agent.clone(), end, vec![op.clone()])
                .map_err(|error| Refusal::new(ErrorCode::BadOp, error.to_string()))?;
            if let Some(refusal) = self.no_room(doc, &event, &sender).await? {
                return Err(refusal);
            }
            match self.append(doc, event, &sender).await? {
                (event, Appended::Added | Appended::Repeat) => return Ok(event),
                (_, Appended::Conflict) => {}
            }
        }
        Err(Refusal::new(ErrorCode::RateLimited, format!("too many writers use agent {agent} at once")))
    }

    /// An op whose ids are used up is a repeat if it is the very op that used them.
    async fn repeated_single(&self, doc: &DocId, agent: &Agent, op: &Op) -> Result<Event, Refusal> {
        let there = self.log.last_of(doc, agent, Some(op.seq())).await.map_err(refuse_store)?;
        match there {
            Some(record) if record.event.ops() == std::slice::from_ref(op) => Ok(record.event),
            _ => {
                let message = format!("id {agent}-{} is already in use; use a new session suffix", op.seq());
                Err(Refusal::new(ErrorCode::Conflict, message))
            }
        }
    }

    /// Gives the event back with what became of it.
    async fn append(&self, doc: &DocId, event: Event, sender: &Sender) -> Result<(Event, Appended), Refusal> {
        let record = LogRecord {
            event,
            at: self.clock.now_ms(),
            author: sender.caller.author(),
            connection: Some(sender.connection.clone()),
        };
        let anyway = |error| planted(Bug::AckWithoutAppend).then_some(Appended::Added).ok_or(error);
        let appended = self.log.append(doc, &record).await.or_else(anyway).map_err(refuse_store)?;
        Ok((record.event, appended))
    }

    /// Why the document has no room for the event, if it has none.
    async fn no_room(&self, doc: &DocId, event: &Event, sender: &Sender) -> Result<Option<Refusal>, Refusal> {
        let now = self.clock.now_ms();
        let look = async || {
            if let Some(bytes) = self.catalogue.size(doc).await.map_err(refuse_store)? {
                return Ok(bytes);
            }
            let identity = sender.caller.identity.as_ref();
            self.gate.spend(identity, &sender.connection, Work::NewDocument)?;
            Ok(0)
        };
        self.sizes.no_room(doc, event, now, look).await
    }

    /// The agent's floor, at most [`FLOOR_CACHE_TTL`] old: compaction waits that long before it acts
    /// on a floor.
    async fn floor(&self, doc: &DocId, agent: &Agent) -> Result<u64, Refusal> {
        let key = (doc.clone(), agent.clone());
        let now = self.clock.now_ms();
        let cached = self.floors.lock().expect("no holder panics").get(&key).copied();
        if let Some((floor, read_at)) = cached
            && now.saturating_sub(read_at) < FLOOR_CACHE_TTL.as_millis() as u64
        {
            return Ok(floor);
        }
        let floor = self.catalogue.floor(doc, agent).await.map_err(refuse_store)?.map_or(0, |f| f.end);
        let mut floors = self.floors.lock().expect("no holder panics");
        if floors.len() >= FLOORS_MAX {
            floors.clear();
        }
        // `now` was taken before the read, so that the entry is never younger than it says.
        floors.insert(key, (floor, now));
        Ok(floor)
    }
}

fn conflict(event: &Event) -> Refusal {
    let message = format!(
        "agent {} has another event after {}, or that place is compacted; use a new session suffix",
        event.agent(),
        event.after()
    );
    Refusal::new(ErrorCode::Conflict, message)
}

fn ack(doc: &DocId, event: &Event, reference: Option<Value>) -> String {
    ServerMessage::OpAck {
        doc_id: doc.as_str().to_owned(),
        agent: event.agent().as_str().to_owned(),
        after: event.after(),
        end: event.end(),
        reference,
    }
    .to_json()
}
