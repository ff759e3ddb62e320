//! What a replica knows: for each agent, the end of its chain.

use std::collections::BTreeMap;

use crate::{Agent, Event, Id};

/// `{agent: end}`; an agent that is not in it stands at 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version(BTreeMap<Agent, u64>);

impl Version {
    /// The version of an empty document.
    pub fn new() -> Version {
        Version::default()
    }

    /// The end of `agent`'s chain, 0 when nothing of it is known.
    pub fn get(&self, agent: &Agent) -> u64 {
        self.0.get(agent).copied().unwrap_or(0)
    }

    /// Moves `agent` forward to `end`; a lower `end` changes nothing.
    pub fn advance(&mut self, agent: &Agent, end: u64) {
        if end == 0 {
            return;
        }
        match self.0.get_mut(agent) {
            Some(at) => *at = (*at).max(end),
            None => {
                self.0.insert(agent.clone(), end);
            }
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
        self.0.iter().map(|(agent, end)| (agent, *end))
    }

    /// How many agents it names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Agent, u64)> for Version {
    fn from_iter<I: IntoIterator<Item = (Agent, u64)>>(pairs: I) -> Version {
        let mut version = Version::new();
        for (agent, end) in pairs {
            version.advance(&agent, end);
        }
        version
    }
}
