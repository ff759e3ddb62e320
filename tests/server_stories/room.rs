//! The connections of one story, each under its name.

use std::collections::BTreeMap;

use inklog_local::Stack;
use serde_json::{Value, json};

use super::answers::{Came, by_action};
use super::watcher::Watcher;
use super::{Names, filled, matches};
use crate::socket::Socket;

pub struct Room<'a> {
    stack: &'a Stack,
    /// What the stories call `d`.
    doc: &'a str,
    sockets: BTreeMap<String, Socket>,
    watcher: Watcher,
}

impl<'a> Room<'a> {
    pub async fn open(stack: &'a Stack, doc: &'a str) -> Room<'a> {
        Room { stack, doc, sockets: BTreeMap::new(), watcher: Watcher::of(stack, doc).await }
    }

    /// Does what a step says, and checks what follows. `Err` says what was otherwise.
    pub async fn step(&mut self, step: &Value, names: &mut Names) -> Result<(), String> {
        let by = step["by"].as_str().expect("who").to_owned();
        let frame = match &step["send"] {
            Value::Null => {
                self.sockets.remove(&by);
                None
            }
            frame => Some(self.text_of(frame, &step["bytes"], names)),
        };
        if frame.is_some() && !self.sockets.contains_key(&by) {
            self.sockets.insert(by.clone(), Socket::connect(self.stack.ws_url()).await);
        }
        if let Some(frame) = &frame {
            self.sockets.get_mut(&by).expect("it is open").send_text(frame).await;
        }
        self.gets(&step["get"], names).await?;
        self.nothing_more().await
    }

    fn text_of(&self, frame: &Value, bytes: &Value, names: &Names) -> String {
        let mut text = match filled(frame, names) {
            Value::String(text) => text,
            frame => whole(frame, self.doc).to_string(),
        };
        // Blanks around JSON are none of its business.
        let bytes = bytes.as_u64().unwrap_or_default() as usize;
        text.extend(std::iter::repeat_n(' ', bytes.saturating_sub(text.len())));
        text
    }

    async fn gets(&mut self, get: &Value, names: &mut Names) -> Result<(), String> {
        let mut found = names.clone();
        let mut otherwise = None;
        for (name, expected) in get.as_object().into_iter().flatten() {
            let expected = by_action(expected.as_array().expect("frames").clone());
            let socket = self.sockets.get_mut(name).expect("it is open");
            let mut came = Came::default();
            while !came.is_enough(&expected) {
                let mut frame = socket.next().await;
                if frame["docId"] == self.doc {
                    frame["docId"] = "d".into();
                }
                came.take(frame);
            }
            let came = came.whole();
            for frame in came.iter().filter(|frame| frame["action"] == "OP_ACK") {
                self.watcher.awaits(frame).await;
            }
            let (expected, came) = (Value::Array(expected), Value::Array(came));
            if !matches(&expected, &came, &mut found) {
                otherwise.get_or_insert(format!("{name} gets {came}\nand not   {expected}"));
            }
        }
        if let Some(otherwise) = otherwise {
            return Err(otherwise);
        }
        *names = found;
        Ok(())
    }

    /// Nobody gets more than was told: the answer to a ping is the next frame.
    async fn nothing_more(&mut self) -> Result<(), String> {
        for (name, socket) in &mut self.sockets {
            let frame = socket.ask(json!({"action": "PING", "ref": "nothing more"})).await;
            if frame["ref"] != "nothing more" {
                return Err(format!("{name} gets {frame}, too"));
            }
        }
        Ok(())
    }
}

/// A frame with what goes without saying; `null` takes out the document.
fn whole(mut frame: Value, doc: &str) -> Value {
    let action = frame["action"].as_str().expect("an action").to_owned();
    let fields = frame.as_object_mut().expect("an object");
    if action != "PING" {
        fields.entry("docId").or_insert(doc.into());
    }
    if ["JOIN_DOC", "SYNC_STATE"].contains(&action.as_str()) {
        fields.entry("format").or_insert("binary".into());
    }
    fields.retain(|name, value| name != "docId" || !value.is_null());
    frame
}
