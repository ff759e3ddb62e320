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
