//! The answer to a `JOIN_DOC` or `SYNC_STATE`: parts that come in any order.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_crdt::{Doc, Span, Version};
use inklog_protocol::{Right, VersionMap, WireEvent, WireOp, version_from_wire};

use crate::core::Unreadable;

/// One part of an answer. What a kind of answer has not is empty.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub ops: Vec<WireOp>,
    pub version: VersionMap,
    pub state: Option<String>,
    pub events: Vec<WireEvent>,
    pub cursor: Option<String>,
    pub log: Option<String>,
    pub missing: VersionMap,
    pub access: Option<Right>,
}

/// An answer, whole.
pub(crate) struct Answer {
    /// The base of a state; `None`: it is a replay.
    pub base: Option<Base>,
    pub events: Vec<WireEvent>,
    pub cursor: Option<String>,
    /// The log's name; `None` from a server that does not tell.
    pub log: Option<String>,
    /// Whether the log lacks something of the version that the request named.
    pub is_missing_some: bool,
    /// What may be done with the document; `None` from a server that does not tell.
    pub access: Option<Right>,
}

/// The base of a state.
pub(crate) struct Base {
    pub spans: Vec<Span>,
    pub version: Version,
    /// Its binary form, where it came as that.
    bytes: Option<Vec<u8>>,
}

impl Base {
    /// The document that a state shows.
    pub fn with(&self, events: &[WireEvent]) -> Result<Doc, Unreadable> {
        let mut doc = self.doc()?;
        for event in events {
            let event = event.clone().into_event().map_err(|error| Unreadable(error.to_string()))?;
            doc.apply(&event.event);
        }
        Ok(doc)
    }

    fn doc(&self) -> Result<Doc, Unreadable> {
        let mut doc = Doc::new();
        doc.merge(&self.spans, &self.version).map_err(|error| Unreadable(error.to_string()))?;
        Ok(doc)
    }

    /// Its binary form.
    pub fn encoded(&self) -> Result<Vec<u8>, Unreadable> {
        match &self.bytes {
            Some(bytes) => Ok(bytes.clone()),
            None => Ok(self.doc()?.encode()),
        }
    }
}

/// The parts that have come of the answer to one request.
#[derive(Debug, Default)]
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
    ) -> Result<Option<Answer>, Unreadable> {
        if self.of != of || self.came.is_empty() {
            *self = Parts { of, parts, came: BTreeMap::new() };
        }
        if parts != self.parts || !(1..=parts).contains(&part) {
            return Err(Unreadable(format!("part {part} of {parts}, expected {} parts", self.parts)));
        }
        self.came.entry(part).or_insert(content);
        if self.came.len() < parts as usize {
            return Ok(None);
        }
        let is_state = self.of.is_some();
        whole(is_state, std::mem::take(&mut self.came).into_values()).map(Some)
    }
}

/// Puts parts together.
fn whole(is_state: bool, parts: impl Iterator<Item = Part>) -> Result<Answer, Unreadable> {
    let unreadable = |error: &dyn std::fmt::Display| Unreadable(error.to_string());
    let mut answer = Answer {
        base: None,
        events: Vec::new(),
        cursor: None,
        log: None,
        is_missing_some: false,
        access: None,
    };
    let mut base = Base { spans: Vec::new(), version: Version::new(), bytes: None };
    let mut base64 = String::new();
    for part in parts {
        for op in part.ops {
            base.spans.push(op.into_span().map_err(|error| unreadable(&error))?);
        }
        base.version.unite(&version_from_wire(&part.version).map_err(|error| unreadable(&error))?);
        base64 += part.state.as_deref().unwrap_or_default();
        answer.events.extend(part.events);
        answer.cursor = answer.cursor.or(part.cursor);
        answer.log = answer.log.or(part.log);
        answer.is_missing_some |= !part.missing.is_empty();
        answer.access = answer.access.or(part.access);
    }
    if !base64.is_empty() {
        let bytes = STANDARD.decode(base64).map_err(|error| Unreadable(format!("state: {error}")))?;
        let doc = Doc::decode(&bytes).map_err(|error| unreadable(&error))?;
        base = Base { spans: doc.spans(), version: doc.version().clone(), bytes: Some(bytes) };
    }
    answer.base = is_state.then_some(base);
    Ok(answer)
}
