//! The server's messages.

use std::collections::BTreeMap;

use inklog_crdt::{Agent, Event, EventError, IdError, MAX_SEQ, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Author, ErrorCode, OpError, Right, StateFormat, WireOp};

/// A version as JSON: `{agent: end}`.
pub type VersionMap = BTreeMap<String, u64>;

/// Writes a version.
pub fn version_to_wire(version: &Version) -> VersionMap {
    version.iter().map(|(agent, end)| (agent.as_str().to_owned(), end)).collect()
}

/// Reads a version; its names must be agents, and its ends at most [`MAX_SEQ`].
pub fn version_from_wire(map: &VersionMap) -> Result<Version, IdError> {
    let read = |(name, end): (&String, &u64)| match *end {
        // No encoded state could hold it.
        ..=MAX_SEQ => Ok((Agent::new(name)?, *end)),
        _ => Err(IdError::Id),
    };
    map.iter().map(read).collect()
}

/// An event, when ingest took it, and from whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The event.
    pub event: Event,
    /// Milliseconds since the epoch.
    pub at: u64,
    /// Who sent it, if connections have an identity.
    pub author: Option<Author>,
}

/// An event on the wire: `{"agent","after","ops","at"}`, and `user` and `name` if they are known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireEvent {
    /// Whose.
    pub agent: String,
    /// The end of the agent's previous event.
    pub after: u64,
    /// The ops.
    pub ops: Vec<WireOp>,
    /// When ingest took it, ms since the epoch.
    pub at: u64,
    /// Who sent it, if connections have an identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What others see of them, if it is not the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Why an event from the wire cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireEventError {
    /// An op.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The agent's name.
    #[error(transparent)]
    Agent(#[from] IdError),
    /// The ops as a whole.
    #[error(transparent)]
    Event(#[from] EventError),
    /// An op of somebody else.
    #[error("the event of {0} contains an op of {1}")]
    ForeignOp(Agent, Agent),
}

impl WireEvent {
    /// Writes an event.
    pub fn new(logged: &LoggedEvent) -> WireEvent {
        let event = &logged.event;
        WireEvent {
            agent: event.agent().as_str().to_owned(),
            after: event.after(),
            ops: event.ops().iter().map(|op| WireOp::from_op(event.agent(), op)).collect(),
            at: logged.at,
            user: logged.author.as_ref().map(|author| author.user.clone()),
            name: logged.author.as_ref().and_then(|author| author.name.clone()),
        }
    }

    /// Reads an event.
    pub fn into_event(self) -> Result<LoggedEvent, WireEventError> {
        let agent = Agent::new(&self.agent)?;
        let mut ops = Vec::with_capacity(self.ops.len());
        for op in self.ops {
            let (owner, op) = op.into_op()?;
            if owner != agent {
                return Err(WireEventError::ForeignOp(agent, owner));
            }
            ops.push(op);
        }
        let author = self.user.map(|user| Author { user, name: self.name });
        Ok(LoggedEvent { event: Event::new(agent, self.after, ops)?, at: self.at, author })
    }
}

/// One message of the server; `action` names it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// A part of a document's state; parts arrive in any order and are merged once all are there.
    DocState {
        /// [`crate::limits::PROTOCOL_VERSION`].
        protocol: u32,
        /// The document.
        doc_id: String,
        /// The same for all parts of one state.
        state_id: String,
        /// The base's format.
        format: StateFormat,
        /// A short, opaque name of the log, in every part. Another name means another log: what a client
        /// built on one says nothing about the other. `None` from a server that does not send it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
        /// 1 … `parts`.
        part: u32,
        /// How many.
        parts: u32,
        /// `ops`: ops that rebuild the base, each after the one at which it hangs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ops: Vec<WireOp>,
        /// `ops`: this part's slice of the base's version.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        version: VersionMap,
        /// `binary`: this part's slice of the base64 of the base's encoded state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// Events beyond the base; some may still wait.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        events: Vec<WireEvent>,
        /// This state's cursor, in the last part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        /// In the last part of an answer to a `SYNC_STATE` with `confirm`: the agents whose ends in the
        /// request are beyond the log's, and where their chains end in the log, 0 for an agent that the
        /// log does not know. Waiting and compacted events count as in the log.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        missing: VersionMap,
        /// In the last part: what this connection may do with the document. `None` from a server that does
        /// not send it, where everybody may do everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access: Option<Right>,
        /// In the last part: the user under whose name this connection writes; `None` where connections have
        /// no identity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The request's `ref`.
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        reference: Option<Value>,
    },
    /// Events that the client missed.
    OpReplay {
        /// [`crate::limits::PROTOCOL_VERSION`].
        protocol: u32,
        /// The document.
        doc_id: String,
        /// The log's name, as in `DOC_STATE`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
        /// 1 … `parts`.
        part: u32,
        /// How many.
        parts: u32,
        /// The events.
        events: Vec<WireEvent>,
        /// The client's cursor once it has all parts; in the last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        /// As in `DOC_STATE`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        missing: VersionMap,
        /// As in `DOC_STATE`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access: Option<Right>,
        /// As in `DOC_STATE`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The request's `ref`.
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        reference: Option<Value>,
    },
    /// Others' events, as they arrive.
    RemoteOp {
        /// The document.
        doc_id: String,
        /// The events.
        events: Vec<WireEvent>,
    },
    /// The event is durable.
    OpAck {
        /// The document.
        doc_id: String,
        /// The event's agent.
        agent: String,
        /// The event's `after`.
        after: u64,
        /// The event's end.
        end: u64,
        /// The request's `ref`.
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        reference: Option<Value>,
    },
    /// Where another client is; `null` when it is gone.
    RemotePresence {
        /// The document.
        doc_id: String,
        /// The agent whose presence it is.
        agent: String,
        /// The application's JSON.
        state: Option<Value>,
        /// Whose agent it is, if connections have an identity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// What others see of them, if it is not the user's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The answer to `PING`.
    Pong {
        /// The request's `ref`.
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        reference: Option<Value>,
    },
    /// A message was refused.
    Error {
        /// Which kind.
        code: ErrorCode,
        /// One line for people.
        message: String,
        /// Whether sending the same again after a pause may work.
        retry: bool,
        /// The document meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doc_id: Option<String>,
        /// For `rate_limited`: when the same message would pass, in ms from now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
        /// The request's `ref`.
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        reference: Option<Value>,
    },
}

impl ServerMessage {
    /// The frame's text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("messages hold nothing that JSON cannot")
    }

    /// Parses a frame's text.
    pub fn parse(text: &str) -> Result<ServerMessage, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_from_somebody_or_says_nothing_of_it() {
        let bare =
            r#"{"agent":"a","after":0,"ops":[{"type":"insert","id":"a-0","text":"x","left":null}],"at":7}"#;
        let logged = serde_json::from_str::<WireEvent>(bare).unwrap().into_event().unwrap();
        assert_eq!(logged.author, None);
        assert_eq!(serde_json::to_string(&WireEvent::new(&logged)).unwrap(), bare);
        for name in [None, Some("Zoë".to_owned())] {
            let author = Some(Author { user: "zoe".into(), name });
            let signed = LoggedEvent { author, ..logged.clone() };
            let json = serde_json::to_string(&WireEvent::new(&signed)).unwrap();
            assert_eq!(serde_json::from_str::<WireEvent>(&json).unwrap().into_event().unwrap(), signed);
        }
    }

    #[test]
    fn both_sides_ignore_what_they_do_not_know() {
        // From a server that is older than `log`, `missing` and `access`, and from one that is newer than this.
        for more in ["", r#","log":"x","missing":{"a":0},"access":"read","new":{"a":[1]}"#] {
            let state = format!(
                r#"{{"action":"DOC_STATE","protocol":1,"docId":"d","stateId":"s","format":"binary","part":1,"parts":1{more}}}"#
            );
            let replay = format!(
                r#"{{"action":"OP_REPLAY","protocol":1,"docId":"d","part":1,"parts":1,"events":[]{more}}}"#
            );
            for message in [state, replay] {
                let (log, missing, access) = match ServerMessage::parse(&message).expect(&message) {
                    ServerMessage::DocState { log, missing, access, .. }
                    | ServerMessage::OpReplay { log, missing, access, .. } => (log, missing, access),
                    other => panic!("{other:?}"),
                };
                assert_eq!(access, (!more.is_empty()).then_some(Right::Read));
                assert_eq!(log.as_deref(), (!more.is_empty()).then_some("x"));
                assert_eq!(missing.get("a").copied(), (!more.is_empty()).then_some(0));
            }
        }
        let newer = r#"{"action":"SYNC_STATE","docId":"d","version":{},"confirm":false,"new":[{}]}"#;
        assert!(crate::Request::parse(newer).is_ok());
    }
    #[test]
    fn a_version_and_a_message_come_back_as_they_were_written() {
        let version: Version =
            [("a", 3), ("b", 5)].into_iter().map(|(name, end)| (Agent::new(name).unwrap(), end)).collect();
        let map = version_to_wire(&version);
        assert_eq!(serde_json::to_string(&map).unwrap(), r#"{"a":3,"b":5}"#);
        assert_eq!(version_from_wire(&map), Ok(version));
        let json = r#"{"action":"REMOTE_PRESENCE","docId":"d","agent":"a","state":{"x":1}}"#;
        assert_eq!(ServerMessage::parse(json).unwrap().to_json(), json);
    }
}
