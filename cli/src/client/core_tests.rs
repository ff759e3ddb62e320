//! The client's rules, told as stories with a dummy server that has a log and nothing else.

use std::time::{Duration, Instant};

use inklog_crdt::{Agent, Doc, Event};
use inklog_protocol::parts::{self, Answer, StateBody};
use inklog_protocol::{
    ClientMessage, DocId, ErrorCode, LoggedEvent, Refusal, Request, ServerMessage, StateFormat, VersionMap,
};

use super::{ClientError, Core, CoreConfig, Random, Update};

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
    let events: Vec<String> =
        events.iter().map(|event| parts::event_json(&LoggedEvent { event: event.clone(), at: 0 })).collect();
    parts::remote_op(&doc_id(), events.iter().map(String::as_str)).remove(0)
}

/// A server with a log. A cursor is a length of it.
#[derive(Default)]
struct Server {
    base: Doc,
    log: Vec<LoggedEvent>,
}

impl Server {
    fn take(&mut self, frame: &str) -> Vec<String> {
        let Request { reference, message } = Request::parse(frame).unwrap();
        let (doc, cursor) = (doc_id(), self.log.len().to_string());
        let reference = reference.as_ref();
        let missing = VersionMap::new();
        let answer = Answer { doc: &doc, log: "log", cursor: &cursor, missing: &missing, reference };
        match message {
            ClientMessage::SendEvent { event, .. } => {
                let (agent, after, end) = (event.agent().to_string(), event.after(), event.end());
                if !self.log.iter().any(|logged| logged.event == event) {
                    self.log.push(LoggedEvent { event, at: 0 });
                }
                let (doc_id, reference) = (doc_id().to_string(), reference.cloned());
                vec![ServerMessage::OpAck { doc_id, agent, after, end, reference }.to_json()]
            }
            ClientMessage::SyncState { cursor: Some(from), version, .. } => {
                let version = version.unwrap();
                let mut events = self.log[from.parse::<usize>().unwrap()..].to_vec();
                events.retain(|logged| !version.covers(&logged.event));
                parts::op_replay(answer, &events)
            }
            ClientMessage::JoinDoc { format, .. } | ClientMessage::SyncState { format, .. } => {
                let bytes = self.base.encode();
                let body = match format {
                    StateFormat::Ops => StateBody::Ops(&self.base),
                    StateFormat::Binary => StateBody::Binary(&bytes),
                };
                parts::doc_state(answer, &cursor, body, &self.log)
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Alice, whose clock is turned by hand.
struct Alice {
    core: Core,
    now: Instant,
}

impl Alice {
    fn new() -> Alice {
        let config = CoreConfig::new(doc_id(), agent("alice"));
        Alice { core: Core::new(config, Random::new(3)), now: Instant::now() }
    }

    /// Connected, and up to date.
    fn joined(server: &mut Server) -> Alice {
        let mut alice = Alice::new();
        alice.core.connected(alice.now);
        alice.talk(server);
        assert!(alice.core.is_synced());
        alice.updates();
        alice
    }

    fn types(&mut self, text: &str) {
        let at = self.core.doc().len();
        self.core.insert(at, text, self.now).unwrap();
    }

    fn frame(&mut self) -> Option<String> {
        self.core.next_frame()
    }

    fn hears(&mut self, frame: &str) {
        self.core.received(frame, self.now).unwrap();
    }

    /// Until both have nothing more to say.
    fn talk(&mut self, server: &mut Server) {
        while let Some(frame) = self.frame() {
            for answer in server.take(&frame) {
                self.hears(&answer);
            }
        }
    }

    /// Time passes up to what is due next. Says how long.
    fn waits(&mut self) -> Duration {
        let due = self.core.deadline().expect("something is due");
        let waited = due - self.now;
        self.now = due;
        self.core.tick(due);
        waited
    }

    fn reconnects(&mut self) {
        self.core.disconnected();
        assert_eq!((self.core.deadline(), self.core.has_frame()), (None, false));
        self.core.connected(self.now);
    }

    fn updates(&mut self) -> Vec<Update> {
        std::iter::from_fn(|| self.core.next_update()).collect()
    }

    fn acked(&mut self) -> usize {
        self.updates().iter().filter(|update| matches!(update, Update::Acked(_))).count()
    }
}

fn is_sync(frame: Option<String>) -> bool {
    frame.is_some_and(|frame| frame.contains("SYNC_STATE"))
}

fn error(code: ErrorCode, reference: Option<serde_json::Value>) -> String {
    Refusal { reference, ..Refusal::new(code, "no") }.into_message().to_json()
}

#[test]
fn one_event_is_in_flight_and_what_is_typed_meanwhile_is_the_next() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let first = alice.frame().unwrap();
    alice.types("b");
    alice.types("c");
    assert_eq!(alice.frame(), None);
    for answer in server.take(&first) {
        alice.hears(&answer);
    }
    alice.talk(&mut server);
    let ends: Vec<u64> = server.log.iter().map(|logged| logged.event.end()).collect();
    assert_eq!(ends, [1, 3]);
    assert!(alice.core.is_settled());
    assert_eq!(alice.acked(), 2);
}

#[test]
fn nothing_is_sent_before_the_servers_version_is_known() {
    let mut alice = Alice::new();
    alice.types("offline");
    alice.core.connected(alice.now);
    assert!(alice.frame().unwrap().contains("JOIN_DOC"));
    assert_eq!(alice.frame(), None);
}

#[test]
fn an_event_whose_ack_was_lost_is_not_sent_again() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    server.take(&alice.frame().unwrap());
    alice.types("b");
    alice.reconnects();
    alice.talk(&mut server);
    assert_eq!(server.log.len(), 2);
    assert!(alice.core.is_settled());
    assert_eq!(alice.acked(), 2);
}

#[test]
fn an_event_that_was_lost_is_sent_again_unchanged() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let lost = alice.frame().unwrap();
    alice.types("b");
    alice.reconnects();
    let sync = alice.frame().unwrap();
    assert_eq!(alice.frame(), None);
    for answer in server.take(&sync) {
        alice.hears(&answer);
    }
    assert_eq!(alice.frame(), Some(lost));
}

#[test]
fn an_ack_that_does_not_come_is_asked_for_again() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let sent = alice.frame().unwrap();
    let mut again = None;
    while again.is_none() {
        alice.waits();
        match alice.frame() {
            Some(frame) if frame.contains("SEND_OP") => again = Some(frame),
            Some(frame) => server.take(&frame).iter().for_each(|answer| alice.hears(answer)),
            None => {}
        }
    }
    assert_eq!(again, Some(sent));
    let sent = alice.updates().iter().filter(|update| matches!(update, Update::Sent { .. })).count();
    assert_eq!(sent, 1);
}

#[test]
fn repeats_change_nothing() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    let events = bob(&["one "]);
    alice.types("x");
    let answers = server.take(&alice.frame().unwrap());
    for _ in 0..3 {
        alice.hears(&answers[0]);
        alice.hears(&remote(&events));
    }
    let updates = alice.updates();
    let count = |wanted: fn(&Update) -> bool| updates.iter().filter(|update| wanted(update)).count();
    assert_eq!(count(|update| matches!(update, Update::Acked(_))), 1);
    assert_eq!(count(|update| matches!(update, Update::Received(_))), 1);
    assert_eq!(count(|update| matches!(update, Update::Advanced { from: 0, to: 4, .. })), 1);
}

#[test]
fn a_gap_leads_to_a_sync_at_once_then_with_pauses_then_without_the_cursor() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    let events = bob(&["one ", "two "]);
    alice.hears(&remote(&events[1..]));
    let mut without_cursor = false;
    for _ in 0..6 {
        let sync = alice.frame().unwrap();
        assert!(is_sync(Some(sync.clone())));
        without_cursor |= !sync.contains("cursor");
        assert_eq!(alice.frame(), None);
        // The server does not have it yet either.
        server.take(&sync).iter().for_each(|answer| alice.hears(answer));
        assert!(alice.waits() <= Duration::from_secs(5));
    }
    assert!(without_cursor);
    server.log = events.into_iter().map(|event| LoggedEvent { event, at: 0 }).collect();
    alice.talk(&mut server);
    assert_eq!(alice.core.doc().text(), "one two ");
    assert!(alice.waits() > Duration::from_secs(5));
}

#[test]
fn a_missed_broadcast_without_a_gap_is_found_two_seconds_after_joining() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    server.log = bob(&["missed"]).into_iter().map(|event| LoggedEvent { event, at: 0 }).collect();
    assert_eq!(alice.waits(), Duration::from_secs(2));
    alice.talk(&mut server);
    assert_eq!(alice.core.doc().text(), "missed");
}

#[test]
fn a_quiet_client_syncs_ever_less_often() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        pauses.push(alice.waits().as_secs());
        alice.talk(&mut server);
    }
    assert_eq!(pauses, [2, 60, 120, 240, 300, 300, 300]);
    alice.hears(&remote(&bob(&["hey"])));
    assert_eq!(alice.waits().as_secs(), 30);
    alice.talk(&mut server);
    assert_eq!(alice.waits().as_secs(), 30);
}

#[test]
fn a_states_parts_come_in_any_order_in_both_formats() {
    let mut server = Server::default();
    let carol = agent("carol");
    server.base.insert(&carol, 0, &"wörd 😀 ".repeat(40_000)).unwrap();
    server.base.delete(&carol, 7, 1_000).unwrap();
    for format in [StateFormat::Ops, StateFormat::Binary] {
        let config = CoreConfig { format, ..CoreConfig::new(doc_id(), agent("alice")) };
        let mut alice = Alice { core: Core::new(config, Random::new(3)), now: Instant::now() };
        // What was typed before stays.
        alice.types("mine");
        alice.core.connected(alice.now);
        let mut parts = server.take(&alice.frame().unwrap());
        assert!(parts.len() > 2);
        parts.reverse();
        parts.insert(1, parts[0].clone());
        for part in &parts {
            assert!(!alice.core.is_synced());
            alice.hears(part);
        }
        assert!(alice.core.is_synced());
        let text = alice.core.doc().text();
        assert!(text.contains("mine") && text.contains(&server.base.text()));
        let merged = Update::Merged(server.base.version().clone());
        assert!(alice.updates().contains(&merged));
    }
}

#[test]
fn a_state_of_any_length_around_a_parts_end_opens() {
    let carol = agent("carol");
    // In base64 a slice ends at 87,000 bytes, and the next one shares its part for some more; as ops a
    // run is cut every 16 KB, and a part is full after seven of them.
    let lengths = (86_960..87_010).chain((87_010..88_500).step_by(31)).chain(88_450..88_500);
    let lengths = lengths.chain(16_380..16_390).chain(117_200..117_300).chain(173_960..174_010);
    for length in lengths {
        let mut server = Server::default();
        server.base.insert(&carol, 0, &"x".repeat(length)).unwrap();
        for format in [StateFormat::Ops, StateFormat::Binary] {
            let config = CoreConfig { format, ..CoreConfig::new(doc_id(), agent("alice")) };
            let mut alice = Alice { core: Core::new(config, Random::new(3)), now: Instant::now() };
            alice.core.connected(alice.now);
            alice.talk(&mut server);
            assert!(alice.core.doc().encode() == server.base.encode(), "{length} characters as {format:?}");
        }
    }
}

#[test]
fn a_state_that_covers_the_outbox_empties_it() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    server.take(&alice.frame().unwrap());
    // The server folded the event into its base, and the cursor is no longer good.
    server.base.apply(&server.log[0].event.clone());
    alice.core.disconnected();
    alice.core.connected(alice.now);
    let sync = alice.frame().unwrap().replace("cursor", "lost");
    server.log.clear();
    server.take(&sync).iter().for_each(|answer| alice.hears(answer));
    assert!(alice.core.is_settled());
    assert_eq!(alice.acked(), 1);
}

#[test]
fn an_answer_to_a_sync_that_was_given_up_moves_no_cursor() {
    let mut server = Server::default();
    let mut alice = Alice::new();
    alice.core.connected(alice.now);
    let given_up = alice.frame().unwrap();
    assert_eq!(alice.waits(), Duration::from_secs(10));
    assert!(alice.frame().unwrap().contains("JOIN_DOC"));
    server.take(&given_up).iter().for_each(|answer| alice.hears(answer));
    assert!(!alice.core.is_synced());
}

#[test]
fn a_refusal_for_now_is_tried_again_after_a_pause_and_a_final_one_ends_it() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let sent = alice.frame().unwrap();
    alice.hears(&error(ErrorCode::Unavailable, Some(0.into())));
    assert_eq!(alice.frame(), None);
    assert!(alice.waits() <= Duration::from_secs(5));
    assert_eq!(alice.frame(), Some(sent));
    let conflict = error(ErrorCode::Conflict, Some(0.into()));
    let refused = alice.core.received(&conflict, alice.now).unwrap_err();
    assert_eq!(refused.to_string(), "the server refused (conflict): no");
}

#[test]
fn the_gateways_own_word_that_something_failed_is_a_refusal_for_now() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let sent = alice.frame().unwrap();
    alice.hears(r#"{"message":"Internal server error","connectionId":"c","requestId":"r"}"#);
    alice.waits();
    assert_eq!(alice.frame(), Some(sent));
    // An action of a newer server is none of its business; a broken one that it knows is.
    alice.hears(r#"{"action":"DANCE"}"#);
    assert!(matches!(alice.core.received(r#"{"action":"OP_ACK"}"#, alice.now), Err(ClientError::Odd(_))));
}

#[test]
fn somebody_else_under_the_same_name_is_noticed() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    let mut twin = Alice::joined(&mut server);
    twin.types("other");
    twin.talk(&mut server);
    let seen = remote(&[server.log[0].event.clone()]);
    assert!(matches!(alice.core.received(&seen, alice.now), Err(ClientError::ForeignHistory { end: 5, .. })));
    let mut alice = Alice::joined(&mut Server::default());
    alice.types("words");
    assert!(matches!(alice.core.received(&seen, alice.now), Err(ClientError::ForeignHistory { end: 5, .. })));
}

#[test]
fn ops_made_on_another_replica_show_when_their_event_is_closed() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    let mut view = Doc::new();
    for (i, letter) in ["a", "b", "c"].into_iter().enumerate() {
        let op = view.insert(&agent("alice"), i, letter).unwrap();
        alice.core.queue(op);
    }
    assert_eq!(alice.core.doc().text(), "");
    alice.core.close_event();
    assert_eq!(alice.core.doc().text(), "abc");
    alice.core.pump(alice.now);
    alice.talk(&mut server);
    assert!(alice.core.is_settled());
    assert_eq!(server.log.len(), 1);
}
