//! The bytes of the events that were waiting when a base was made; they follow its state. Each is its
//! length as 4 bytes little-endian, then what [`encode_logged`] wrote, which includes its version.

use inklog_crdt::DecodeError;
use inklog_protocol::LoggedEvent;

use crate::{decode_logged, encode_logged, logged_len};

/// How many bytes [`write`] adds.
pub(super) fn bytes_of(events: &[LoggedEvent]) -> u64 {
    events.iter().map(|event| 4 + logged_len(event) as u64).sum()
}

/// Adds the events to `bytes`.
pub(super) fn write(events: &[LoggedEvent], bytes: &mut Vec<u8>) {
    for event in events {
        let encoded = encode_logged(event);
        // An event came in one WebSocket frame.
        let len = u32::try_from(encoded.len()).expect("an event is far below 4 GB");
        bytes.extend(len.to_le_bytes());
        bytes.extend(encoded);
    }
}

/// Reads what [`write`] wrote, to the end of `bytes`.
pub(super) fn read(mut bytes: &[u8]) -> Result<Vec<LoggedEvent>, DecodeError> {
    let mut events = Vec::new();
    let whole = bytes.len();
    while !bytes.is_empty() {
        let offset = whole - bytes.len();
        let damaged = DecodeError::Damaged { offset, what: "a waiting event ends early" };
        let (len, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged.clone())?;
        let (event, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or(damaged)?;
        events.push(decode_logged(event)?);
        bytes = rest;
    }
    Ok(events)
}
