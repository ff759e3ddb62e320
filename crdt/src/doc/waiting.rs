//! Events that cannot be applied yet.
//!
//! Of each agent's waiting events only the first can come next; it waits either for the events
//! before it, or, once its chain has reached it, for the first agent that its references need more
//! of. So each event is looked at when what it waits for has arrived, and not before: the work is in
//! proportion to the events, whatever their order of arrival.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::{Agent, Event};

/// What the head of a chain waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// The agent whose ids it needs,
    pub agent: Agent,
    /// up to here,
    pub end: u64,
    /// for this op. The references of those before it are known, and stay so.
    pub op: usize,
}

/// A chain's head, as the one that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter {
    needs: u64,
    agent: Agent,
    after: u64,
    op: usize,
}

/// The waiting events.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    /// By agent and `after`. No chain is empty.
    chains: BTreeMap<Agent, BTreeMap<u64, Event>>,
    /// By the agent that is waited for.
    waiters: BTreeMap<Agent, BTreeSet<Waiter>>,
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// All events, by agent and `after`.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.chains.values().flat_map(BTreeMap::values)
    }

    /// Keeps an event, and says whether it is new. Of two with the same place in a chain the first
    /// stays; the log admits one.
    pub fn keep(&mut self, event: Event) -> bool {
        let chain = match self.chains.get_mut(event.agent()) {
            Some(chain) => chain,
            None => self.chains.entry(event.agent().clone()).or_default(),
        };
        match chain.entry(event.after()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(event);
                true
            }
        }
    }

    /// Keeps the head of a chain, and notes what it waits for.
    pub fn keep_blocked(&mut self, event: Event, missing: Missing) {
        let Missing { agent, end: needs, op } = missing;
        let waiter = Waiter { needs, agent: event.agent().clone(), after: event.after(), op };
        if self.keep(event) {
            self.waiters.entry(agent).or_default().insert(waiter);
        }
    }

    /// The event of `agent` that comes next when the agent's end is `end`. Those below are covered,
    /// and dropped.
    pub fn take_next(&mut self, agent: &Agent, end: u64) -> Option<Event> {
        let chain = self.chains.get_mut(agent)?;
        while let Some(first) = chain.first_entry()
            && *first.key() < end
        {
            first.remove();
        }
        let next = chain.remove(&end);
        if chain.is_empty() {
            self.chains.remove(agent);
        }
        next
    }

    /// A chain whose head needed no more of `agent` than `end`: the chain's agent, the head's `after`
    /// and the op to look at again.
    pub fn unblock(&mut self, agent: &Agent, end: u64) -> Option<(Agent, u64, usize)> {
        let waiters = self.waiters.get_mut(agent)?;
        let found = match waiters.first() {
            Some(first) if first.needs <= end => waiters.pop_first(),
            _ => None,
        };
        if waiters.is_empty() {
            self.waiters.remove(agent);
        }
        found.map(|waiter| (waiter.agent, waiter.after, waiter.op))
    }
}
