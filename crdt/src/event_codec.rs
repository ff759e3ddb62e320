//! The binary form of an event, as the op log stores it. Version 1:
//!
//! ```text
//! byte      format version: 1
//! name      the agent: a byte with its length, then its ASCII bytes
//! varint    after
//! ops, to the end of the bytes; each
//!   byte    bits 0-1  kind: 0 insert at `left: null`, 1 insert at `left: X`, 2 insert at `right: Y`,
//!                     3 delete
//!           bit 2     the op's id is the end of the op before it (of `after`, for the first);
//!                     else a varint follows: how far it lies beyond
//!           bit 3     insert: the text is one character; delete: the length is 1;
//!                     else a varint follows at its place: the text's bytes, or the length
//!           bits 4-7  owner of X, Y or target: 0 the event's agent, 1-14 the first to fourteenth other
//!                     agent named so far, 15 another one: a varint follows, how many were named
//!                     before it; when that is all so far, its name follows
//!   varint  the id's distance, as bit 2 says
//!   varint, name    the owner, as bits 4-7 say; 0 bits for kind 0
//!   varint  X, Y or target (not for kind 0): of the event's agent, how far its number lies below the
//!           op's own; of another, its number
//!   varint  the length, as bit 3 says
//!   bytes   an insert's text in UTF-8
//! ```
//!
//! A varint is an unsigned LEB128 number in its shortest form.

use std::collections::BTreeMap;

use crate::codec::put_varint;
use crate::{Agent, Event, Op, Origin};

/// The newest version of the format.
pub(crate) const VERSION: u8 = 1;

pub(crate) const KIND: u8 = 0b11;
pub(crate) const START: u8 = 0;
pub(crate) const LEFT: u8 = 1;
pub(crate) const RIGHT: u8 = 2;
pub(crate) const DELETE: u8 = 3;
pub(crate) const ADJACENT: u8 = 1 << 2;
pub(crate) const SINGLE: u8 = 1 << 3;
pub(crate) const OTHERS_SHIFT: u32 = 4;
/// The value of the upper bits for an agent that they cannot number.
pub(crate) const OTHERS_MORE: usize = 15;

impl Event {
    /// The compact binary form, written from the ops: canonical, even if the event was decoded from other
    /// bytes. [`Event::encoded`] caches it.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        let out = &mut bytes;
        out.push(VERSION);
        put_name(out, self.agent());
        put_varint(out, self.after());
        let mut others: BTreeMap<&Agent, usize> = BTreeMap::new();
        let mut end = self.after();
        for op in self.ops() {
            let (kind, reference, single) = match op {
                Op::Insert { text, origin, .. } => {
                    let single = text.chars().nth(1).is_none();
                    match origin {
                        Origin::Left(None) => (START, None, single),
                        Origin::Left(Some(id)) => (LEFT, Some(id), single),
                        Origin::Right(id) => (RIGHT, Some(id), single),
                    }
                }
                Op::Delete { target, len, .. } => (DELETE, Some(target), *len == 1),
            };
            // 0 for the event's own agent, which is also what an op without a reference has.
            let mut whose = 0;
            if let Some(id) = reference.filter(|id| id.agent != *self.agent()) {
                whose = 1 + others.get(&id.agent).copied().unwrap_or(others.len());
            }
            let adjacent = op.seq() == end;
            out.push(
                kind | (whose.min(OTHERS_MORE) as u8) << OTHERS_SHIFT
                    | if adjacent { ADJACENT } else { 0 }
                    | if single { SINGLE } else { 0 },
            );
            if !adjacent {
                put_varint(out, op.seq() - end);
            }
            if let Some(id) = reference {
                if whose >= OTHERS_MORE {
                    put_varint(out, whose as u64 - 1);
                }
                if whose > others.len() {
                    put_name(out, &id.agent);
                    others.insert(&id.agent, others.len());
                }
                put_varint(out, if whose == 0 { op.seq() - id.seq } else { id.seq });
            }
            match op {
                Op::Insert { text, .. } => {
                    if !single {
                        put_varint(out, text.len() as u64);
                    }
                    out.extend_from_slice(text.as_bytes());
                }
                Op::Delete { len, .. } if !single => put_varint(out, *len),
                Op::Delete { .. } => {}
            }
            end = op.end();
        }
        bytes
    }
}

fn put_name(out: &mut Vec<u8>, agent: &Agent) {
    // An agent has at most 64 bytes.
    out.push(agent.as_str().len() as u8);
    out.extend_from_slice(agent.as_str().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecodeError, Id};

    fn event(agent: &str, after: u64, ops: Vec<Op>) -> Event {
        Event::new(Agent::new(agent).unwrap(), after, ops).unwrap()
    }

    fn id(text: &str) -> Id {
        text.parse().unwrap()
    }

    fn insert(seq: u64, text: &str, origin: Origin) -> Op {
        Op::Insert { seq, text: text.to_owned(), origin }
    }

    #[test]
    fn a_typed_character_takes_few_bytes() {
        let typed = event("alice", 7000, vec![insert(7000, "x", Origin::Left(Some(id("alice-6999"))))]);
        assert_eq!(typed.encode(), b"\x01\x05alice\xd8\x36\x0d\x01x");
        assert_eq!(Event::decode(&typed.encode()), Ok(typed));
    }

    #[test]
    fn every_kind_of_op_comes_back() {
        let many: Vec<Op> = (0..40)
            .map(|i| Op::Delete { seq: 2 * i, target: id(&format!("other{}-{i}", i % 20)), len: 1 + i % 2 })
            .collect();
        for event in [
            event(
                "a",
                0,
                vec![insert(0, "héllo", Origin::Left(None)), insert(9, "😀", Origin::Right(id("a-3")))],
            ),
            event("-", 5, vec![Op::Delete { seq: 1 << 40, target: id("-~-77"), len: 100_000 }]),
            event("me", 0, many),
        ] {
            assert_eq!(Event::decode(&event.encode()), Ok(event.clone()));
            for cut in 0..event.encode().len() {
                // Cut between two ops, what is left is a shorter event.
                if let Ok(shorter) = Event::decode(&event.encode()[..cut]) {
                    assert!(event.ops().starts_with(shorter.ops()));
                }
            }
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut bytes = event("a", 0, vec![insert(0, "x", Origin::Left(None))]).encode();
        bytes[0] = 2;
        assert_eq!(Event::decode(&bytes), Err(DecodeError::Newer { found: 2, known: 1 }));
        bytes[0] = 0;
        assert!(matches!(Event::decode(&bytes), Err(DecodeError::NotThisFormat(_))));
        bytes[0] = 1;
        bytes[1] = 0;
        assert!(matches!(Event::decode(&bytes), Err(DecodeError::Damaged { .. })));
        assert!(matches!(Event::decode(&[]), Err(DecodeError::Damaged { .. })));
    }

    /// Owners are named one after the other, and the start of the document has none.
    #[test]
    fn an_owner_is_known_or_the_next_to_be_named() {
        let typed = |kind: u8, owner: u8| kind | ADJACENT | SINGLE | owner << OTHERS_SHIFT;
        for (op, is_sound) in [
            (&[typed(START, 0), b'x'][..], true),
            (&[typed(START, 1), b'x'], false),
            (&[typed(LEFT, 1), 1, b'b', 0, b'x'], true),
            (&[typed(LEFT, 1), 1, b'a', 0, b'x'], false),
            (&[typed(LEFT, 2), 1, b'b', 0, b'x'], false),
            (&[typed(LEFT, 15), 1, 1, b'b', 0, b'x'], false),
            (&[typed(LEFT, 1), 1, b'b', 0, b'x', typed(RIGHT, 1), 0, b'y'], true),
            (&[typed(LEFT, 1), 1, b'b', 0, b'x', typed(RIGHT, 2), 1, b'c', 0, b'y'], true),
            (&[typed(LEFT, 1), 1, b'b', 0, b'x', typed(RIGHT, 3), 1, b'c', 0, b'y'], false),
        ] {
            let bytes = [&[VERSION, 1, b'a', 0], op].concat();
            assert_eq!(Event::decode(&bytes).is_ok(), is_sound, "{op:?}: {:?}", Event::decode(&bytes));
        }
    }

    /// Whether an id was used twice is decided by this.
    #[test]
    fn events_are_equal_if_they_say_the_same() {
        let same = || event("a", 2, vec![insert(2, "xy", Origin::Left(None))]);
        let others = [
            event("b", 2, vec![insert(2, "xy", Origin::Left(None))]),
            event("a", 1, vec![insert(2, "xy", Origin::Left(None))]),
            event("a", 2, vec![insert(2, "xyz", Origin::Left(None))]),
            event("a", 2, vec![insert(2, "xz", Origin::Left(None))]),
            event("a", 2, vec![insert(2, "xy", Origin::Right(id("b-0")))]),
        ];
        // As they were made, and as they were read.
        let both = |event: Event| [Event::decode(event.encoded()).unwrap(), event];
        for this in both(same()) {
            assert!(both(same()).into_iter().all(|it| it == this));
            for other in others.clone().into_iter().flat_map(both) {
                assert_ne!(this, other);
            }
        }
    }
}
