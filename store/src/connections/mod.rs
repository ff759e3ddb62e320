//! Who is connected to which document, and where they are in it.
//!
//! A connection is registered by JOIN_DOC and SYNC_STATE and expires on its own, because `$disconnect`
//! may never arrive. Presence is kept next to it with a TTL of its own.

use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_protocol::DocId;
use inklog_protocol::limits::CONNECTION_TTL;

use crate::StoreError;

pub mod memory;
pub mod redis;

/// API Gateway's id of a connection.
pub type ConnectionId = String;

/// A connection that was last seen before this moment has expired.
fn connection_limit_ms(now_ms: u64) -> u64 {
    now_ms.saturating_sub(CONNECTION_TTL.as_millis() as u64)
}

/// The connections of all documents. Times are ms since the epoch.
#[async_trait]
pub trait Connections: Send + Sync {
    /// Adds the connection to the document, or renews it.
    async fn register(&self, doc: &DocId, connection: &str, now_ms: u64) -> Result<(), StoreError>;

    /// The document's connections that have not expired
    /// ([`CONNECTION_TTL`]); removes expired ones.
    async fn list(&self, doc: &DocId, now_ms: u64) -> Result<Vec<ConnectionId>, StoreError>;

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
}

/// The presence of all documents.
#[async_trait]
pub trait Presence: Send + Sync {
    /// Sets or renews an agent's presence, which belongs to the entry's connection from now on.
    /// `false`, and nothing changes, if the connection already has presence for
    /// [`inklog_protocol::limits::PRESENCE_AGENTS_PER_CONNECTION_MAX`] other agents there.
    async fn set(&self, doc: &DocId, entry: &PresenceEntry, now_ms: u64) -> Result<bool, StoreError>;

    /// Removes what arrived over `connection`: one agent's, or all with `None`. Returns the removed agents.
    async fn clear(
        &self,
        doc: &DocId,
        connection: &str,
        agent: Option<&Agent>,
    ) -> Result<Vec<Agent>, StoreError>;

    /// All that has not expired ([`inklog_protocol::limits::PRESENCE_TTL`]).
    async fn all(&self, doc: &DocId, now_ms: u64) -> Result<Vec<PresenceEntry>, StoreError>;

    /// Removes what has expired; returns each agent to one caller only, which notifies the others.
    async fn take_expired(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Agent>, StoreError>;
}
