//! When what others typed is part of a client's document: what `load` and `play` measure.

use std::collections::BTreeSet;

use inklog_client::{Core, Update};
use inklog_crdt::{Agent, Version};

/// The document has more of another agent.
pub struct Arrival {
    /// Whose.
    pub agent: Agent,
    /// From this id on,
    pub from: u64,
    /// up to this one.
    pub to: u64,
}

/// What a client had of the others at the last look.
#[derive(Default)]
pub struct Arrivals {
    seen: Version,
    /// The agents that may be further.
    moved: BTreeSet<Agent>,
    /// Whether any may be: a state came, or something was let in that waited.
    all: bool,
    waited: bool,
}

impl Arrivals {
    /// Takes note of an update.
    pub fn notice(&mut self, update: &Update) {
        match update {
            Update::Received(logged) => drop(self.moved.insert(logged.event.agent().clone())),
            Update::Merged(_) => self.all = true,
            _ => {}
        }
    }

    /// What has come since the last look.
    pub fn take(&mut self, core: &Core) -> Vec<Arrival> {
        let moved = std::mem::take(&mut self.moved);
        let all = std::mem::take(&mut self.all) || (self.waited && !moved.is_empty());
        if !all && moved.is_empty() {
            return Vec::new();
        }
        let version = core.doc().version();
        self.waited = core.doc().waiting().next().is_some();
        let ends: Vec<(Agent, u64)> = match all {
            true => version.iter().map(|(agent, end)| (agent.clone(), end)).collect(),
            false => moved.into_iter().map(|agent| (agent.clone(), version.get(&agent))).collect(),
        };
        let mut arrivals = Vec::new();
        for (agent, to) in ends {
            let from = self.seen.get(&agent);
            if from < to && agent != *core.agent() {
                self.seen.advance(&agent, to);
                arrivals.push(Arrival { agent, from, to });
            }
        }
        arrivals
    }
}
