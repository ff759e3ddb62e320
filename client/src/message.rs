//! The JSON of what a client sends.

use inklog_crdt::{Agent, Event, Version};
use inklog_protocol::limits::VERSION_BYTES_MAX;
use inklog_protocol::{DocId, StateFormat, VersionMap, WireOp, version_to_wire};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SendOp<'a> {
    action: &'static str,
    doc_id: &'a str,
    agent: &'a str,
    after: u64,
    ops: Vec<WireOp>,
    #[serde(rename = "ref")]
    reference: u64,
}

/// `SEND_OP`.
pub(crate) fn send_op(doc: &DocId, event: &Event, reference: u64) -> String {
    to_json(&SendOp {
        action: "SEND_OP",
        doc_id: doc.as_str(),
        agent: event.agent().as_str(),
        after: event.after(),
        ops: event.ops().iter().map(|op| WireOp::from_op(event.agent(), op)).collect(),
        reference,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sync<'a> {
    action: &'static str,
    doc_id: &'a str,
    format: StateFormat,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<VersionMap>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    confirm: bool,
    #[serde(rename = "ref")]
    reference: u64,
}

/// Whether a `SYNC_STATE` can say this version.
pub(crate) fn has_room_for(version: &Version) -> bool {
    // Quotes, colon and comma, and a number of as many digits as it may have.
    let most: usize = version.iter().map(|(agent, _)| agent.as_str().len() + 20).sum();
    most <= VERSION_BYTES_MAX || to_json(&version_to_wire(version)).len() <= VERSION_BYTES_MAX
}

/// `JOIN_DOC` by someone who knows nothing of the document, or too much to say it.
pub(crate) fn join_doc(doc: &DocId, format: StateFormat, cursor: Option<&str>, reference: u64) -> String {
    let (action, doc_id) = ("JOIN_DOC", doc.as_str());
    to_json(&Sync { action, doc_id, format, cursor, version: None, confirm: false, reference })
}

/// `SYNC_STATE`: what came since the cursor, or, without one, all that is known. With `confirm`, the
/// server's log says what it lacks of it, too.
pub(crate) fn sync_state(
    doc: &DocId,
    format: StateFormat,
    cursor: Option<&str>,
    version: &Version,
    confirm: bool,
    reference: u64,
) -> String {
    let (action, doc_id) = ("SYNC_STATE", doc.as_str());
    let version = Some(version_to_wire(version));
    to_json(&Sync { action, doc_id, format, cursor, version, confirm, reference })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Show<'a> {
    action: &'static str,
    doc_id: &'a str,
    agent: &'a str,
    state: &'a Value,
    #[serde(rename = "ref")]
    reference: &'static str,
}

/// `PRESENCE`; `null` shows nothing.
pub(crate) fn presence(doc: &DocId, agent: &Agent, state: &Value) -> String {
    let (doc_id, agent) = (doc.as_str(), agent.as_str());
    to_json(&Show { action: "PRESENCE", doc_id, agent, state, reference: "presence" })
}

/// `PING`.
pub(crate) fn ping() -> String {
    r#"{"action":"PING"}"#.to_owned()
}

/// `LEAVE_DOC`.
pub(crate) fn leave_doc(doc: &DocId) -> String {
    // A document's id needs no escapes.
    format!(r#"{{"action":"LEAVE_DOC","docId":"{}"}}"#, doc.as_str())
}

fn to_json(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("messages hold nothing that JSON cannot")
}
