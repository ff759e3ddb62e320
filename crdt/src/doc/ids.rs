//! Ids and local numbers: `(agent, seq) -> Lv` and back, and each agent's end.

use std::collections::BTreeMap;

use crate::tree::Lv;
use crate::{Agent, Id};

/// Most nodes of one document, so that every number fits a [`Lv`] and none is [`crate::tree::START`].
pub(crate) const MAX_NODES: u32 = u32::MAX - 1;

/// Which entry of [`Ids`] an agent is.
pub(crate) type AgentNo = u32;

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

    /// What of it lies in `from..to`, if anything does.
    fn within(&self, from: u64, to: u64) -> Option<IdRange> {
        let (seq, end) = (self.seq.max(from), self.end_seq().min(to));
        (seq < end).then(|| IdRange { seq, lv: self.lv + (seq - self.seq) as u32, len: (end - seq) as u32 })
    }
}

#[derive(Debug, Clone)]
struct AgentIds {
    name: Agent,
    /// Its end: the ids below are known.
    end: u64,
    /// Its nodes, ascending. A known id in none of these is void.
    ranges: Vec<IdRange>,
    /// Which range was looked up last.
    recent: usize,
}

/// Nodes `lv …`, up to the next entry, are `seq …` of one agent.
#[derive(Debug, Clone, Copy)]
struct LvRange {
    lv: Lv,
    agent: AgentNo,
    seq: u64,
}

/// All agents and nodes. Both tables only ever grow at their ends, because an agent's chain is
/// applied in order; so looking up what was typed last needs no search.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    agents: Vec<AgentIds>,
    by_name: BTreeMap<Agent, AgentNo>,
    nodes: Vec<LvRange>,
    /// Which of them was looked up last.
    recent: usize,
    next: Lv,
}

/// Which entry, in ascending order, is the last that `begins` at or before what is looked for: as a
/// rule the last of all, the one looked up last, or one beside it; else by halving.
fn find_near<T>(entries: &[T], recent: usize, begins: impl Fn(&T) -> bool) -> Option<usize> {
    for at in [recent, recent.wrapping_sub(1), recent + 1, entries.len().wrapping_sub(1)] {
        if entries.get(at).is_some_and(&begins) && !entries.get(at + 1).is_some_and(&begins) {
            return Some(at);
        }
    }
    entries.partition_point(begins).checked_sub(1)
}

impl Ids {
    /// How many nodes there are: the number of the next one.
    pub fn next_lv(&self) -> Lv {
        self.next
    }

    /// Finds an agent; `hint` is tried first.
    #[inline]
    pub fn find(&self, agent: &Agent, hint: AgentNo) -> Option<AgentNo> {
        match self.agents.get(hint as usize) {
            Some(entry) if entry.name == *agent => Some(hint),
            _ => self.by_name.get(agent).copied(),
        }
    }

    /// Finds an agent by its name's bytes; `hint` is tried first.
    pub fn find_name(&self, name: &[u8], hint: AgentNo) -> Option<AgentNo> {
        match self.agents.get(hint as usize) {
            Some(entry) if entry.name.as_str().as_bytes() == name => Some(hint),
            _ => self.by_name.get(std::str::from_utf8(name).ok()?).copied(),
        }
    }

    /// Finds an agent or makes it known.
    pub fn find_or_add(&mut self, agent: &Agent, hint: AgentNo) -> AgentNo {
        if let Some(no) = self.find(agent, hint) {
            return no;
        }
        let no = self.agents.len() as AgentNo;
        self.agents.push(AgentIds { name: agent.clone(), end: 0, ranges: Vec::new(), recent: 0 });
        self.by_name.insert(agent.clone(), no);
        no
    }

    pub fn name(&self, agent: AgentNo) -> &Agent {
        &self.agents[agent as usize].name
    }

    /// The end of an agent's chain.
    pub fn end(&self, agent: AgentNo) -> u64 {
        self.agents[agent as usize].end
    }

    /// Moves an agent's end forward.
    pub fn advance(&mut self, agent: AgentNo, end: u64) {
        let entry = &mut self.agents[agent as usize];
        entry.end = entry.end.max(end);
    }

    /// Agents by name.
    pub fn agents(&self) -> impl Iterator<Item = AgentNo> {
        self.by_name.values().copied()
    }

    /// An agent's nodes, ascending.
    pub fn ranges(&self, agent: AgentNo) -> &[IdRange] {
        &self.agents[agent as usize].ranges
    }

    /// Gives the next `len` nodes the ids from `seq` on, which lies above all that the agent has.
    #[inline]
    pub fn push(&mut self, agent: AgentNo, seq: u64, len: u32) -> Lv {
        let lv = self.next;
        assert!(
            len <= MAX_NODES - lv,
            "a document holds at most {MAX_NODES} characters, deleted ones included"
        );
        self.next += len;
        let ranges = &mut self.agents[agent as usize].ranges;
        match ranges.last_mut() {
            Some(last) if last.end_seq() == seq && last.lv + last.len == lv => {
                last.len += len;
                // The same agent then also has the last entry of `nodes`.
                return lv;
            }
            last => debug_assert!(last.is_none_or(|last| last.end_seq() <= seq)),
        }
        ranges.push(IdRange { seq, lv, len });
        self.nodes.push(LvRange { lv, agent, seq });
        lv
    }

    /// Whether the newest node of all is the agent's, directly below `seq`.
    pub fn is_newest(&self, agent: AgentNo, seq: u64) -> bool {
        let last = self.agents[agent as usize].ranges.last();
        last.is_some_and(|last| last.lv + last.len == self.next && last.end_seq() == seq)
    }

    /// The node with an id; `None` for a void or unknown one.
    pub fn lv_of(&self, agent: AgentNo, seq: u64) -> Option<Lv> {
        let AgentIds { ranges, recent, .. } = &self.agents[agent as usize];
        let range = &ranges[find_near(ranges, *recent, |range| range.seq <= seq)?];
        (seq < range.end_seq()).then(|| range.lv + (seq - range.seq) as u32)
    }

    /// The first piece of the nodes among the ids `from..to`.
    pub fn first_of(&mut self, agent: AgentNo, from: u64, to: u64) -> Option<IdRange> {
        let AgentIds { ranges, recent, .. } = &mut self.agents[agent as usize];
        let mut at = find_near(ranges, *recent, |range| range.seq <= from).unwrap_or(0);
        *recent = at;
        if ranges.get(at)?.end_seq() <= from {
            at += 1;
        }
        ranges.get(at)?.within(from, to)
    }

    /// The nodes among the ids `from..to`, piece by piece.
    pub fn lvs_of(&self, agent: AgentNo, from: u64, to: u64) -> impl Iterator<Item = IdRange> {
        let ranges = &self.agents[agent as usize].ranges;
        let first = ranges.partition_point(|range| range.end_seq() <= from);
        ranges[first..].iter().map_while(move |range| range.within(from, to))
    }

    /// Whose node it is, its number there, and how many nodes from it on have consecutive ids.
    pub fn id_of(&self, lv: Lv) -> (AgentNo, u64, u32) {
        self.id_in(self.entry_of(lv), lv)
    }

    /// The same, for one after the other.
    pub fn next_id_of(&mut self, lv: Lv) -> (AgentNo, u64, u32) {
        self.recent = self.entry_of(lv);
        self.id_in(self.recent, lv)
    }

    /// Which of `nodes` holds a node.
    fn entry_of(&self, lv: Lv) -> usize {
        find_near(&self.nodes, self.recent, |range| range.lv <= lv).expect("the node is there")
    }

    fn id_in(&self, at: usize, lv: Lv) -> (AgentNo, u64, u32) {
        let range = self.nodes[at];
        let end = self.nodes.get(at + 1).map_or(self.next, |next| next.lv);
        (range.agent, range.seq + u64::from(lv - range.lv), end - lv)
    }

    /// The id of a node.
    pub fn id(&self, lv: Lv) -> Id {
        let (agent, seq, _) = self.id_of(lv);
        Id::new(self.name(agent).clone(), seq)
    }
}
