//! Who is connected to which document, and where they are in it.
//!
//! A connection is registered by JOIN_DOC and SYNC_STATE and expires on its own, because `$disconnect`
//! may never arrive, and at the end of its token. Presence is kept next to it with a TTL of its own.

use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_protocol::limits::{CONNECTION_TTL, PRESENCE_TTL};
use inklog_protocol::{Author, DocId, Right, UserName};
use serde::{Deserialize, Serialize};

use crate::StoreError;

pub mod memory;
pub mod redis;

/// API Gateway's id of a connection.
pub type ConnectionId = String;

/// A connection that was last seen before this moment has expired.
fn connection_limit_ms(now_ms: u64) -> u64 {
    now_ms.saturating_sub(CONNECTION_TTL.as_millis() as u64)
}

/// Whose a connection is, as far as one document is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The user.
    #[serde(flatten)]
    pub author: Author,
    /// What the connection may do with the document.
    pub right: Right,
    /// When its token ends, in seconds since the epoch: nothing is sent to it from then on.
    #[serde(rename = "exp")]
    pub expires_at: u64,
}

/// A connection that is registered with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it is, if connections have an identity.
    pub holder: Option<Holder>,
}

/// The moment that counts as the one at which the connection was last seen: now or, where its token ends
/// before the registration would lapse, as much earlier as makes it lapse with the token.
fn seen_ms(now_ms: u64, holder: Option<&Holder>) -> u64 {
    let limit = |holder: &Holder| {
        (holder.expires_at.saturating_mul(1_000)).saturating_sub(CONNECTION_TTL.as_millis() as u64 + 1)
    };
    holder.map_or(now_ms, |holder| now_ms.min(limit(holder)))
}

/// The last moment at which presence that is set now is shown, which is before its token's end (in seconds).
fn shown_until_ms(now_ms: u64, token_ends: Option<u64>) -> u64 {
    let until = now_ms + PRESENCE_TTL.as_millis() as u64;
    token_ends.map_or(until, |ends| until.min(ends.saturating_mul(1_000).saturating_sub(1)))
}

/// The connections of all documents. Times are ms since the epoch.
#[async_trait]
pub trait Connections: Send + Sync {
    /// Adds the connection to the document, or renews it. It ends with the holder's token. `false`, and it is not
    /// added, if it has joined [`inklog_protocol::limits::DOCS_PER_CONNECTION_MAX`] other documents.
    async fn register(
        &self,
        doc: &DocId,
        connection: &str,
        holder: Option<&Holder>,
        now_ms: u64,
    ) -> Result<bool, StoreError>;

    /// The document's connections that have not expired
    /// ([`CONNECTION_TTL`]); removes expired ones.
    async fn list(&self, doc: &DocId, now_ms: u64) -> Result<Vec<ConnectionId>, StoreError>;

    /// The same connections, and whose they are.
    async fn registrations(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Registration>, StoreError>;

    /// Where the user's connections are registered, and have not expired.
    async fn of_user(&self, user: &UserName, now_ms: u64) -> Result<Vec<(DocId, ConnectionId)>, StoreError>;

    /// Whether the connection is registered with the document and has not expired.
    async fn is_registered(&self, doc: &DocId, connection: &str, now_ms: u64) -> Result<bool, StoreError>;

    /// Removes the connection from one document.
    async fn remove(&self, doc: &DocId, connection: &str) -> Result<(), StoreError>;

    /// The documents that the connection is registered with; it may have expired in some of them.
    async fn docs_of(&self, connection: &str) -> Result<Vec<DocId>, StoreError>;
}

/// One agent's presence in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceEntry {
    /// Whose.
    pub agent: Agent,
    /// The connection over which it arrived.
    pub connection: ConnectionId,
    /// The application's JSON.
    pub state: String,
    /// Whose connection it is, if connections have an identity.
    pub author: Option<Author>,
}

/// The presence of all documents.
#[async_trait]
pub trait Presence: Send + Sync {
    /// Sets or renews an agent's presence, which belongs to the entry's connection from now on. It is shown for
    /// [`PRESENCE_TTL`], but not from the end of the connection's token on (in seconds since the epoch).
    /// `false`, and nothing changes, if the connection already has presence for
    /// [`inklog_protocol::limits::PRESENCE_AGENTS_PER_CONNECTION_MAX`] other agents there.
    async fn set(
        &self,
        doc: &DocId,
        entry: &PresenceEntry,
        token_ends: Option<u64>,
        now_ms: u64,
    ) -> Result<bool, StoreError>;

    /// Removes what arrived over `connection`: one agent's, or all with `None`. Returns the removed agents.
    async fn clear(
        &self,
        doc: &DocId,
        connection: &str,
        agent: Option<&Agent>,
    ) -> Result<Vec<Agent>, StoreError>;

    /// All that has not expired.
    async fn all(&self, doc: &DocId, now_ms: u64) -> Result<Vec<PresenceEntry>, StoreError>;

    /// Removes what has expired; returns each agent to one caller only, which notifies the others.
    async fn take_expired(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Agent>, StoreError>;
}
