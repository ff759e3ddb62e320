//! What comes over a socket, put together: the parts of an answer as one frame that says what they lead to,
//! and broadcasts as one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_crdt::Doc;
use inklog_protocol::limits::{MESSAGE_BYTES_MAX, PROTOCOL_VERSION};
use inklog_protocol::{WireEvent, version_to_wire};
use serde_json::{Value, json};

/// What has come of what is waited for.
#[derive(Default)]
pub struct Came {
    frames: Vec<Value>,
    parts: Vec<Value>,
    told: Vec<Value>,
    doc: Value,
}

impl Came {
    /// Takes a frame.
    pub fn take(&mut self, frame: Value) {
        assert!(frame.to_string().len() <= MESSAGE_BYTES_MAX, "a message is too large");
        if frame["action"] == "REMOTE_OP" {
            self.told.extend(frame["events"].as_array().expect("events").iter().cloned());
            self.doc = frame["docId"].clone();
        } else if let Some(parts) = frame["parts"].as_u64() {
            self.parts.push(frame);
            if self.parts.len() as u64 == parts {
                self.frames.push(answer(std::mem::take(&mut self.parts)));
            }
        } else {
            self.frames.push(frame);
        }
    }

    /// Whether as much has come as is expected.
    pub fn is_enough(&self, expected: &[Value]) -> bool {
        let is_told = |frame: &&Value| frame["action"] == "REMOTE_OP";
        let frames = expected.iter().filter(|frame| !is_told(frame)).count();
        let told =
            expected.iter().filter(is_told).map(|frame| frame["events"].as_array().map_or(0, Vec::len));
        self.frames.len() >= frames && self.told.len() >= told.sum()
    }

    /// All of it, by action.
    pub fn whole(mut self) -> Vec<Value> {
        if !self.told.is_empty() {
            self.frames.push(json!({"action": "REMOTE_OP", "docId": self.doc, "events": self.told}));
        }
        by_action(self.frames)
    }
}

/// Two frames of one action in their order, others in any.
pub fn by_action(mut frames: Vec<Value>) -> Vec<Value> {
    frames.sort_by_key(|frame| frame["action"].to_string());
    frames
}

/// The parts of an answer as one: a replay with its events, a state with the text and the version that it
/// leads to.
fn answer(mut parts: Vec<Value>) -> Value {
    parts.sort_by_key(|part| part["part"].as_u64());
    let (first, last) = (parts[0].clone(), parts[parts.len() - 1].clone());
    for (part, number) in parts.iter().zip(1..) {
        assert_eq!((&part["part"], &part["protocol"]), (&json!(number), &json!(PROTOCOL_VERSION)));
        for name in ["action", "ref", "stateId", "log"] {
            assert_eq!(part[name], first[name], "parts of one answer agree in {name}");
        }
        assert!(part["log"].is_string());
    }
    let events = parts.iter().filter_map(|part| part["events"].as_array()).flatten().cloned();
    let events: Vec<Value> = events.collect();
    let mut answer = first;
    answer["cursor"] = last["cursor"].clone();
    answer["missing"] = last["missing"].clone();
    answer["access"] = last["access"].clone();
    if answer["action"] == "OP_REPLAY" {
        answer["events"] = events.into();
        return answer;
    }
    let base64: String = parts.iter().filter_map(|part| part["state"].as_str()).collect();
    let mut doc = Doc::decode(&STANDARD.decode(base64).expect("base64")).expect("a sound state");
    for event in events {
        let event: WireEvent = serde_json::from_value(event).expect("an event");
        doc.apply(&event.into_event().expect("a sound event").event);
    }
    answer["text"] = doc.text().into();
    answer["version"] = json!(version_to_wire(doc.version()));
    answer
}
