//! Composing: a stream of local ops, made into as few as say the same, before they are sent.

use crate::{Agent, Anchor, MAX_DELETE_LEN, Op};

/// Appends `op`, the next local op of `agent`, to the ops of an event that is not sent yet; where
/// it goes on with the last one, that one grows instead. Typing becomes one insert, and deleting
/// forwards or backwards over ids of one agent one delete. The ids used stay the same.
///
/// `end` is [`Op::end`] of the last op, kept by the caller and moved on here: counting it anew would
/// cost each keystroke the length of all that waits.
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

/// Makes `last` longer by what `op` does, if it can be.
fn extend(last: &mut Op, agent: &Agent, op: &Op) -> bool {
    match (last, op) {
        (Op::Insert { text: whole, .. }, Op::Insert { seq, text, anchor: Anchor::Left(Some(id)) })
            if id.agent == *agent && id.seq.checked_add(1) == Some(*seq) =>
        {
            // It hangs at the id before its own: the last op's last character.
            whole.push_str(text);
            true
        }
        (Op::Delete { seq, target, len }, Op::Delete { target: next, len: more, .. })
            if *len + more <= MAX_DELETE_LEN
                && target.agent == next.agent
                // The longer delete keeps the first one's id, and names only ids below it.
                && (next.agent != *agent || next.seq + more <= *seq) =>
        {
            if next.seq + more == target.seq {
                // Backspace takes ids from the last to the first, but which of a delete's own ids
                // stands for which target says nothing: they are all void.
                *target = next.clone();
            } else if target.seq + *len != next.seq {
                return false;
            }
            *len += more;
            true
        }
        _ => false,
    }
}
