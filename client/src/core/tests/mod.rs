//! The client's rules, told as stories with a dummy server that has a log and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use inklog_crdt::{Agent, Change, Doc, Event, Version};
use inklog_protocol::limits::{CONFIRM_AGENTS_MAX, FRAME_BYTES_MAX};
use inklog_protocol::parts::{self, Answer, Own, StateBody};
use inklog_protocol::{
    ClientMessage, DocId, ErrorCode, LoggedEvent, Refusal, Request, Right, ServerMessage, StateFormat,
    VersionMap,
};

use super::{Batch, Core, CoreConfig, Problem, Update, Verdict};

mod copied;
mod forgot;
mod gaps;
mod keeping;
mod presence;
mod refusals;
mod sending;
mod states;

fn doc_id() -> DocId {
    DocId::new("d").unwrap()
}

fn agent(name: &str) -> Agent {
    Agent::new(name).unwrap()
}

/// Bob, who types one word an event.
fn bob(words: &[&str]) -> Vec<Event> {
    let (mut doc, bob) = (Doc::new(), agent("bob"));
    let mut events = Vec::new();
    for word in words {
        let (after, at) = (doc.version().get(&bob), doc.len());
        events.push(Event::new(bob.clone(), after, vec![doc.insert(&bob, at, word).unwrap()]).unwrap());
    }
    events
}

fn remote(events: &[Event]) -> String {
    let events: Vec<String> = events
        .iter()
        .map(|event| parts::event_json(&LoggedEvent { event: event.clone(), at: 0, author: None }))
        .collect();
    parts::remote_op(&doc_id(), events.iter().map(String::as_str)).remove(0)
}

/// A server with a log.
struct Server {
    /// What it calls its log; `None`: it is older than names.
    log_name: Option<&'static str>,
    base: Doc,
    log: Vec<LoggedEvent>,
    /// So many of the newest events are not in the live state yet.
    lag: usize,
    /// A cursor names it, and a length of the log.
    tail: u32,
}

impl Default for Server {
    fn default() -> Server {
        Server { log_name: Some("log"), base: Doc::new(), log: Vec::new(), lag: 0, tail: 1 }
    }
}

impl Server {
    /// The same after its live state was lost.
    fn restarted(mut self) -> Server {
        self.tail += 1;
        self
    }

    fn writes(&mut self, events: &[Event]) {
        self.log.extend(events.iter().map(|event| LoggedEvent { event: event.clone(), at: 0, author: None }));
    }

    fn text(&self) -> String {
        let mut doc = self.base.clone();
        for logged in &self.log {
            doc.apply(&logged.event);
        }
        doc.text()
    }

    fn take(&mut self, frame: &str) -> Vec<String> {
        assert!(frame.len() <= FRAME_BYTES_MAX, "{}", frame.len());
        let Request { reference, message } = Request::parse(frame).unwrap();
        let live = &self.log[..self.log.len() - self.lag];
        let (doc, cursor) = (doc_id(), format!("{}-{}", self.tail, live.len()));
        let mut missing = VersionMap::new();
        if let ClientMessage::SyncState { version: Some(version), confirm: true, .. } = &message {
            let ends = |of: &[LoggedEvent]| {
                let mut ends = self.base.version().clone();
                of.iter().for_each(|logged| ends.advance(logged.event.agent(), logged.event.end()));
                ends
            };
            let (live, log) = (ends(live), ends(&self.log));
            let ahead = version.iter().filter(|(agent, end)| live.get(agent) < *end).take(CONFIRM_AGENTS_MAX);
            let lacks = ahead.filter(|(agent, end)| log.get(agent) < *end);
            missing = lacks.map(|(agent, _)| (agent.to_string(), log.get(agent))).collect();
        }
        let reference = reference.as_ref();
        let log = self.log_name.unwrap_or("older");
        let own = Some(Own { missing: &missing, access: Right::Manage, user: None });
        let answer = Answer { doc: &doc, log, cursor: Some(&cursor), own, reference };
        let answers = match message {
            ClientMessage::SendEvent { event, .. } => {
                let (agent, after, end) = (event.agent().to_string(), event.after(), event.end());
                let there = self
                    .log
                    .iter()
                    .find(|logged| logged.event.agent() == event.agent() && logged.event.after() == after);
                if there.is_some_and(|logged| logged.event != event) {
                    return vec![error(ErrorCode::Conflict, reference.cloned())];
                }
                if !self.log.iter().any(|logged| logged.event == event) {
                    self.log.push(LoggedEvent { event, at: 0, author: None });
                }
                let (doc_id, reference) = (doc_id().to_string(), reference.cloned());
                vec![ServerMessage::OpAck { doc_id, agent, after, end, reference }.to_json()]
            }
            ClientMessage::JoinDoc { cursor, format, .. } => {
                self.answer(answer, live, cursor, Version::new(), false, format)
            }
            ClientMessage::SyncState { cursor, version, format, .. } => {
                let whole = cursor.is_none();
                self.answer(answer, live, cursor, version.unwrap_or_default(), whole, format)
            }
            ClientMessage::Ping => {
                return vec![ServerMessage::Pong { reference: reference.cloned() }.to_json()];
            }
            ClientMessage::Presence { .. } => return Vec::new(),
            other => panic!("{other:?}"),
        };
        match self.log_name {
            Some(_) => answers,
            None => answers.iter().map(|answer| answer.replace(r#""log":"older","#, "")).collect(),
        }
    }

    fn answer(
        &self,
        answer: Answer<'_>,
        live: &[LoggedEvent],
        cursor: Option<String>,
        version: Version,
        whole: bool,
        format: StateFormat,
    ) -> Vec<String> {
        let from = cursor.and_then(|cursor| cursor.strip_prefix(&format!("{}-", self.tail))?.parse().ok());
        let replayed = from.map(|from: usize| &live[from..]);
        let replayed = replayed.or_else(|| (whole && version.includes(self.base.version())).then_some(live));
        if let Some(events) = replayed {
            let events: Vec<_> =
                events.iter().filter(|logged| !version.covers(&logged.event)).cloned().collect();
            return parts::op_replay(answer, &events);
        }
        let bytes = self.base.encode();
        let body = match format {
            StateFormat::Ops => StateBody::Ops(&self.base),
            StateFormat::Binary => StateBody::Binary(&bytes),
        };
        parts::doc_state(answer, answer.cursor.unwrap_or("none"), body, live)
    }
}

/// Alice, whose clock and store are turned by hand.
struct Alice {
    core: Core,
    now: Instant,
    agents: Arc<AtomicU32>,
    /// What her store has.
    store: Vec<Vec<u8>>,
}

/// Alice, then alice~1, …
fn agents(count: &Arc<AtomicU32>) -> crate::Agents {
    let count = count.clone();
    Box::new(move || match count.fetch_add(1, Ordering::Relaxed) {
        0 => agent("alice"),
        n => agent(&format!("alice~{n}")),
    })
}

/// Nobody looks, so that nothing but what a story is about is sent.
fn config() -> CoreConfig {
    CoreConfig { visible: false, changes: false, ..CoreConfig::new(doc_id(), "ws://server/dev") }
}

fn jitter() -> crate::Jitter {
    crate::Random::new(3).into_jitter()
}

impl Alice {
    fn new() -> Alice {
        Alice::with(config())
    }

    fn with(config: CoreConfig) -> Alice {
        let count = Arc::new(AtomicU32::new(0));
        let core = Core::new(config, agents(&count), jitter());
        Alice { core, now: Instant::now(), agents: count, store: Vec::new() }
    }

    /// With a store.
    fn kept() -> Alice {
        let count = Arc::new(AtomicU32::new(0));
        let core = Core::load(config(), &[], agents(&count), jitter()).unwrap();
        Alice { core, now: Instant::now(), agents: count, store: Vec::new() }
    }

    /// Connected, and up to date.
    fn joined(server: &mut Server) -> Alice {
        Alice::new().joins(server)
    }

    fn joins(mut self, server: &mut Server) -> Alice {
        self.core.connected(self.now);
        self.talk(server);
        assert!(self.core.is_synced());
        self.updates();
        self
    }

    /// The store does what it is asked for.
    fn stores(&mut self) {
        while let Some(Batch { number, bytes, replaces }) = self.core.take_batch() {
            if replaces {
                self.store.clear();
            }
            self.store.push(bytes);
            self.core.stored(number);
            self.core.tick(self.now);
        }
    }

    /// The program is killed; another is begun on the same store.
    fn is_killed(&mut self) {
        self.core = Core::load(config(), &self.store, agents(&self.agents), jitter()).unwrap();
        self.core.connected(self.now);
    }

    fn types(&mut self, text: &str) {
        let at = self.core.doc().len();
        self.types_at(at, text);
    }

    fn types_at(&mut self, at: usize, text: &str) {
        self.core.edit(at, 0, text, self.now).unwrap();
        self.stores();
    }

    fn frame(&mut self) -> Option<String> {
        self.core.next_frame()
    }

    fn hears(&mut self, frame: &str) {
        self.core.received(frame, self.now);
        self.stores();
    }

    /// Until both have nothing more to say; gives what she said.
    fn talk(&mut self, server: &mut Server) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(frame) = self.frame() {
            for answer in server.take(&frame) {
                self.hears(&answer);
            }
            said.push(frame);
        }
        said
    }

    /// Time passes up to what is due next. Says how long.
    fn waits(&mut self) -> Duration {
        let due = self.core.deadline().expect("something is due");
        let waited = due - self.now;
        self.now = due;
        self.core.tick(due);
        self.stores();
        waited
    }

    fn reconnects(&mut self) {
        self.core.disconnected();
        assert!(!self.core.has_frame());
        self.core.connected(self.now);
    }

    fn updates(&mut self) -> Vec<Update> {
        std::iter::from_fn(|| self.core.next_update()).collect()
    }

    fn acked(&mut self) -> usize {
        self.updates().iter().filter(|update| matches!(update, Update::Saved(_))).count()
    }
}

/// Until all that was typed is saved.
fn settles(alice: &mut Alice, server: &mut Server) {
    for _ in 0..20 {
        alice.talk(server);
        if alice.core.is_settled() && alice.core.is_synced() {
            break;
        }
        alice.waits();
    }
    assert!(alice.core.is_settled() && alice.core.is_synced());
    assert_eq!(alice.core.doc().text(), server.text());
}

fn is_sync(frame: Option<String>) -> bool {
    frame.is_some_and(|frame| frame.contains("SYNC_STATE"))
}

fn error(code: ErrorCode, reference: Option<serde_json::Value>) -> String {
    Refusal { reference, ..Refusal::new(code, "no") }.into_message().to_json()
}

/// A frame without its `ref`.
fn unnumbered(frame: Option<String>) -> serde_json::Value {
    let mut frame: serde_json::Value = serde_json::from_str(&frame.expect("there is a frame")).unwrap();
    frame.as_object_mut().unwrap().remove("ref");
    frame
}

/// The `ref` of a frame.
fn reference(frame: &str) -> Option<serde_json::Value> {
    serde_json::from_str::<serde_json::Value>(frame).unwrap().get("ref").cloned()
}
