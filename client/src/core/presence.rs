//! Who is here. What is shown is only ever the newest, at most five times a second, and only when it changed
//! or is about to lapse.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use inklog_crdt::Agent;
use inklog_protocol::limits::PRESENCE_BYTES_MAX;
use serde_json::Value;

use super::{Core, Update, message};

const SEND_PAUSE: Duration = Duration::from_millis(200);
/// The server forgets after 60 s.
const RENEW: Duration = Duration::from_secs(40);
const LAPSE: Duration = Duration::from_secs(75);

/// Why something cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// It is no object.
    #[error("a presence state is a JSON object, or null for none")]
    NoObject,
    /// It is too large.
    #[error("a presence state is at most {PRESENCE_BYTES_MAX} bytes of JSON, this one has {0}")]
    TooLarge(usize),
}

/// Somebody else.
#[derive(Debug)]
struct Shown {
    state: Value,
    at: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Presence {
    wanted: Value,
    /// What this connection was told, and for whom.
    told: Value,
    told_for: Option<Agent>,
    sent_at: Option<Instant>,
    others: BTreeMap<String, Shown>,
}

impl Presence {
    /// A new connection knows nothing.
    pub fn connected(&mut self) {
        self.told = Value::Null;
    }

    fn send_at(&self, agent: &Agent, now: Option<Instant>) -> Option<Instant> {
        let is_told =
            self.wanted == self.told && (self.wanted.is_null() || self.told_for.as_ref() == Some(agent));
        match self.sent_at {
            None => (!is_told).then_some(now).flatten(),
            Some(at) if !is_told => Some(at + SEND_PAUSE),
            Some(at) => (!self.wanted.is_null()).then_some(at + RENEW),
        }
    }
}

impl Core {
    /// Shows the others a state: an object, until it is replaced or this client leaves; `null` shows nothing.
    /// On an error, what was shown before stays.
    pub fn show_presence(&mut self, state: Value, now: Instant) -> Result<(), PresenceError> {
        if !state.is_null() && !state.is_object() {
            return Err(PresenceError::NoObject);
        }
        let bytes = state.to_string().len();
        if bytes > PRESENCE_BYTES_MAX {
            return Err(PresenceError::TooLarge(bytes));
        }
        self.presence.wanted = state;
        self.show(now);
        Ok(())
    }

    /// The others who are here, by agent, and what they show.
    pub fn others(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.presence.others.iter().map(|(agent, shown)| (agent.as_str(), &shown.state))
    }

    pub(super) fn take_presence(&mut self, agent: String, state: Option<Value>, now: Instant) {
        // What an earlier connection of this client has shown is still there for a while.
        if agent == self.outbox.agent().as_str() {
            return;
        }
        match state.clone() {
            Some(state) => drop(self.presence.others.insert(agent.clone(), Shown { state, at: now })),
            None if self.presence.others.remove(&agent).is_none() => return,
            None => {}
        }
        self.updates.push_back(Update::Presence { agent, state });
    }

    pub(super) fn presence_deadline(&self) -> Option<Instant> {
        let lapse = self.presence.others.values().map(|shown| shown.at + LAPSE).min();
        let connected = self.is_synced();
        let send = self.presence.send_at(self.outbox.agent(), None).filter(|_| connected);
        [lapse, send].into_iter().flatten().min()
    }

    /// Shows what is due, and takes out what has lapsed.
    pub(super) fn show(&mut self, now: Instant) {
        let lapsed = self.presence.others.extract_if(.., |_, shown| now >= shown.at + LAPSE);
        for (agent, _) in lapsed {
            self.updates.push_back(Update::Presence { agent, state: None });
        }
        let agent = self.outbox.agent().clone();
        if !self.is_synced() || self.presence.send_at(&agent, Some(now)).is_none_or(|at| at > now) {
            return;
        }
        let presence = &mut self.presence;
        let doc = &self.config.doc;
        if let Some(before) = presence.told_for.take_if(|before| *before != agent && !presence.told.is_null())
        {
            self.frames.push_back(message::presence(doc, &before, &Value::Null));
        }
        self.frames.push_back(message::presence(doc, &agent, &presence.wanted));
        presence.told = presence.wanted.clone();
        presence.told_for = Some(agent);
        presence.sent_at = Some(now);
    }
}
