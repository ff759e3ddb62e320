//! The answer to a `JOIN_DOC` or `SYNC_STATE`: parts that arrive in any order.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_crdt::{Doc, MergeError, Span, Version};
use inklog_protocol::{LoggedEvent, VersionMap, WireEvent, WireOp, version_from_wire};

use crate::ClientError;

/// One part of an answer. Fields that a kind of answer lacks are empty.
#[derive(Default)]
pub(crate) struct Part {
    pub ops: Vec<WireOp>,
    pub version: VersionMap,
    pub state: Option<String>,
    pub events: Vec<WireEvent>,
    pub cursor: Option<String>,
    pub log: Option<String>,
    pub missing: VersionMap,
}

/// An answer, whole.
pub(crate) struct Answer {
    /// The base of a state; `None`: it is a replay.
    pub base: Option<Base>,
    pub events: Vec<LoggedEvent>,
    pub cursor: Option<String>,
    /// The log's name; `None` from a server that does not tell.
    pub log: Option<String>,
    /// Whether the log lacks something of the version that the request named.
    pub is_missing_some: bool,
}

/// The base of a state.
pub(crate) struct Base {
    pub spans: Vec<Span>,
    pub version: Version,
}

impl Base {
    /// The document that a state shows.
    pub fn with(&self, events: &[LoggedEvent]) -> Result<Doc, MergeError> {
        let mut doc = Doc::new();
        doc.merge(&self.spans, &self.version)?;
        for logged in events {
            doc.apply(&logged.event);
        }
        Ok(doc)
    }
}

/// The parts of the answer to one request that have arrived.
#[derive(Default)]
pub(crate) struct Parts {
    /// The state's id; `None` of a replay.
    of: Option<String>,
    parts: u32,
    came: BTreeMap<u32, Part>,
}

impl Parts {
    /// Adds a part; a repeat changes nothing, and one of another state begins anew. Gives the answer
    /// when all are there.
    pub fn add(
        &mut self,
        of: Option<String>,
        part: u32,
        parts: u32,
        content: Part,
    ) -> Result<Option<Answer>, ClientError> {
        if self.of != of || self.came.is_empty() {
            *self = Parts { of, parts, came: BTreeMap::new() };
        }
        if parts != self.parts || !(1..=parts).contains(&part) {
            return Err(ClientError::Odd(format!("part {part} of {parts}, expected {} parts", self.parts)));
        }
        self.came.entry(part).or_insert(content);
        if self.came.len() < parts as usize {
            return Ok(None);
        }
        let is_state = self.of.is_some();
        whole(is_state, std::mem::take(&mut self.came).into_values()).map(Some)
    }
}

/// Assembles parts.
fn whole(is_state: bool, parts: impl Iterator<Item = Part>) -> Result<Answer, ClientError> {
    let odd = |error: &dyn std::fmt::Display| ClientError::Odd(error.to_string());
    let mut answer =
        Answer { base: None, events: Vec::new(), cursor: None, log: None, is_missing_some: false };
    let mut base = Base { spans: Vec::new(), version: Version::new() };
    let mut base64 = String::new();
    for part in parts {
        for op in part.ops {
            base.spans.push(op.into_span().map_err(|error| odd(&error))?);
        }
        base.version.unite(&version_from_wire(&part.version).map_err(|error| odd(&error))?);
        base64 += part.state.as_deref().unwrap_or_default();
        for event in part.events {
            answer.events.push(event.into_event().map_err(|error| odd(&error))?);
        }
        answer.cursor = answer.cursor.or(part.cursor);
        answer.log = answer.log.or(part.log);
        answer.is_missing_some |= !part.missing.is_empty();
    }
    if !base64.is_empty() {
        let bytes = STANDARD.decode(base64).map_err(|error| ClientError::Odd(format!("state: {error}")))?;
        let doc = Doc::decode(&bytes)?;
        base = Base { spans: doc.spans(), version: doc.version().clone() };
    }
    answer.base = is_state.then_some(base);
    Ok(answer)
}
