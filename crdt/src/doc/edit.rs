//! Local edits: an index becomes an anchor.

use crate::change::Changes;
use crate::tree::{At, START, Side};
use crate::{Agent, Anchor, Doc, Id, MAX_DELETE_LEN, MAX_SEQ, Op};

use super::order::Place;

/// A local edit outside the document, or a chain that has used up its numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The position or range ends beyond the document.
    #[error("position {end} is beyond the document's {len} characters")]
    OutOfRange {
        /// The end of what was asked for.
        end: usize,
        /// The document's length.
        len: usize,
    },
    /// The agent's numbers reach 2^53.
    #[error("agent {0} has used up its ids")]
    IdsUsedUp(Agent),
    /// An insert of nothing, which no op can express.
    #[error("there is no text to insert")]
    NoText,
}

impl Doc {
    /// A local insert: integrates at once and advances `agent`'s version; the op's `seq` is the
    /// agent's version before. Should events wait for just these ids, which only one who knew them
    /// beforehand can have made, they are applied too.
    pub fn insert(&mut self, agent: &Agent, at: usize, text: &str) -> Result<Op, EditError> {
        let chars = text.chars().count();
        let seq = self.check_edit(agent, at, chars)?;
        if chars == 0 {
            return Err(EditError::NoText);
        }
        let (before, after, next) = match at.checked_sub(1) {
            None => (None, self.tree.begin(), self.tree.first_run()),
            Some(before) => {
                let before = self.tree.at_index(before);
                (Some(before), At { off: before.off + 1, ..before }, self.tree.node_after(before))
            }
        };
        let depth = before.map_or(0, |at| self.tree.depth_of(at));
        let (parent, side, place) = match next {
            // What stands next hangs below what stands before: the new node goes on the left of it,
            // where nothing hangs yet, since it is the first node of that subtree.
            Some(next) if self.tree.gap_before(next) > depth => {
                let (depth, gap) = (self.tree.depth_of(next) + 1, self.tree.gap_before(next));
                (self.tree.lv_at(next), Side::Left, Place { at: next, depth, gap, next_gap: Some(depth) })
            }
            _ => {
                let lv = before.map_or(START, |at| self.tree.lv_at(at));
                (lv, Side::Right, Place { at: after, depth: depth + 1, gap: depth + 1, next_gap: None })
            }
        };
        let anchor = match (parent, side) {
            (START, _) => Anchor::Left(None),
            (lv, Side::Right) => Anchor::Left(Some(self.ids.id(lv))),
            (lv, Side::Left) => Anchor::Right(self.ids.id(lv)),
        };
        let no = self.ids.find_or_add(agent, self.recent.0);
        self.recent.0 = no;
        let lv = self.ids.push(no, seq, chars as u32);
        self.put_at(place, lv, chars as u32, Some(text), parent, side);
        self.advance(no, seq + chars as u64);
        self.release(agent, &mut Changes::unwanted());
        Ok(Op::Insert { seq, text: text.to_owned(), anchor })
    }

    /// A local delete, as one op per range of consecutive ids.
    pub fn delete(&mut self, agent: &Agent, at: usize, len: usize) -> Result<Vec<Op>, EditError> {
        let mut seq = self.check_edit(agent, at.saturating_add(len), len)?;
        let mut ops: Vec<Op> = Vec::new();
        let mut rest = len as u32;
        while rest > 0 {
            // What is deleted is gone from the index, so the next piece is again the one at `at`.
            let place = self.tree.at_index(at);
            let run = *self.tree.run(place);
            let piece = rest.min(run.len - place.off);
            let (mut lv, piece_end) = (run.lv + place.off, run.lv + place.off + piece);
            while lv < piece_end {
                let (owner, target_seq, alike) = self.ids.id_of(lv);
                let len = alike.min(piece_end - lv);
                let target = Id::new(self.ids.name(owner).clone(), target_seq);
                push_delete(&mut ops, &mut seq, target, u64::from(len));
                lv += len;
            }
            self.tree.delete(place, piece);
            rest -= piece;
        }
        if len > 0 {
            let no = self.ids.find_or_add(agent, self.recent.0);
            self.recent.0 = no;
            self.advance(no, seq);
            self.release(agent, &mut Changes::unwanted());
        }
        Ok(ops)
    }

    /// The next number of `agent`, if the edit ends within the document and there are `count` left.
    fn check_edit(&self, agent: &Agent, end: usize, count: usize) -> Result<u64, EditError> {
        if end > self.len() {
            return Err(EditError::OutOfRange { end, len: self.len() });
        }
        let seq = self.ids.find(agent, self.recent.0).map_or(0, |agent| self.ids.end(agent));
        match seq.checked_add(count as u64) {
            Some(end) if end <= MAX_SEQ => Ok(seq),
            _ => Err(EditError::IdsUsedUp(agent.clone())),
        }
    }
}

/// Goes on with the last op, as far as one op may reach, or begins others.
fn push_delete(ops: &mut Vec<Op>, seq: &mut u64, target: Id, len: u64) {
    let (mut target, mut rest) = (target, len);
    if let Some(Op::Delete { target: last, len: last_len, .. }) = ops.last_mut()
        && last.agent == target.agent
        && last.seq + *last_len == target.seq
    {
        let more = rest.min(MAX_DELETE_LEN - *last_len);
        *last_len += more;
        *seq += more;
        target.seq += more;
        rest -= more;
    }
    while rest > 0 {
        let len = rest.min(MAX_DELETE_LEN);
        ops.push(Op::Delete { seq: *seq, target: target.clone(), len });
        *seq += len;
        target.seq += len;
        rest -= len;
    }
}
