//! Applying events: whether one is ready, what it does, and which others it releases.

use crate::change::Changes;
use crate::event_reader::{RawEvent, RawOp, RawTarget};
use crate::planted::{Bug, planted};
use crate::tree::{Lv, Numbers, Run, START, Side};
use crate::version::AgentNumber;
use crate::{Agent, Applied, Doc, Event, Op, Origin};

use super::order::{self, Place};
use super::waiting::Missing;

/// An agent's name in an event's bytes, looked up.
#[derive(Clone, Copy)]
enum Known {
    As(AgentNumber),
    /// Nothing of it has been applied, or referred to.
    Not,
}

impl Doc {
    /// Applies an event that is ready, or a repeat, from bytes that were checked. `None`: it has to wait, or
    /// is an agent's first, and so needs an event to keep, or a name.
    pub(super) fn apply_if_ready(&mut self, bytes: &[u8]) -> Option<Applied> {
        let version = self.version();
        let look_up = |name| match version.find_name(name, self.recent) {
            Some(agent) => Some(Known::As(agent)),
            None => Agent::from_bytes(name).map(|_| Known::Not),
        };
        let raw = RawEvent::read(bytes, look_up).expect("the bytes were checked");
        let end = |agent| match agent {
            Known::As(agent) => version.end(agent),
            Known::Not => 0,
        };
        let own_end = end(raw.agent);
        if raw.after < own_end {
            return Some(Applied::Repeat);
        }
        let is_ready = |op: &RawOp<Known>| match op.target {
            RawTarget::RightOf(Some(owner), seq) | RawTarget::LeftOf(Some(owner), seq) => {
                seq < end(owner) && !planted(Bug::VoidIsWaitedFor)
            }
            RawTarget::Deleted(Some(owner), seq) => seq + op.count <= end(owner),
            _ => true,
        };
        let agent = match raw.agent {
            Known::As(agent) if raw.after == own_end && raw.ops().all(is_ready) => agent,
            _ => return None,
        };
        self.remember(agent);
        let mut end = raw.first.seq + raw.first.count;
        self.perform_raw(agent, &raw.first);
        for op in &raw.more {
            end = op.seq + op.count;
            self.perform_raw(agent, op);
        }
        self.ids.advance(agent, end);
        if !self.waiting.is_empty() {
            let agent = self.version().name(agent).clone();
            self.release(&agent, &mut Changes::unwanted());
        }
        Some(Applied::Now)
    }

    fn perform_raw(&mut self, agent: AgentNumber, op: &RawOp<Known>) {
        let owner = |owner: Option<Known>| match owner {
            None => agent,
            Some(Known::As(owner)) => owner,
            Some(Known::Not) => unreachable!("the event was ready"),
        };
        let changes = &mut Changes::unwanted();
        let (parent, side) = match op.target {
            RawTarget::Start => (Some(START), Side::Right),
            RawTarget::RightOf(None, seq) if seq + 1 == op.seq => {
                if self.type_on_there(agent, op) {
                    return;
                }
                (self.ids.lv_of(agent, seq), Side::Right)
            }
            RawTarget::RightOf(id, seq) => (self.ids.lv_of(owner(id), seq), Side::Right),
            RawTarget::LeftOf(id, seq) => (self.ids.lv_of(owner(id), seq), Side::Left),
            RawTarget::Deleted(id, seq) => {
                return self.delete_ids(owner(id), seq, seq + op.count, changes);
            }
        };
        if let Some(parent) = parent {
            self.integrate(agent, op.seq, op.count as u32, Some(op.text), parent, side, changes);
        }
    }

    /// Text that hangs at its agent's newest node, where nothing else does: what nearly every keystroke
    /// is. Answers whether it was.
    #[inline]
    fn type_on_there(&mut self, agent: AgentNumber, op: &RawOp<Known>) -> bool {
        let len = op.count as u32;
        let next = self.ids.goes_on(agent, op.seq, len);
        let is_so = next.is_some_and(|lv| self.tree.type_on(lv, len, op.text));
        if is_so {
            self.ids.push_on(agent, len);
        }
        is_so
    }

    pub(super) fn receive(&mut self, event: &Event, changes: &mut Changes) -> Applied {
        let agent = self.version().find(event.agent(), self.recent);
        let end = agent.map_or(0, |agent| self.version().end(agent));
        if event.after() < end {
            return Applied::Repeat;
        }
        if event.after() > end {
            self.waiting.keep(event.clone());
            return Applied::Waits;
        }
        if let Some(missing) = self.missing(event, 0) {
            self.waiting.keep_blocked(event.clone(), missing);
            return Applied::Waits;
        }
        self.perform(event, changes);
        self.release(event.agent(), changes);
        Applied::Now
    }

    /// The first thing that an event refers to, from op `from` on, and that is not known yet. Ids of
    /// its own agent are: they lie below the op's own, so what is not applied by then never comes.
    fn missing(&mut self, event: &Event, from: usize) -> Option<Missing> {
        for (op, content) in event.ops().iter().enumerate().skip(from) {
            let (agent, end) = match content {
                Op::Insert { origin: Origin::Left(None), .. } => continue,
                Op::Insert { origin: Origin::Left(Some(id)) | Origin::Right(id), .. } => {
                    (&id.agent, id.seq + 1)
                }
                Op::Delete { target, len, .. } => (&target.agent, target.seq + len),
            };
            if agent == event.agent() {
                continue;
            }
            let known = self.find(agent).map_or(0, |agent| self.version().end(agent));
            let is_missing = known < end && !planted(Bug::ReadinessIgnoresAnchors);
            if is_missing || planted(Bug::VoidIsWaitedFor) && self.is_void(content) {
                return Some(Missing { agent: agent.clone(), end: end.max(known + 1), op });
            }
        }
        None
    }

    /// Whether an op is an insert that makes no node.
    fn is_void(&mut self, op: &Op) -> bool {
        matches!(op, Op::Insert { origin, .. } if self.parent(origin).is_none())
    }

    /// Finds an agent that an op refers to.
    fn find(&mut self, agent: &Agent) -> Option<AgentNumber> {
        let found = self.version().find(agent, self.recent)?;
        self.remember(found);
        Some(found)
    }

    fn perform(&mut self, event: &Event, changes: &mut Changes) {
        let agent = self.ids.find_or_add(event.agent(), self.recent);
        self.remember(agent);
        let mut end = event.after();
        for op in event.ops() {
            match op {
                Op::Insert { seq, text, origin } => {
                    let chars = text.chars().count();
                    end = seq + chars as u64;
                    if let Some((parent, side)) = self.parent(origin) {
                        self.integrate(agent, *seq, chars as u32, Some(text), parent, side, changes);
                    }
                }
                Op::Delete { seq, target, len } => {
                    end = seq + len;
                    if let Some(owner) = self.find(&target.agent) {
                        self.delete_ids(owner, target.seq, target.seq + len, changes);
                    }
                }
            }
        }
        self.ids.advance(agent, end);
    }

    /// The node and side that an origin names; `None` when the id is void.
    pub(super) fn parent(&mut self, origin: &Origin) -> Option<(Lv, Side)> {
        let (id, side) = match origin {
            Origin::Left(None) => return Some((START, Side::Right)),
            Origin::Left(Some(id)) => (id, Side::Right),
            Origin::Right(id) => (id, Side::Left),
        };
        let agent = self.find(&id.agent)?;
        Some((self.ids.lv_of(agent, id.seq)?, side))
    }

    /// Makes nodes of new ids: visible ones of `text`, or tombstones.
    #[expect(clippy::too_many_arguments, reason = "ids, content and origin are what a node is")]
    fn integrate(
        &mut self,
        agent: AgentNumber,
        seq: u64,
        len: u32,
        text: Option<&str>,
        parent: Lv,
        side: Side,
        changes: &mut Changes,
    ) {
        let lv = self.ids.push(agent, seq, len);
        self.put(lv, len, text, parent, side, Numbers::New, changes);
    }

    /// Puts nodes that have their numbers and ids into the tree, where the order of siblings says.
    #[expect(clippy::too_many_arguments, reason = "numbers, content and origin are what a node is")]
    pub(super) fn put(
        &mut self,
        lv: Lv,
        len: u32,
        text: Option<&str>,
        parent: Lv,
        side: Side,
        numbers: Numbers,
        changes: &mut Changes,
    ) {
        if parent.wrapping_add(1) == lv
            && side == Side::Right
            && numbers == Numbers::New
            && !changes.wanted()
            && text.is_some_and(|text| self.tree.type_on(lv, len, text))
        {
            return;
        }
        let place = order::place(&self.tree, &mut self.siblings, &self.ids, lv, parent, side);
        if changes.wanted()
            && let Some(text) = text
        {
            changes.insert(self.tree.index_of(place.at), len as usize, text);
        }
        self.put_at(place, lv, len, text, parent, side, numbers);
    }

    /// The same at a known place.
    #[expect(clippy::too_many_arguments, reason = "numbers, content and origin are what a node is")]
    pub(super) fn put_at(
        &mut self,
        place: Place,
        lv: Lv,
        len: u32,
        text: Option<&str>,
        parent: Lv,
        side: Side,
        numbers: Numbers,
    ) {
        let Place { at, depth, gap, next_gap } = place;
        let run = Run { lv, len, depth, gap, parent, bytes: 0, side, deleted: text.is_none() };
        self.tree.insert(at, run, text.unwrap_or_default(), next_gap, numbers);
    }

    /// Makes tombstones of the nodes among the ids `from..to`.
    pub(super) fn delete_ids(&mut self, agent: AgentNumber, from: u64, to: u64, changes: &mut Changes) {
        let mut from = from;
        while let Some(nodes) = self.ids.first_of(agent, from, to) {
            from = nodes.end_seq();
            let (mut lv, end) = (nodes.lv, nodes.lv + nodes.len);
            while lv < end {
                let at = self.tree.locate(lv);
                let run = *self.tree.run(at);
                let len = (run.len - at.off).min(end - lv);
                if !run.deleted {
                    if changes.wanted() {
                        changes.delete(self.tree.index_of(at), len as usize);
                    }
                    self.tree.delete(at, len);
                }
                lv += len;
            }
        }
    }

    /// Applies what waited for `agent`'s new end, and what waited for that, and so on.
    pub(super) fn release(&mut self, agent: &Agent, changes: &mut Changes) {
        if self.waiting.is_empty() {
            return;
        }
        let mut moved = vec![agent.clone()];
        while let Some(agent) = moved.pop() {
            let end = self.version().get(&agent);
            if self.try_next(&agent, end, 0, changes) {
                moved.push(agent.clone());
            }
            while let Some((waiter, after, op)) = self.waiting.unblock(&agent, end) {
                // A merge may have covered the event that waited.
                if self.version().get(&waiter) == after && self.try_next(&waiter, after, op, changes) {
                    moved.push(waiter);
                }
            }
        }
    }

    /// Applies the waiting event that comes next in a chain, if it is there and ready.
    fn try_next(&mut self, agent: &Agent, end: u64, op: usize, changes: &mut Changes) -> bool {
        let Some(event) = self.waiting.take_next(agent, end) else { return false };
        match self.missing(&event, op) {
            Some(missing) => {
                self.waiting.keep_blocked(event, missing);
                false
            }
            None => {
                self.perform(&event, changes);
                true
            }
        }
    }
}
