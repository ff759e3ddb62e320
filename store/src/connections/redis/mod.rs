//! Connections and presence in Redis; the keys are described in `keys/redis.rs`. What has to be one
//! step is a script; times come from the caller, Redis's own expiry only clears up.

use std::sync::LazyLock;

use ::redis::{Script, ScriptInvocation};
use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_protocol::DocId;
use inklog_protocol::limits::{CONNECTION_TTL, PRESENCE_AGENTS_PER_CONNECTION_MAX, PRESENCE_TTL};

use super::{ConnectionId, Connections, Presence, PresenceEntry, connection_limit_ms};
use crate::keys::redis::{self as keys, Deployment};
use crate::{RedisClient, StoreError};

macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                include_str!("scripts/prelude.lua"),
                include_str!(concat!("scripts/", $name))
            ))
        })
    };
}

static REGISTER: LazyLock<Script> = script!("register.lua");
static REMOVE: LazyLock<Script> = script!("remove.lua");
static SEEN: LazyLock<Script> = script!("seen.lua");
static LIST: LazyLock<Script> = script!("list.lua");
static SET: LazyLock<Script> = script!("set_presence.lua");
static CLEAR: LazyLock<Script> = script!("clear_presence.lua");
static ALL: LazyLock<Script> = script!("all_presence.lua");
static TAKE_EXPIRED: LazyLock<Script> = script!("take_expired.lua");

/// Connections and presence in a Redis.
#[derive(Clone)]
pub struct RedisConnections {
    client: RedisClient,
    deployment: Deployment,
}

impl RedisConnections {
    /// The connections of the named API, through a connection to Redis that others may share.
    pub fn new(client: RedisClient, api_name: &str) -> RedisConnections {
        RedisConnections { client, deployment: Deployment::new(api_name) }
    }

    /// On a connection of its own; the server must respond.
    pub async fn connect(url: &str, api_name: &str) -> Result<RedisConnections, StoreError> {
        Ok(RedisConnections::new(RedisClient::connect(url).await?, api_name))
    }

    fn on_presence<'a>(&self, script: &'a Script, doc: &DocId) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(keys::presence(&self.deployment, doc)).key(keys::presence_expiry(&self.deployment, doc));
        call
    }
}

/// Only agents were stored; other names are not reported.
fn agents(names: Vec<String>) -> Vec<Agent> {
    names.iter().filter_map(|name| Agent::new(name).ok()).collect()
}

#[async_trait]
impl Connections for RedisConnections {
    async fn register(&self, doc: &DocId, connection: &str, now_ms: u64) -> Result<(), StoreError> {
        // The key by which $disconnect finds the documents comes first: a connection that is listed
        // and not found there would be posted to, in vain, until it lapses.
        for (key, member) in [
            (keys::connection_docs(&self.deployment, connection), doc.as_str()),
            (keys::connections(&self.deployment, doc), connection),
        ] {
            let mut call = REGISTER.prepare_invoke();
            call.key(key).arg(member).arg(now_ms).arg(CONNECTION_TTL.as_millis() as u64);
            let () = self.client.eval(&call).await?;
        }
        Ok(())
    }

    async fn list(&self, doc: &DocId, now_ms: u64) -> Result<Vec<ConnectionId>, StoreError> {
        let mut call = LIST.prepare_invoke();
        call.key(keys::connections(&self.deployment, doc)).arg(connection_limit_ms(now_ms));
        self.client.eval(&call).await
    }

    async fn is_registered(&self, doc: &DocId, connection: &str, now_ms: u64) -> Result<bool, StoreError> {
        let mut call = SEEN.prepare_invoke();
        call.key(keys::connections(&self.deployment, doc)).arg(connection);
        // A double, exact for the next 285,000 years.
        let seen_ms: Option<f64> = self.client.eval(&call).await?;
        Ok(seen_ms.is_some_and(|seen_ms| seen_ms as u64 >= connection_limit_ms(now_ms)))
    }

    async fn remove(&self, doc: &DocId, connection: &str) -> Result<(), StoreError> {
        for (key, member) in [
            (keys::connections(&self.deployment, doc), connection),
            (keys::connection_docs(&self.deployment, connection), doc.as_str()),
        ] {
            let mut call = REMOVE.prepare_invoke();
            call.key(key).arg(member);
            let () = self.client.eval(&call).await?;
        }
        Ok(())
    }

    async fn docs_of(&self, connection: &str) -> Result<Vec<DocId>, StoreError> {
        let mut call = LIST.prepare_invoke();
        call.key(keys::connection_docs(&self.deployment, connection)).arg(0);
        let names: Vec<String> = self.client.eval(&call).await?;
        Ok(names.iter().filter_map(|name| DocId::new(name).ok()).collect())
    }
}

#[async_trait]
impl Presence for RedisConnections {
    async fn set(&self, doc: &DocId, entry: &PresenceEntry, now_ms: u64) -> Result<bool, StoreError> {
        let mut call = self.on_presence(&SET, doc);
        call.arg(entry.agent.as_str()).arg(&entry.connection).arg(&entry.state).arg(now_ms);
        call.arg(now_ms + PRESENCE_TTL.as_millis() as u64);
        call.arg(PRESENCE_AGENTS_PER_CONNECTION_MAX).arg(CONNECTION_TTL.as_millis() as u64);
        self.client.eval(&call).await
    }

    async fn clear(
        &self,
        doc: &DocId,
        connection: &str,
        agent: Option<&Agent>,
    ) -> Result<Vec<Agent>, StoreError> {
        let mut call = self.on_presence(&CLEAR, doc);
        call.arg(connection).arg(agent.map_or("", Agent::as_str));
        Ok(agents(self.client.eval(&call).await?))
    }

    async fn all(&self, doc: &DocId, now_ms: u64) -> Result<Vec<PresenceEntry>, StoreError> {
        let mut call = self.on_presence(&ALL, doc);
        call.arg(now_ms);
        let entries: Vec<(String, String, String)> = self.client.eval(&call).await?;
        let entry = |(agent, connection, state): (String, String, String)| {
            Some(PresenceEntry { agent: Agent::new(&agent).ok()?, connection, state })
        };
        Ok(entries.into_iter().filter_map(entry).collect())
    }

    async fn take_expired(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Agent>, StoreError> {
        let mut call = self.on_presence(&TAKE_EXPIRED, doc);
        call.arg(now_ms);
        Ok(agents(self.client.eval(&call).await?))
    }
}
