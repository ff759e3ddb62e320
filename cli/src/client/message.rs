//! The JSON of what a client sends.

use inklog_crdt::{Event, Version};
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
pub(super) fn send_op(doc: &DocId, event: &Event) -> String {
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
    #[serde(rename = "ref")]
    reference: &'a str,
}

/// `JOIN_DOC` by someone who knows nothing of the document.
pub(super) fn join_doc(doc: &DocId, format: StateFormat, reference: &str) -> String {
    let doc_id = doc.as_str();
    to_json(&Sync { action: "JOIN_DOC", doc_id, format, cursor: None, version: None, reference })
}

/// `SYNC_STATE`: what came since the cursor, or, without one, all that is known.
pub(super) fn sync_state(
    doc: &DocId,
    format: StateFormat,
    cursor: Option<&str>,
    version: &Version,
    reference: &str,
) -> String {
    let version = Some(version_to_wire(version));
    to_json(&Sync { action: "SYNC_STATE", doc_id: doc.as_str(), format, cursor, version, reference })
}

fn to_json(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("messages hold nothing that JSON cannot")
}
