//! An open connection as the rest of the gateway sees it: its identity, its outgoing queue, its end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::ending::Ending;
use super::event::Caller;

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    #[error("the connection is gone")]
    Gone,
    #[error("the client reads too slowly: its outgoing buffer is full")]
    BufferFull,
}

/// What the writer of a connection takes from its queue.
#[derive(Debug)]
pub(super) enum Outgoing {
    Text(Utf8Bytes),
    /// The last item in the queue.
    Close,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub id: String,
    pub caller: Caller,
    pub connected_at_ms: i64,
    /// The authorizer's context, which comes with every event.
    pub authorizer: HashMap<String, String>,
    last_active_ms: AtomicI64,
    outbox: mpsc::UnboundedSender<Outgoing>,
    /// Bytes accepted but not yet passed to the socket. The channel is unbounded; this bounds it.
    queued_bytes: AtomicUsize,
    queued_bytes_max: usize,
    /// The first reason to close wins.
    ending: OnceLock<Ending>,
    closing: watch::Sender<bool>,
}

impl Connection {
    pub fn new(
        id: String,
        caller: Caller,
        authorizer: HashMap<String, String>,
        queued_bytes_max: usize,
    ) -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (outbox, outgoing) = mpsc::unbounded_channel();
        let now = now_ms();
        let connection = Self {
            id,
            caller,
            connected_at_ms: now,
            authorizer,
            last_active_ms: AtomicI64::new(now),
            outbox,
            queued_bytes: AtomicUsize::new(0),
            queued_bytes_max,
            ending: OnceLock::new(),
            closing: watch::Sender::new(false),
        };
        (connection, outgoing)
    }

    /// Queues a message for the client without waiting for it to be sent.
    pub fn send(&self, text: Utf8Bytes) -> Result<(), SendError> {
        let len = text.as_str().len();
        let before = self.queued_bytes.fetch_add(len, Ordering::Relaxed);
        if before + len > self.queued_bytes_max {
            self.sent(len);
            return Err(SendError::BufferFull);
        }
        self.touch();
        self.outbox.send(Outgoing::Text(text)).map_err(|_| SendError::Gone)
    }

    /// Frees room in the queue, once the socket has taken that many bytes.
    pub fn sent(&self, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Ends the connection once what is queued has been written.
    pub fn close(&self, ending: Ending) {
        if self.ending.set(ending).is_ok() {
            // Fails only when the writer has stopped, and then there is nothing to end.
            let _ = self.outbox.send(Outgoing::Close);
            self.closing.send_replace(true);
        }
    }

    /// How the connection ends, once that is decided.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// Waits until `close` has been called.
    pub async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // The sender lives in `self`, so this cannot fail while we wait.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Records a message in either direction.
    pub fn touch(&self) {
        self.last_active_ms.store(now_ms(), Ordering::Relaxed);
    }

    pub fn last_active_ms(&self) -> i64 {
        self.last_active_ms.load(Ordering::Relaxed)
    }
}

/// The open connections by id. Every push reads it, and only opening and closing write, so one
/// readers-writer lock is enough.
#[derive(Debug, Default)]
pub(super) struct Connections(RwLock<HashMap<String, Arc<Connection>>>);

impl Connections {
    pub fn get(&self, id: &str) -> Option<Arc<Connection>> {
        self.0.read().expect("nothing panics while holding it").get(id).cloned()
    }

    pub fn insert(&self, connection: Arc<Connection>) {
        self.0.write().expect("nothing panics while holding it").insert(connection.id.clone(), connection);
    }

    /// Removes a connection; returns whether it was there.
    pub fn remove(&self, id: &str) -> bool {
        self.0.write().expect("nothing panics while holding it").remove(id).is_some()
    }

    pub fn len(&self) -> usize {
        self.0.read().expect("nothing panics while holding it").len()
    }

    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.0.read().expect("nothing panics while holding it").values().cloned().collect()
    }
}

pub(super) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(max: usize) -> (Connection, mpsc::UnboundedReceiver<Outgoing>) {
        let caller = Caller { source_ip: [127, 0, 0, 1].into(), user_agent: None };
        Connection::new("x".into(), caller, HashMap::new(), max)
    }

    #[test]
    fn the_queue_takes_exactly_its_bytes_and_more_once_some_are_sent() {
        let (connection, _outgoing) = connection(10);
        assert_eq!(connection.send("12345".into()), Ok(()));
        assert_eq!(connection.send("67890".into()), Ok(()));
        assert_eq!(connection.send("x".into()), Err(SendError::BufferFull));
        connection.sent(5);
        assert_eq!(connection.send("12345".into()), Ok(()));
    }

    #[test]
    fn the_first_reason_to_close_wins() {
        let (connection, _outgoing) = connection(10);
        connection.close(Ending::deleted());
        connection.close(Ending::going_away());
        assert_eq!(connection.ending(), Some(&Ending::deleted()));
    }
}
