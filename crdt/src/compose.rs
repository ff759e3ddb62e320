//! Composing: merges a stream of local edits into as few equivalent ops as possible before they are sent.

use crate::{Agent, Event, EventError, Id, MAX_DELETE_LEN, Op, Origin};

/// An event that is still being typed: [`Doc::edit`](crate::Doc::edit) adds to it until it is sent.
#[derive(Debug, Clone)]
pub struct Draft {
    agent: Agent,
    after: u64,
    /// The end of the last op.
    end: u64,
    ops: Vec<Op>,
}

impl Draft {
    /// An empty draft of `agent`, whose chain ends at `after`.
    pub fn new(agent: Agent, after: u64) -> Draft {
        Draft { agent, after, end: after, ops: Vec::new() }
    }

    /// Who types.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// What has been typed.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The event to send; an error if nothing was typed.
    pub fn finish(self) -> Result<Event, EventError> {
        Event::new(self.agent, self.after, self.ops)
    }

    /// Whether text with the ids from `seq` on can continue the last op, if that is its origin.
    pub(crate) fn types_on_at(&self, seq: u64) -> bool {
        self.end == seq && matches!(self.ops.last(), Some(Op::Insert { .. }))
    }

    /// Continues the last op, where [`Draft::types_on_at`] allows it.
    pub(crate) fn type_on(&mut self, more: &str, chars: u64) {
        if let Some(Op::Insert { text, .. }) = self.ops.last_mut() {
            text.push_str(more);
            self.end += chars;
        }
    }

    pub(crate) fn insert(&mut self, seq: u64, text: &str, chars: u64, origin: Origin) {
        self.ops.push(Op::Insert { seq, text: text.to_owned(), origin });
        self.end = seq + chars;
    }

    pub(crate) fn delete(&mut self, seq: u64, owner: &Agent, target: u64, len: u64) {
        let grown = self.end == seq
            && self.ops.last_mut().is_some_and(|last| grow_delete(last, &self.agent, owner, target, len));
        if !grown {
            push_delete(&mut self.ops, seq, &self.agent, owner, target, len);
        }
        self.end = seq + len;
    }
}

/// Appends `op`, the next local op of `agent`, to the ops of an unsent event; if `op` continues the last
/// one, that one grows instead. Typing becomes one insert, and deleting forwards or backwards over ids of
/// one agent becomes one delete. The ids used stay the same.
///
/// `end` is [`Op::end`] of the last op. The caller keeps it and this function advances it, because
/// recomputing it would make each keystroke cost as much as all unsent ops.
pub fn push_op(ops: &mut Vec<Op>, end: &mut u64, agent: &Agent, op: Op) {
    let goes_on = *end == op.seq();
    *end = op.end();
    if goes_on
        && let Some(last) = ops.last_mut()
        && extend(last, agent, &op)
    {
        return;
    }
    ops.push(op);
}

/// Extends `last` by `op`, if possible.
fn extend(last: &mut Op, agent: &Agent, op: &Op) -> bool {
    match (last, op) {
        (Op::Insert { text: whole, .. }, Op::Insert { seq, text, origin: Origin::Left(Some(id)) })
            if id.agent == *agent && id.seq.checked_add(1) == Some(*seq) =>
        {
            // Its origin is the id before its own: the last op's last character.
            whole.push_str(text);
            true
        }
        (last, Op::Delete { target, len, .. }) => grow_delete(last, agent, &target.agent, target.seq, *len),
        _ => false,
    }
}

/// Extends a delete of `agent` by `more` ids, if they are directly before or after its targets.
fn grow_delete(last: &mut Op, agent: &Agent, owner: &Agent, next: u64, more: u64) -> bool {
    let Op::Delete { seq, target, len } = last else { return false };
    // The longer delete keeps the first one's id, and targets only ids below it.
    let is_below = owner != agent || next + more <= *seq;
    if *len + more > MAX_DELETE_LEN || target.agent != *owner || !is_below {
        return false;
    }
    if next + more == target.seq {
        // Backspace deletes ids from the last to the first. Which of the delete's own ids stands for
        // which target does not matter: they are all void.
        target.seq = next;
    } else if target.seq + *len != next {
        return false;
    }
    *len += more;
    true
}

/// Appends a delete with the ids from `seq` on: extends the last op if that ends before the target, up to
/// the limit of one op, and otherwise begins new ones.
pub(crate) fn push_delete(ops: &mut Vec<Op>, seq: u64, agent: &Agent, owner: &Agent, target: u64, len: u64) {
    let (mut seq, mut target, mut rest) = (seq, target, len);
    if let Some(Op::Delete { seq: first, target: last, len: last_len }) = ops.last_mut()
        && *first + *last_len == seq
        && last.agent == *owner
        && last.seq + *last_len == target
    {
        let below = if owner == agent { first.saturating_sub(target) } else { rest };
        let more = rest.min(below).min(MAX_DELETE_LEN - *last_len);
        *last_len += more;
        (seq, target, rest) = (seq + more, target + more, rest - more);
    }
    while rest > 0 {
        let len = rest.min(MAX_DELETE_LEN);
        ops.push(Op::Delete { seq, target: Id::new(owner.clone(), target), len });
        (seq, target, rest) = (seq + len, target + len, rest - len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        text.parse().unwrap()
    }

    /// Deletes that go on and on fill one op to its limit, and then the next.
    #[test]
    fn a_delete_grows_to_the_limit_of_an_op() {
        let (ann, bob) = (Agent::new("ann").unwrap(), Agent::new("bob").unwrap());
        let delete = |seq, target, len| Op::Delete { seq, target, len };
        for part in [1, 7, MAX_DELETE_LEN - 1, MAX_DELETE_LEN] {
            let (mut ops, mut end) =
                (vec![delete(5, id("bob-10"), MAX_DELETE_LEN - part)], 5 + MAX_DELETE_LEN - part);
            let next = |more| {
                delete(5 + MAX_DELETE_LEN - part, Id::new(bob.clone(), 10 + MAX_DELETE_LEN - part), more)
            };
            if part == MAX_DELETE_LEN {
                (ops, end) = (Vec::new(), 5);
            }
            push_op(&mut ops, &mut end, &ann, next(part));
            assert_eq!(ops, [delete(5, id("bob-10"), MAX_DELETE_LEN)]);
            let beyond = delete(5 + MAX_DELETE_LEN, Id::new(bob.clone(), 10 + MAX_DELETE_LEN), 1);
            push_op(&mut ops, &mut end, &ann, beyond.clone());
            assert_eq!(ops, [delete(5, id("bob-10"), MAX_DELETE_LEN), beyond]);
        }
        for len in [1, MAX_DELETE_LEN, MAX_DELETE_LEN + 1, 2 * MAX_DELETE_LEN + 1] {
            for before in [0, 1, MAX_DELETE_LEN - 1, MAX_DELETE_LEN] {
                let mut ops = Vec::new();
                push_delete(&mut ops, 5, &ann, &bob, 10, before);
                push_delete(&mut ops, 5 + before, &ann, &bob, 10 + before, len);
                // As few as the limit allows, one after the other, and all of them.
                assert_eq!(ops.len() as u64, (before + len).div_ceil(MAX_DELETE_LEN));
                let (mut seq, mut at) = (5, 10);
                for op in &ops {
                    let Op::Delete { seq: first, target, len } = op else { panic!("{op:?}") };
                    assert_eq!((*first, target.seq), (seq, at));
                    assert!(*len <= MAX_DELETE_LEN);
                    (seq, at) = (seq + len, at + len);
                }
                assert_eq!(seq, 5 + before + len);
            }
        }
    }
}
