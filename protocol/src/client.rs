//! Client messages: from the text of a frame to a validated message.

use inklog_crdt::{Agent, Event, EventError, Op, Version};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{ErrorCode, Refusal};
use crate::limits::{CURSOR_LEN_MAX, DOC_ID_LEN_MAX, FRAME_BYTES_MAX, PRESENCE_BYTES_MAX, REF_BYTES_MAX};
use crate::{DocId, VersionMap, WireOp, version_from_wire};

/// The format in which a client wants a document's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateFormat {
    /// As ops that rebuild it.
    #[default]
    Ops,
    /// As the binary state of `inklog-crdt`, in base64.
    Binary,
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// `JOIN_DOC`: send the document and its further edits.
    JoinDoc {
        /// The document.
        doc: DocId,
        /// The format of its state.
        format: StateFormat,
        /// The client's last cursor, if it knows the document.
        cursor: Option<String>,
    },
    /// `SEND_OP` with an event.
    SendEvent {
        /// The document.
        doc: DocId,
        /// The event.
        event: Event,
    },
    /// `SEND_OP` with a single op, whose place in the chain the server finds.
    SendOp {
        /// The document.
        doc: DocId,
        /// The op's agent.
        agent: Agent,
        /// The op.
        op: Op,
    },
    /// `SYNC_STATE`: send what the client missed.
    SyncState {
        /// The document.
        doc: DocId,
        /// The client's last cursor.
        cursor: Option<String>,
        /// With a cursor, what the client got since; without, all that it has. Ends may lie beyond
        /// those of the server.
        version: Option<Version>,
        /// `confirm`, default false: for agents whose end in `version` is beyond the live state's
        /// (at most [`crate::limits::CONFIRM_AGENTS_MAX`] of them, by name), the server asks the log
        /// itself; the answer reports what the log lacks as `missing`. This tells a client whether the
        /// live state lags or the log forgot.
        confirm: bool,
        /// The format of the state, if the answer is one.
        format: StateFormat,
    },
    /// `PRESENCE`: where the client is.
    Presence {
        /// The document.
        doc: DocId,
        /// The agent whose presence it is.
        agent: Agent,
        /// The application's JSON, unchanged; `None` removes it.
        state: Option<String>,
    },
    /// `LEAVE_DOC`.
    LeaveDoc {
        /// The document.
        doc: DocId,
    },
    /// `PING`.
    Ping,
}

/// A message, and the `ref` that its direct answers echo.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The message's `ref`.
    pub reference: Option<Value>,
    /// The message.
    pub message: ClientMessage,
}

/// The fields of all messages, each parsed only as far as the message needs. `ops` stay raw, so that a
/// broken op is distinguished from a broken frame.
#[derive(Deserialize)]
struct Frame<'a> {
    action: Option<Value>,
    #[serde(rename = "ref", default, deserialize_with = "present")]
    reference: Option<Value>,
    #[serde(rename = "docId")]
    doc_id: Option<Value>,
    agent: Option<Value>,
    after: Option<Value>,
    #[serde(borrow)]
    ops: Option<&'a RawValue>,
    #[serde(borrow)]
    op: Option<&'a RawValue>,
    format: Option<Value>,
    cursor: Option<Value>,
    version: Option<Value>,
    confirm: Option<Value>,
    #[serde(borrow, default, deserialize_with = "present")]
    state: Option<&'a RawValue>,
}

fn present<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

impl Request {
    /// Parses a frame's text. A refusal carries the frame's `ref` and `docId` if they could be read.
    pub fn parse(text: &str) -> Result<Request, Refusal> {
        if text.len() > FRAME_BYTES_MAX {
            let message = format!("a frame has at most {FRAME_BYTES_MAX} bytes, this one has {}", text.len());
            return Err(Refusal::new(ErrorCode::TooLarge, message));
        }
        let frame: Frame = serde_json::from_str(text).map_err(|error| {
            Refusal::new(ErrorCode::BadJson, format!("the frame is not a JSON object: {error}"))
        })?;
        let reference = frame.reference.clone();
        let doc_id = frame.doc_id.as_ref().and_then(Value::as_str).map(str::to_owned);
        let doc_id = doc_id.filter(|name| name.len() <= DOC_ID_LEN_MAX);
        if reference.as_ref().is_some_and(|r| r.to_string().len() > REF_BYTES_MAX) {
            let refusal = bad_request(format!("ref may have at most {REF_BYTES_MAX} bytes of JSON"));
            return Err(Refusal { doc_id, ..refusal });
        }
        match frame.message() {
            Ok(message) => Ok(Request { reference, message }),
            Err(refusal) => Err(Refusal { reference, doc_id, ..refusal }),
        }
    }
}

impl Frame<'_> {
    fn message(self) -> Result<ClientMessage, Refusal> {
        let action = match &self.action {
            Some(Value::String(action)) => action.as_str(),
            _ => return Err(Refusal::new(ErrorCode::UnknownAction, "action is missing or not a string")),
        };
        match action {
            "JOIN_DOC" => Ok(ClientMessage::JoinDoc {
                doc: self.doc()?,
                format: self.format()?,
                cursor: self.cursor()?,
            }),
            "SEND_OP" => self.send_op(),
            "SYNC_STATE" => Ok(ClientMessage::SyncState {
                doc: self.doc()?,
                cursor: self.cursor()?,
                version: self.version()?,
                confirm: self.confirm()?,
                format: self.format()?,
            }),
            "PRESENCE" => self.presence(),
            "LEAVE_DOC" => Ok(ClientMessage::LeaveDoc { doc: self.doc()? }),
            "PING" => Ok(ClientMessage::Ping),
            other => {
                let shown: String = other.chars().take(40).collect();
                Err(Refusal::new(ErrorCode::UnknownAction, format!("unknown action {shown:?}")))
            }
        }
    }

    fn send_op(self) -> Result<ClientMessage, Refusal> {
        let doc = self.doc()?;
        match (self.ops, self.op) {
            (Some(ops), None) => {
                let agent = self.agent()?;
                let after = self
                    .after
                    .as_ref()
                    .and_then(Value::as_u64)
                    .ok_or_else(|| bad_request("after is missing or not a non-negative integer"))?;
                let ops: Vec<WireOp> = serde_json::from_str(ops.get()).map_err(bad_op)?;
                let ops = ops.into_iter().map(|op| own_op(op, &agent)).collect::<Result<Vec<Op>, _>>()?;
                let event = Event::new(agent, after, ops).map_err(refuse_event)?;
                Ok(ClientMessage::SendEvent { doc, event })
            }
            (None, Some(op)) => {
                let op: WireOp = serde_json::from_str(op.get()).map_err(bad_op)?;
                let (agent, op) = op.into_op().map_err(bad_op)?;
                // Whatever its place in the chain will be, the op itself must be sound.
                Event::new(agent.clone(), 0, vec![op.clone()]).map_err(refuse_event)?;
                Ok(ClientMessage::SendOp { doc, agent, op })
            }
            _ => Err(bad_request("SEND_OP needs either ops (with agent and after) or op")),
        }
    }

    fn presence(self) -> Result<ClientMessage, Refusal> {
        let state = self.state.ok_or_else(|| bad_request("state is missing"))?.get();
        if state.len() > PRESENCE_BYTES_MAX {
            let message = format!(
                "a presence state has at most {PRESENCE_BYTES_MAX} bytes, this one has {}",
                state.len()
            );
            return Err(Refusal::new(ErrorCode::TooLarge, message));
        }
        let state = match state {
            "null" => None,
            // Read once more, so that what others get is sound JSON.
            object if object.starts_with('{') => {
                serde_json::from_str::<Value>(object).map_err(|e| bad_request(format!("state: {e}")))?;
                Some(object.to_owned())
            }
            _ => return Err(bad_request("a presence state must be an object or null")),
        };
        Ok(ClientMessage::Presence { doc: self.doc()?, agent: self.agent()?, state })
    }

    fn doc(&self) -> Result<DocId, Refusal> {
        let name =
            self.doc_id.as_ref().and_then(Value::as_str).ok_or_else(|| bad_request("docId is missing"))?;
        DocId::new(name).map_err(|error| bad_request(error.to_string()))
    }

    fn agent(&self) -> Result<Agent, Refusal> {
        let name =
            self.agent.as_ref().and_then(Value::as_str).ok_or_else(|| bad_request("agent is missing"))?;
        Agent::new(name).map_err(|error| bad_request(error.to_string()))
    }

    fn format(&self) -> Result<StateFormat, Refusal> {
        match self.format.as_ref() {
            None | Some(Value::Null) => Ok(StateFormat::Ops),
            Some(format) => {
                StateFormat::deserialize(format).map_err(|_| bad_request(r#"format is "ops" or "binary""#))
            }
        }
    }

    fn cursor(&self) -> Result<Option<String>, Refusal> {
        match self.cursor.as_ref() {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(cursor)) if cursor.len() <= CURSOR_LEN_MAX => Ok(Some(cursor.clone())),
            Some(_) => Err(bad_request("cursor must be a string that the server sent")),
        }
    }

    fn confirm(&self) -> Result<bool, Refusal> {
        match self.confirm.as_ref() {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(confirm)) => Ok(*confirm),
            Some(_) => Err(bad_request("confirm must be true or false")),
        }
    }

    fn version(&self) -> Result<Option<Version>, Refusal> {
        match self.version.as_ref() {
            None | Some(Value::Null) => Ok(None),
            Some(version) => VersionMap::deserialize(version)
                .ok()
                .and_then(|map| version_from_wire(&map).ok())
                .map(Some)
                .ok_or_else(|| bad_request("version must map agents to the ends of their chains")),
        }
    }
}

/// Every op of an event must belong to the event's agent.
fn own_op(op: WireOp, agent: &Agent) -> Result<Op, Refusal> {
    let (owner, op) = op.into_op().map_err(bad_op)?;
    if owner != *agent {
        let message = format!("op {owner}-{} does not belong to {agent}", op.seq());
        return Err(Refusal::new(ErrorCode::BadOp, message));
    }
    Ok(op)
}

fn refuse_event(error: EventError) -> Refusal {
    let code = match &error {
        EventError::BelowAfter(_) => ErrorCode::BadChain,
        _ => ErrorCode::BadOp,
    };
    Refusal::new(code, error.to_string())
}

fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::BadRequest, message)
}

fn bad_op(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::BadOp, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> ErrorCode {
        Request::parse(text).expect_err(text).code
    }

    #[test]
    fn every_message_of_the_design_is_read() {
        for text in [
            r#"{"action":"JOIN_DOC","docId":"d"}"#,
            r#"{"action":"JOIN_DOC","docId":"d","format":"binary","cursor":"x-1","ref":7,"new":{}}"#,
            r#"{"action":"SEND_OP","docId":"d","agent":"a","after":0,"ops":[{"type":"insert","id":"a-0","text":"x","left":null}]}"#,
            r#"{"action":"SEND_OP","docId":"d","op":{"type":"insert","id":"user-123-170000000","char":"A","left":"node-456"}}"#,
            r#"{"action":"SYNC_STATE","docId":"d","cursor":"x-1","version":{"a":3}}"#,
            r#"{"action":"SYNC_STATE","docId":"d","version":{"a":3},"confirm":true}"#,
            r#"{"action":"PRESENCE","docId":"d","agent":"a","state":{"x":1}}"#,
            r#"{"action":"PRESENCE","docId":"d","agent":"a","state":null}"#,
            r#"{"action":"LEAVE_DOC","docId":"d"}"#,
            r#"{"action":"PING"}"#,
        ] {
            assert!(Request::parse(text).is_ok(), "{text}: {:?}", Request::parse(text));
        }
    }

    /// What a field says is what the message holds; `null` says nothing.
    #[test]
    fn every_field_is_taken_over() {
        let doc = DocId::new("d").unwrap();
        let read = |text: &str| Request::parse(text).expect(text).message;
        for (json, format) in
            [("null", StateFormat::Ops), (r#""ops""#, StateFormat::Ops), (r#""binary""#, StateFormat::Binary)]
        {
            let join = format!(r#"{{"action":"JOIN_DOC","docId":"d","format":{json},"cursor":"x-1"}}"#);
            let cursor = Some("x-1".to_owned());
            assert_eq!(read(&join), ClientMessage::JoinDoc { doc: doc.clone(), format, cursor });
            for (json, version) in
                [("null", None), ("{}", Some(vec![])), (r#"{"a":3,"b":5}"#, Some(vec![("a", 3), ("b", 5)]))]
            {
                let sync = format!(
                    r#"{{"action":"SYNC_STATE","docId":"d","version":{json},"confirm":true,"format":"binary"}}"#
                );
                let agents = |ends: Vec<(&str, u64)>| {
                    ends.into_iter().map(|(name, end)| (Agent::new(name).unwrap(), end)).collect()
                };
                let version = version.map(agents);
                let (cursor, confirm, format) = (None, true, StateFormat::Binary);
                assert_eq!(
                    read(&sync),
                    ClientMessage::SyncState { doc: doc.clone(), cursor, version, confirm, format }
                );
            }
        }
        for (json, state) in [("null", None), (r#"{"x": [1]}"#, Some(r#"{"x": [1]}"#.to_owned()))] {
            let presence = format!(r#"{{"action":"PRESENCE","docId":"d","agent":"a","state":{json}}}"#);
            let agent = Agent::new("a").unwrap();
            assert_eq!(read(&presence), ClientMessage::Presence { doc: doc.clone(), agent, state });
        }
    }

    #[test]
    fn each_fault_has_its_code() {
        let send =
            |ops: &str| format!(r#"{{"action":"SEND_OP","docId":"d","agent":"a","after":5,"ops":{ops}}}"#);
        assert_eq!(code("hello"), ErrorCode::BadJson);
        assert_eq!(code("[1]"), ErrorCode::BadJson);
        assert_eq!(code("{}"), ErrorCode::UnknownAction);
        assert_eq!(code(r#"{"action":"DANCE"}"#), ErrorCode::UnknownAction);
        assert_eq!(code(r#"{"action":"JOIN_DOC"}"#), ErrorCode::BadRequest);
        assert_eq!(code(r#"{"action":"JOIN_DOC","docId":".."}"#), ErrorCode::BadRequest);
        assert_eq!(code(r#"{"action":"SEND_OP","docId":"d"}"#), ErrorCode::BadRequest);
        assert_eq!(code(&send("[]")), ErrorCode::BadOp);
        assert_eq!(
            code(&send(r#"[{"type":"insert","id":"a-4","text":"x","left":null}]"#)),
            ErrorCode::BadChain
        );
        assert_eq!(code(&send(r#"[{"type":"insert","id":"b-5","text":"x","left":null}]"#)), ErrorCode::BadOp);
        assert_eq!(code(&send(r#"[{"type":"insert","id":"a-5","text":"","left":null}]"#)), ErrorCode::BadOp);
        assert_eq!(
            code(&send(r#"[{"type":"insert","id":"a-5","text":"\ud800","left":null}]"#)),
            ErrorCode::BadOp
        );
        assert_eq!(
            code(&send(r#"[{"type":"insert","id":"a-5","text":"x","left":"a-5"}]"#)),
            ErrorCode::BadOp
        );
        assert_eq!(
            code(&send(r#"[{"type":"delete","id":"a-5","target":"b-0","len":100001}]"#)),
            ErrorCode::BadOp
        );
        assert_eq!(
            code(&send(
                r#"[{"type":"insert","id":"a-5","text":"xy","left":null},{"type":"delete","id":"a-6","target":"b-0"}]"#
            )),
            ErrorCode::BadOp
        );
        assert_eq!(code(&"x".repeat(FRAME_BYTES_MAX + 1)), ErrorCode::TooLarge);
        assert_eq!(code(r#"{"action":"SYNC_STATE","docId":"d","confirm":1}"#), ErrorCode::BadRequest);
        assert_eq!(
            code(r#"{"action":"SYNC_STATE","docId":"d","version":{"a":9007199254740993}}"#),
            ErrorCode::BadRequest
        );
        assert!(
            Request::parse(r#"{"action":"SYNC_STATE","docId":"d","version":{"a":9007199254740992}}"#).is_ok()
        );
        assert_eq!(code(r#"{"action":"PRESENCE","docId":"d","agent":"a"}"#), ErrorCode::BadRequest);
        for state in ["[1]", "1", "true", r#""x""#, r#"{"x":"\ud800"}"#] {
            let presence = format!(r#"{{"action":"PRESENCE","docId":"d","agent":"a","state":{state}}}"#);
            assert_eq!(code(&presence), ErrorCode::BadRequest, "{state}");
        }
        let big = format!(
            r#"{{"action":"PRESENCE","docId":"d","agent":"a","state":{{"x":"{}"}}}}"#,
            "y".repeat(PRESENCE_BYTES_MAX)
        );
        assert_eq!(code(&big), ErrorCode::TooLarge);
    }

    /// A frame of so many bytes around what `of` makes of the letters that fill it.
    fn filled(bytes: usize, of: impl Fn(&str) -> String) -> String {
        of(&"x".repeat(bytes - of("").len()))
    }

    /// A limit, what is said of one more, and a message of a size.
    type Case<'a> = (usize, ErrorCode, &'a dyn Fn(usize) -> String);

    #[test]
    fn a_size_at_the_limit_passes_and_one_more_is_refused() {
        let letters = |count: usize| "x".repeat(count);
        let send_as = |agent: &str, op: &str| {
            format!(r#"{{"action":"SEND_OP","docId":"d","agent":"{agent}","after":0,"ops":[{op}]}}"#)
        };
        let insert = |agent: &str, text: &str| {
            send_as(agent, &format!(r#"{{"type":"insert","id":"{agent}-0","text":"{text}","left":null}}"#))
        };
        let with =
            |field: &str, value: &str| format!(r#"{{"action":"JOIN_DOC","docId":"d","{field}":{value}}}"#);
        let presence =
            |state: &str| format!(r#"{{"action":"PRESENCE","docId":"d","agent":"a","state":{state}}}"#);
        let (too_large, bad_request, bad_op) = (ErrorCode::TooLarge, ErrorCode::BadRequest, ErrorCode::BadOp);
        let cases: [Case<'_>; 9] = [
            (FRAME_BYTES_MAX, too_large, &|n| filled(n, |text| insert("a", text))),
            // Two bytes a letter: bytes count.
            (FRAME_BYTES_MAX, too_large, &|n| filled(n, |text| insert("a", &format!("{text}é")))),
            (PRESENCE_BYTES_MAX, too_large, &|n| presence(&filled(n, |text| format!(r#"{{"x":"{text}"}}"#)))),
            (DOC_ID_LEN_MAX, bad_request, &|n| {
                format!(r#"{{"action":"JOIN_DOC","docId":"{}"}}"#, letters(n))
            }),
            (CURSOR_LEN_MAX, bad_request, &|n| with("cursor", &format!(r#""{}""#, letters(n)))),
            (REF_BYTES_MAX, bad_request, &|n| with("ref", &format!(r#""{}""#, letters(n - 2)))),
            (REF_BYTES_MAX, bad_request, &|n| with("ref", &format!(r#"{{"\u0001":"{}"}}"#, letters(n - 13)))),
            (inklog_crdt::MAX_AGENT_LEN, bad_request, &|n| insert(&letters(n), "x")),
            (inklog_crdt::MAX_DELETE_LEN as usize, bad_op, &|n| {
                send_as("a", &format!(r#"{{"type":"delete","id":"a-0","target":"b-0","len":{n}}}"#))
            }),
        ];
        for (limit, refused, of) in cases {
            assert!(Request::parse(&of(limit)).is_ok(), "{limit}: {:?}", Request::parse(&of(limit)));
            assert_eq!(code(&of(limit + 1)), refused, "{limit} and one more");
        }
    }

    #[test]
    fn a_refusal_echoes_ref_and_doc() {
        let refusal = Request::parse(r#"{"action":"SEND_OP","docId":"d","ref":"r1"}"#).unwrap_err();
        assert_eq!(refusal.reference, Some(Value::from("r1")));
        assert_eq!(refusal.doc_id.as_deref(), Some("d"));
        // What is too long to be echoed is left out, and the rest is there.
        let long = "x".repeat(REF_BYTES_MAX);
        let refusal =
            Request::parse(&format!(r#"{{"action":"JOIN_DOC","docId":"d","ref":"{long}"}}"#)).unwrap_err();
        assert_eq!((refusal.reference, refusal.doc_id.as_deref()), (None, Some("d")));
        let refusal =
            Request::parse(&format!(r#"{{"action":"JOIN_DOC","docId":"{long}","ref":1}}"#)).unwrap_err();
        assert_eq!((refusal.reference, refusal.doc_id), (Some(Value::from(1)), None));
    }
}
