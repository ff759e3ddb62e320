//! What the clients of one run share outside the server: when events were sent, so that latencies can be
//! measured, and where events end, so that each integrates exactly what its next step had seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use inklog_crdt::{Agent, Event, Version};
use tokio::sync::watch;

/// The board of one run.
pub struct Board {
    /// The authors' agents, by number.
    pub agents: Vec<Agent>,
    inner: Mutex<Inner>,
    /// The version at the end, once every author has typed everything.
    finished: watch::Sender<Option<Version>>,
}

/// What one author wrote on the board.
#[derive(Default)]
struct Page {
    /// By `after`: every event sent, and when first.
    events: BTreeMap<u64, (Event, Instant)>,
    /// After that many steps its chain ends there, where anybody wants to know.
    ends: HashMap<usize, u64>,
    /// Where its chain ends for good.
    last: Option<u64>,
}

#[derive(Default)]
struct Inner {
    pages: Vec<Page>,
    acks: Vec<Duration>,
    receipts: Vec<Duration>,
}

/// The measurements of a run.
pub struct Measured {
    /// Events sent.
    pub events: usize,
    /// From an event's first sending to its ack.
    pub acks: Vec<Duration>,
    /// From an event's first sending to its being part of another client's document.
    pub receipts: Vec<Duration>,
}

impl Board {
    /// A clean board.
    pub fn new(agents: Vec<Agent>) -> Board {
        let pages = agents.iter().map(|_| Page::default()).collect();
        let inner = Mutex::new(Inner { pages, ..Inner::default() });
        Board { agents, inner, finished: watch::Sender::new(None) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder panics")
    }

    fn number(&self, agent: &Agent) -> Option<usize> {
        self.agents.iter().position(|name| name == agent)
    }

    /// The author's chain ends at `end` after `steps` steps.
    pub fn step_ends(&self, author: usize, steps: usize, end: u64) {
        self.inner().pages[author].ends.insert(steps, end);
    }

    /// Where the author's chain ends after `steps` steps, once it has typed them.
    pub fn end_after(&self, author: usize, steps: usize) -> Option<u64> {
        self.inner().pages[author].ends.get(&steps).copied()
    }

    /// The author sends an event for the first time.
    pub fn sent(&self, author: usize, event: Event, at: Instant) {
        self.inner().pages[author].events.insert(event.after(), (event, at));
    }

    /// The author learned that an event is durable.
    pub fn acked(&self, author: usize, event: &Event, at: Instant) {
        let mut inner = self.inner();
        if let Some((_, sent)) = inner.pages[author].events.get(&event.after()) {
            let latency = at - *sent;
            inner.acks.push(latency);
        }
    }

    /// Another client has the agent's ids up to `to`.
    pub fn arrived(&self, agent: &Agent, from: u64, to: u64, at: Instant) {
        let Some(author) = self.number(agent) else { return };
        let mut inner = self.inner();
        let latencies: Vec<Duration> =
            inner.pages[author].events.range(from..to).map(|(_, (_, sent))| at - *sent).collect();
        inner.receipts.extend(latencies);
    }

    /// The events of an author up to `end`, from `after` on: what a state stands for.
    pub fn events(&self, author: usize, after: u64, end: u64) -> Vec<Event> {
        if after >= end {
            return Vec::new();
        }
        self.inner().pages[author].events.range(after..end).map(|(_, (event, _))| event.clone()).collect()
    }

    /// The author has typed everything; its chain ends here.
    pub fn author_finished(&self, author: usize, end: u64) {
        let mut inner = self.inner();
        inner.pages[author].last = Some(end);
        let ends: Option<Version> = inner
            .pages
            .iter()
            .zip(&self.agents)
            .map(|(page, agent)| page.last.map(|end| (agent.clone(), end)))
            .collect();
        drop(inner);
        if ends.is_some() {
            self.finished.send_replace(ends);
        }
    }

    /// There are no authors.
    pub fn nobody_types(&self) {
        self.finished.send_replace(Some(Version::new()));
    }

    /// Tells when every author has typed everything, and what there is then.
    pub fn finished(&self) -> watch::Receiver<Option<Version>> {
        self.finished.subscribe()
    }

    /// The figures.
    pub fn measured(&self) -> Measured {
        let mut inner = self.inner();
        Measured {
            events: inner.pages.iter().map(|page| page.events.len()).sum(),
            acks: std::mem::take(&mut inner.acks),
            receipts: std::mem::take(&mut inner.receipts),
        }
    }
}
