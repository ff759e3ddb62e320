//! States as bytes and as spans: what is damaged or contradictory is refused, and changes nothing.

use inklog_crdt::{DecodeError, Doc, Event, Id, MergeError, Op, Origin, Span, SpanContent, Version, push_op};

use crate::json::agent;
use crate::prng::{Prng, for_seeds};
use crate::random::{History, Style, random_text};

const HEADER: usize = 9;

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= HEADER {
        let sum = crc32(&bytes[HEADER..]);
        bytes[HEADER - 4..HEADER].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}

fn random_doc(prng: &mut Prng) -> (Doc, Vec<Event>) {
    let count = 1 + prng.below(25);
    let style = if prng.chance(50) { Style::Crowded } else { Style::Odd };
    let events = History::random(prng, count, style).events;
    let mut doc = Doc::new();
    events.iter().for_each(|event| {
        doc.apply(event);
    });
    (doc, events)
}

/// What can be read is sound, and is the one encoding of what it says.
fn check_bytes(bytes: &[u8]) {
    if let Ok(doc) = Doc::decode(bytes) {
        assert_eq!(Doc::decode_version(bytes).as_ref(), Ok(doc.version()));
        doc.assert_invariants();
        assert_eq!(doc.encode(), bytes, "two encodings of one state");
    }
}

#[test]
fn damaged_states_are_refused() {
    for_seeds(10, |prng| {
        let state = random_doc(prng).0.encode();
        for at in 0..state.len() {
            assert!(Doc::decode(&state[..at]).is_err());
            check_bytes(&with_checksum(state[..at].to_vec()));
            for bit in 0..8 {
                let mut bytes = state.clone();
                bytes[at] ^= 1 << bit;
                assert!(Doc::decode(&bytes).is_err());
                check_bytes(&with_checksum(bytes));
            }
        }
        for _ in 0..300 {
            let mut bytes = state.clone();
            for _ in 0..1 + prng.below(4) {
                let at = HEADER + prng.below(bytes.len() - HEADER);
                match prng.below(4) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes.insert(at, prng.next() as u8),
                    2 => bytes[at] = bytes[at].wrapping_add(1),
                    _ => bytes[at] = prng.next() as u8,
                }
                if bytes.len() == HEADER {
                    break;
                }
            }
            check_bytes(&with_checksum(bytes));
        }
    });
}

#[test]
fn damaged_events_are_refused() {
    for_seeds(20, |prng| {
        for event in random_doc(prng).1 {
            let encoded = event.encode();
            for at in 0..encoded.len() {
                for value in [encoded[at] ^ (1 << prng.below(8)), prng.next() as u8, 0, 0xff] {
                    let mut bytes = encoded.clone();
                    bytes[at] = value;
                    if let Ok(other) = Event::decode(&bytes) {
                        // It carries the bytes that were read, and is what its ops make.
                        assert_eq!(other.encoded(), bytes);
                        let (agent, after) = (other.agent().clone(), other.after());
                        let of_ops = Event::new(agent, after, other.ops().to_vec()).unwrap();
                        assert_eq!(of_ops.end(), other.end());
                        assert_eq!(Event::decode(of_ops.encoded()).unwrap(), other);
                        assert_eq!(other.clone().into_ops(), of_ops.ops());
                    }
                }
            }
        }
    });
}

#[test]
fn a_newer_state_is_told_from_damage() {
    let mut state = Doc::new().encode();
    state[4] = 2;
    state.truncate(HEADER);
    assert_eq!(Doc::decode(&state).unwrap_err(), DecodeError::Newer { found: 2, known: 1 });
    assert!(matches!(Doc::decode(b"INKX").unwrap_err(), DecodeError::NotThisFormat(_)));
    assert!(matches!(Doc::decode(b"").unwrap_err(), DecodeError::NotThisFormat(_)));
}

#[test]
fn an_empty_document_has_an_encoding() {
    let state = Doc::new().encode();
    assert_eq!(state.len(), HEADER + 1);
    assert!(Doc::new().is_empty());
    assert_eq!(Doc::decode(&state).unwrap().encode(), state);
    // Only void ids were ever used.
    let mut doc = Doc::new();
    let void = Op::Delete { seq: 7, target: Id::new(agent("a"), 3), len: 2 };
    doc.apply(&Event::new(agent("a"), 0, vec![void]).unwrap());
    let state = doc.encode();
    let again = Doc::decode(&state).unwrap();
    assert_eq!((again.version().get(&agent("a")), again.len()), (9, 0));
    assert_eq!(again.encode(), state);
    doc.insert(&agent("a"), 0, "x").unwrap();
    assert!(!doc.is_empty());
}

/// Names ascend, so that there is one order, and every chain hangs at somebody's.
#[test]
fn agents_of_a_state_are_told_apart() {
    let read = |body: &[u8]| {
        let bytes = with_checksum([b"INKS\x01\0\0\0\0", body].concat());
        check_bytes(&bytes);
        Doc::decode(&bytes).is_ok()
    };
    // Each has used up one id, and typed nothing.
    assert!(read(b"\x02\x01a\x01\x01b\x01\0\0"));
    // Twice the same agent has one count of chains.
    assert!(!read(b"\x02\x01a\x01\x01a\x01\0"));
    assert!(!read(b"\x02\x01b\x01\x01a\x01\0\0"));
    // One character each. Bob's hangs at the start, at Ann's, at itself, at nobody's.
    let of_bob =
        |hangs: &[u8]| read(&[b"\x02\x01a\x01\x01b\x01\x01\x01\0\0\0\0\0\0\0", hangs, b"\x02xy"].concat());
    assert!(of_bob(&[0]));
    assert!(of_bob(&[1, 1]));
    assert!(!of_bob(&[2, 1]));
    assert!(!of_bob(&[3, 1]));
}

/// An agent's end is 1 to 2^53, and one beyond is refused: by what reads bytes, and by what merges spans.
#[test]
fn an_end_is_at_most_2_to_the_53() {
    let state = |end: u64| {
        let mut bytes = b"INKS\x01\0\0\0\0\x01\x01a".to_vec();
        let mut rest = end;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.extend([rest as u8, 0]);
        with_checksum(bytes)
    };
    let most = inklog_crdt::MAX_SEQ;
    for (end, is_sound) in [(0, false), (1, true), (most - 1, true), (most, true), (most + 1, false)] {
        let bytes = state(end);
        assert_eq!(Doc::decode(&bytes).is_ok(), is_sound, "{end}: {:?}", Doc::decode(&bytes).err());
        check_bytes(&bytes);
    }
    let span = |seq| Span {
        id: Id::new(agent("a"), seq),
        content: SpanContent::Text("x".to_owned()),
        origin: Origin::Left(None),
    };
    for (end, is_sound) in [(most - 1, true), (most, true), (most + 1, false)] {
        let version: Version = [(agent("a"), end)].into_iter().collect();
        assert_eq!(Doc::new().merge(&[span(end - 1)], &version).is_ok(), is_sound, "{end}");
    }
}

/// The format is persisted: these bytes stay readable, and are what is written.
#[test]
fn version_1_is_what_it_was() {
    let (ann, bob) = (agent("ann"), agent("bob"));
    let mut doc = Doc::new();
    doc.insert(&ann, 0, "héllo").unwrap();
    doc.insert(&bob, 2, "xy").unwrap();
    doc.delete(&ann, 5, 2).unwrap();
    doc.insert(&ann, 5, "p!").unwrap();
    assert_eq!(doc.text(), "héxylp!");
    let mut expected = b"INKS\x01".to_vec();
    let body = b"\x02\x03ann\x09\x03bob\x02\x02\x01\x00\x02\x00\x04\x01\x01\x00\x01\x00\x00\x01\x08\x07\x02h\xc3\xa9xylp!";
    expected.extend_from_slice(&crc32(body).to_le_bytes());
    expected.extend_from_slice(body);
    assert_eq!(doc.encode(), expected);
}

/// Tombstones can be many in few bytes; neither time nor memory may follow their number.
#[test]
fn a_huge_tombstone_costs_nothing() {
    let (ann, bob) = (agent("ann"), agent("bob"));
    let count = (1 << 30) - 10;
    let span = Span {
        id: Id::new(ann.clone(), 5),
        content: SpanContent::Deleted(count),
        origin: Origin::Left(None),
    };
    let version: Version = [(ann.clone(), 5 + count)].into_iter().collect();
    let mut doc = Doc::new();
    doc.merge(std::slice::from_ref(&span), &version).unwrap();
    let middle = Op::Insert {
        seq: 0,
        text: "xy".to_owned(),
        origin: Origin::Left(Some(Id::new(ann.clone(), count / 2))),
    };
    doc.apply(&Event::new(bob.clone(), 0, vec![middle]).unwrap());
    let state = doc.encode();
    assert!(state.len() < 80);
    let again = Doc::decode(&state).unwrap();
    assert_eq!((again.text().as_str(), again.encode()), ("xy", state));
    assert_eq!(again.spans().len(), 2);
    let more = Span { id: Id::new(agent("zoe"), 0), ..span };
    let version: Version = [(agent("zoe"), count)].into_iter().collect();
    assert_eq!(doc.merge(std::slice::from_ref(&more), &version), Err(MergeError::TooLarge));
    // What is there already takes no room again, and what there is room for fits.
    assert_eq!(doc.clone().merge(&doc.spans(), doc.version()), Ok(vec![]));
    let room = (1 << 30) - count - 2;
    for (len, fits) in [(room, true), (room + 1, false)] {
        let more = Span { content: SpanContent::Deleted(len), ..more.clone() };
        assert_eq!(doc.clone().merge(&[more], &version).is_ok(), fits, "{len}");
    }
}

#[test]
fn merging_states_commutes() {
    for_seeds(100, |prng| {
        let (all, events) = random_doc(prng);
        // Two replicas that have different parts of one history.
        let mut part = || {
            let mut doc = Doc::new();
            let skip = agent(events[prng.below(events.len())].agent().as_str());
            let until = prng.below(events.len() + 1);
            for (i, event) in events.iter().enumerate() {
                if i < until || *event.agent() != skip {
                    doc.apply(event);
                }
            }
            // Without the events that wait, which a merge would release.
            Doc::decode(&doc.encode()).unwrap()
        };
        let (one, two) = (part(), part());
        let (mut left, mut right) = (one.clone(), two.clone());
        left.merge(&two.spans(), two.version()).unwrap();
        right.merge(&one.spans(), one.version()).unwrap();
        left.assert_invariants();
        assert_eq!(left.encode(), right.encode());
        assert_eq!(left.merge(&two.spans(), two.version()), Ok(vec![]), "a second time changes nothing");
        events.iter().for_each(|event| {
            left.apply(event);
        });
        assert_eq!(left.encode(), all.encode());
    });
}

#[test]
fn what_cannot_be_merged_changes_nothing() {
    let text = |id: &str, text: &str, origin: Origin| Span {
        id: id.parse().unwrap(),
        content: SpanContent::Text(text.to_owned()),
        origin,
    };
    let at = |id: &str| Origin::Left(Some(id.parse().unwrap()));
    let start = || Origin::Left(None);
    let version: Version = [(agent("a"), 10), (agent("b"), 10)].into_iter().collect();
    let mut doc = Doc::new();
    doc.insert(&agent("a"), 0, "xyz").unwrap();
    doc.delete(&agent("a"), 1, 1).unwrap();
    let before = doc.encode();
    let id = |id: &str| id.parse::<Id>().unwrap();
    for (spans, error) in [
        (vec![text("b-0", "", start())], MergeError::BadSpan(id("b-0"))),
        (vec![text("b-8", "xyz", start())], MergeError::BadSpan(id("b-8"))),
        (vec![text("c-0", "x", start())], MergeError::BadSpan(id("c-0"))),
        (vec![text("b-0", "xy", start()), text("b-1", "x", start())], MergeError::BadSpan(id("b-1"))),
        (vec![text("b-0", "x", at("b-0"))], MergeError::Circle(id("b-0"))),
        // Nobody's text hangs at what they typed later, though that is there.
        (vec![text("b-0", "x", at("b-5"))], MergeError::Circle(id("b-0"))),
        (vec![text("b-0", "x", Origin::Right(id("b-5")))], MergeError::Circle(id("b-0"))),
        (vec![text("b-0", "x", at("a-5")), text("a-5", "x", at("b-0"))], MergeError::Circle(id("a-5"))),
        (vec![text("b-0", "x", at("c-0"))], MergeError::NoOrigin { span: id("b-0"), origin: id("c-0") }),
        (vec![text("b-0", "x", at("a-3"))], MergeError::NoOrigin { span: id("b-0"), origin: id("a-3") }),
        (
            vec![text("b-0", "xy", start()), text("b-3", "z", at("b-2"))],
            MergeError::NoOrigin { span: id("b-3"), origin: id("b-2") },
        ),
        (vec![text("a-1", "yz!", at("a-0"))], MergeError::Contradiction(id("a-1"))),
    ] {
        // A good span beside the bad one does not get in either.
        let mut spans = spans;
        spans.push(text("b-5", "fine", start()));
        assert_eq!(doc.merge(&spans, &version), Err(error));
        assert_eq!(doc.encode(), before);
        doc.assert_invariants();
    }
    let changes = doc.merge(&[text("b-5", "fine", at("a-1"))], &version).unwrap();
    // After the deleted character's own next one, which has the lower id.
    assert_eq!((doc.text().as_str(), changes.len()), ("xzfine", 1));
}

/// Composed or not, the same text, and the same ids used.
#[test]
fn composed_ops_do_the_same() {
    for_seeds(200, |prng| {
        let (ann, bob) = (agent("ann"), agent("bob"));
        let mut local = Doc::new();
        let first = local.insert(&bob, 0, "The quick brown fox").unwrap();
        let base = Event::new(bob, 0, vec![first]).unwrap();
        let (mut single, mut composed, mut end) = (Vec::new(), Vec::new(), 0);
        let mut cursor = local.len();
        for _ in 0..1 + prng.below(40) {
            cursor = if prng.chance(10) { prng.below(local.len() + 1) } else { cursor.min(local.len()) };
            let ops = match prng.below(3) {
                0 if cursor > 0 => {
                    cursor -= 1;
                    local.delete(&ann, cursor, 1).unwrap()
                }
                1 if cursor < local.len() && prng.chance(50) => local.delete(&ann, cursor, 1).unwrap(),
                _ => {
                    let text = random_text(prng, 3);
                    cursor += text.chars().count();
                    vec![local.insert(&ann, cursor - text.chars().count(), &text).unwrap()]
                }
            };
            for op in ops {
                single.push(op.clone());
                push_op(&mut composed, &mut end, &ann, op);
            }
        }
        assert!(composed.len() <= single.len());
        for ops in [single, composed] {
            let mut doc = Doc::new();
            doc.apply(&base);
            doc.apply(&Event::new(ann.clone(), 0, ops).unwrap());
            assert_eq!(doc.encode(), local.encode());
        }
    });
}

#[test]
fn typing_and_deleting_compose_to_one_op_each() {
    let ann = agent("ann");
    let (mut doc, mut ops, mut end) = (Doc::new(), Vec::new(), 0);
    for (at, char) in "hello".chars().enumerate() {
        push_op(&mut ops, &mut end, &ann, doc.insert(&ann, at, &char.to_string()).unwrap());
    }
    assert_eq!(ops.len(), 1);
    for at in (2..5).rev() {
        doc.delete(&ann, at, 1).unwrap().into_iter().for_each(|op| push_op(&mut ops, &mut end, &ann, op));
    }
    doc.delete(&ann, 0, 1).unwrap().into_iter().for_each(|op| push_op(&mut ops, &mut end, &ann, op));
    let target = |seq| Id::new(ann.clone(), seq);
    assert_eq!(
        ops[1..],
        [Op::Delete { seq: 5, target: target(2), len: 3 }, Op::Delete { seq: 8, target: target(0), len: 1 },]
    );
}
