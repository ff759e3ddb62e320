//! What a log item holds besides its event, and the bytes of an event with its time.

use inklog_crdt::{DecodeError, Event};
use inklog_protocol::LoggedEvent;

/// One item of the op log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The event.
    pub event: Event,
    /// When ingest took it, ms since the epoch.
    pub at: u64,
    /// Who sent it, if connections have an identity.
    pub user: Option<String>,
    /// The sender's connection, which gets no echo.
    pub connection: Option<String>,
}

impl LogRecord {
    /// The part that replicas see.
    pub fn logged(self) -> LoggedEvent {
        LoggedEvent { event: self.event, at: self.at }
    }
}

/// Bytes of an event with its time: `at` as 8 bytes little-endian, then [`Event::encoded`].
pub fn encode_logged(logged: &LoggedEvent) -> Vec<u8> {
    [&logged.at.to_le_bytes(), logged.event.encoded()].concat()
}

/// How many bytes [`encode_logged`] writes.
pub fn logged_len(logged: &LoggedEvent) -> usize {
    size_of_val(&logged.at) + logged.event.encoded().len()
}

/// Reads what [`encode_logged`] wrote.
pub fn decode_logged(bytes: &[u8]) -> Result<LoggedEvent, DecodeError> {
    let (at, event) = bytes
        .split_first_chunk::<8>()
        .ok_or(DecodeError::Damaged { offset: 0, what: "too short for a time" })?;
    Ok(LoggedEvent { event: Event::decode(event)?, at: u64::from_le_bytes(*at) })
}
