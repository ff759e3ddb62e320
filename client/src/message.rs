//! The JSON of what a client sends.

use inklog_crdt::{Event, Version};
use inklog_protocol::limits::VERSION_BYTES_MAX;
use inklog_protocol::{DocId, StateFormat, VersionMap, WireOp, version_to_wire};
use serde::Serialize;

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

/// `SEND_OP`; the event's `after` is its `ref`.
pub(crate) fn send_op(doc: &DocId, event: &Event) -> String {
    to_json(&SendOp {
        action: "SEND_OP",
        doc_id: doc.as_str(),
        agent: event.agent().as_str(),
        after: event.after(),
        ops: event.ops().iter().map(|op| WireOp::from_op(event.agent(), op)).collect(),
        reference: event.after(),
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
    reference: &'a str,
}

/// Whether this version fits into a `SYNC_STATE`.
pub(crate) fn has_room_for(version: &Version) -> bool {
    // Quotes, colon and comma, and a number of as many digits as it may have.
    let most: usize = version.iter().map(|(agent, _)| agent.as_str().len() + 20).sum();
    most <= VERSION_BYTES_MAX || to_json(&version_to_wire(version)).len() <= VERSION_BYTES_MAX
}

/// `JOIN_DOC` of a client that knows nothing of the document, or more than fits into a frame.
pub(crate) fn join_doc(doc: &DocId, format: StateFormat, cursor: Option<&str>, reference: &str) -> String {
    let (action, doc_id) = ("JOIN_DOC", doc.as_str());
    to_json(&Sync { action, doc_id, format, cursor, version: None, confirm: false, reference })
}

/// `SYNC_STATE`: the version since the cursor, or, without one, the whole version. Without one, the
/// server's log also reports what it lacks of it.
pub(crate) fn sync_state(
    doc: &DocId,
    format: StateFormat,
    cursor: Option<&str>,
    version: &Version,
    reference: &str,
) -> String {
    let (action, doc_id) = ("SYNC_STATE", doc.as_str());
    let (version, confirm) = (Some(version_to_wire(version)), cursor.is_none());
    to_json(&Sync { action, doc_id, format, cursor, version, confirm, reference })
}

fn to_json(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("messages hold nothing that JSON cannot")
}
