//! Who hears about a document: messages to its connections, and what happens when one is gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use inklog_crdt::Agent;
use inklog_protocol::limits::BROADCAST_CONCURRENCY;
use inklog_protocol::{DocId, ServerMessage};

use crate::{Clock, ConnectionId, Connections, Presence, Push, PushError, StoreError};

/// First pause before a refused post is tried again; it doubles from try to try.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// What one connection is to be sent, in order.
pub struct Post {
    /// To whom.
    pub connection: ConnectionId,
    /// The frames' texts.
    pub messages: Arc<[String]>,
}

/// The connections of documents, their presence, and the push to them.
#[derive(Clone)]
pub struct Audience {
    /// Who is connected.
    pub connections: Arc<dyn Connections>,
    /// Where they are.
    pub presence: Arc<dyn Presence>,
    /// How to reach them.
    pub push: Arc<dyn Push>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Audience {
    /// Sends to all at once, with a bound on what is under way; refused posts are tried again while
    /// `patience` lasts, and then given up: clients find gaps and heal them. Connections that are gone
    /// leave the document.
    pub async fn send(&self, doc: &DocId, posts: Vec<Post>, patience: Duration) -> Result<(), StoreError> {
        let gone = self.post_all(posts, patience).await;
        for connection in gone {
            Box::pin(self.leave(doc, &connection)).await?;
        }
        Ok(())
    }

    /// Takes a connection out of a document, and tells the others that its agents are gone.
    pub async fn leave(&self, doc: &DocId, connection: &str) -> Result<(), StoreError> {
        self.connections.remove(doc, connection).await?;
        let agents = self.presence.clear(doc, connection, None).await?;
        self.tell_presence(doc, agents.into_iter().map(|agent| (agent, None)).collect(), connection).await
    }

    /// Tells all but `except` where agents are (`None`: gone).
    pub async fn tell_presence(
        &self,
        doc: &DocId,
        changes: Vec<(Agent, Option<String>)>,
        except: &str,
    ) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let messages: Arc<[String]> =
            changes.iter().map(|(agent, state)| presence_json(doc, agent, state.as_deref())).collect();
        let others = self.connections.list(doc, self.clock.now_ms()).await?;
        let posts = others
            .into_iter()
            .filter(|connection| connection != except)
            .map(|connection| Post { connection, messages: messages.clone() })
            .collect();
        // Presence is not worth waiting for: the next one makes this one old.
        self.send(doc, posts, Duration::ZERO).await
    }

    /// Finds presence that has expired, and tells everyone.
    pub async fn expire_presence(&self, doc: &DocId) -> Result<(), StoreError> {
        let expired = self.presence.take_expired(doc, self.clock.now_ms()).await?;
        self.tell_presence(doc, expired.into_iter().map(|agent| (agent, None)).collect(), "").await
    }

    /// Posts to all; returns the connections that are gone.
    async fn post_all(&self, posts: Vec<Post>, patience: Duration) -> Vec<ConnectionId> {
        let deadline = tokio::time::Instant::now() + patience;
        futures::stream::iter(posts)
            .map(|post| async move {
                for message in post.messages.iter() {
                    if !self.post(&post.connection, message, deadline).await {
                        return Some(post.connection);
                    }
                }
                None
            })
            .buffer_unordered(BROADCAST_CONCURRENCY)
            .filter_map(|gone| async move { gone })
            .collect()
            .await
    }

    /// Posts one message, again and again if need be; `false` when the connection is gone.
    async fn post(&self, connection: &str, message: &str, deadline: tokio::time::Instant) -> bool {
        let mut pause = RETRY_PAUSE;
        loop {
            match self.push.post(connection, message).await {
                Ok(()) => return true,
                Err(PushError::Gone) => return false,
                Err(PushError::Refused(why)) => {
                    tracing::warn!(connection, why, "a message was refused");
                    return true;
                }
                Err(PushError::Retry(why)) => {
                    if tokio::time::Instant::now() + pause > deadline {
                        tracing::warn!(connection, why, "a message was given up");
                        return true;
                    }
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
    }
}

/// A `REMOTE_PRESENCE`.
pub fn presence_json(doc: &DocId, agent: &Agent, state: Option<&str>) -> String {
    let state = state.and_then(|json| serde_json::from_str(json).ok());
    ServerMessage::RemotePresence { doc_id: doc.as_str().to_owned(), agent: agent.as_str().to_owned(), state }
        .to_json()
}

/// Groups what belongs to one document, keeping the order within each.
pub fn by_doc<T>(items: impl IntoIterator<Item = (DocId, T)>) -> Vec<(DocId, Vec<T>)> {
    let mut places: HashMap<DocId, usize> = HashMap::new();
    let mut groups: Vec<(DocId, Vec<T>)> = Vec::new();
    for (doc, item) in items {
        let place = *places.entry(doc.clone()).or_insert_with(|| {
            groups.push((doc, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(item);
    }
    groups
}
