//! Every packer, at every length around each of its boundaries: each message keeps the limits, and what
//! was packed comes out again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_crdt::{Agent, Doc, Event, Op, Origin, Version};
use inklog_protocol::limits::*;
use inklog_protocol::parts::{self, Answer, Own, StateBody};
use inklog_protocol::{Author, DocId, LoggedEvent, Right, ServerMessage, VersionMap, version_from_wire};
use serde_json::Value;

/// An envelope with everything in it as long as it may be.
struct Longest {
    doc: DocId,
    log: String,
    state_id: String,
    cursor: String,
    missing: VersionMap,
    user: String,
    reference: Value,
}

impl Longest {
    fn new() -> Longest {
        let missing = (0..CONFIRM_AGENTS_MAX as u64).map(|i| (format!("{i:064}"), inklog_crdt::MAX_SEQ - i));
        let reference = Value::from("\u{1}".repeat((REF_BYTES_MAX - 2) / 6));
        assert!(REF_BYTES_MAX - reference.to_string().len() < 6);
        Longest {
            doc: DocId::new(&"d".repeat(DOC_ID_LEN_MAX)).unwrap(),
            log: "0123456789abcdef".to_owned(),
            state_id: "5".repeat(64),
            cursor: "c".repeat(CURSOR_LEN_MAX),
            missing: missing.collect(),
            user: "u".repeat(USER_NAME_LEN_MAX),
            reference,
        }
    }

    fn answer(&self) -> Answer<'_> {
        let Longest { doc, log, cursor, missing, user, reference, .. } = self;
        let own = Own { missing, access: Right::Manage, user: Some(user) };
        Answer { doc, log, cursor: Some(cursor), own: Some(own), reference: Some(reference) }
    }

    fn doc_state(&self, body: StateBody<'_>, events: &[LoggedEvent]) -> Vec<String> {
        parts::doc_state(self.answer(), &self.state_id, body, events)
    }

    fn op_replay(&self, events: &[LoggedEvent]) -> Vec<String> {
        parts::op_replay(self.answer(), events)
    }

    /// Reads all parts, each of which must be within the limits and have the envelope.
    fn unpack(&self, messages: &[String]) -> Unpacked {
        let mut all = Unpacked::default();
        for (i, message) in messages.iter().enumerate() {
            assert!(
                message.len() <= PART_BYTES_MAX && PART_BYTES_MAX < MESSAGE_BYTES_MAX,
                "{}",
                message.len()
            );
            let (envelope, events) = match ServerMessage::parse(message).expect("a message") {
                ServerMessage::DocState {
                    doc_id,
                    state_id,
                    log,
                    part,
                    parts,
                    ops,
                    version,
                    state,
                    events,
                    cursor,
                    missing,
                    user,
                    reference,
                    ..
                } => {
                    assert_eq!(state_id, self.state_id);
                    all.spans.extend(ops.into_iter().map(|op| op.into_span().expect("a span")));
                    all.version.unite(&version_from_wire(&version).expect("a version"));
                    all.base64 += state.as_deref().unwrap_or_default();
                    ((doc_id, log, part, parts, cursor, missing, user, reference), events)
                }
                ServerMessage::OpReplay {
                    doc_id,
                    log,
                    part,
                    parts,
                    events,
                    cursor,
                    missing,
                    user,
                    reference,
                    ..
                } => ((doc_id, log, part, parts, cursor, missing, user, reference), events),
                other => panic!("{other:?}"),
            };
            all.events.extend(events.into_iter().map(|event| event.into_event().expect("an event")));
            let last = i + 1 == messages.len();
            let expected = (
                self.doc.to_string(),
                Some(self.log.clone()),
                i as u32 + 1,
                messages.len() as u32,
                last.then(|| self.cursor.clone()),
                if last { self.missing.clone() } else { VersionMap::new() },
                last.then(|| self.user.clone()),
                Some(self.reference.clone()),
            );
            assert_eq!(envelope, expected);
        }
        all
    }
}

#[derive(Default)]
struct Unpacked {
    spans: Vec<inklog_crdt::Span>,
    version: Version,
    base64: String,
    events: Vec<LoggedEvent>,
}

/// A replica with the longest name.
fn agent() -> Agent {
    Agent::new(&"a".repeat(64)).unwrap()
}

fn event(seq: u64, text: &str) -> LoggedEvent {
    let op = Op::Insert { seq, text: text.into(), origin: Origin::Left(None) };
    let author =
        Author { user: "u".repeat(USER_NAME_LEN_MAX), name: Some("\u{7f}".repeat(DISPLAY_NAME_CHARS_MAX)) };
    let event = Event::new(agent(), seq, vec![op]).unwrap();
    LoggedEvent { event, at: 1_700_000_000_000, author: Some(author) }
}

/// The numbers in the range of which `count` is more than of the one before. It never falls.
fn edges(from: usize, to: usize, count: &mut impl FnMut(usize) -> usize) -> Vec<usize> {
    fn between(
        low: (usize, usize),
        high: (usize, usize),
        count: &mut impl FnMut(usize) -> usize,
        found: &mut Vec<usize>,
    ) {
        if low.1 == high.1 {
            return;
        }
        if high.0 - low.0 == 1 {
            return found.push(high.0);
        }
        let middle = (low.0 + high.0) / 2;
        let middle = (middle, count(middle));
        between(low, middle, count, found);
        between(middle, high, count, found);
    }
    let mut found = Vec::new();
    let (low, high) = ((from, count(from)), (to, count(to)));
    between(low, high, count, &mut found);
    assert!(!found.is_empty(), "there is no edge");
    found
}

#[test]
fn a_binary_state_of_any_length() {
    let longest = Longest::new();
    let events = [event(0, "x"), event(1, "yz")];
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let check = |len: usize| {
        for events in [&events[..], &[]] {
            let messages = longest.doc_state(StateBody::Binary(&bytes[..len]), events);
            let all = longest.unpack(&messages);
            assert!(STANDARD.decode(&all.base64).expect("base64") == bytes[..len], "{len} bytes");
            assert_eq!(all.events, events);
        }
    };
    (0..10).for_each(check);
    // A slice ends every 87,000 bytes. The next one may still fit into its part: up to 1,500 bytes more.
    (86_990..88_550).for_each(check);
    for end in [174_000, 261_000] {
        (end - 8..end + 8).chain(end + 1_470..end + 1_530).for_each(check);
    }
}

#[test]
fn events_beside_a_state_fill_its_last_part_to_the_end() {
    let longest = Longest::new();
    let state = vec![7; 65_000];
    let pack =
        |n: usize| longest.doc_state(StateBody::Binary(&state), &[event(0, "x"), event(1, &"y".repeat(n))]);
    for edge in edges(1, 60_000, &mut |n| pack(n).len()) {
        for n in edge - 20..edge + 20 {
            let all = longest.unpack(&pack(n));
            assert_eq!(all.events, [event(0, "x"), event(1, &"y".repeat(n))]);
            assert_eq!(STANDARD.decode(&all.base64).expect("base64"), state);
        }
    }
}

fn check_ops(longest: &Longest, doc: &Doc) {
    let all = longest.unpack(&longest.doc_state(StateBody::Ops(doc), &[]));
    let mut copy = Doc::new();
    copy.merge(&all.spans, &all.version).expect("a state");
    assert!(copy.encode() == doc.encode(), "{} characters", doc.len());
    assert_eq!(copy.text(), doc.text());
}

fn typed(text: &str) -> Doc {
    let mut doc = Doc::new();
    doc.insert(&agent(), 0, text).unwrap();
    doc
}

/// Characters of every width in UTF-8, and of every width in JSON.
const UNITS: [&str; 6] = ["x", "é", "中", "😀", "\"", "\u{1}"];

#[test]
fn a_run_of_text_of_any_length() {
    let longest = Longest::new();
    for unit in UNITS {
        for pieces in [1, 2, 7] {
            for bytes in pieces * STATE_OP_TEXT_BYTES_MAX - 6..pieces * STATE_OP_TEXT_BYTES_MAX + 6 {
                // The odd characters first, so that each width meets each place of the cut.
                let odd = "x".repeat(bytes % unit.len());
                check_ops(&longest, &typed(&(odd + &unit.repeat(bytes / unit.len()))));
            }
        }
        let pack = |n: usize| longest.doc_state(StateBody::Ops(&typed(&unit.repeat(n))), &[]).len();
        for edge in edges(1, 250_000 / unit.len(), &mut { pack }) {
            (edge - 12..edge + 12).for_each(|n| check_ops(&longest, &typed(&unit.repeat(n))));
        }
    }
}

#[test]
fn any_number_of_runs_and_agents() {
    let longest = Longest::new();
    // Each has a run of its own, deleted or not, and an end in the version.
    let of = |agents: usize| {
        let mut doc = Doc::new();
        for i in 0..agents {
            let agent = Agent::new(&format!("{i:064}")).unwrap();
            doc.insert(&agent, i / 2, &"xy"[..1 + i % 2]).unwrap();
            if i % 3 == 0 {
                doc.delete(&agent, i / 4, 1).unwrap();
            }
        }
        doc
    };
    for edge in edges(1, 1_400, &mut |n| longest.doc_state(StateBody::Ops(&of(n)), &[]).len()) {
        (edge - 3..edge + 3).for_each(|n| check_ops(&longest, &of(n)));
    }
    // One run, and a version that fills parts by itself.
    let of = |agents: usize| {
        let mut doc = typed("x");
        let version: Version = (0..agents as u64)
            .map(|i| (Agent::new(&format!("{i:064}")).unwrap(), 1 + i * 9_999_999))
            .collect();
        doc.merge(&[], &version).expect("a version without text");
        doc
    };
    for edge in edges(1, 3_500, &mut |n| longest.doc_state(StateBody::Ops(&of(n)), &[]).len()) {
        (edge - 3..edge + 3).for_each(|n| check_ops(&longest, &of(n)));
    }
}

#[test]
fn a_replay_and_a_broadcast_of_any_length() {
    let longest = Longest::new();
    for unit in UNITS {
        let width = serde_json::to_string(unit).unwrap().len() - 2;
        // Three events as large as a frame, and one that fills the part, and a small one after it.
        let of = |n: usize| {
            let large = 29_000 / width;
            let mut events: Vec<_> = (0..3).map(|i| event((i * large) as u64, &unit.repeat(large))).collect();
            events.push(event(3 * large as u64, &unit.repeat(n)));
            events.push(event((3 * large + n) as u64, "x"));
            events
        };
        let replay = |n: usize| longest.op_replay(&of(n));
        for edge in edges(1, 33_000 / width, &mut |n| replay(n).len()) {
            (edge - 12..edge + 12).for_each(|n| assert_eq!(longest.unpack(&replay(n)).events, of(n)));
        }
        let remote = |n: usize| {
            let events: Vec<String> = of(n).iter().map(parts::event_json).collect();
            parts::remote_op(&longest.doc, events.iter().map(String::as_str))
        };
        for edge in edges(1, 33_000 / width, &mut |n| remote(n).len()) {
            for n in edge - 12..edge + 12 {
                let mut got = Vec::new();
                for message in remote(n) {
                    assert!(message.len() <= PART_BYTES_MAX);
                    let Ok(ServerMessage::RemoteOp { events, .. }) = ServerMessage::parse(&message) else {
                        panic!("not a REMOTE_OP")
                    };
                    got.extend(events.into_iter().map(|event| event.into_event().expect("an event")));
                }
                assert_eq!(got, of(n));
            }
        }
    }
}
