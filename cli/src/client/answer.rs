//! The answer to a `JOIN_DOC` or `SYNC_STATE`: parts that come in any order.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_crdt::{Doc, Span, Version};
use inklog_protocol::{VersionMap, WireEvent, WireOp, version_from_wire};

use super::ClientError;

/// One part of a `DOC_STATE`.
pub(super) struct StatePart {
    pub ops: Vec<WireOp>,
    pub version: VersionMap,
    pub state: Option<String>,
    pub events: Vec<WireEvent>,
    pub cursor: Option<String>,
}

/// A `DOC_STATE`, whole.
pub(super) struct WholeState {
    pub spans: Vec<Span>,
    pub version: Version,
    pub events: Vec<WireEvent>,
    pub cursor: Option<String>,
}

/// The parts of one message that have come.
pub(super) struct Parts<T> {
    parts: u32,
    came: BTreeMap<u32, T>,
}

impl<T> Parts<T> {
    pub fn new(parts: u32) -> Parts<T> {
        Parts { parts, came: BTreeMap::new() }
    }

    /// Adds a part; a repeat changes nothing. Says whether all are there.
    pub fn add(&mut self, part: u32, parts: u32, content: T) -> Result<bool, ClientError> {
        if parts != self.parts || !(1..=parts).contains(&part) {
            return Err(ClientError::Odd(format!("part {part} of {parts}, where there are {}", self.parts)));
        }
        self.came.entry(part).or_insert(content);
        Ok(self.came.len() == parts as usize)
    }

    /// The parts in order.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.came.into_values()
    }
}

/// Puts a state's parts together.
pub(super) fn whole_state(parts: Parts<StatePart>) -> Result<WholeState, ClientError> {
    let mut whole =
        WholeState { spans: Vec::new(), version: Version::new(), events: Vec::new(), cursor: None };
    let mut base64 = String::new();
    for part in parts.into_values() {
        for op in part.ops {
            whole.spans.push(op.into_span().map_err(|error| ClientError::Odd(error.to_string()))?);
        }
        let slice = version_from_wire(&part.version).map_err(|error| ClientError::Odd(error.to_string()))?;
        whole.version.unite(&slice);
        base64 += part.state.as_deref().unwrap_or_default();
        whole.events.extend(part.events);
        whole.cursor = whole.cursor.or(part.cursor);
    }
    if !base64.is_empty() {
        let bytes = STANDARD.decode(base64).map_err(|error| ClientError::Odd(format!("state: {error}")))?;
        let base = Doc::decode(&bytes)?;
        whole.spans = base.spans();
        whole.version = base.version().clone();
    }
    Ok(whole)
}
