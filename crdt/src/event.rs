//! The event: one step of an agent's chain, checked once when it is made.

use crate::{Agent, Anchor, Id, MAX_DELETE_LEN, MAX_SEQ, Op};

/// `{agent, after, ops}`: `after` is the end of the agent's previous event (0 for its first). The
/// ops' ids are ascending and disjoint, none below `after`; gaps are allowed. An `Event` that exists
/// is valid; whether it can be applied yet is for a document to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    agent: Agent,
    after: u64,
    ops: Vec<Op>,
}

/// Why an event was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// There are no ops.
    #[error("an event needs at least one op")]
    NoOps,
    /// An insert without text.
    #[error("insert {agent}-{seq} has no text", agent = .0.agent, seq = .0.seq)]
    EmptyInsert(Id),
    /// A delete of nothing, or of more than [`MAX_DELETE_LEN`].
    #[error("delete {0} must name 1 to {max} ids", max = MAX_DELETE_LEN)]
    DeleteLen(Id),
    /// An id, or an id plus its length, is over 2^53.
    #[error("id {0} plus its length is over 2^53")]
    TooHigh(Id),
    /// An op's id lies below `after`.
    #[error("id {0} lies below the event's after")]
    BelowAfter(Id),
    /// An op's id lies below the end of the op before it.
    #[error("id {0} overlaps the op before it")]
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
    /// Checks the parts and makes them an event.
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
        Ok(Event { agent, after, ops })
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
        &self.ops
    }

    /// The last id used plus one: the next event's `after`.
    pub fn end(&self) -> u64 {
        self.ops.last().map_or(self.after, Op::end)
    }

    /// Takes the event apart.
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }
}

/// The last id that an op refers to must be known before it: of its own agent, below its own id.
fn check_reference(agent: &Agent, op: &Op) -> Result<(), EventError> {
    let (reference, len) = match op {
        Op::Insert { anchor: Anchor::Left(Some(id)) | Anchor::Right(id), .. } => (id, 1),
        Op::Insert { anchor: Anchor::Left(None), .. } => return Ok(()),
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
