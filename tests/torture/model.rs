//! What was offered to the stack, and what it acknowledged: the clients' word alone, from what they saw on the wire.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use inklog_crdt::{Doc, Event, Version};
use inklog_operator::ListedEvent;
use tokio::sync::watch;

/// Agent, and the end of its event before.
type Place = (String, u64);

#[derive(Default)]
struct Written {
    offered: BTreeMap<Place, Event>,
    /// Each with its number among all that were acknowledged.
    acknowledged: BTreeMap<Place, u64>,
}

/// Shared by all clients.
pub struct Model {
    docs: Mutex<BTreeMap<String, Written>>,
    wrong: Mutex<Vec<String>>,
    acknowledged: watch::Sender<u64>,
    refused: watch::Sender<u64>,
}

/// A document's events held against the model.
#[derive(Default)]
pub struct Compared {
    /// Numbers of acknowledged events that are not there.
    pub lost: Vec<u64>,
    /// What else is wrong.
    pub wrong: Vec<String>,
}

impl Model {
    pub fn new() -> Model {
        let (acknowledged, refused) = (watch::channel(0).0, watch::channel(0).0);
        Model { docs: Mutex::default(), wrong: Mutex::default(), acknowledged, refused }
    }

    /// How many events were acknowledged so far.
    pub fn acknowledged(&self) -> watch::Receiver<u64> {
        self.acknowledged.subscribe()
    }

    /// How many events were refused so far, to be sent again.
    pub fn refused(&self) -> watch::Receiver<u64> {
        self.refused.subscribe()
    }

    /// An event is on its way; it may be so again and again.
    pub fn offer(&self, doc: &str, event: &Event) {
        let mut docs = self.docs();
        let written = docs.entry(doc.to_owned()).or_default();
        let before = written.offered.insert(place(event), event.clone());
        if before.is_some_and(|before| before != *event) {
            drop(docs);
            self.is_wrong(format!("{doc}: {} is sent again, changed", named(event)));
        }
    }

    /// The stack said that it has the event which begins at this place.
    pub fn acknowledge(&self, doc: &str, agent: &str, after: u64, end: u64) {
        let mut docs = self.docs();
        let written = docs.entry(doc.to_owned()).or_default();
        let place = (agent.to_owned(), after);
        if written.offered.get(&place).is_none_or(|event| event.end() != end) {
            drop(docs);
            return self.is_wrong(format!("{doc}: {agent} {after}..{end} is acknowledged and was not sent"));
        }
        let number = *self.acknowledged.borrow();
        if let std::collections::btree_map::Entry::Vacant(entry) = written.acknowledged.entry(place) {
            entry.insert(number);
            self.acknowledged.send_replace(number + 1);
        }
    }

    /// The stack did not take an event now.
    pub fn refuse(&self) {
        self.refused.send_modify(|refused| *refused += 1);
    }

    /// Something that must not be, whatever fails.
    pub fn is_wrong(&self, what: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    pub fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.wrong.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The document of what was acknowledged, up to a version; `None`: all.
    pub fn document(&self, doc: &str, up_to: Option<&Version>) -> Doc {
        let docs = self.docs();
        let mut state = Doc::new();
        let Some(written) = docs.get(doc) else { return state };
        for event in written.acknowledged.keys().filter_map(|place| written.offered.get(place)) {
            if up_to.is_none_or(|version| version.covers(event)) {
                state.apply(event);
            }
        }
        state
    }

    /// Holds what log and history list against what was acknowledged, when nobody waits for an acknowledgement.
    pub fn compare(&self, doc: &str, listed: Vec<ListedEvent>) -> Compared {
        let docs = self.docs();
        let nothing = Written::default();
        let written = docs.get(doc).unwrap_or(&nothing);
        let mut compared = Compared::default();
        let mut there = BTreeMap::new();
        for one in listed {
            let event = match one.event.into_event() {
                Ok(logged) => logged.event,
                Err(error) => {
                    compared.wrong.push(format!("{doc}: a listed event cannot be read: {error}"));
                    continue;
                }
            };
            if !written.acknowledged.contains_key(&place(&event)) {
                compared.wrong.push(format!("{doc}: {} is there and was not acknowledged", named(&event)));
            } else if written.offered.get(&place(&event)) != Some(&event) {
                compared.wrong.push(format!("{doc}: {} is there with other ops", named(&event)));
            }
            if there.insert(place(&event), ()).is_some() {
                compared.wrong.push(format!("{doc}: {} is there twice", named(&event)));
            }
        }
        for (place, number) in &written.acknowledged {
            if !there.contains_key(place) {
                compared.lost.push(*number);
                compared.wrong.push(format!("{doc}: {} after {} IS LOST", place.0, place.1));
            }
        }
        compared
    }

    fn docs(&self) -> MutexGuard<'_, BTreeMap<String, Written>> {
        self.docs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(event: &Event) -> Place {
    (event.agent().to_string(), event.after())
}

fn named(event: &Event) -> String {
    format!("{} {}..{}", event.agent(), event.after(), event.end())
}
