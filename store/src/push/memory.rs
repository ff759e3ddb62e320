//! The push to connections in this process, for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use inklog_protocol::limits::MESSAGE_BYTES_MAX;

use super::{Push, PushError};

/// How many bytes may wait for a connection, as in the emulated gateway; AWS does not publish its limit.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Connections that take posts whenever they choose to. A connection that was not opened is gone.
#[derive(Default)]
pub struct MemoryPush {
    // No method awaits anything while it holds this: each is one atomic step.
    waiting: Mutex<BTreeMap<String, Vec<String>>>,
}

impl MemoryPush {
    /// No connections.
    pub fn new() -> MemoryPush {
        MemoryPush::default()
    }

    /// Opens a connection. One that is open stays as it is.
    pub fn open(&self, connection: &str) {
        self.lock().entry(connection.to_owned()).or_default();
    }

    /// Has a client leave; what waits for it is lost.
    pub fn hang_up(&self, connection: &str) {
        self.lock().remove(connection);
    }

    /// What waits for a connection, in the order in which it was posted; it makes room for more.
    pub fn take(&self, connection: &str) -> Vec<String> {
        self.lock().get_mut(connection).map(std::mem::take).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Push for MemoryPush {
    async fn post(&self, connection: &str, message: &str) -> Result<(), PushError> {
        let mut connections = self.lock();
        let waiting = connections.get_mut(connection).ok_or(PushError::Gone)?;
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(PushError::Refused("status 413: Payload too large".to_owned()));
        }
        if waiting.iter().map(String::len).sum::<usize>() + message.len() > WAITING_BYTES_MAX {
            return Err(PushError::Busy("status 429".to_owned()));
        }
        waiting.push(message.to_owned());
        Ok(())
    }

    async fn close(&self, connection: &str) -> Result<(), PushError> {
        self.lock().remove(connection).map(|_| ()).ok_or(PushError::Gone)
    }
}
