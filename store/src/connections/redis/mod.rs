//! Connections and presence in Redis; the keys are described in `keys/redis.rs`. What has to be one
//! step is a script; times come from the caller, Redis's own expiry only clears up.

use std::sync::LazyLock;

use ::redis::{Script, ScriptInvocation};
use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_protocol::limits::{
    CONNECTION_TTL, DOCS_PER_CONNECTION_MAX as DOCS_MAX, PRESENCE_AGENTS_PER_CONNECTION_MAX,
};
use inklog_protocol::{Author, DocId, UserName};

use super::{
    ConnectionId, Connections, Holder, Presence, PresenceEntry, Registration, connection_limit_ms, seen_ms,
    shown_until_ms,
};
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
static REGISTRATIONS: LazyLock<Script> = script!("registrations.lua");
static NOTE: LazyLock<Script> = script!("note.lua");
static NOTED: LazyLock<Script> = script!("noted.lua");
static FORGET: LazyLock<Script> = script!("forget.lua");
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

    fn on_connections<'a>(&self, script: &'a Script, doc: &DocId) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(keys::connections(&self.deployment, doc)).key(keys::holders(&self.deployment, doc));
        call
    }

    /// The registrations noted under a key of a connection or a user.
    async fn noted(&self, key: String, limit_ms: u64) -> Result<Vec<String>, StoreError> {
        let mut call = NOTED.prepare_invoke();
        call.key(key).arg(limit_ms);
        self.client.eval(&call).await
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

/// A registration among those of its user.
fn of_user_member(doc: &DocId, connection: &str) -> String {
    format!("{doc} {connection}")
}

#[async_trait]
impl Connections for RedisConnections {
    async fn register(
        &self,
        doc: &DocId,
        connection: &str,
        holder: Option<&Holder>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let (seen_ms, ttl_ms) = (seen_ms(now_ms, holder), CONNECTION_TTL.as_millis() as u64);
        // The keys by which $disconnect and a revocation find the documents come first: a connection that is
        // listed and not found there would be posted to until it lapses.
        let limit_ms = connection_limit_ms(now_ms);
        let of_connection =
            (keys::connection_docs(&self.deployment, connection), doc.to_string(), DOCS_MAX.to_string());
        let of_user = holder.map(|holder| {
            let key = keys::user_registrations(&self.deployment, &holder.author.user);
            (key, of_user_member(doc, connection), String::new())
        });
        let note = async |(key, member, max): &(String, String, String)| {
            let mut call = NOTE.prepare_invoke();
            call.key(key).arg(member).arg(seen_ms).arg(ttl_ms).arg(limit_ms).arg(max);
            self.client.eval::<bool>(&call).await
        };
        for noted in [&of_connection].into_iter().chain(&of_user) {
            if !note(noted).await? {
                return Ok(false);
            }
        }
        let holder = holder.map(|holder| serde_json::to_string(holder).expect("it is plain JSON"));
        let mut call = self.on_connections(&REGISTER, doc);
        call.arg(connection).arg(seen_ms).arg(ttl_ms).arg(holder.unwrap_or_default());
        let () = self.client.eval(&call).await?;
        // Again: a removal at the same time may have forgotten it before the connection was listed.
        note(&of_connection).await
    }

    async fn list(&self, doc: &DocId, now_ms: u64) -> Result<Vec<ConnectionId>, StoreError> {
        let mut call = self.on_connections(&LIST, doc);
        call.arg(connection_limit_ms(now_ms));
        self.client.eval(&call).await
    }

    async fn registrations(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Registration>, StoreError> {
        let mut call = self.on_connections(&REGISTRATIONS, doc);
        call.arg(connection_limit_ms(now_ms));
        let found: Vec<(String, String)> = self.client.eval(&call).await?;
        // A holder that cannot be read is none: another version has written it.
        let registration = |(connection, holder): (String, String)| Registration {
            connection,
            holder: serde_json::from_str(&holder).ok(),
        };
        Ok(found.into_iter().map(registration).collect())
    }

    async fn of_user(&self, user: &UserName, now_ms: u64) -> Result<Vec<(DocId, ConnectionId)>, StoreError> {
        let key = keys::user_registrations(&self.deployment, user.as_str());
        let members = self.noted(key, connection_limit_ms(now_ms)).await?;
        let parts = members.iter().filter_map(|member| member.split_once(' '));
        Ok(parts
            .filter_map(|(doc, connection)| Some((DocId::new(doc).ok()?, connection.to_owned())))
            .collect())
    }

    async fn is_registered(&self, doc: &DocId, connection: &str, now_ms: u64) -> Result<bool, StoreError> {
        let mut call = SEEN.prepare_invoke();
        call.key(keys::connections(&self.deployment, doc)).arg(connection);
        // A double, exact for the next 285,000 years.
        let seen_ms: Option<f64> = self.client.eval(&call).await?;
        Ok(seen_ms.is_some_and(|seen_ms| seen_ms as u64 >= connection_limit_ms(now_ms)))
    }

    async fn remove(&self, doc: &DocId, connection: &str) -> Result<(), StoreError> {
        let mut call = FORGET.prepare_invoke();
        call.key(keys::connection_docs(&self.deployment, connection)).arg(doc.as_str());
        let () = self.client.eval(&call).await?;
        // What is noted of its user lapses by itself: a connection must never be listed and not be found by a
        // revocation, whatever is registered at the same time.
        let mut call = self.on_connections(&REMOVE, doc);
        call.arg(connection);
        self.client.eval(&call).await
    }

    async fn docs_of(&self, connection: &str) -> Result<Vec<DocId>, StoreError> {
        let names = self.noted(keys::connection_docs(&self.deployment, connection), 0).await?;
        Ok(names.iter().filter_map(|name| DocId::new(name).ok()).collect())
    }
}

/// An author and a state as one value: the author, where there is one, is an array, and a state never is.
fn with_author(entry: &PresenceEntry) -> String {
    match &entry.author {
        Some(Author { user, name }) => {
            let author = serde_json::to_string(&(user, name)).expect("it is plain JSON");
            author + &entry.state
        }
        None => entry.state.clone(),
    }
}

/// Reads what [`with_author`] wrote.
fn author_of(value: String) -> (Option<Author>, String) {
    let mut values = serde_json::Deserializer::from_str(&value).into_iter::<(String, Option<String>)>();
    match values.next() {
        Some(Ok((user, name))) => {
            let state = value[values.byte_offset()..].to_owned();
            (Some(Author { user, name }), state)
        }
        _ => (None, value),
    }
}

#[async_trait]
impl Presence for RedisConnections {
    async fn set(
        &self,
        doc: &DocId,
        entry: &PresenceEntry,
        token_ends: Option<u64>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let mut call = self.on_presence(&SET, doc);
        call.arg(entry.agent.as_str()).arg(&entry.connection).arg(with_author(entry)).arg(now_ms);
        call.arg(shown_until_ms(now_ms, token_ends));
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
        let entry = |(agent, connection, value): (String, String, String)| {
            let (author, state) = author_of(value);
            Some(PresenceEntry { agent: Agent::new(&agent).ok()?, connection, state, author })
        };
        Ok(entries.into_iter().filter_map(entry).collect())
    }

    async fn take_expired(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Agent>, StoreError> {
        let mut call = self.on_presence(&TAKE_EXPIRED, doc);
        call.arg(now_ms);
        Ok(agents(self.client.eval(&call).await?))
    }
}
