//! What a server sends, as the Rust client reads it: `ServerMessage::parse`.

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_protocol::{ServerMessage, WireEvent, WireOp, version_to_wire};
use serde_json::{Value, json};

use crate::driver::{Target, unsealed};
use crate::json::changed;
use crate::made::{history, logged, number, rarely};
use crate::meter::{Bound, Meter};

pub const TARGET: Target = Target { name: "server_message", inputs: 10_000, make, check, seal: unsealed };
/// `{"ref":[[],[],…]}`: two bytes are a value of some 72, in lists that double; a tagged enum is buffered first.
const BOUND: Bound = Bound { each: 256, base: 16 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let message = any(choices)?;
    changed(choices, message)
}

/// Some message of a server, about the document `d`.
pub fn any(choices: &mut Unstructured) -> Result<Value> {
    let (doc, events) = history(choices)?;
    let mut wire = Vec::new();
    for event in events {
        wire.push(WireEvent::new(&logged(choices, event)?));
    }
    let mut message = match choices.int_in_range(0..=7)? {
        0 => json!({"action": "DOC_STATE", "protocol": 1, "docId": "d", "stateId": "s", "format": "binary",
            "part": 1, "parts": 1, "state": STANDARD.encode(doc.encode()), "events": wire}),
        1 => {
            let ops: Vec<WireOp> = doc.spans().iter().map(WireOp::from_span).collect();
            json!({"action": "DOC_STATE", "protocol": 1, "docId": "d", "stateId": "s", "format": "ops",
                "part": 1, "parts": 1, "ops": ops, "version": version_to_wire(doc.version()), "events": []})
        }
        2 | 3 => {
            json!({"action": "OP_REPLAY", "protocol": 1, "docId": "d", "part": 1, "parts": 1, "events": wire})
        }
        4 => json!({"action": "REMOTE_OP", "docId": "d", "events": wire}),
        5 => {
            json!({"action": "OP_ACK", "docId": "d", "agent": "a", "after": number(choices)?, "end": number(choices)?})
        }
        6 => json!({"action": "REMOTE_PRESENCE", "docId": "d", "agent": "b", "state": {"x": [1]}}),
        _ => {
            let code = choices.choose(&[
                "conflict",
                "too_large",
                "rate_limited",
                "unauthorized",
                "bad_op",
                "new_one",
            ])?;
            json!({"action": "ERROR", "code": code, "message": "no", "retry": choices.ratio(1, 2)?,
                "retryAfterMs": number(choices)?})
        }
    };
    if matches!(message["action"].as_str(), Some("DOC_STATE" | "OP_REPLAY")) {
        let more = json!({"cursor": "t-5", "log": choices.choose(&["one", "two"])?,
            "access": choices.choose(&["write", "read", "manage"])?});
        let fields = message.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        if rarely(choices, 6)? {
            message["missing"] = json!({"a": number(choices)?});
        }
        if rarely(choices, 6)? {
            message["parts"] = json!(2);
            message["part"] = json!(choices.int_in_range(0..=3)?);
        }
    }
    if choices.ratio(5, 6)? {
        message["ref"] = json!(choices.int_in_range(1..=4)?);
    }
    Ok(message)
}

fn check(input: &[u8], meter: &mut Meter) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let read = meter.run(text.len(), BOUND, || ServerMessage::parse(text).ok());
    let Some(message) = read else { return };
    meter.read += 1;
    let written = message.to_json();
    let again = ServerMessage::parse(&written).expect("what was read is written as a message");
    assert_eq!(again.to_json(), written);
    if let ServerMessage::RemoteOp { events, .. } | ServerMessage::OpReplay { events, .. } = message {
        for event in events {
            let Ok(logged) = event.into_event() else { continue };
            super::event::same_as_its_ops(&logged.event);
            assert_eq!(WireEvent::new(&logged).into_event().as_ref(), Ok(&logged));
        }
    }
}
