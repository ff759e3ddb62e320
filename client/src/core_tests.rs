//! The client's rules, told as stories with a dummy server that has a log and nothing else.

use std::time::{Duration, Instant};

use inklog_crdt::{Agent, Change, Doc, Event, Version};
use inklog_protocol::limits::{CONFIRM_AGENTS_MAX, FRAME_BYTES_MAX};
use inklog_protocol::parts::{self, Answer, StateBody};
use inklog_protocol::{
    ClientMessage, DocId, ErrorCode, LoggedEvent, Refusal, Request, ServerMessage, StateFormat, VersionMap,
};

use crate::{ClientError, Core, CoreConfig, Random, Update};

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
        self.log.extend(events.iter().map(|event| LoggedEvent { event: event.clone(), at: 0 }));
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
        let answer = Answer { doc: &doc, log, cursor: Some(&cursor), missing: &missing, reference };
        let answers = match message {
            ClientMessage::SendEvent { event, .. } => {
                let (agent, after, end) = (event.agent().to_string(), event.after(), event.end());
                if !self.log.iter().any(|logged| logged.event == event) {
                    self.log.push(LoggedEvent { event, at: 0 });
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
fn a_gap_leads_to_a_sync_at_once_then_with_pauses_and_once_without_the_cursor() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("x");
    alice.talk(&mut server);
    let events = bob(&["one ", "two "]);
    alice.hears(&remote(&events[1..]));
    let mut with_cursor = Vec::new();
    for _ in 0..8 {
        let sync = alice.frame().unwrap();
        assert!(is_sync(Some(sync.clone())));
        with_cursor.push(sync.contains("cursor"));
        assert_eq!(alice.frame(), None);
        // The server does not have it yet either.
        server.take(&sync).iter().for_each(|answer| alice.hears(answer));
        alice.waits();
    }
    assert_eq!(with_cursor, [true, true, true, true, false, true, true, true]);
    assert!(alice.core.has_gap() && alice.updates().contains(&Update::Gap(true)));
    server.writes(&events);
    alice.talk(&mut server);
    assert_eq!(alice.core.doc().text(), server.text());
    assert!(!alice.core.has_gap() && alice.updates().contains(&Update::Gap(false)));
    assert_eq!(alice.waits(), Duration::from_secs(30));
}

/// The syncs while carol types a letter a second for twenty minutes: in which minute, and whether with
/// a cursor.
fn syncs_while_carol_types(
    alice: &mut Alice,
    server: &mut Server,
    mut carol: Vec<Event>,
) -> Vec<(u64, bool)> {
    let (begin, mut syncs) = (alice.now, Vec::new());
    for second in 0..20 * 60 {
        let until = begin + Duration::from_secs(second);
        loop {
            while let Some(frame) = alice.frame() {
                assert!(is_sync(Some(frame.clone())), "{frame}");
                syncs.push(((alice.now - begin).as_secs() / 60, frame.contains("cursor")));
                server.take(&frame).iter().for_each(|answer| alice.hears(answer));
            }
            match alice.core.deadline() {
                Some(due) if due <= until => drop(alice.waits()),
                _ => break,
            }
        }
        alice.now = until;
        let event = carol.remove(0);
        server.writes(std::slice::from_ref(&event));
        alice.hears(&remote(&[event]));
    }
    syncs
}

#[test]
fn what_can_never_be_placed_is_asked_for_ever_less_often_also_while_others_type() {
    let carol: Vec<Event> = {
        let (mut doc, carol) = (Doc::new(), agent("carol"));
        let type_one = |at| Event::new(carol.clone(), at as u64, vec![doc.insert(&carol, at, "x").unwrap()]);
        (0..20 * 60 + 1).map(type_one).map(Result::unwrap).collect()
    };
    // One event of bob's can never be placed; or that, and all that carol types.
    for first in [0, 1] {
        let mut server = Server::default();
        let mut alice = Alice::joined(&mut server);
        alice.types("x");
        alice.talk(&mut server);
        let lost = bob(&["one ", "two "]).remove(1);
        server.writes(std::slice::from_ref(&lost));
        alice.hears(&remote(&[lost]));
        let syncs = syncs_while_carol_types(&mut alice, &mut server, carol[first..].to_vec());
        for minute in 10..20 {
            let here: Vec<_> = syncs.iter().filter(|(at, _)| *at == minute).collect();
            assert!((1..=2).contains(&here.len()), "minute {minute}: {}", here.len());
            assert!(here.iter().all(|(_, cursor)| *cursor));
        }
        assert_eq!(syncs.iter().filter(|(_, cursor)| !cursor).count(), 1, "{syncs:?}");
        assert!(alice.core.has_gap());
        assert_eq!(alice.core.doc().text().len(), if first == 0 { 1 + 20 * 60 } else { 1 });
    }
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

/// A document of some twenty parts.
fn large() -> Server {
    let mut server = Server::default();
    server.base.insert(&agent("carol"), 0, &"x".repeat(1_700_000)).unwrap();
    server
}

#[test]
fn a_state_on_a_slow_line_opens_with_one_join() {
    let mut server = large();
    let mut alice = Alice::new();
    alice.core.connected(alice.now);
    let parts = server.take(&alice.frame().unwrap());
    assert!(parts.len() > 15);
    for part in &parts {
        // Slower than the patience for all of it together, and for each part alone quick enough.
        alice.now += Duration::from_secs(15);
        alice.core.tick(alice.now);
        assert_eq!(alice.frame(), None);
        alice.hears(part);
    }
    assert!(alice.core.is_synced());
    assert_eq!(alice.core.doc().len(), 1_700_000);
}

#[test]
fn parts_that_come_late_are_used_whichever_request_they_answer() {
    let mut server = large();
    let mut alice = Alice::new();
    alice.core.connected(alice.now);
    let first = server.take(&alice.frame().unwrap());
    alice.hears(&first[0]);
    let mut waited = Duration::ZERO;
    let second = loop {
        waited += alice.waits();
        if let Some(frame) = alice.frame() {
            break frame;
        }
    };
    assert!(waited >= Duration::from_secs(20) && second.contains("JOIN_DOC"));
    server.writes(&bob(&["newer"]));
    let second = server.take(&second);
    alice.hears(&second[0]);
    first[1..].iter().for_each(|part| alice.hears(part));
    assert!(alice.core.is_synced(), "the first answer is whole");
    // What the other one has beyond it counts, too; what is asked before it is answered is no harm.
    second[1..].iter().for_each(|part| alice.hears(part));
    assert!(alice.core.doc().text().contains("newer"));
}

#[test]
fn what_is_never_answered_is_asked_ever_less_often_and_the_connection_given_up() {
    let mut alice = Alice::new();
    alice.core.connected(alice.now);
    let (begin, mut asked) = (alice.now, Vec::new());
    while alice.now - begin < Duration::from_secs(30 * 60) {
        if alice.frame().is_some() {
            asked.push((alice.now - begin).as_secs());
        }
        assert!(asked.len() < 4 || alice.core.is_dead(), "three answers were lost");
        assert!(asked.len() > 2 || !alice.core.is_dead());
        alice.waits();
    }
    assert!(asked.len() < 20, "{asked:?}");
    let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[0] >= 20 && pauses[4..].iter().all(|pause| *pause >= 160), "{pauses:?}");
}

#[test]
fn who_knows_of_too_many_agents_joins_instead() {
    let mut server = Server::default();
    for i in 0..2_000 {
        server.base.insert(&agent(&format!("agent~{i:07}")), i, "x").unwrap();
    }
    let mut alice = Alice::joined(&mut server);
    // A gap leads to a sync without the cursor, which names all agents.
    alice.hears(&remote(&bob(&["one ", "two "])[1..]));
    let mut without_cursor = None;
    while without_cursor.is_none() {
        let frame = alice.frame().unwrap();
        assert!(frame.len() <= FRAME_BYTES_MAX);
        server.take(&frame).iter().for_each(|answer| alice.hears(answer));
        without_cursor = Some(frame).filter(|frame| !frame.contains("cursor"));
        alice.waits();
    }
    assert!(without_cursor.unwrap().contains("JOIN_DOC"));
    assert_eq!(alice.core.doc().len(), 2_000);
    // As many as a frame has room for are named.
    let mut server = Server::default();
    for i in 0..1_300 {
        server.base.insert(&agent(&format!("agent~{i:07}")), i, "x").unwrap();
    }
    let mut alice = Alice::joined(&mut server);
    alice.types("x");
    alice.talk(&mut server);
    let mut server = Server { base: server.base.clone(), ..Server::default() };
    alice.reconnects();
    // The server lacks an acknowledged event: it is asked whether its log does.
    let frames: Vec<String> = std::iter::from_fn(|| {
        let frame = alice.frame()?;
        server.tail = 2;
        server.take(&frame).iter().for_each(|answer| alice.hears(answer));
        Some(frame)
    })
    .collect();
    let confirming = frames.iter().find(|frame| frame.contains("confirm")).expect("it asks");
    assert!(confirming.len() > 20_000 && confirming.contains(r#""alice":1"#));
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

// --- A server that forgot

/// Alice, who has typed and sent `text`, and knows what bob wrote.
fn alice_with(server: &mut Server, words: &[&str], text: &str) -> Alice {
    server.writes(&bob(words));
    let mut alice = Alice::joined(server);
    alice.types(text);
    alice.talk(server);
    assert!(alice.core.is_settled());
    alice.updates();
    alice
}

fn forks(alice: &mut Alice) -> Vec<String> {
    let forked = alice.updates().into_iter().filter_map(|update| match update {
        Update::Forked { text } => Some(text),
        _ => None,
    });
    forked.collect()
}

#[test]
fn on_another_log_the_text_is_put_aside_and_only_what_was_never_saved_is_typed_again() {
    let mut old = Server::default();
    let mut alice = alice_with(&mut old, &["one ", "two "], "saved ");
    alice.core.disconnected();
    let at = alice.core.doc().len();
    alice.core.insert(at, "unsaved", alice.now).unwrap();
    alice.core.insert(0, "also ", alice.now).unwrap();
    let mut new = Server { log_name: Some("new"), tail: 9, ..Server::default() };
    new.writes(&bob(&["other"]));
    alice.core.connected(alice.now);
    // What comes before the server has said which log it has is not mixed in.
    alice.hears(&remote(&bob(&["other", "more"])[1..]));
    assert_eq!(alice.core.doc().text(), "also one two saved unsaved");
    let said = alice.talk(&mut new);
    assert!(!said.iter().any(|frame| frame.contains("confirm")), "the name says enough");
    assert_eq!(forks(&mut alice), ["also one two saved unsaved"]);
    assert!(alice.core.is_settled() && alice.core.agent() != &agent("alice"));
    assert!(alice.core.agent().as_str().starts_with("alice~"));
    let expected = new.text();
    assert!(expected.contains("also ") && expected.contains("unsaved") && !expected.contains(" saved"));
    assert!(expected.contains("other"));
    // What came early is there, too.
    new.writes(&bob(&["other", "more"])[1..]);
    assert_eq!(alice.core.doc().text(), new.text());
    // It is the new log's now: nothing is told again.
    alice.reconnects();
    alice.talk(&mut new);
    assert_eq!(forks(&mut alice), [""; 0]);
}

#[test]
fn a_copy_of_the_log_under_another_name_is_no_reason_to_tell_anything() {
    let mut old = Server::default();
    let mut alice = alice_with(&mut old, &["one ", "two "], "saved ");
    let mut copy = Server { log_name: Some("copy"), ..old.restarted() };
    // Somebody has deleted of it, and written more.
    let (mut doc, carol) = (Doc::new(), agent("carol"));
    for logged in &copy.log {
        doc.apply(&logged.event);
    }
    let mut ops = doc.delete(&carol, 0, 4).unwrap();
    ops.push(doc.insert(&carol, 0, "1 ").unwrap());
    copy.writes(&[Event::new(carol, 0, ops).unwrap()]);
    alice.core.disconnected();
    alice.types("unsaved");
    alice.core.connected(alice.now);
    alice.talk(&mut copy);
    assert_eq!(forks(&mut alice), [""; 0]);
    assert_eq!(alice.core.doc().text(), "1 two saved unsaved");
    assert_eq!((copy.text(), alice.core.agent()), ("1 two saved unsaved".into(), &agent("alice")));
    // From now on it is the copy's.
    let mut old = Server { tail: 5, ..Server::default() };
    alice.reconnects();
    let said = alice.talk(&mut old);
    assert!(!said.iter().any(|frame| frame.contains("confirm")), "the name says enough");
    assert_eq!(forks(&mut alice), ["1 two saved unsaved"]);
}

#[test]
fn on_a_copy_that_goes_on_under_her_name_she_takes_another_and_loses_nothing() {
    let mut old = Server::default();
    let mut alice = alice_with(&mut old, &["one "], "saved ");
    let mut copy = Server { log_name: Some("copy"), ..old.restarted() };
    let mut doc = Doc::new();
    for logged in &copy.log {
        doc.apply(&logged.event);
    }
    let op = doc.insert(&agent("alice"), doc.len(), "more ").unwrap();
    copy.writes(&[Event::new(agent("alice"), op.seq(), vec![op]).unwrap()]);
    alice.core.disconnected();
    alice.types("unsaved");
    alice.core.connected(alice.now);
    alice.talk(&mut copy);
    assert_eq!(forks(&mut alice), [""; 0], "all that she had is there");
    assert!(alice.core.agent() != &agent("alice") && alice.core.is_settled());
    assert_eq!(alice.core.doc().text(), copy.text());
    assert!(copy.text().contains("unsaved") && copy.text().contains("more "));
}

#[test]
fn what_reached_a_log_that_then_forgot_something_else_is_not_typed_twice() {
    let mut server = Server::default();
    server.writes(&bob(&["one ", "two "]));
    let mut alice = Alice::joined(&mut server);
    alice.core.insert(0, "saved ", alice.now).unwrap();
    alice.talk(&mut server);
    alice.core.insert(0, "reached ", alice.now).unwrap();
    server.take(&alice.frame().unwrap());
    alice.core.disconnected();
    alice.core.insert(0, "unsaved ", alice.now).unwrap();
    let mut server = server.restarted();
    server.log.remove(1);
    alice.core.connected(alice.now);
    alice.talk(&mut server);
    assert_eq!(forks(&mut alice), ["unsaved reached saved one two "]);
    assert_eq!(server.text(), "unsaved reached saved one ");
    assert_eq!(alice.core.doc().text(), server.text());
}

#[test]
fn a_live_state_that_lags_is_no_server_that_forgot() {
    let mut server = Server::default();
    let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
    let mut server = Server { lag: 2, ..server.restarted() };
    alice.reconnects();
    alice.types("unsaved");
    let mut confirmed = 0;
    while let Some(frame) = alice.frame() {
        assert!(confirmed > 0 || !frame.contains("SEND_OP"), "nothing is sent before that is clear");
        confirmed += usize::from(frame.contains(r#""confirm":true"#));
        server.take(&frame).iter().for_each(|answer| alice.hears(answer));
    }
    assert_eq!(confirmed, 1);
    assert_eq!(forks(&mut alice), [""; 0]);
    server.lag = 0;
    assert_eq!((server.text(), alice.core.agent()), ("one two saved unsaved".into(), &agent("alice")));
    assert_eq!(alice.core.doc().text(), server.text());
}

#[test]
fn a_log_that_was_restored_under_its_name_is_found_out_before_anything_is_sent() {
    for (keeps, folds) in [(0, false), (1, false), (2, false), (1, true)] {
        let mut server = Server::default();
        let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
        alice.core.disconnected();
        alice.types("unsaved");
        let at = alice.core.doc().len();
        alice.core.insert(at - 2, "_", alice.now).unwrap();
        let mut server = server.restarted();
        server.log.truncate(keeps);
        if folds {
            // All is in the base, with what somebody wrote since: the answer to the question whether the
            // log has it is a state.
            for logged in server.log.drain(..) {
                server.base.apply(&logged.event);
            }
            server.base.insert(&agent("dan"), 4, "since").unwrap();
        }
        alice.core.connected(alice.now);
        alice.talk(&mut server);
        assert_eq!(forks(&mut alice), ["one two saved unsav_ed"]);
        let kept = ["", "one ", "one two "][keeps];
        let since = if folds { "since" } else { "" };
        assert_eq!(server.text(), format!("{kept}unsav_ed{since}"), "each is typed where its neighbours are");
        assert_eq!(alice.core.doc().text(), server.text());
        assert!(alice.core.is_settled());
        // Bob, who knows nothing of it, goes on from where the server is; nothing waits for what is gone.
        assert_eq!(alice.core.doc().waiting().count(), 0);
    }
}

#[test]
fn an_editor_that_makes_the_changes_follows_when_the_document_is_begun_anew() {
    let mut old = Server::default();
    old.writes(&bob(&["one ", "two ", "thrée"]));
    let config = CoreConfig { changes: true, ..CoreConfig::new(doc_id(), agent("alice")) };
    let mut alice = Alice { core: Core::new(config, Random::new(3)), now: Instant::now() };
    alice.core.connected(alice.now);
    alice.talk(&mut old);
    alice.types(" saved");
    alice.talk(&mut old);
    alice.core.disconnected();
    alice.types(" unsaved");
    alice.updates();
    let mut shown: Vec<char> = alice.core.doc().text().chars().collect();
    let mut new = Server { log_name: Some("new"), tail: 9, ..Server::default() };
    new.writes(&bob(&["one ", "2 "]));
    alice.core.connected(alice.now);
    alice.talk(&mut new);
    let updates = alice.updates();
    assert!(updates.iter().any(|update| matches!(update, Update::Forked { .. })));
    for update in updates {
        let Update::Changes(changes) = update else { continue };
        for change in changes {
            match change {
                Change::Insert { at, text } => drop(shown.splice(at..at, text.chars())),
                Change::Delete { at, len } => drop(shown.drain(at..at + len)),
            }
        }
    }
    assert_eq!(shown.into_iter().collect::<String>(), alice.core.doc().text());
    assert_eq!(alice.core.doc().text(), new.text());
}

#[test]
fn a_replay_that_names_another_log_or_something_missing_is_not_taken() {
    let mut server = Server::default();
    let mut alice = alice_with(&mut server, &["one "], "saved ");
    // The same cursor happens to be good there.
    let mut other = Server { log_name: Some("other"), ..Server::default() };
    other.writes(&bob(&["a", "b", "c", "d"]));
    alice.reconnects();
    let sync = alice.frame().unwrap();
    let answers = other.take(&sync);
    assert!(answers[0].contains("OP_REPLAY"));
    alice.hears(&answers[0]);
    assert_eq!(alice.core.doc().text(), "one saved ");
    let join = alice.frame().unwrap();
    assert!(join.contains("JOIN_DOC") && !join.contains("cursor"));
    other.take(&join).iter().for_each(|answer| alice.hears(answer));
    assert_eq!(forks(&mut alice), ["one saved "]);
    assert_eq!(alice.core.doc().text(), "abcd");
}

#[test]
fn other_characters_under_the_same_ids_are_another_text() {
    let mut server = Server::default();
    let mut alice = alice_with(&mut server, &["one "], "saved ");
    // Restored from before, and bob has typed something else since, with the same name and further.
    let mut server = server.restarted();
    server.log.remove(0);
    server.log.insert(0, LoggedEvent { event: bob(&["ONE TWO "]).remove(0), at: 0 });
    alice.reconnects();
    alice.types("unsaved");
    alice.talk(&mut server);
    assert_eq!(forks(&mut alice), ["one saved unsaved"]);
    assert!(server.text().starts_with("ONE "));
    assert!(server.text().contains("unsaved") && server.text().contains("saved "));
    assert_eq!(alice.core.doc().text(), server.text());
}

#[test]
fn a_delete_that_was_never_saved_is_done_again_on_a_restored_log() {
    let mut server = Server::default();
    let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
    alice.core.disconnected();
    let ops = alice.core.doc().clone().delete(&agent("alice"), 0, 6).unwrap();
    ops.into_iter().for_each(|op| alice.core.queue(op));
    alice.core.close_event();
    assert_eq!(alice.core.doc().text(), "o saved ");
    let mut server = server.restarted();
    server.log.truncate(2);
    alice.core.connected(alice.now);
    alice.talk(&mut server);
    assert_eq!(forks(&mut alice), ["o saved "]);
    assert_eq!(server.text(), "o ");
    assert_eq!(alice.core.doc().text(), "o ");
}

#[test]
fn a_server_that_tells_no_log_is_never_a_reason_to_begin_anew() {
    // An older server, before or after a newer one, with and without what the client has.
    for (first, second) in [(None, None), (Some("log"), None), (None, Some("log"))] {
        let mut server = Server { log_name: first, ..Server::default() };
        let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
        let mut server = Server { log_name: second, ..server.restarted() };
        alice.reconnects();
        alice.talk(&mut server);
        assert_eq!(forks(&mut alice), [""; 0]);
        assert_eq!(alice.core.doc().text(), "one two saved ");
    }
    // It does not know of `confirm` either: that it lags is all that can be assumed.
    let mut server = Server { log_name: None, ..Server::default() };
    let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
    let mut server = server.restarted();
    server.log.truncate(1);
    alice.reconnects();
    while let Some(frame) = alice.frame() {
        let frame = frame.replace(r#""confirm":true"#, r#""unknown":true"#);
        server.take(&frame).iter().for_each(|answer| alice.hears(answer));
    }
    assert_eq!(forks(&mut alice), [""; 0]);
    assert!(alice.core.is_synced());
    assert_eq!(alice.core.doc().text(), "one two saved ");
}
