//! Events that cannot be applied yet.
//!
//! Only the first of each agent's waiting events can be next. It waits for the events before it or, once
//! its chain has reached it, for the first agent of which its references need more. Each event is examined
//! only when what it waits for has arrived, so the work is proportional to the number of events, whatever
//! their order of arrival.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::{Agent, Event};

/// What the head of a chain waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// The agent whose ids it needs.
    pub agent: Agent,
    /// The end that the agent must reach.
    pub end: u64,
    /// The op that needs them. The references of the ops before it are known, and stay known.
    pub op: usize,
}

/// A chain's head, by its agent and `after`.
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
    /// By the agent that they wait for.
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

    /// Whether anything waits for ids of `agent`.
    pub fn awaits(&self, agent: &Agent) -> bool {
        self.chains.contains_key(agent) || self.waiters.contains_key(agent)
    }

    /// Keeps an event, and returns whether it is new. Of two events with the same place in a chain, the
    /// first stays; the log admits only one.
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

    /// Keeps the head of a chain, and records what it waits for.
    pub fn keep_blocked(&mut self, event: Event, missing: Missing) {
        let Missing { agent, end: needs, op } = missing;
        let waiter = Waiter { needs, agent: event.agent().clone(), after: event.after(), op };
        if self.keep(event) {
            self.waiters.entry(agent).or_default().insert(waiter);
        }
    }

    /// The next event of `agent`, whose end is `end`. Events below that are covered, and are dropped.
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

    /// A chain whose head needs no more of `agent` than `end`: the chain's agent, the head's `after`, and
    /// the op at which to resume.
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
