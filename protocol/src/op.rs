//! The JSON of one op.

use std::str::FromStr;

use inklog_crdt::{Agent, Id, Op, Origin, Span, SpanContent};
use serde::{Deserialize, Deserializer, Serialize};

/// An op on the wire:
/// `{"type":"insert","id":"alice~k3-7","text":"Hello","left":"bob-3"}`, with `char` instead of
/// `text` for one scalar value, `right` instead of `left`, and, in a document's state only, `len`
/// instead of the text of deleted characters; or
/// `{"type":"delete","id":"alice~k3-12","target":"bob-3","len":4}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireOp {
    #[serde(rename = "type")]
    kind: Kind,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    char: Option<String>,
    /// Outer `None`: not there; inner `None`: `null`, the start of the document.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    left: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    right: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Insert,
    Delete,
}

/// Distinguishes `null` from a missing field.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Why the JSON of an op is refused (`bad_op`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// An id, origin or target is malformed.
    #[error("{field} {value:?} is not an id: {reason}")]
    Id {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The rule for ids.
        reason: inklog_crdt::IdError,
    },
    /// The fields do not fit the op's type.
    #[error("op {id}: {what}")]
    Shape {
        /// The op's id, as written.
        id: String,
        /// What is wrong.
        what: &'static str,
    },
}

impl WireOp {
    /// Writes an op of `agent`.
    pub fn from_op(agent: &Agent, op: &Op) -> WireOp {
        let id = format!("{agent}-{}", op.seq());
        match op {
            Op::Insert { text, origin, .. } => WireOp::insert(id, Some(text.clone()), None, origin),
            Op::Delete { target, len, .. } => WireOp {
                kind: Kind::Delete,
                target: Some(target.to_string()),
                len: (*len != 1).then_some(*len),
                ..WireOp::bare(id)
            },
        }
    }

    /// Writes a span of a document's state.
    pub fn from_span(span: &Span) -> WireOp {
        let (text, len) = match &span.content {
            SpanContent::Text(text) => (Some(text.clone()), None),
            SpanContent::Deleted(len) => (None, Some(*len)),
        };
        WireOp::insert(span.id.to_string(), text, len, &span.origin)
    }

    fn insert(id: String, text: Option<String>, len: Option<u64>, origin: &Origin) -> WireOp {
        let (left, right) = match origin {
            Origin::Left(id) => (Some(id.as_ref().map(Id::to_string)), None),
            Origin::Right(id) => (None, Some(Some(id.to_string()))),
        };
        WireOp { text, len, left, right, ..WireOp::bare(id) }
    }

    fn bare(id: String) -> WireOp {
        WireOp {
            kind: Kind::Insert,
            id,
            text: None,
            char: None,
            left: None,
            right: None,
            target: None,
            len: None,
        }
    }

    /// Parses an op that a client sent: its agent, and the op. Rules between ops are
    /// [`inklog_crdt::Event::new`]'s to check.
    pub fn into_op(self) -> Result<(Agent, Op), OpError> {
        let id = parse_id("id", &self.id)?;
        let op = match self.kind {
            Kind::Insert => {
                if self.len.is_some() || self.target.is_some() {
                    return Err(self.shape("an insert must not have len or target"));
                }
                let origin = self.origin()?;
                Op::Insert { seq: id.seq, text: self.content()?, origin }
            }
            Kind::Delete => {
                if self.text.is_some() || self.char.is_some() || self.left.is_some() || self.right.is_some() {
                    return Err(self.shape("a delete must not have text or an origin"));
                }
                let target = self.target.as_deref().ok_or_else(|| self.shape("a delete needs a target"))?;
                Op::Delete { seq: id.seq, target: parse_id("target", target)?, len: self.len.unwrap_or(1) }
            }
        };
        Ok((id.agent, op))
    }

    /// Reads an op of a document's state.
    pub fn into_span(self) -> Result<Span, OpError> {
        let id = parse_id("id", &self.id)?;
        if self.kind == Kind::Delete {
            return Err(self.shape("a state must not contain deletes"));
        }
        let origin = self.origin()?;
        let content = match self.len {
            Some(len) if self.text.is_none() && self.char.is_none() => SpanContent::Deleted(len),
            Some(_) => return Err(self.shape("an insert must have either text or len")),
            None => SpanContent::Text(self.content()?),
        };
        Ok(Span { id, content, origin })
    }

    fn content(&self) -> Result<String, OpError> {
        match (&self.text, &self.char) {
            (Some(text), None) => Ok(text.clone()),
            (None, Some(char)) if char.chars().count() == 1 => Ok(char.clone()),
            (None, Some(_)) => Err(self.shape("char must be exactly one Unicode scalar value")),
            _ => Err(self.shape("an insert must have exactly one of text and char")),
        }
    }

    fn origin(&self) -> Result<Origin, OpError> {
        match (&self.left, &self.right) {
            (Some(None), None) => Ok(Origin::Left(None)),
            (Some(Some(left)), None) => Ok(Origin::Left(Some(parse_id("left", left)?))),
            (None, Some(Some(right))) => Ok(Origin::Right(parse_id("right", right)?)),
            (None, Some(None)) => Err(self.shape("right must not be null")),
            _ => Err(self.shape("an insert must have exactly one of left and right")),
        }
    }

    fn shape(&self, what: &'static str) -> OpError {
        OpError::Shape { id: self.id.clone(), what }
    }
}

fn parse_id(field: &'static str, value: &str) -> Result<Id, OpError> {
    Id::from_str(value).map_err(|reason| OpError::Id {
        field,
        value: value.chars().take(80).collect(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<(Agent, Op), OpError> {
        serde_json::from_str::<WireOp>(json).expect("the JSON of an op").into_op()
    }

    #[test]
    fn the_example_op_of_the_mission_is_accepted_as_it_stands() {
        let (agent, op) =
            read(r#"{"type":"insert","id":"user-123-170000000","char":"A","left":"node-456"}"#).unwrap();
        assert_eq!(agent.as_str(), "user-123");
        let left = "node-456".parse().unwrap();
        assert_eq!(op, Op::Insert { seq: 170_000_000, text: "A".into(), origin: Origin::Left(Some(left)) });
    }

    #[test]
    fn ops_come_back_as_they_were_written() {
        for json in [
            r#"{"type":"insert","id":"a-0","text":"Hello","left":null}"#,
            r#"{"type":"insert","id":"a-0","text":"😀","right":"b-7"}"#,
            r#"{"type":"delete","id":"a-5","target":"b-3","len":4}"#,
            r#"{"type":"delete","id":"a-5","target":"b-3"}"#,
        ] {
            let (agent, op) = read(json).unwrap();
            assert_eq!(serde_json::to_string(&WireOp::from_op(&agent, &op)).unwrap(), json);
        }
    }

    #[test]
    fn ops_that_break_a_rule_are_refused() {
        for (bad, why) in [
            (r#"{"type":"insert","id":"a-0","text":"x"}"#, "exactly one of left and right"),
            (
                r#"{"type":"insert","id":"a-0","text":"x","left":null,"right":"b-1"}"#,
                "exactly one of left and right",
            ),
            (r#"{"type":"insert","id":"a-0","text":"x","right":null}"#, "right must not be null"),
            (r#"{"type":"insert","id":"a-0","left":null}"#, "exactly one of text and char"),
            (
                r#"{"type":"insert","id":"a-0","text":"x","char":"x","left":null}"#,
                "exactly one of text and char",
            ),
            (r#"{"type":"insert","id":"a-0","char":"xy","left":null}"#, "exactly one Unicode scalar value"),
            (r#"{"type":"insert","id":"a-0","char":"","left":null}"#, "exactly one Unicode scalar value"),
            (r#"{"type":"insert","id":"a-0","len":3,"left":null}"#, "must not have len or target"),
            (
                r#"{"type":"insert","id":"a-0","text":"x","target":"b-1","left":null}"#,
                "must not have len or target",
            ),
            (r#"{"type":"insert","id":"a-00","text":"x","left":null}"#, r#"id "a-00""#),
            (r#"{"type":"insert","id":"a-0","text":"x","left":"b"}"#, r#"left "b""#),
            (r#"{"type":"delete","id":"a-0"}"#, "needs a target"),
            (r#"{"type":"delete","id":"a-0","target":"b-1","text":"x"}"#, "must not have text or an origin"),
            (r#"{"type":"delete","id":"a-0","target":"b-1","char":"x"}"#, "must not have text or an origin"),
            (r#"{"type":"delete","id":"a-0","target":"b-1","left":null}"#, "must not have text or an origin"),
            (
                r#"{"type":"delete","id":"a-0","target":"b-1","right":"b-0"}"#,
                "must not have text or an origin",
            ),
        ] {
            let error = read(bad).expect_err(bad).to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn a_state_holds_tombstones_as_inserts_with_len() {
        let json = r#"{"type":"insert","id":"a-0","left":null,"len":3}"#;
        let span = serde_json::from_str::<WireOp>(json).unwrap().into_span().unwrap();
        assert_eq!(span.content, SpanContent::Deleted(3));
        assert_eq!(serde_json::to_string(&WireOp::from_span(&span)).unwrap(), json);
    }
    #[test]
    fn a_span_is_text_or_a_tombstone() {
        for bad in [
            r#"{"type":"insert","id":"a-0","left":null}"#,
            r#"{"type":"insert","id":"a-0","left":null,"len":3,"text":"xyz"}"#,
            r#"{"type":"insert","id":"a-0","left":null,"len":1,"char":"x"}"#,
            r#"{"type":"delete","id":"a-5","target":"b-3"}"#,
        ] {
            assert!(serde_json::from_str::<WireOp>(bad).unwrap().into_span().is_err(), "{bad}");
        }
    }
}
