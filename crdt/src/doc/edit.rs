//! Local edits: converts an index to an origin, and the edit to ops for others.

use crate::change::Changes;
use crate::compose::push_delete;
use crate::tree::{At, Lv, Numbers, START, Side};
use crate::version::AgentNumber;
use crate::{Agent, Doc, Draft, MAX_SEQ, Op, Origin};

use super::ids::Ids;
use super::order::Place;

/// A local edit beyond the document, or a chain that has used up its numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The position or range ends beyond the document.
    #[error("position {end} is beyond the end of the document ({len} characters)")]
    OutOfRange {
        /// The end of the requested range.
        end: usize,
        /// The document's length.
        len: usize,
    },
    /// The agent's numbers reach 2^53.
    #[error("agent {0} has used up its ids")]
    IdsUsedUp(Agent),
    /// An insert without text, which no op can express.
    #[error("there is no text to insert")]
    NoText,
}

/// Characters typed here.
struct Typed {
    agent: AgentNumber,
    seq: u64,
    /// The first one's parent and side.
    parent: Lv,
    side: Side,
}

impl Doc {
    /// A local insert: integrates at once and advances `agent`'s version; the op's `seq` is the
    /// agent's previous version. If events wait for exactly these ids (only someone who knew them in
    /// advance can have made such events), they are applied too.
    pub fn insert(&mut self, agent: &Agent, at: usize, text: &str) -> Result<Op, EditError> {
        let chars = text.chars().count();
        let (number, _) = self.check_edit(agent, at, chars)?;
        if chars == 0 {
            return Err(EditError::NoText);
        }
        let number = self.local_agent(agent, number);
        let typed = self.type_text(number, at, text, chars as u32);
        self.release_local(agent);
        Ok(Op::Insert { seq: typed.seq, text: text.to_owned(), origin: self.origin(&typed) })
    }

    /// A local delete, as one op per range of consecutive ids.
    pub fn delete(&mut self, agent: &Agent, at: usize, len: usize) -> Result<Vec<Op>, EditError> {
        let (number, mut seq) = self.check_edit(agent, at.saturating_add(len), len)?;
        let mut ops = Vec::new();
        if len == 0 {
            return Ok(ops);
        }
        let number = self.local_agent(agent, number);
        self.take_out(number, at, len, |ids, owner, target, len| {
            push_delete(&mut ops, seq, agent, ids.version().name(owner), target, len);
            seq += len;
        });
        self.release_local(agent);
        Ok(ops)
    }

    /// A local edit: deletes, then inserts, at one place. Its ops are appended to `draft`, whose agent is
    /// the one that types. On an error nothing changes.
    ///
    /// ```
    /// use inklog_crdt::{Agent, Doc, Draft};
    ///
    /// let mut doc = Doc::new();
    /// let mut draft = Draft::new(Agent::new("ann").unwrap(), 0);
    /// for (at, deleted, inserted) in [(0, 0, "H"), (1, 0, "i"), (1, 1, "ello"), (5, 0, "!")] {
    ///     doc.edit(&mut draft, at, deleted, inserted).unwrap();
    /// }
    /// assert_eq!(doc.text(), "Hello!");
    /// let event = draft.finish().unwrap();
    /// assert_eq!(event.ops().len(), 3);
    /// ```
    pub fn edit(
        &mut self,
        draft: &mut Draft,
        at: usize,
        deleted: usize,
        inserted: &str,
    ) -> Result<(), EditError> {
        if deleted == 0 && self.type_on_here(draft, at, inserted) {
            return Ok(());
        }
        let chars = inserted.chars().count();
        let count = deleted.saturating_add(chars);
        let (number, mut seq) = self.check_edit(draft.agent(), at.saturating_add(deleted), count)?;
        if count == 0 {
            return Ok(());
        }
        let number = self.local_agent(draft.agent(), number);
        if deleted > 0 {
            self.take_out(number, at, deleted, |ids, owner, target, len| {
                draft.delete(seq, ids.version().name(owner), target, len);
                seq += len;
            });
        }
        if chars > 0 {
            let typed = self.type_text(number, at, inserted, chars as u32);
            let is_after = |(owner, last, _)| owner == typed.agent && last + 1 == seq;
            let goes_on = typed.side == Side::Right
                && typed.parent != START
                && draft.types_on_at(seq)
                && is_after(self.ids.id_of(typed.parent));
            match goes_on {
                true => draft.type_on(inserted, chars as u64),
                false => draft.insert(seq, inserted, chars as u64, self.origin(&typed)),
            }
        }
        self.release_local(draft.agent());
        Ok(())
    }

    /// Typing directly after the agent's last character, with nothing in between, as nearly every
    /// keystroke is. Returns whether this was the case.
    #[inline]
    fn type_on_here(&mut self, draft: &mut Draft, at: usize, text: &str) -> bool {
        let Some(agent) = self.version().find(draft.agent(), self.recent) else { return false };
        let seq = self.version().end(agent);
        let chars = if text.len() == 1 { 1 } else { text.chars().count() as u64 };
        if !draft.types_on_at(seq) || chars == 0 || chars > MAX_SEQ - seq {
            return false;
        }
        let next = self.ids.goes_on(agent, seq, chars as u32);
        if !next.is_some_and(|lv| self.tree.type_on_at(at, lv, chars as u32, text)) {
            return false;
        }
        self.ids.push_on(agent, chars as u32);
        self.ids.advance(agent, seq + chars);
        draft.type_on(text, chars);
        self.release_local(draft.agent());
        true
    }

    /// Inserts text at a visible index.
    fn type_text(&mut self, agent: AgentNumber, at: usize, text: &str, chars: u32) -> Typed {
        let seq = self.version().end(agent);
        let lv = self.ids.push(agent, seq, chars);
        let (parent, side) = self.type_node(lv, at, text, chars);
        self.ids.advance(agent, seq + u64::from(chars));
        Typed { agent, seq, parent, side }
    }

    /// Inserts nodes at a visible index; returns the first one's parent and side.
    fn type_node(&mut self, lv: Lv, at: usize, text: &str, chars: u32) -> (Lv, Side) {
        let (before, after, next) = match at.checked_sub(1) {
            None => (None, self.tree.begin(), self.tree.first_run()),
            Some(before) => {
                let before = self.tree.at_index(before);
                (Some(before), At { off: before.off + 1, ..before }, self.tree.node_after(before))
            }
        };
        let depth = before.map_or(0, |at| self.tree.depth_of(at));
        let (parent, side, place) = match next {
            // The next node descends from the previous one, so the new node becomes the next node's left
            // child. It has none yet, because it is the first node of its subtree.
            Some(next) if self.tree.gap_before(next) > depth => {
                let (depth, gap) = (self.tree.depth_of(next) + 1, self.tree.gap_before(next));
                (self.tree.lv_at(next), Side::Left, Place { at: next, depth, gap, next_gap: Some(depth) })
            }
            _ => {
                let lv = before.map_or(START, |at| self.tree.lv_at(at));
                (lv, Side::Right, Place { at: after, depth: depth + 1, gap: depth + 1, next_gap: None })
            }
        };
        self.put_at(place, lv, chars, Some(text), parent, side, Numbers::New);
        (parent, side)
    }

    /// Turns a visible range into tombstones, and reports each range of consecutive ids: the owner, the
    /// first number and how many.
    fn take_out(
        &mut self,
        agent: AgentNumber,
        at: usize,
        len: usize,
        mut told: impl FnMut(&Ids, AgentNumber, u64, u64),
    ) {
        let mut rest = len as u32;
        while rest > 0 {
            // Deleted characters have no index any more, so the next piece is again at `at`.
            let place = self.tree.at_index(at);
            let run = *self.tree.run(place);
            let piece = rest.min(run.len - place.off);
            let (mut lv, piece_end) = (run.lv + place.off, run.lv + place.off + piece);
            while lv < piece_end {
                let (owner, target, alike) = self.ids.next_id_of(lv);
                let len = alike.min(piece_end - lv);
                told(&self.ids, owner, target, u64::from(len));
                lv += len;
            }
            self.tree.delete(place, piece);
            rest -= piece;
        }
        self.ids.advance(agent, self.version().end(agent) + len as u64);
    }

    /// The agent, which [`Doc::check_edit`] may have found.
    fn local_agent(&mut self, agent: &Agent, found: Option<AgentNumber>) -> AgentNumber {
        let agent = found.unwrap_or_else(|| self.ids.find_or_add(agent, self.recent));
        self.remember(agent);
        agent
    }

    fn origin(&self, typed: &Typed) -> Origin {
        match (typed.parent, typed.side) {
            (START, _) => Origin::Left(None),
            (lv, Side::Right) => Origin::Left(Some(self.ids.id(lv))),
            (lv, Side::Left) => Origin::Right(self.ids.id(lv)),
        }
    }

    fn release_local(&mut self, agent: &Agent) {
        if !self.waiting.is_empty() {
            self.release(agent, &mut Changes::unwanted());
        }
    }

    /// The agent, if it is known, and its next number, provided that the edit ends within the document
    /// and `count` numbers are left.
    fn check_edit(
        &self,
        agent: &Agent,
        end: usize,
        count: usize,
    ) -> Result<(Option<AgentNumber>, u64), EditError> {
        if end > self.len() {
            return Err(EditError::OutOfRange { end, len: self.len() });
        }
        let number = self.version().find(agent, self.recent);
        let seq = number.map_or(0, |number| self.version().end(number));
        match seq.checked_add(count as u64) {
            Some(end) if end <= MAX_SEQ => Ok((number, seq)),
            _ => Err(EditError::IdsUsedUp(agent.clone())),
        }
    }
}
