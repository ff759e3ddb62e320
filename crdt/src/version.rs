//! What a replica knows: the end of each agent's chain.

use std::collections::BTreeMap;

use crate::{Agent, Event, Id};

/// An agent's entry in a [`Version`], in the order in which agents were added.
pub(crate) type AgentNumber = u32;

/// The agents to try first in a lookup: usually it is one of the last two.
pub(crate) type Hints = [AgentNumber; 2];

/// `{agent: end}`; an agent that is not listed has the end 0.
#[derive(Debug, Clone, Default)]
pub struct Version {
    /// Agents and ends, by number. An end of 0 is equivalent to no entry.
    ends: Vec<(Agent, u64)>,
    by_name: BTreeMap<Agent, AgentNumber>,
}

impl Version {
    /// The version of an empty document.
    pub fn new() -> Version {
        Version::default()
    }

    /// The end of `agent`'s chain, 0 when nothing of it is known.
    pub fn get(&self, agent: &Agent) -> u64 {
        self.by_name.get(agent).map_or(0, |number| self.end(*number))
    }

    /// Moves `agent` forward to `end`; a lower `end` changes nothing.
    pub fn advance(&mut self, agent: &Agent, end: u64) {
        if end > 0 {
            let number = self.find_or_add(agent, [AgentNumber::MAX; 2]);
            self.advance_number(number, end);
        }
    }

    /// Whether `id` is known: applied, or used up by a gap.
    pub fn knows(&self, id: &Id) -> bool {
        id.seq < self.get(&id.agent)
    }

    /// Whether the event is already part of this version.
    pub fn covers(&self, event: &Event) -> bool {
        event.after() < self.get(event.agent())
    }

    /// Whether this version has everything that `other` has.
    pub fn includes(&self, other: &Version) -> bool {
        other.iter().all(|(agent, end)| self.get(agent) >= end)
    }

    /// Moves every agent forward to the later of the two ends.
    pub fn unite(&mut self, other: &Version) {
        for (agent, end) in other.iter() {
            self.advance(agent, end);
        }
    }

    /// Agents and ends, by agent.
    pub fn iter(&self) -> impl Iterator<Item = (&Agent, u64)> {
        let all = self.by_name.iter().map(|(agent, number)| (agent, self.end(*number)));
        all.filter(|(_, end)| *end > 0)
    }

    /// How many agents it names.
    pub fn len(&self) -> usize {
        self.ends.iter().filter(|(_, end)| *end > 0).count()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.ends.iter().all(|(_, end)| *end == 0)
    }

    /// Finds an agent.
    #[inline]
    pub(crate) fn find(&self, agent: &Agent, hints: Hints) -> Option<AgentNumber> {
        let is_it = |hint: &AgentNumber| self.ends.get(*hint as usize).is_some_and(|(name, _)| name == agent);
        if is_it(&hints[0]) {
            return Some(hints[0]);
        }
        Some(hints[1]).filter(is_it).or_else(|| self.by_name.get(agent).copied())
    }

    /// Finds an agent by its name's bytes.
    #[inline]
    pub(crate) fn find_name(&self, name: &[u8], hints: Hints) -> Option<AgentNumber> {
        for hint in hints {
            if self.ends.get(hint as usize).is_some_and(|(agent, _)| agent.as_str().as_bytes() == name) {
                return Some(hint);
            }
        }
        self.by_name.get(std::str::from_utf8(name).ok()?).copied()
    }

    /// Finds an agent, or adds it with the end 0.
    pub(crate) fn find_or_add(&mut self, agent: &Agent, hints: Hints) -> AgentNumber {
        if let Some(number) = self.find(agent, hints) {
            return number;
        }
        let number = self.ends.len() as AgentNumber;
        self.ends.push((agent.clone(), 0));
        self.by_name.insert(agent.clone(), number);
        number
    }

    /// All agents, those with the end 0 included, by name.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = AgentNumber> {
        self.by_name.values().copied()
    }

    pub(crate) fn name(&self, agent: AgentNumber) -> &Agent {
        &self.ends[agent as usize].0
    }

    pub(crate) fn end(&self, agent: AgentNumber) -> u64 {
        self.ends[agent as usize].1
    }

    /// As [`Version::advance`], by number.
    #[inline]
    pub(crate) fn advance_number(&mut self, agent: AgentNumber, end: u64) {
        let at = &mut self.ends[agent as usize].1;
        *at = end.max(*at);
    }
}

/// The order in which agents were added does not matter.
impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Version {}

impl FromIterator<(Agent, u64)> for Version {
    fn from_iter<I: IntoIterator<Item = (Agent, u64)>>(pairs: I) -> Version {
        let mut version = Version::new();
        for (agent, end) in pairs {
            version.advance(&agent, end);
        }
        version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(ends: &[(&str, u64)]) -> Version {
        ends.iter().map(|(name, end)| (Agent::new(name).unwrap(), *end)).collect()
    }

    #[test]
    fn an_end_of_0_is_no_entry() {
        let mut empty = version(&[("ann", 0)]);
        // A document finds room for an agent before it knows anything of it.
        empty.find_or_add(&Agent::new("bob").unwrap(), [AgentNumber::MAX; 2]);
        assert_eq!((empty.len(), empty.is_empty(), empty.iter().count()), (0, true, 0));
        assert_eq!(empty, Version::new());
        empty.advance(&Agent::new("bob").unwrap(), 1);
        assert_eq!((empty.len(), empty.is_empty(), empty.iter().count()), (1, false, 1));
        assert_ne!(empty, Version::new());
    }

    #[test]
    fn what_is_below_an_end_is_known() {
        let known = version(&[("ann", 2)]);
        for (id, is_known) in [("ann-0", true), ("ann-1", true), ("ann-2", false), ("bob-0", false)] {
            assert_eq!(known.knows(&id.parse().unwrap()), is_known, "{id}");
        }
    }

    #[test]
    fn a_version_includes_one_with_no_later_end() {
        let one = version(&[("ann", 2), ("bob", 5)]);
        for (other, is_included) in [
            (version(&[]), true),
            (version(&[("ann", 2), ("bob", 5)]), true),
            (version(&[("ann", 1)]), true),
            (version(&[("ann", 3)]), false),
            (version(&[("ann", 2), ("cat", 1)]), false),
        ] {
            assert_eq!(one.includes(&other), is_included, "{other:?}");
            let mut both = one.clone();
            both.unite(&other);
            assert!(both.includes(&one) && both.includes(&other), "{other:?}");
            assert_eq!(both == one, is_included);
        }
    }
}
