//! Ops and events as the vectors write them. The crate itself knows no JSON.

use std::io::Read;
use std::path::PathBuf;

use inklog_crdt::{Agent, Event, Id, Op, Origin, Version};
use serde_json::{Value, json};

pub(crate) fn agent(name: &str) -> Agent {
    Agent::new(name).unwrap()
}

fn id(value: &Value) -> Id {
    value.as_str().unwrap().parse().unwrap()
}

pub(crate) fn op(value: &Value) -> (Agent, Op) {
    let Id { agent, seq } = id(&value["id"]);
    let op = if value["type"] == "insert" {
        let text = value.get("text").or_else(|| value.get("char")).unwrap().as_str().unwrap().to_owned();
        let origin = match (value.get("left"), value.get("right")) {
            (Some(Value::Null), None) => Origin::Left(None),
            (Some(left), None) => Origin::Left(Some(id(left))),
            (None, Some(right)) => Origin::Right(id(right)),
            _ => panic!("one origin: {value}"),
        };
        Op::Insert { seq, text, origin }
    } else {
        Op::Delete {
            seq,
            target: id(&value["target"]),
            len: value.get("len").map_or(1, |len| len.as_u64().unwrap()),
        }
    };
    (agent, op)
}

pub(crate) fn event(value: &Value) -> Event {
    let agent = agent(value["agent"].as_str().unwrap());
    let ops = value["ops"].as_array().unwrap().iter().map(|value| op(value).1).collect();
    Event::new(agent, value["after"].as_u64().unwrap(), ops).unwrap()
}

pub(crate) fn version(value: &Value) -> Version {
    value.as_object().unwrap().iter().map(|(name, end)| (agent(name), end.as_u64().unwrap())).collect()
}

/// The other way, for writing vectors.
pub(crate) fn write_event(event: &Event) -> Value {
    let id = |seq: u64| Id::new(event.agent().clone(), seq).to_string();
    let ops: Vec<Value> = event
        .ops()
        .iter()
        .map(|op| match op {
            Op::Insert { seq, text, origin: Origin::Left(left) } => {
                let left = left.as_ref().map(Id::to_string);
                json!({"type": "insert", "id": id(*seq), "text": text, "left": left})
            }
            Op::Insert { seq, text, origin: Origin::Right(right) } => {
                json!({"type": "insert", "id": id(*seq), "text": text, "right": right.to_string()})
            }
            Op::Delete { seq, target, len } => {
                json!({"type": "delete", "id": id(*seq), "target": target.to_string(), "len": len})
            }
        })
        .collect();
    json!({"agent": event.agent().as_str(), "after": event.after(), "ops": ops})
}

/// A file of the project's shared data, which lies beside the checkout, or not at all.
pub(crate) fn shared(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    let Ok(bytes) = std::fs::read(path) else {
        println!("skipped: ../shared/{name} is not there");
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    Some(text)
}
