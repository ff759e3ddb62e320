//! A client that speaks the wire itself: events and lone ops, joins in both formats, syncs with cursor and
//! version, presence, leaving, and connections that it cuts.
//!
//! It keeps the rules of a client: one event in flight, sent again unchanged until it is acknowledged, and not
//! before the server's version is known on a connection.

use std::collections::BTreeSet;
use std::time::Duration;

use inklog_crdt::{Agent, Doc, Event, Op, Version};
use inklog_protocol::limits::FRAME_BYTES_MAX;
use inklog_protocol::{ErrorCode, ServerMessage, WireEvent, WireOp, version_to_wire};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::Outcome;
use crate::line::{Answer, Failure, Heard, Line, State};
use crate::load::{Pace, Standing, Task};

/// Between two steps, at most.
const PAUSE_MAX_MS: usize = 250;
/// Pauses between attempts double from one to the other.
const RETRY_FIRST_MS: u64 = 50;
const RETRY_LONGEST_MS: u64 = 1_600;
/// While everything settles, what was missed is asked for this often.
const SYNC_EVERY: Duration = Duration::from_secs(1);

struct Pending {
    event: Event,
    /// Sent as a lone op, whose place the server finds.
    alone: bool,
}

struct Client {
    task: Task,
    agent: Agent,
    doc: Doc,
    /// The end of what is acknowledged of its own.
    saved: u64,
    pending: Option<Pending>,
    cursor: Option<String>,
    /// Whose events came since the cursor.
    since: BTreeSet<Agent>,
    /// The round of which it has made its last edit.
    last_word: Option<usize>,
    failures: u32,
}

pub async fn wire_client(mut task: Task) -> Outcome {
    let agent = format!("{}~{:x}", task.user, task.prng.next());
    let agent = Agent::new(&agent).map_err(|error| error.to_string())?;
    let mut client = Client {
        task,
        agent,
        doc: Doc::new(),
        saved: 0,
        pending: None,
        cursor: None,
        since: BTreeSet::new(),
        last_word: None,
        failures: 0,
    };
    while client.pace() != Pace::Gone {
        // A connection that is lost is made again.
        if let Ok(mut line) = Line::connect(&client.task.url).await {
            match client.on(&mut line).await {
                Ok(()) | Err(Failure::Lost) => {}
                Err(Failure::Refused { code, message, .. }) => {
                    return Err(format!("it is refused for good ({code:?}): {message}"));
                }
                Err(Failure::Unreadable(what)) => return Err(what),
            }
        }
        client.back_off().await;
    }
    Ok(())
}

impl Client {
    fn pace(&mut self) -> Pace {
        let pace = *self.task.pace.borrow_and_update();
        if pace == Pace::Typing {
            self.last_word = None;
        }
        pace
    }

    async fn back_off(&mut self) {
        let longest = (RETRY_FIRST_MS << self.failures.min(10)).min(RETRY_LONGEST_MS);
        self.failures += 1;
        let pause = longest / 2 + self.task.prng.below(longest as usize / 2 + 1) as u64;
        let _ = tokio::time::timeout(Duration::from_millis(pause), self.task.pace.changed()).await;
    }

    /// One connection, until it is lost, cut, or everybody leaves.
    async fn on(&mut self, line: &mut Line) -> Result<(), Failure> {
        self.join(line).await?;
        self.failures = 0;
        let mut synced_at = Instant::now();
        loop {
            match self.pace() {
                Pace::Gone => return self.leave(line).await,
                Pace::Typing if self.task.prng.chance(2) => return Ok(()),
                Pace::Typing => self.step(line).await?,
                Pace::Settling(round) if self.last_word != Some(round) => {
                    if self.pending.is_none() {
                        self.pending = Some(self.typed(false)?);
                        self.last_word = Some(round);
                    }
                    self.send(line).await?;
                }
                Pace::Settling(_) if self.pending.is_some() => self.send(line).await?,
                Pace::Settling(_) if synced_at.elapsed() > SYNC_EVERY => {
                    self.sync(line).await?;
                    synced_at = Instant::now();
                }
                Pace::Settling(_) => {}
            }
            self.tell();
            let pause = Duration::from_millis(1 + self.task.prng.below(PAUSE_MAX_MS) as u64);
            self.listen(line, Instant::now() + pause).await?;
        }
    }

    /// How it stands.
    fn tell(&self) {
        let settled = self.last_word.filter(|_| self.pending.is_none());
        let mut now = Standing { settled, ..Standing::default() };
        if self.last_word.is_some() {
            (now.text, now.version) = (self.doc.text(), self.doc.version().clone());
        }
        self.task.standing.send_replace(now);
    }

    async fn step(&mut self, line: &mut Line) -> Result<(), Failure> {
        if self.pending.is_some() {
            return self.send(line).await;
        }
        let waits = self.doc.waiting().next().is_some();
        match self.task.prng.below(100) {
            _ if waits => self.sync(line).await,
            0..70 => {
                let alone = self.task.prng.chance(30);
                self.pending = Some(self.typed(alone)?);
                self.send(line).await
            }
            70..80 => self.sync(line).await,
            80..88 => self.show(line).await,
            88..92 => {
                self.leave(line).await?;
                self.join(line).await
            }
            92..96 => self.join(line).await,
            _ => self.ask(line, json!({ "action": "PING" })).await.map(drop),
        }
    }

    /// The next event: one op where it is to go alone, else some; now and then as large as a frame takes.
    fn typed(&mut self, alone: bool) -> Result<Pending, Failure> {
        let prng = &mut self.task.prng;
        let count = if alone { 1 } else { 1 + prng.below(3) };
        let fills_frame = !alone && prng.chance(2);
        let mut ops: Vec<Op> = Vec::new();
        for _ in 0..count {
            let len = self.doc.len();
            if !fills_frame && len > 0 && prng.chance(30) {
                let at = prng.below(len);
                // One op a range of ids: alone there is room for one.
                let most = if alone { 1 } else { prng.deleted() };
                ops.extend(self.doc.delete(&self.agent, at, most.min(len - at)).map_err(unreadable)?);
                continue;
            }
            let (at, text) = (prng.below(len + 1), prng.text());
            if fills_frame {
                let text = "z".repeat(self.room(at)?);
                ops = vec![self.doc.insert(&self.agent, at, &text).map_err(unreadable)?];
                break;
            }
            ops.push(self.doc.insert(&self.agent, at, &text).map_err(unreadable)?);
        }
        let event = Event::new(self.agent.clone(), self.saved, ops).map_err(unreadable)?;
        Ok(Pending { event, alone })
    }

    /// How many plain characters at this place make a frame of exactly the largest size.
    fn room(&self, at: usize) -> Result<usize, Failure> {
        let mut trial = Doc::new();
        trial.merge(&self.doc.spans(), self.doc.version()).map_err(unreadable)?;
        let op = trial.insert(&self.agent, at, "z").map_err(unreadable)?;
        let event = Event::new(self.agent.clone(), self.saved, vec![op]).map_err(unreadable)?;
        let mut message = self.message(&Pending { event, alone: false });
        message["ref"] = json!(Line::SOME_REFERENCE);
        Ok(FRAME_BYTES_MAX - message.to_string().len() + 1)
    }

    fn message(&self, pending: &Pending) -> Value {
        let event = &pending.event;
        let ops: Vec<WireOp> = event.ops().iter().map(|op| WireOp::from_op(event.agent(), op)).collect();
        match &ops[..] {
            [op] if pending.alone => json!({"action": "SEND_OP", "docId": self.task.doc, "op": op}),
            ops => json!({"action": "SEND_OP", "docId": self.task.doc, "agent": event.agent().as_str(),
                "after": event.after(), "ops": ops}),
        }
    }

    /// Sends what waits. Its acknowledgement may be lost; then it still waits.
    async fn send(&mut self, line: &mut Line) -> Result<(), Failure> {
        let Some(pending) = &self.pending else { return Ok(()) };
        self.task.model.offer(&self.task.doc, &pending.event);
        let message = self.message(pending);
        match self.ask(line, message).await {
            Ok(Answer::Ack { agent, after, end }) => {
                self.task.model.acknowledge(&self.task.doc, &agent, after, end);
                self.learn(end);
                Ok(())
            }
            Ok(_) => Err(Failure::Unreadable("SEND_OP is answered by something else".to_owned())),
            Err(Failure::Refused { retry: true, .. }) => {
                self.task.model.refuse();
                self.back_off().await;
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// The log has its own events up to here.
    fn learn(&mut self, end: u64) {
        self.saved = self.saved.max(end);
        self.since.insert(self.agent.clone());
        if let Some(pending) = self.pending.take_if(|pending| pending.event.end() <= end) {
            let event = pending.event;
            self.task.model.acknowledge(&self.task.doc, event.agent().as_str(), event.after(), event.end());
        }
    }

    async fn join(&mut self, line: &mut Line) -> Result<(), Failure> {
        let mut message = json!({"action": "JOIN_DOC", "docId": self.task.doc,
            "format": self.task.prng.pick(&["ops", "binary"])});
        if let Some(cursor) = self.cursor.as_ref().filter(|_| self.task.prng.chance(60)) {
            message["cursor"] = json!(cursor);
        }
        self.ask_for_state(line, message).await
    }

    /// By the cursor, and what came since; or by all that it knows.
    async fn sync(&mut self, line: &mut Line) -> Result<(), Failure> {
        let by_cursor = self.task.prng.chance(60);
        let cursor = self.cursor.as_ref().filter(|_| by_cursor);
        let mut known = Version::new();
        for (agent, end) in self.doc.version().iter() {
            let end = if *agent == self.agent { self.saved } else { end };
            if end > 0 && (cursor.is_none() || self.since.contains(agent)) {
                known.advance(agent, end);
            }
        }
        let mut message = json!({"action": "SYNC_STATE", "docId": self.task.doc, "version": version_to_wire(&known),
            "format": self.task.prng.pick(&["ops", "binary"])});
        if let Some(cursor) = cursor {
            message["cursor"] = json!(cursor);
        }
        self.ask_for_state(line, message).await
    }

    /// Asks until there is an answer: a refusal to be tried again is tried again.
    async fn ask_for_state(&mut self, line: &mut Line, message: Value) -> Result<(), Failure> {
        loop {
            match self.ask(line, message.clone()).await {
                Ok(Answer::State(state)) => return self.take(state),
                Ok(_) => return Err(Failure::Unreadable("a sync is answered by something else".to_owned())),
                Err(Failure::Refused { retry: true, .. }) if self.pace() != Pace::Gone => {
                    self.back_off().await
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    fn take(&mut self, state: State) -> Result<(), Failure> {
        if let Some((spans, version)) = &state.base {
            self.doc.merge(spans, version).map_err(unreadable)?;
            self.learn(version.get(&self.agent));
        }
        self.hear(state.events)?;
        self.cursor = state.cursor;
        self.since.clear();
        Ok(())
    }

    fn hear(&mut self, events: Vec<WireEvent>) -> Result<(), Failure> {
        for event in events {
            let event = event.into_event().map_err(unreadable)?.event;
            match *event.agent() == self.agent {
                true => self.learn(event.end()),
                false => {
                    self.since.insert(event.agent().clone());
                    self.doc.apply(&event);
                }
            }
        }
        Ok(())
    }

    async fn show(&mut self, line: &mut Line) -> Result<(), Failure> {
        let state = if self.task.prng.chance(80) { json!({ "at": self.doc.len() }) } else { Value::Null };
        let message = json!({"action": "PRESENCE", "docId": self.task.doc, "agent": self.agent.as_str(), "state": state});
        // Nothing is answered where all is well: whoever hears PONG first has been heard.
        line.send(message).await?;
        self.ask(line, json!({ "action": "PING" })).await?;
        Ok(())
    }

    async fn leave(&mut self, line: &mut Line) -> Result<(), Failure> {
        line.send(json!({"action": "LEAVE_DOC", "docId": self.task.doc})).await.map(drop)
    }

    /// Asks, and hears what else comes until the answer is there.
    async fn ask(&mut self, line: &mut Line, message: Value) -> Result<Answer, Failure> {
        let reference = line.send(message).await?;
        loop {
            match line.answer(&reference).await? {
                Heard::Answer(answer) => return Ok(answer),
                Heard::Other(other) => self.hear_other(line, *other).await?,
            }
        }
    }

    async fn listen(&mut self, line: &mut Line, until: Instant) -> Result<(), Failure> {
        while let Ok(frame) = timeout_at(until, line.next()).await {
            self.hear_other(line, frame?).await?;
        }
        Ok(())
    }

    async fn hear_other(&mut self, line: &mut Line, message: ServerMessage) -> Result<(), Failure> {
        match message {
            ServerMessage::RemoteOp { events, .. } => self.hear(events),
            // An answer to presence, or one that came too late: whoever is not registered joins.
            ServerMessage::Error { code: ErrorCode::NotJoined, .. } => {
                let rejoin = json!({"action": "JOIN_DOC", "docId": self.task.doc});
                line.send(rejoin).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::Unreadable(error.to_string())
}

/// What a reader who knows nothing is given.
pub async fn read_anew(url: &str, doc: &str, format: &str) -> Outcome<String> {
    let read = async {
        let mut line = Line::connect(url).await?;
        let reference = line.send(json!({"action": "JOIN_DOC", "docId": doc, "format": format})).await?;
        loop {
            if let Heard::Answer(Answer::State(state)) = line.answer(&reference).await? {
                let mut read = Doc::new();
                if let Some((spans, version)) = &state.base {
                    read.merge(spans, version).map_err(unreadable)?;
                }
                for event in state.events {
                    read.apply(&event.into_event().map_err(unreadable)?.event);
                }
                return Ok(read.text());
            }
        }
    };
    let read: Result<String, Failure> = read.await;
    read.map_err(|failure| format!("a new reader of {doc} ({format}): {failure:?}"))
}
