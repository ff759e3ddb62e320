//! Connections and presence in memory, for `inklog dev` and for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_protocol::DocId;
use inklog_protocol::limits::{PRESENCE_AGENTS_PER_CONNECTION_MAX, PRESENCE_TTL};

use super::{ConnectionId, Connections, Presence, PresenceEntry, connection_limit_ms};
use crate::StoreError;

/// Connections and presence of all documents in this process.
#[derive(Default)]
pub struct MemoryConnections {
    // No method awaits anything while it holds this: each is one atomic step.
    docs: Mutex<BTreeMap<DocId, Audience>>,
}

#[derive(Default)]
struct Audience {
    /// When each connection was last seen.
    seen_ms: BTreeMap<ConnectionId, u64>,
    presence: BTreeMap<Agent, Shown>,
}

struct Shown {
    connection: ConnectionId,
    state: String,
    expires_ms: u64,
}

impl MemoryConnections {
    /// No connections.
    pub fn new() -> MemoryConnections {
        MemoryConnections::default()
    }

    /// Forgets everybody, like a Redis that is flushed or lost.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DocId, Audience>> {
        self.docs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a step on the document's audience, and forgets the document when nobody is left.
    fn on<T>(&self, doc: &DocId, step: impl FnOnce(&mut Audience) -> T) -> T {
        let mut docs = self.lock();
        let audience = docs.entry(doc.clone()).or_default();
        let answer = step(audience);
        if audience.seen_ms.is_empty() && audience.presence.is_empty() {
            docs.remove(doc);
        }
        answer
    }
}

impl Audience {
    /// Removes the presence that `is_gone` selects.
    fn take(&mut self, is_gone: impl Fn(&Agent, &Shown) -> bool) -> Vec<Agent> {
        self.presence.extract_if(.., |agent, shown| is_gone(agent, shown)).map(|(agent, _)| agent).collect()
    }
}

#[async_trait]
impl Connections for MemoryConnections {
    async fn register(&self, doc: &DocId, connection: &str, now_ms: u64) -> Result<(), StoreError> {
        self.on(doc, |audience| audience.seen_ms.insert(connection.to_owned(), now_ms));
        Ok(())
    }

    async fn list(&self, doc: &DocId, now_ms: u64) -> Result<Vec<ConnectionId>, StoreError> {
        Ok(self.on(doc, |audience| {
            audience.seen_ms.retain(|_, seen_ms| *seen_ms >= connection_limit_ms(now_ms));
            audience.seen_ms.keys().cloned().collect()
        }))
    }

    async fn is_registered(&self, doc: &DocId, connection: &str, now_ms: u64) -> Result<bool, StoreError> {
        Ok(self.on(doc, |audience| {
            let seen_ms = audience.seen_ms.get(connection);
            seen_ms.is_some_and(|seen_ms| *seen_ms >= connection_limit_ms(now_ms))
        }))
    }

    async fn remove(&self, doc: &DocId, connection: &str) -> Result<(), StoreError> {
        self.on(doc, |audience| audience.seen_ms.remove(connection));
        Ok(())
    }

    async fn docs_of(&self, connection: &str) -> Result<Vec<DocId>, StoreError> {
        let docs = self.lock();
        let has = |audience: &Audience| audience.seen_ms.contains_key(connection);
        Ok(docs.iter().filter(|(_, audience)| has(audience)).map(|(doc, _)| doc.clone()).collect())
    }
}

#[async_trait]
impl Presence for MemoryConnections {
    async fn set(&self, doc: &DocId, entry: &PresenceEntry, now_ms: u64) -> Result<bool, StoreError> {
        Ok(self.on(doc, |audience| {
            let counts = |(agent, shown): &(&Agent, &Shown)| {
                **agent != entry.agent && shown.connection == entry.connection && shown.expires_ms >= now_ms
            };
            if audience.presence.iter().filter(counts).count() >= PRESENCE_AGENTS_PER_CONNECTION_MAX {
                return false;
            }
            let shown = Shown {
                connection: entry.connection.clone(),
                state: entry.state.clone(),
                expires_ms: now_ms + PRESENCE_TTL.as_millis() as u64,
            };
            audience.presence.insert(entry.agent.clone(), shown);
            true
        }))
    }

    async fn clear(
        &self,
        doc: &DocId,
        connection: &str,
        agent: Option<&Agent>,
    ) -> Result<Vec<Agent>, StoreError> {
        Ok(self.on(doc, |audience| {
            audience.take(|shown_agent, shown| {
                shown.connection == connection && agent.is_none_or(|agent| agent == shown_agent)
            })
        }))
    }

    async fn all(&self, doc: &DocId, now_ms: u64) -> Result<Vec<PresenceEntry>, StoreError> {
        Ok(self.on(doc, |audience| {
            let shown = audience.presence.iter().filter(|(_, shown)| shown.expires_ms >= now_ms);
            let entry = |(agent, shown): (&Agent, &Shown)| PresenceEntry {
                agent: agent.clone(),
                connection: shown.connection.clone(),
                state: shown.state.clone(),
            };
            shown.map(entry).collect()
        }))
    }

    async fn take_expired(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Agent>, StoreError> {
        Ok(self.on(doc, |audience| audience.take(|_, shown| shown.expires_ms < now_ms)))
    }
}
