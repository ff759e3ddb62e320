//! The core as the stories know a client: the only place that is to change with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use inklog_client::core::{Batch, Verdict};
use inklog_client::{Agent, Agents, Core, CoreConfig, Problem, Update};
use inklog_crdt::Change;
use inklog_protocol::DocId;
use serde_json::{Value, json};

use super::frames::{from_server, to_server};

/// Nothing in a story lets time stand still this often.
const TURNS_MAX: usize = 10_000;

pub struct Player {
    core: Core,
    now: Instant,
    agents: Arc<AtomicU32>,
    sent: Vec<Value>,
    told: Vec<Value>,
    /// The text as the changes tell it.
    shown: String,
    /// The `ref` of the last request of each name.
    requests: BTreeMap<String, Value>,
    /// What the store has.
    journal: Vec<Vec<u8>>,
    is_slow: bool,
    /// What a slow store has not done yet.
    writing: Option<Batch>,
}

impl Player {
    pub fn new() -> Player {
        let agents = Arc::default();
        Player {
            core: load(&[], &agents),
            now: Instant::now(),
            agents,
            sent: Vec::new(),
            told: Vec::new(),
            shown: String::new(),
            requests: BTreeMap::new(),
            journal: Vec::new(),
            is_slow: false,
            writing: None,
        }
    }

    /// Makes happen what a step says.
    pub fn happens(&mut self, step: &Value) -> Result<(), String> {
        let now = self.now;
        if step["connect"] == true {
            self.core.connected(now);
        } else if step["disconnect"] == true {
            self.core.disconnected();
        } else if let Some(text) = step["receive"].as_str() {
            self.core.received(text, now);
        } else if step["receive"].is_object() {
            self.receive(step["receive"].clone())?;
        } else if step["edit"].is_object() {
            self.edit(&step["edit"]);
        } else if let Some(ms) = step["time"].as_u64() {
            self.pass(Duration::from_millis(ms));
        } else if let Some(how) = step["store"].as_str() {
            self.turn_store(how)?;
        } else if step["restart"] == true {
            (self.writing, self.is_slow) = (None, false);
            self.core = load(&self.journal, &self.agents);
            self.shown = self.core.doc().text();
        } else if let Some(looks) = step["look"].as_bool() {
            self.core.set_visible(looks);
        } else {
            self.core.woke(now);
        }
        self.settle();
        Ok(())
    }

    /// What the client has sent since the last call.
    pub fn sent(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.sent)
    }

    /// What the application has been told since the last call.
    pub fn told(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.told)
    }

    /// A request that the client made: its `ref`, whatever it is, has a name from now on.
    pub fn name_request(&mut self, expected: &Value, frame: &mut Value) {
        if let (Some(name), false) = (expected["ref"].as_str(), frame["ref"].is_null()) {
            self.requests.insert(name.to_owned(), frame["ref"].take());
            frame["ref"] = name.into();
        }
    }

    /// What can be asked at any time.
    pub fn state(&self) -> Value {
        let core = &self.core;
        json!({
            "text": core.doc().text(), "unsaved": core.unsaved(), "sending": core.sending(),
            "synced": core.is_synced(), "gap": core.has_gap(), "agent": core.agent().as_str(),
            "access": core.access().map(|access| access.as_str()),
        })
    }

    pub fn shown(&self) -> &str {
        &self.shown
    }

    fn receive(&mut self, mut frame: Value) -> Result<(), String> {
        if let Some(name) = frame["ref"].as_str() {
            let reference = self.requests.get(name).ok_or_else(|| format!("no request is called {name}"))?;
            frame["ref"] = reference.clone();
        }
        self.core.received(&from_server(frame).to_string(), self.now);
        Ok(())
    }

    fn edit(&mut self, edit: &Value) {
        let text: Vec<u16> = self.core.doc().text().encode_utf16().collect();
        let units = |name: &str| edit[name].as_u64().map(|units| units as usize);
        let from = units("at").unwrap_or(text.len());
        let to = from + units("del").unwrap_or_default();
        let chars = |units: &[u16]| String::from_utf16_lossy(units).chars().count();
        let (at, deleted) = (chars(&text[..from]), chars(&text[from..to]));
        let inserted = edit["ins"].as_str().unwrap_or_default();
        self.core.edit(at, deleted, inserted, self.now).expect("it is within the text");
        self.show(&Change::Delete { at, len: deleted });
        self.show(&Change::Insert { at, text: inserted.to_owned() });
    }

    fn show(&mut self, change: &Change) {
        let mut chars: Vec<char> = self.shown.chars().collect();
        match change {
            Change::Insert { at, text } => drop(chars.splice(*at..*at, text.chars())),
            Change::Delete { at, len } => drop(chars.drain(*at..at + len)),
        }
        self.shown = chars.into_iter().collect();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for turn in 0.. {
            let Some(due) = self.core.deadline().filter(|due| *due <= end) else { break };
            assert!(turn < TURNS_MAX, "something is due again and again");
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = end;
    }

    /// Until nothing follows any more from what has happened.
    fn settle(&mut self) {
        loop {
            self.core.tick(self.now);
            while let Some(frame) = self.core.next_frame() {
                self.sent.push(to_server(serde_json::from_str(&frame).expect("JSON")));
            }
            while let Some(update) = self.core.next_update() {
                self.hear(update);
            }
            if let Some(verdict) = self.core.take_verdict() {
                let connection = if verdict == Verdict::Dead { "dead" } else { "refused" };
                self.told.push(json!({"connection": connection}));
                // Whoever holds the socket closes it.
                self.core.disconnected();
            }
            if !self.write() {
                break;
            }
        }
    }

    fn hear(&mut self, update: Update) {
        match update {
            Update::Changed(changes) => changes.iter().for_each(|change| self.show(change)),
            Update::Forked { text } => self.told.push(json!({"aside": text})),
            Update::Problem(problem) => {
                let retry = problem.is_retried();
                let code = match problem {
                    Problem::Refused { code, .. } => json!(code),
                    Problem::RefusedOtherwise { code, .. } => json!(code),
                    Problem::Unreadable(_) => json!("unreadable"),
                    other => json!(other.to_string()),
                };
                self.told.push(json!({"problem": code, "retry": retry}));
            }
            _ => {}
        }
    }

    /// Hands over what there is to keep; says whether anything may follow from that.
    fn write(&mut self) -> bool {
        if self.writing.is_none() {
            self.writing = self.core.take_batch();
        }
        !self.is_slow && self.written()
    }

    fn written(&mut self) -> bool {
        let Some(Batch { number, bytes, replaces }) = self.writing.take() else { return false };
        if replaces {
            self.journal.clear();
        }
        self.journal.push(bytes);
        self.core.stored(number);
        true
    }

    fn turn_store(&mut self, how: &str) -> Result<(), String> {
        match how {
            "slow" => self.is_slow = true,
            "done" => {
                self.is_slow = false;
                self.written();
            }
            _ => return Err(format!("where its store {how}, this client ends")),
        }
        Ok(())
    }
}

fn load(journal: &[Vec<u8>], count: &Arc<AtomicU32>) -> Core {
    let doc = DocId::new("d").expect("an id");
    let config = CoreConfig { visible: false, ..CoreConfig::new(doc, "ws://server/dev") };
    let count = count.clone();
    let agents: Agents = Box::new(move || {
        let name = match count.fetch_add(1, Ordering::Relaxed) {
            0 => "alice".to_owned(),
            n => format!("alice~{n}"),
        };
        Agent::new(&name).expect("a name")
    });
    // Jitter comes out in the middle, so that every pause is known.
    Core::load(config, journal, agents, Box::new(|| 0.5)).expect("a sound journal")
}
