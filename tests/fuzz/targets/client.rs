//! The Rust client's core, given frames, one a line: `Core::received`. Whatever a server sends, the document stays
//! sound, and what the client stores can be gone on with.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use arbitrary::{Result, Unstructured};
use inklog_client::{Core, CoreConfig, JournalError, Random};
use inklog_crdt::Agent;
use inklog_protocol::DocId;
use serde_json::{Value, json};

use super::{server_message, state};
use crate::driver::{Target, unsealed};
use crate::json::changed;
use crate::made::rarely;
use crate::meter::{Bound, Meter};

pub const TARGET: Target = Target { name: "client", inputs: 2_500, make, check, seal: unsealed };
/// With the document, the updates, and what is to be stored.
const BOUND: Bound = Bound { each: 1024, base: 256 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let mut frames = Vec::new();
    for _ in 0..choices.int_in_range(1..=6)? {
        let mut message = server_message::any(choices)?;
        // The first request is answered, mostly.
        if frames.is_empty() && choices.ratio(5, 6)? {
            while !["DOC_STATE", "OP_REPLAY"].contains(&message["action"].as_str().unwrap_or_default()) {
                message = server_message::any(choices)?;
            }
            message["ref"] = json!(1);
        }
        let mut frame = match rarely(choices, 3)? {
            true => String::from_utf8_lossy(&changed(choices, message)?).into_owned(),
            false => message.to_string(),
        };
        // What it wrote itself, or somebody else under its name.
        if rarely(choices, 4)? {
            frame = frame.replace("\"a-", "\"me-").replace("\"agent\":\"a\"", "\"agent\":\"me\"");
        }
        frames.push(frame);
    }
    Ok(frames.join("\n").into_bytes())
}

/// A client of the document `d`, which goes on with what a store has. It writes as `me` first.
pub fn loaded(batches: &[Vec<u8>]) -> std::result::Result<Core, JournalError> {
    let config = CoreConfig::new(DocId::new("d").expect("legal"), "ws://x");
    let mut count = 0;
    let agents = Box::new(move || {
        count += 1;
        let name = if count == 1 { "me".to_owned() } else { format!("me~{count}") };
        Agent::new(&name).expect("legal")
    });
    Core::load(config, batches, agents, Random::new(3).into_jitter())
}

/// A client and its store.
pub struct Stored {
    pub core: Core,
    pub batches: Vec<Vec<u8>>,
    /// Whether it ever had the server's version.
    pub was_synced: bool,
}

impl Stored {
    /// Stores what is to be stored, and takes what is to be sent and told.
    pub fn settle(&mut self) {
        self.was_synced |= self.core.is_synced();
        while let Some(batch) = self.core.take_batch() {
            if batch.replaces {
                self.batches.clear();
            }
            self.batches.push(batch.bytes);
            self.core.stored(batch.number);
        }
        while self.core.next_frame().is_some() {}
        while self.core.next_update().is_some() {}
    }
}

fn play(frames: &str) -> Stored {
    let core = loaded(&[]).expect("an empty store");
    let mut client = Stored { core, batches: Vec::new(), was_synced: false };
    let mut now = Instant::now();
    client.core.connected(now);
    client.core.tick(now);
    client.settle();
    let _ = client.core.edit(0, 0, "typed ", now);
    for frame in frames.split('\n') {
        client.core.received(frame, now);
        client.settle();
        if client.core.take_verdict().is_some() {
            client.core.disconnected();
            client.core.connected(now);
            client.core.tick(now);
        }
        now += Duration::from_secs(6);
        client.core.tick(now);
        let _ = client.core.edit(client.core.doc().len() / 2, 0, "x", now);
        client.core.hurry();
        client.settle();
    }
    client
}

fn check(input: &[u8], meter: &mut Meter) {
    let Ok(frames) = std::str::from_utf8(input) else { return };
    let mut client = meter.run(frames.len(), BOUND, || play(frames));
    meter.read += u64::from(client.was_synced);
    state::sound(client.core.doc());
    client.core.hurry();
    client.settle();
    let again = match loaded(&client.batches) {
        Ok(again) => again,
        // Which of two events in one place is in the document depends on when they came.
        Err(JournalError::Damaged(_)) if has_two_in_one_place(frames) => return,
        Err(error) => panic!("what the client has stored cannot be loaded: {error}"),
    };
    again.doc().assert_invariants();
    // What the log refused gets new ids when it is loaded.
    if client.core.is_kept() && again.agent() == client.core.agent() {
        assert_eq!(again.unsaved(), client.core.unsaved(), "something typed is lost, or doubled");
    }
}

/// Whether there are two events in one place of an agent's chain, which no log has.
fn has_two_in_one_place(frames: &str) -> bool {
    let messages = frames.split('\n').filter_map(|frame| serde_json::from_str::<Value>(frame).ok());
    let events = messages.filter_map(|message| Some(message["events"].as_array()?.clone())).flatten();
    let mut places = HashMap::new();
    events.into_iter().any(|event| {
        let place = (event["agent"].to_string(), event["after"].as_u64());
        let ops = event["ops"].clone();
        places.insert(place, ops.clone()).is_some_and(|other| other != ops)
    })
}
