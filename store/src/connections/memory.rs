//! Connections and presence in memory, for `inklog dev` and for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_crdt::planted::{Bug, planted};
use inklog_protocol::limits::{DOCS_PER_CONNECTION_MAX, PRESENCE_AGENTS_PER_CONNECTION_MAX};
use inklog_protocol::{Author, DocId, UserName};

use super::{
    ConnectionId, Connections, Holder, Presence, PresenceEntry, Registration, connection_limit_ms, seen_ms,
    shown_until_ms,
};
use crate::StoreError;

/// Connections and presence of all documents in this process.
#[derive(Default)]
pub struct MemoryConnections {
    // No method awaits anything while it holds this: each is one atomic step.
    docs: Mutex<BTreeMap<DocId, Audience>>,
}

#[derive(Default)]
struct Audience {
    registered: BTreeMap<ConnectionId, Registered>,
    presence: BTreeMap<Agent, Shown>,
}

struct Registered {
    seen_ms: u64,
    holder: Option<Holder>,
}

struct Shown {
    connection: ConnectionId,
    state: String,
    author: Option<Author>,
    expires_ms: u64,
}

impl MemoryConnections {
    /// No connections.
    pub fn new() -> MemoryConnections {
        MemoryConnections::default()
    }

    /// Forgets everything, like a Redis that is flushed or lost.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DocId, Audience>> {
        self.docs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a step on the document's audience, and forgets the document if nobody is left.
    fn on<T>(&self, doc: &DocId, step: impl FnOnce(&mut Audience) -> T) -> T {
        let mut docs = self.lock();
        let audience = docs.entry(doc.clone()).or_default();
        let answer = step(audience);
        if audience.registered.is_empty() && audience.presence.is_empty() {
            docs.remove(doc);
        }
        answer
    }
}

impl Registered {
    fn is_there(&self, now_ms: u64) -> bool {
        self.seen_ms >= connection_limit_ms(now_ms)
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
    async fn register(
        &self,
        doc: &DocId,
        connection: &str,
        holder: Option<&Holder>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let lapses_with = holder.filter(|_| !planted(Bug::RegistrationOutlivesToken));
        let registered = Registered { seen_ms: seen_ms(now_ms, lapses_with), holder: holder.cloned() };
        let mut docs = self.lock();
        let is_in = |audience: &Audience| {
            audience.registered.get(connection).is_some_and(|registered| registered.is_there(now_ms))
        };
        let others = docs.iter().filter(|(other, audience)| *other != doc && is_in(audience));
        if others.take(DOCS_PER_CONNECTION_MAX).count() == DOCS_PER_CONNECTION_MAX {
            return Ok(false);
        }
        docs.entry(doc.clone()).or_default().registered.insert(connection.to_owned(), registered);
        Ok(true)
    }

    async fn list(&self, doc: &DocId, now_ms: u64) -> Result<Vec<ConnectionId>, StoreError> {
        Ok(self.on(doc, |audience| {
            audience.registered.retain(|_, registered| registered.is_there(now_ms));
            audience.registered.keys().cloned().collect()
        }))
    }

    async fn registrations(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Registration>, StoreError> {
        Ok(self.on(doc, |audience| {
            let there = audience.registered.iter().filter(|(_, registered)| registered.is_there(now_ms));
            let registration = |(connection, registered): (&ConnectionId, &Registered)| Registration {
                connection: connection.clone(),
                holder: registered.holder.clone(),
            };
            there.map(registration).collect()
        }))
    }

    async fn of_user(&self, user: &UserName, now_ms: u64) -> Result<Vec<(DocId, ConnectionId)>, StoreError> {
        let docs = self.lock();
        let mut found = Vec::new();
        for (doc, audience) in docs.iter() {
            let of_user = audience.registered.iter().filter(|(_, registered)| {
                let holder = registered.holder.as_ref();
                holder.is_some_and(|holder| holder.author.user == user.as_str())
                    && registered.is_there(now_ms)
            });
            found.extend(of_user.map(|(connection, _)| (doc.clone(), connection.clone())));
        }
        Ok(found)
    }

    async fn is_registered(&self, doc: &DocId, connection: &str, now_ms: u64) -> Result<bool, StoreError> {
        Ok(self.on(doc, |audience| {
            audience.registered.get(connection).is_some_and(|registered| registered.is_there(now_ms))
        }))
    }

    async fn remove(&self, doc: &DocId, connection: &str) -> Result<(), StoreError> {
        self.on(doc, |audience| audience.registered.remove(connection));
        Ok(())
    }

    async fn docs_of(&self, connection: &str) -> Result<Vec<DocId>, StoreError> {
        let docs = self.lock();
        let has = |audience: &Audience| audience.registered.contains_key(connection);
        Ok(docs.iter().filter(|(_, audience)| has(audience)).map(|(doc, _)| doc.clone()).collect())
    }
}

#[async_trait]
impl Presence for MemoryConnections {
    async fn set(
        &self,
        doc: &DocId,
        entry: &PresenceEntry,
        token_ends: Option<u64>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
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
                author: entry.author.clone(),
                expires_ms: shown_until_ms(now_ms, token_ends),
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
                author: shown.author.clone(),
            };
            shown.map(entry).collect()
        }))
    }

    async fn take_expired(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Agent>, StoreError> {
        Ok(self.on(doc, |audience| audience.take(|_, shown| shown.expires_ms < now_ms)))
    }
}
