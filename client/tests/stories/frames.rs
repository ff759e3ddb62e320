//! Frames as the stories write them: without what goes without saying, and with events in the place of what
//! a server packs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_client::Doc;
use inklog_protocol::WireEvent;
use serde_json::{Value, json};

/// A frame of the server, whole; `null` takes out what goes without saying.
pub fn from_server(mut frame: Value) -> Value {
    let defaults = match frame["action"].as_str() {
        // The gateway's own word has no action, and names no document.
        None => return frame,
        Some("DOC_STATE") => json!({
            "docId": "d", "protocol": 1, "log": "A", "part": 1, "parts": 1,
            "stateId": "s", "format": "binary", "state": [],
        }),
        Some("OP_REPLAY") => {
            json!({"docId": "d", "protocol": 1, "log": "A", "part": 1, "parts": 1, "events": []})
        }
        Some("ERROR") => json!({"docId": "d", "message": "no"}),
        Some(_) => json!({"docId": "d"}),
    };
    let is_state = frame["action"] == "DOC_STATE";
    let fields = frame.as_object_mut().expect("an object");
    for (name, value) in defaults.as_object().into_iter().flatten() {
        fields.entry(name).or_insert_with(|| value.clone());
    }
    // What somebody shows may be null.
    fields.retain(|name, value| name == "state" || !value.is_null());
    for event in fields.get_mut("events").and_then(Value::as_array_mut).into_iter().flatten() {
        with_time(event);
    }
    if is_state {
        fields["state"] = packed(&fields["state"]).into();
    }
    frame
}

/// A frame of the client, whole, and in one way where JSON leaves two.
pub fn to_server(mut frame: Value) -> Value {
    let action = frame["action"].as_str().unwrap_or_default().to_owned();
    let fields = frame.as_object_mut().expect("an object");
    if action != "PING" {
        fields.entry("docId").or_insert("d".into());
    }
    if action == "JOIN_DOC" || action == "SYNC_STATE" {
        fields.entry("format").or_insert("binary".into());
    }
    for op in fields.get_mut("ops").and_then(Value::as_array_mut).into_iter().flatten() {
        let is_delete = op["type"] == "delete";
        let op = op.as_object_mut().expect("an op");
        if is_delete {
            op.entry("len").or_insert(1.into());
        } else if let Some(char) = op.remove("char") {
            op.insert("text".to_owned(), char);
        }
    }
    frame
}

fn with_time(event: &mut Value) {
    event.as_object_mut().expect("an event").entry("at").or_insert(0.into());
}

/// The base64 of the state that events lead to, or one of so many slices of it.
fn packed(state: &Value) -> String {
    if let Some(text) = state.as_str() {
        return text.to_owned();
    }
    let (events, slice) = match state {
        Value::Array(_) => (state, &json!([1, 1])),
        _ => (&state["events"], &state["slice"]),
    };
    let mut doc = Doc::new();
    for event in events.as_array().expect("events") {
        let mut event = event.clone();
        with_time(&mut event);
        let event: WireEvent = serde_json::from_value(event).expect("an event");
        doc.apply(&event.into_event().expect("a sound event").event);
    }
    let base64 = STANDARD.encode(doc.encode());
    let number = |at: usize| slice[at].as_u64().expect("a number") as usize;
    let cut = |part: usize| (base64.len() * part).div_ceil(number(1));
    base64[cut(number(0) - 1)..cut(number(0))].to_owned()
}
