//! Programs that speak the wire themselves: events with gaps, that hang on what is not there, repeats, single
//! ops, and messages that are wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use inklog_protocol::limits::{FRAME_BYTES_MAX, PRESENCE_BYTES_MAX};
use inklog_protocol::{DocId, Right};
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::executor;
use super::gateway::{Arrival, Gateway};
use super::world::World;

/// What bots write, which clients do not.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

pub struct Bot {
    pub gateway: Arc<Gateway>,
    pub docs: Vec<DocId>,
    /// Its agents' ends, by document.
    pub ends: BTreeMap<usize, u64>,
}

impl Bot {
    pub async fn run(mut self) {
        let world = self.gateway.world.clone();
        let (outside, mut inbox) = unbounded_channel();
        let mut connection = None;
        let right = world.draw().pick(&[Right::Write, Right::Write, Right::Read]);
        while world.faults.are_on() {
            let ms = world.draw().between(1, world.plan.lasts.as_millis() as u64 / 30);
            executor::sleep(Duration::from_millis(ms)).await;
            if !world.faults.are_on() {
                return;
            }
            while let Ok(arrival) = inbox.try_recv() {
                self.judge(&world, arrival);
            }
            let id = match connection.take().filter(|id: &String| self.gateway.is_open(id)) {
                Some(id) => id,
                None => match self.gateway.connect(world.identity("bot", right), outside.clone()).await {
                    Some(id) => id,
                    None => continue,
                },
            };
            let (message, is_wrong) = self.message(&world);
            let message = match is_wrong {
                true => with_ref(message, "wrong"),
                false => with_ref(message, "right"),
            };
            world.trace(format_args!("bot sends {}", message.chars().take(120).collect::<String>()));
            self.gateway.take(&id, message);
            connection = Some(id);
        }
    }

    /// A wrong message must be answered by an error, if by anything.
    fn judge(&self, world: &World, arrival: Arrival) {
        let Arrival::Frame(_, text) = arrival else { return };
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        if answer["ref"] == "wrong" && answer["action"] != "ERROR" {
            world.fail(format_args!("a wrong message was answered by {text}"));
        }
        if answer["ref"] == "right" && answer["action"] == "ERROR" {
            let code = answer["code"].as_str().unwrap_or_default();
            if !matches!(
                code,
                "unavailable"
                    | "not_joined"
                    | "conflict"
                    | "rate_limited"
                    | "too_large"
                    | "unauthorized"
                    | "forbidden"
                    | "internal"
            ) {
                world.fail(format_args!("a sound message was answered by {text}"));
            }
        }
    }

    /// A message, and whether it is wrong.
    fn message(&mut self, world: &World) -> (Value, bool) {
        let mut draw = world.draw();
        let number = draw.below(self.docs.len());
        let doc = self.docs[number].as_str();
        let agent = format!("bot~{number}");
        let end = *self.ends.entry(number).or_default();
        let text: String = (0..draw.pick(&[1, 1, 3, 20])).map(|_| draw.pick(LETTERS) as char).collect();
        let len = text.len() as u64;
        let anchor = match draw.below(4) {
            0 => Value::Null,
            // What may never come,
            1 => json!(format!("ghost~{}-{}", draw.below(3), draw.below(5))),
            // what may be void,
            2 => json!(format!("{agent}-{}", draw.next() % (end + 1))),
            _ => json!(format!("bot~x{number}-{}", draw.below(9))),
        };
        let insert =
            |id: u64| json!({"type": "insert", "id": format!("{agent}-{id}"), "text": text, "left": anchor});
        match draw.below(13) {
            // Another event in a place that is taken.
            12 if end > 0 => {
                let op = json!({"type": "insert", "id": format!("{agent}-0"), "text": "q", "left": null});
                (json!({"action": "SEND_OP", "docId": doc, "agent": agent, "after": 0, "ops": [op]}), false)
            }
            // A gap.
            0 | 1 => {
                let id = end + draw.next() % 4;
                let anchor_is_late = anchor.as_str().is_some_and(|anchor| anchor == format!("{agent}-{end}"));
                if anchor_is_late {
                    return (json!({"action": "PING"}), false);
                }
                self.ends.insert(number, id + len);
                (
                    json!({"action": "SEND_OP", "docId": doc, "agent": agent, "after": end, "ops": [insert(id)]}),
                    false,
                )
            }
            2 => {
                let op = json!({"type": "insert", "id": format!("bot~s{number}-{}", draw.next() % 50), "char": "s", "left": null});
                (json!({"action": "SEND_OP", "docId": doc, "op": op}), false)
            }
            3 => {
                let target = format!("{agent}-{}", draw.next() % (end + 5));
                let op = json!({"type": "delete", "id": format!("bot~x{number}-{}", draw.next() % 50 * 3), "target": target, "len": 1 + draw.next() % 3});
                (json!({"action": "SEND_OP", "docId": doc, "op": op}), false)
            }
            4 => {
                (json!({"action": "JOIN_DOC", "docId": doc, "format": draw.pick(&["ops", "binary"])}), false)
            }
            5 => {
                let cursor = format!("{:016x}-{}", draw.next(), draw.next() % 9);
                (json!({"action": "SYNC_STATE", "docId": doc, "cursor": cursor, "version": {}}), false)
            }
            6 => {
                let state = json!({"x": "x".repeat(PRESENCE_BYTES_MAX - 8 + draw.below(2))});
                let is_wrong = state.to_string().len() > PRESENCE_BYTES_MAX;
                (json!({"action": "PRESENCE", "docId": doc, "agent": agent, "state": state}), is_wrong)
            }
            7 => (json!({"action": "LEAVE_DOC", "docId": doc}), false),
            8 => {
                let id = format!("other~{number}-0");
                let op = json!({"type": "insert", "id": id, "text": "x", "left": null});
                (json!({"action": "SEND_OP", "docId": doc, "agent": agent, "after": end, "ops": [op]}), true)
            }
            9 => {
                let op = json!({"type": "insert", "id": format!("{agent}-{end}"), "text": "", "left": null});
                (json!({"action": "SEND_OP", "docId": doc, "agent": agent, "after": end, "ops": [op]}), true)
            }
            10 => {
                let text = "y".repeat(FRAME_BYTES_MAX);
                let op =
                    json!({"type": "insert", "id": format!("{agent}-{end}"), "text": text, "left": null});
                (json!({"action": "SEND_OP", "docId": doc, "agent": agent, "after": end, "ops": [op]}), true)
            }
            _ => (json!({"action": "SEND_OP", "docId": "..", "agent": agent, "after": 0, "ops": []}), true),
        }
    }
}

fn with_ref(mut message: Value, reference: &str) -> String {
    message["ref"] = json!(reference);
    message.to_string()
}
