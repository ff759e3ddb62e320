//! Ids and local numbers: `(agent, seq) -> Lv` and back, and each agent's end.
//!
//! An agent gets its numbers from blocks of its own, so that what it types at one place has consecutive
//! numbers and is one run, even while others type:
//!
//! ```text
//!   numbers   0 … 99   100 … 115   116 … 131   132 …
//!   block of  ann      bob         ann         bob
//!
//!   ann       seq 0 … 79 -> 0 … 79   (80 … 89: a delete's)   seq 90 … 109 -> 80 … 99   seq 110 … -> 116 …
//! ```
//!
//! The block gives a number's agent; the agent's ranges, which ascend both by seq and by number, convert
//! one to the other.

use std::ops::Range;

use crate::tree::Lv;
use crate::version::{AgentNumber, Hints};
use crate::{Agent, Id, Version};

/// The maximum number of nodes in one document: 2^30.
pub(crate) const MAX_NODES: u32 = 1 << 30;
/// The end of all numbers: each fits a [`Lv`], and none is [`crate::tree::START`].
const MAX_LV: Lv = u32::MAX - 1;
/// A block reserves some numbers for its agent when the next block begins: an agent's first block none,
/// its second one, each further block twice as many, up to this limit. A reserve too short for the agent's
/// next text is never used. It is shorter than that text, and the last reserve is at most one longer than
/// all before it together; so there are always enough numbers for [`MAX_NODES`].
const MOST_KEPT: u32 = 1024;

/// Nodes `lv … lv+len-1` are `seq … seq+len-1` of one agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdRange {
    pub seq: u64,
    pub lv: Lv,
    pub len: u32,
}

impl IdRange {
    pub fn end_seq(&self) -> u64 {
        self.seq + u64::from(self.len)
    }

    fn end_lv(&self) -> Lv {
        self.lv + self.len
    }

    /// The part of it in `from..to`, if any.
    fn within(&self, from: u64, to: u64) -> Option<IdRange> {
        let (seq, end) = (self.seq.max(from), self.end_seq().min(to));
        (seq < end).then(|| IdRange { seq, lv: self.lv + (seq - self.seq) as u32, len: (end - seq) as u32 })
    }
}

#[derive(Debug, Clone, Default)]
struct AgentIds {
    /// Its nodes, ascending. A known id in none of these is void.
    ranges: Vec<IdRange>,
    /// The range that was looked up last.
    recent: usize,
    /// What is left of its newest block; for the last block of all, everything to the end.
    room: Range<Lv>,
    /// How many numbers that block reserves when another begins.
    keeps: u32,
}

/// The numbers from `start` to the next block belong to one agent.
#[derive(Debug, Clone, Copy)]
struct Block {
    start: Lv,
    agent: AgentNumber,
}

/// All agents and nodes. The tables grow only at their ends, because an agent's chain is applied in
/// order; so looking up what was typed last needs no search.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    version: Version,
    /// By [`AgentNumber`].
    agents: Vec<AgentIds>,
    blocks: Vec<Block>,
    /// The block that was looked up last.
    recent: usize,
    nodes: u32,
}

/// The last of the ascending entries that `begins` at or before the target: usually the very last, the one
/// looked up last, or one next to it; otherwise found by bisection.
fn find_near<T>(entries: &[T], recent: usize, begins: impl Fn(&T) -> bool) -> Option<usize> {
    for at in [recent, recent.wrapping_sub(1), recent + 1, entries.len().wrapping_sub(1)] {
        if entries.get(at).is_some_and(&begins) && !entries.get(at + 1).is_some_and(&begins) {
            return Some(at);
        }
    }
    entries.partition_point(begins).checked_sub(1)
}

impl Ids {
    /// Agents and their ends. The version also numbers the agents.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> u32 {
        self.nodes
    }

    /// The end of all numbers assigned so far.
    pub fn end_lv(&self) -> Lv {
        self.blocks.last().map_or(0, |last| self.agents[last.agent as usize].room.start)
    }

    /// How many more nodes there may be.
    pub fn left(&self) -> u32 {
        MAX_NODES - self.nodes
    }

    /// Finds an agent, or adds it.
    pub fn find_or_add(&mut self, agent: &Agent, hints: Hints) -> AgentNumber {
        let number = self.version.find_or_add(agent, hints);
        if number as usize == self.agents.len() {
            self.agents.push(AgentIds::default());
        }
        number
    }

    /// Moves an agent's end forward.
    #[inline]
    pub fn advance(&mut self, agent: AgentNumber, end: u64) {
        self.version.advance_number(agent, end);
    }

    /// Panics if blocks overlap with what is left of others; for tests.
    pub fn assert_blocks(&self) {
        assert!(self.blocks.is_sorted_by_key(|block| block.start), "blocks ascend");
        for (number, AgentIds { room, .. }) in self.agents.iter().enumerate() {
            let next = self.blocks.iter().find(|block| block.start > room.start || block.start == room.end);
            assert!(
                next.is_none_or(|next| room.end <= next.start),
                "agent {number}'s room, {room:?}, is another's"
            );
        }
    }

    /// An agent's nodes, ascending.
    pub fn ranges(&self, agent: AgentNumber) -> &[IdRange] {
        &self.agents[agent as usize].ranges
    }

    /// Gives `len` new nodes the ids from `seq` on, which is above every id of the agent so far, and
    /// consecutive numbers.
    #[inline]
    pub fn push(&mut self, agent: AgentNumber, seq: u64, len: u32) -> Lv {
        if let Some(lv) = self.goes_on(agent, seq, len) {
            self.push_on(agent, len);
            return lv;
        }
        self.count(len);
        if self.agents[agent as usize].room.len() < len as usize {
            // It cannot extend the agent's last range either: another agent's block is in between.
            self.begin_block(agent);
        }
        let AgentIds { ranges, room, .. } = &mut self.agents[agent as usize];
        debug_assert!(room.len() >= len as usize);
        debug_assert!(ranges.last().is_none_or(|last| last.end_seq() <= seq));
        let lv = room.start;
        room.start += len;
        ranges.push(IdRange { seq, lv, len });
        lv
    }

    #[inline]
    fn count(&mut self, new: u32) {
        assert!(new <= self.left(), "a document holds at most {MAX_NODES} characters, deleted ones included");
        self.nodes += new;
    }

    /// Begins a block for an agent without enough room.
    fn begin_block(&mut self, agent: AgentNumber) {
        let mut start = 0;
        if let Some(last) = self.blocks.last() {
            let AgentIds { room, keeps, .. } = &mut self.agents[last.agent as usize];
            room.end = room.end.min(room.start.saturating_add(*keeps));
            *keeps = (*keeps * 2).clamp(1, MOST_KEPT);
            start = room.end;
        }
        self.blocks.push(Block { start, agent });
        self.agents[agent as usize].room = start..MAX_LV;
    }

    /// The number that [`Ids::push`] will assign, if it is directly after the number of the agent's newest
    /// node, and `seq` directly after its id; [`Ids::push_on`] is then enough.
    #[inline]
    pub fn goes_on(&self, agent: AgentNumber, seq: u64, len: u32) -> Option<Lv> {
        let AgentIds { ranges, room, .. } = &self.agents[agent as usize];
        let last = ranges.last()?;
        (len <= self.left()
            && room.len() >= len as usize
            && last.end_seq() == seq
            && last.end_lv() == room.start)
            .then_some(room.start)
    }

    /// [`Ids::push`], for the case that [`Ids::goes_on`] has found.
    #[inline]
    pub fn push_on(&mut self, agent: AgentNumber, len: u32) {
        self.count(len);
        let AgentIds { ranges, room, .. } = &mut self.agents[agent as usize];
        if let Some(last) = ranges.last_mut() {
            last.len += len;
            room.start += len;
        }
    }

    /// The node with an id; `None` if the id is void or unknown.
    pub fn lv_of(&self, agent: AgentNumber, seq: u64) -> Option<Lv> {
        let AgentIds { ranges, recent, .. } = &self.agents[agent as usize];
        let range = &ranges[find_near(ranges, *recent, |range| range.seq <= seq)?];
        (seq < range.end_seq()).then(|| range.lv + (seq - range.seq) as u32)
    }

    /// The first piece of the nodes among the ids `from..to`.
    pub fn first_of(&mut self, agent: AgentNumber, from: u64, to: u64) -> Option<IdRange> {
        let AgentIds { ranges, recent, .. } = &mut self.agents[agent as usize];
        let mut at = find_near(ranges, *recent, |range| range.seq <= from).unwrap_or(0);
        *recent = at;
        if ranges.get(at)?.end_seq() <= from {
            at += 1;
        }
        ranges.get(at)?.within(from, to)
    }

    /// The nodes among the ids `from..to`, piece by piece.
    pub fn lvs_of(&self, agent: AgentNumber, from: u64, to: u64) -> impl Iterator<Item = IdRange> {
        let ranges = &self.agents[agent as usize].ranges;
        let first = ranges.partition_point(|range| range.end_seq() <= from);
        ranges[first..].iter().map_while(move |range| range.within(from, to))
    }

    /// A node's agent, its seq, and how many nodes from it on have consecutive ids.
    pub fn id_of(&self, lv: Lv) -> (AgentNumber, u64, u32) {
        let (_, agent, range) = self.entry_of(lv);
        self.id_in(agent, range, lv)
    }

    /// The same, for sequential access.
    pub fn next_id_of(&mut self, lv: Lv) -> (AgentNumber, u64, u32) {
        let (block, agent, range) = self.entry_of(lv);
        self.recent = block;
        self.agents[agent as usize].recent = range;
        self.id_in(agent, range, lv)
    }

    /// The block of a node's number, the agent, and the agent's range.
    fn entry_of(&self, lv: Lv) -> (usize, AgentNumber, usize) {
        let block = find_near(&self.blocks, self.recent, |block| block.start <= lv);
        let block = block.expect("the node is there");
        let agent = self.blocks[block].agent;
        let AgentIds { ranges, recent, .. } = &self.agents[agent as usize];
        let range = find_near(ranges, *recent, |range| range.lv <= lv);
        (block, agent, range.expect("the node is there"))
    }

    fn id_in(&self, agent: AgentNumber, range: usize, lv: Lv) -> (AgentNumber, u64, u32) {
        let range = self.agents[agent as usize].ranges[range];
        (agent, range.seq + u64::from(lv - range.lv), range.end_lv() - lv)
    }

    /// The id of a node.
    pub fn id(&self, lv: Lv) -> Id {
        let (agent, seq, _) = self.id_of(lv);
        Id::new(self.version.name(agent).clone(), seq)
    }
}
