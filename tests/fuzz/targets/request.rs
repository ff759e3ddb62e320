//! What a client sends: `Request::parse`.

use arbitrary::{Result, Unstructured};
use inklog_crdt::Event;
use inklog_protocol::limits::{
    CURSOR_LEN_MAX, FRAME_BYTES_MAX, PRESENCE_BYTES_MAX, REF_BYTES_MAX, REFUSAL_CHARS_MAX,
};
use inklog_protocol::{ClientMessage, ErrorCode, LoggedEvent, Request, ServerMessage, WireEvent, WireOp};
use serde_json::{Value, json};

use super::event;
use crate::driver::{Target, unsealed};
use crate::json::changed;
use crate::made::{agent, number, rarely};
use crate::meter::{Bound, Meter};

pub const TARGET: Target = Target { name: "request", inputs: 20_000, make, check, seal: unsealed };
/// `[]` in a list is two bytes with its comma, and a value of some 72, in lists that double.
const BOUND: Bound = Bound { each: 256, base: 16 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let message = any(choices)?;
    changed(choices, message)
}

/// Some message of a client.
fn any(choices: &mut Unstructured) -> Result<Value> {
    let agent = agent(choices)?;
    let mut message = match choices.int_in_range(0..=7)? {
        0 => json!({"action": "JOIN_DOC", "docId": "d", "format": "binary", "cursor": "t-5"}),
        1 => json!({
            "action": "SYNC_STATE", "docId": "d", "cursor": "t-5", "confirm": true,
            "version": {agent.as_str(): number(choices)?, "b": 7},
        }),
        2 => {
            json!({"action": "PRESENCE", "docId": "d", "agent": agent.as_str(), "state": {"at": [1, {"x": "y"}]}})
        }
        3 => json!({"action": "LEAVE_DOC", "docId": "d"}),
        4 => json!({"action": "PING"}),
        _ => match event::any(choices)? {
            Some(event) if rarely(choices, 3)? => {
                json!({"action": "SEND_OP", "docId": "d", "op": WireOp::from_op(event.agent(), &event.ops()[0])})
            }
            Some(event) => send(&event),
            None => json!({"action": "SEND_OP", "docId": "d"}),
        },
    };
    if choices.arbitrary()? {
        message["ref"] = json!(number(choices)?);
    }
    Ok(message)
}

fn send(event: &Event) -> Value {
    let wire = WireEvent::new(&LoggedEvent { event: event.clone(), at: 0, author: None });
    json!({"action": "SEND_OP", "docId": "d", "agent": wire.agent, "after": wire.after, "ops": wire.ops})
}

fn check(input: &[u8], meter: &mut Meter) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let request = match meter.run(text.len(), BOUND, || Request::parse(text)) {
        Ok(request) => request,
        Err(refusal) => {
            assert!(refusal.message.chars().count() <= REFUSAL_CHARS_MAX + 1);
            let codes = [
                ErrorCode::BadJson,
                ErrorCode::UnknownAction,
                ErrorCode::BadRequest,
                ErrorCode::BadOp,
                ErrorCode::BadChain,
                ErrorCode::TooLarge,
            ];
            assert!(codes.contains(&refusal.code), "{refusal:?}");
            let is_json = serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object());
            assert!(
                refusal.code != ErrorCode::BadJson || !is_json || text.contains('\\') || twice(text),
                "{refusal:?}"
            );
            let told = refusal.into_message().to_json();
            assert!(ServerMessage::parse(&told).is_ok(), "{told}");
            return;
        }
    };
    meter.read += 1;
    assert!(text.len() <= FRAME_BYTES_MAX);
    assert!(request.reference.is_none_or(|reference| reference.to_string().len() <= REF_BYTES_MAX));
    match request.message {
        ClientMessage::JoinDoc { cursor, .. } | ClientMessage::SyncState { cursor, .. } => {
            assert!(cursor.is_none_or(|cursor| cursor.len() <= CURSOR_LEN_MAX));
        }
        ClientMessage::SendEvent { event, .. } => {
            event::same_as_its_ops(&event);
            // A pair of escapes in JSON can be shorter than what is written of it.
            let again = send(&event).to_string();
            if again.len() <= FRAME_BYTES_MAX {
                let again = Request::parse(&again).expect("what was read is valid").message;
                assert!(matches!(again, ClientMessage::SendEvent { event: same, .. } if same == event));
            }
        }
        ClientMessage::SendOp { agent, op, .. } => {
            Event::new(agent, 0, vec![op]).expect("an op that was read is sound");
        }
        ClientMessage::Presence { state: Some(state), .. } => {
            assert!(state.len() <= PRESENCE_BYTES_MAX);
            assert!(serde_json::from_str::<Value>(&state).expect("sound JSON").is_object());
        }
        ClientMessage::Presence { state: None, .. }
        | ClientMessage::LeaveDoc { .. }
        | ClientMessage::Ping => {}
    }
}

/// Whether a field may stand twice, which `Value` takes and a message does not.
fn twice(text: &str) -> bool {
    let names = [
        "action", "ref", "docId", "agent", "after", "ops", "op", "format", "cursor", "version", "confirm",
        "state",
    ];
    names.iter().any(|name| text.matches(&format!("\"{name}\":")).count() > 1)
}
