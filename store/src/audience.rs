//! A document's audience: sends messages to its connections, and handles those that are gone.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use inklog_crdt::Agent;
use inklog_crdt::planted::{Bug, planted};
use inklog_protocol::limits::{BROADCAST_CONCURRENCY, READER_PATIENCE};
use inklog_protocol::{DocId, ServerMessage};

use crate::connections::PresenceEntry;
use crate::{Clock, ConnectionId, Connections, Presence, Push, PushError, StoreError};

/// First pause before a refused part is sent again; it doubles with each try, up to the longest.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(320);

/// The messages for one connection, in order.
pub struct Post {
    /// The receiver.
    pub connection: ConnectionId,
    /// The frames' texts.
    pub messages: Arc<[String]>,
}

/// The connections of documents, their presence, and the push to them.
#[derive(Clone)]
pub struct Audience {
    /// The connections.
    pub connections: Arc<dyn Connections>,
    /// Their presence.
    pub presence: Arc<dyn Presence>,
    /// The push to them.
    pub push: Arc<dyn Push>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Audience {
    /// Posts to all connections concurrently, with a bound on posts in flight, and never waits for one: a
    /// connection that is not ready is skipped and unregistered; it notices the gap when it syncs, which
    /// registers it again. Connections that are gone leave the document. Best effort: failures are logged.
    pub async fn broadcast(&self, doc: &DocId, posts: Vec<Post>) {
        for (connection, missed) in self.post_all(posts).await {
            let forgotten = match missed {
                Missed::Busy => self.connections.remove(doc, &connection).await,
                Missed::Gone => Box::pin(self.leave(doc, &connection)).await,
                Missed::Failed => Ok(()),
            };
            if let Err(error) = forgotten {
                tracing::warn!(%doc, connection, %error, "a connection stays registered until it expires");
            }
        }
    }

    /// The same for messages that are soon outdated: a connection that is not ready just misses them.
    pub async fn mention(&self, doc: &DocId, posts: Vec<Post>) {
        for (connection, missed) in self.post_all(posts).await {
            if let Missed::Gone = missed
                && let Err(error) = Box::pin(self.leave(doc, &connection)).await
            {
                tracing::warn!(%doc, connection, %error, "a connection stays registered until it expires");
            }
        }
    }

    /// Removes a connection from a document, and notifies the others that its agents are gone.
    pub async fn leave(&self, doc: &DocId, connection: &str) -> Result<(), StoreError> {
        self.connections.remove(doc, connection).await?;
        let agents = self.presence.clear(doc, connection, None).await?;
        self.tell_presence(doc, agents.into_iter().map(|agent| (agent, None)).collect(), connection).await
    }

    /// Sends agents' presence (`None`: gone) to all but `except`.
    pub async fn tell_presence(
        &self,
        doc: &DocId,
        changes: Vec<(Agent, Option<PresenceEntry>)>,
        except: &str,
    ) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let messages: Arc<[String]> =
            changes.iter().map(|(agent, entry)| presence_json(doc, agent, entry.as_ref())).collect();
        let others = self.connections.list(doc, self.clock.now_ms()).await?;
        let posts = others
            .into_iter()
            .filter(|connection| connection != except)
            .map(|connection| Post { connection, messages: messages.clone() })
            .collect();
        // The next one supersedes it.
        self.mention(doc, posts).await;
        Ok(())
    }

    /// Removes expired presence and notifies everyone.
    pub async fn expire_presence(&self, doc: &DocId) -> Result<(), StoreError> {
        let expired = self.presence.take_expired(doc, self.clock.now_ms()).await?;
        self.tell_presence(doc, expired.into_iter().map(|agent| (agent, None)).collect(), "").await
    }

    /// Posts to all; returns the connections that missed something.
    async fn post_all(&self, posts: Vec<Post>) -> Vec<(ConnectionId, Missed)> {
        futures::stream::iter(posts)
            .map(|post| async move {
                for message in post.messages.iter() {
                    if let Some(missed) = self.post(&post.connection, message).await {
                        return Some((post.connection, missed));
                    }
                }
                None
            })
            .buffer_unordered(BROADCAST_CONCURRENCY)
            .filter_map(|missed| async move { missed })
            .collect()
            .await
    }

    /// Posts one message, and once more if the call was late or broke off: one such call would else keep an edit from
    /// a client for minutes.
    async fn post(&self, connection: &str, message: &str) -> Option<Missed> {
        if planted(Bug::SlowIsWaitedFor) {
            return (!self.deliver(connection, message, READER_PATIENCE).await).then_some(Missed::Busy);
        }
        let mut posted = self.push.post(connection, message).await;
        if let Err(PushError::Late(_) | PushError::Retry(_)) = posted {
            posted = self.push.post(connection, message).await;
        }
        let (missed, why) = match posted {
            Ok(()) => return None,
            Err(PushError::Gone) => return Some(Missed::Gone),
            Err(PushError::Busy(why) | PushError::Late(why)) => (Missed::Busy, why),
            Err(PushError::Retry(why) | PushError::Refused(why)) => (Missed::Failed, why),
        };
        tracing::warn!(connection, why, "skipped a connection");
        Some(missed)
    }

    /// Sends one connection a message that only it waits for, with retries, and gives up if the message is
    /// not taken within `patience`. Returns whether it was taken.
    pub async fn deliver(&self, connection: &str, message: &str, patience: Duration) -> bool {
        let deadline = self.clock.monotonic() + patience;
        let mut pause = RETRY_PAUSE;
        loop {
            let why = match self.push.post(connection, message).await {
                Ok(()) => return true,
                Err(PushError::Gone) => return false,
                Err(PushError::Refused(why)) => {
                    tracing::warn!(connection, why, "the gateway refused a message");
                    return false;
                }
                Err(PushError::Busy(why) | PushError::Late(why) | PushError::Retry(why)) => why,
            };
            if self.clock.monotonic() + pause > deadline {
                tracing::warn!(connection, why, "gave up on a client that reads nothing");
                return false;
            }
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    }
}

/// Why a connection missed a message.
enum Missed {
    /// It is closed.
    Gone,
    /// It was not ready.
    Busy,
    /// The gateway is at fault, twice, or the message is: the next message shows the gap.
    Failed,
}

/// A `REMOTE_PRESENCE`; without an entry, the agent is gone.
pub fn presence_json(doc: &DocId, agent: &Agent, entry: Option<&PresenceEntry>) -> String {
    let author = entry.and_then(|entry| entry.author.as_ref());
    ServerMessage::RemotePresence {
        doc_id: doc.as_str().to_owned(),
        agent: agent.as_str().to_owned(),
        state: entry.and_then(|entry| serde_json::from_str(&entry.state).ok()),
        user: author.map(|author| author.user.clone()),
        name: author.and_then(|author| author.name.clone()),
    }
    .to_json()
}
