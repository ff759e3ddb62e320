//! The event: one step of an agent's chain, validated once, on creation.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crate::{Agent, Id, MAX_DELETE_LEN, MAX_SEQ, Op, Origin};

/// `{agent, after, ops}`: `after` is the end of the agent's previous event (0 for its first). The
/// ops' ids are ascending and disjoint, none below `after`; gaps are allowed. An `Event` that exists
/// is valid; whether it can be applied yet depends on the document.
///
/// It keeps the form in which it was created and derives the other on first use: a decoded event carries
/// its bytes, so a pipeline that moves events neither reads nor writes their ops. Events are equal if
/// their ops are; their bytes are not compared.
#[derive(Clone)]
pub struct Event {
    agent: Agent,
    after: u64,
    end: u64,
    /// At least one of the two is there.
    ops: OnceLock<Vec<Op>>,
    encoded: OnceLock<Arc<[u8]>>,
}

/// Why an event is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It has no ops.
    #[error("an event needs at least one op")]
    NoOps,
    /// An insert without text.
    #[error("insert {agent}-{seq} has no text", agent = .0.agent, seq = .0.seq)]
    EmptyInsert(Id),
    /// A delete of nothing, or of more than [`MAX_DELETE_LEN`].
    #[error("delete {0} must target 1 to {max} ids", max = MAX_DELETE_LEN)]
    DeleteLen(Id),
    /// An id, or an id plus its length, is over 2^53.
    #[error("id {0} plus its length exceeds 2^53")]
    TooHigh(Id),
    /// An op's id lies below `after`.
    #[error("id {0} is below the event's after")]
    BelowAfter(Id),
    /// An op's id lies below the end of the op before it.
    #[error("id {0} overlaps the previous op")]
    Overlap(Id),
    /// An op refers to an id of its own agent that is not below its own.
    #[error("op {op} refers to {reference}, which is not below it")]
    OwnReference {
        /// The op's id.
        op: Id,
        /// What it refers to.
        reference: Id,
    },
}

impl Event {
    /// Validates the parts and creates an event.
    pub fn new(agent: Agent, after: u64, ops: Vec<Op>) -> Result<Event, EventError> {
        if ops.is_empty() {
            return Err(EventError::NoOps);
        }
        let mut end = after;
        for (i, op) in ops.iter().enumerate() {
            let id = || Id::new(agent.clone(), op.seq());
            let count = op.id_count();
            match op {
                Op::Insert { text, .. } if text.is_empty() => return Err(EventError::EmptyInsert(id())),
                Op::Delete { len, .. } if *len == 0 || *len > MAX_DELETE_LEN => {
                    return Err(EventError::DeleteLen(id()));
                }
                _ => {}
            }
            if op.seq().checked_add(count).is_none_or(|end| end > MAX_SEQ) {
                return Err(EventError::TooHigh(id()));
            }
            if op.seq() < end {
                return Err(if i == 0 { EventError::BelowAfter(id()) } else { EventError::Overlap(id()) });
            }
            check_reference(&agent, op)?;
            end = op.seq() + count;
        }
        Ok(Event { agent, after, end, ops: ops.into(), encoded: OnceLock::new() })
    }

    /// An event from bytes that [`Event::decode`] has validated.
    pub(crate) fn of_checked(agent: Agent, after: u64, end: u64, encoded: Arc<[u8]>) -> Event {
        Event { agent, after, end, ops: OnceLock::new(), encoded: encoded.into() }
    }

    /// Whose chain it continues.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The end of the agent's previous event, 0 for its first.
    pub fn after(&self) -> u64 {
        self.after
    }

    /// The ops, ids ascending; never empty.
    pub fn ops(&self) -> &[Op] {
        self.ops.get_or_init(|| Event::read_ops(self.kept().expect("an event without ops has bytes")))
    }

    /// The last id used plus one: the next event's `after`.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns the ops.
    pub fn into_ops(mut self) -> Vec<Op> {
        self.ops();
        self.ops.take().expect("they were just made")
    }

    /// The compact binary form: the bytes that were decoded, or those of [`Event::encode`].
    pub fn encoded(&self) -> &[u8] {
        self.encoded.get_or_init(|| self.encode().into())
    }

    /// The bytes, if they are there already.
    pub(crate) fn kept(&self) -> Option<&[u8]> {
        self.encoded.get().map(|bytes| &**bytes)
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Event) -> bool {
        let same_bytes = || self.kept().is_some() && self.kept() == other.kept();
        let same_head = self.agent == other.agent && self.after == other.after && self.end == other.end;
        same_head && (same_bytes() || self.ops() == other.ops())
    }
}

impl Eq for Event {}

impl Hash for Event {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.agent, self.after, self.ops()).hash(state);
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut event = f.debug_struct("Event");
        event.field("agent", &self.agent).field("after", &self.after).field("ops", &self.ops()).finish()
    }
}

/// The last id that an op refers to must be known before it: of its own agent, below its own id.
fn check_reference(agent: &Agent, op: &Op) -> Result<(), EventError> {
    let (reference, len) = match op {
        Op::Insert { origin: Origin::Left(Some(id)) | Origin::Right(id), .. } => (id, 1),
        Op::Insert { origin: Origin::Left(None), .. } => return Ok(()),
        Op::Delete { target, len, .. } => (target, *len),
    };
    let Some(reference_end) = reference.seq.checked_add(len).filter(|end| *end <= MAX_SEQ) else {
        return Err(EventError::TooHigh(reference.clone()));
    };
    if reference.agent == *agent && reference_end > op.seq() {
        return Err(EventError::OwnReference {
            op: Id::new(agent.clone(), op.seq()),
            reference: Id::new(agent.clone(), reference_end - 1),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeError;
    use EventError::{BelowAfter, DeleteLen, EmptyInsert, NoOps, Overlap, OwnReference, TooHigh};

    fn ann() -> Agent {
        Agent::new("ann").unwrap()
    }

    fn own(seq: u64) -> Id {
        Id::new(ann(), seq)
    }

    fn other(seq: u64) -> Id {
        Id::new(Agent::new("bob").unwrap(), seq)
    }

    fn insert(seq: u64, text: &str, origin: Origin) -> Op {
        Op::Insert { seq, text: text.to_owned(), origin }
    }

    fn start(seq: u64, text: &str) -> Op {
        insert(seq, text, Origin::Left(None))
    }

    fn delete(seq: u64, target: Id, len: u64) -> Op {
        Op::Delete { seq, target, len }
    }

    /// At every limit, from both sides: whoever makes events and whoever reads them agree.
    #[test]
    fn what_may_not_be_made_is_not_read_either() {
        const MOST: u64 = MAX_SEQ;
        let left = |id| Origin::Left(Some(id));
        for (op, refused) in [
            (start(MOST - 1, "x"), None),
            (start(MOST - 3, "xyz"), None),
            (start(MOST - 2, "xyz"), Some(TooHigh(own(MOST - 2)))),
            (start(MOST, "x"), Some(TooHigh(own(MOST)))),
            (start(0, ""), Some(EmptyInsert(own(0)))),
            (insert(MOST - 1, "x", left(other(MOST - 1))), None),
            (insert(MOST - 1, "xy", left(other(0))), Some(TooHigh(own(MOST - 1)))),
            (insert(0, "x", left(other(MOST))), Some(TooHigh(other(MOST)))),
            (insert(0, "x", Origin::Right(other(MOST - 1))), None),
            (insert(0, "x", Origin::Right(other(MOST))), Some(TooHigh(other(MOST)))),
            (insert(5, "x", left(own(4))), None),
            (insert(5, "x", left(own(5))), Some(OwnReference { op: own(5), reference: own(5) })),
            (insert(5, "x", Origin::Right(own(4))), None),
            (insert(5, "x", Origin::Right(own(5))), Some(OwnReference { op: own(5), reference: own(5) })),
            (delete(MOST - 2, other(0), 2), None),
            (delete(MOST - 2, other(0), 3), Some(TooHigh(own(MOST - 2)))),
            (delete(0, other(MOST - 2), 2), None),
            (delete(0, other(MOST - 2), 3), Some(TooHigh(other(MOST - 2)))),
            (delete(5, own(2), 3), None),
            (delete(5, own(2), 4), Some(OwnReference { op: own(5), reference: own(5) })),
            (delete(0, other(0), MAX_DELETE_LEN), None),
            (delete(0, other(0), MAX_DELETE_LEN + 1), Some(DeleteLen(own(0)))),
            (delete(0, other(0), 0), Some(DeleteLen(own(0)))),
        ] {
            let unchecked = Event {
                agent: ann(),
                after: 0,
                end: op.end(),
                ops: vec![op.clone()].into(),
                encoded: OnceLock::new(),
            };
            let read = Event::decode(&unchecked.encode());
            match Event::new(ann(), 0, vec![op.clone()]) {
                Ok(event) => assert_eq!((refused, read), (None, Ok(event))),
                Err(error) => {
                    assert_eq!(Some(error), refused, "{op:?}");
                    assert!(matches!(read, Err(DecodeError::Damaged { .. })), "{op:?} was read: {read:?}");
                }
            }
        }
    }

    #[test]
    fn the_ops_of_an_event_ascend() {
        for (ops, refused) in [
            (vec![], Some(NoOps)),
            (vec![start(5, "x")], None),
            (vec![start(4, "xyz")], Some(BelowAfter(own(4)))),
            (vec![start(5, "xy"), start(7, "z")], None),
            (vec![start(5, "xy"), start(6, "z")], Some(Overlap(own(6)))),
        ] {
            assert_eq!(Event::new(ann(), 5, ops).err(), refused);
        }
    }
}
