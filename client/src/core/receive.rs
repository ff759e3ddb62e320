//! What comes from the server.

use std::time::{Duration, Instant};

use inklog_crdt::{Applied, Change};
use inklog_protocol::{ErrorCode, LoggedEvent, ServerMessage, WireEvent};
use serde_json::Value;

use super::sync::SYNC_PAUSE_MAX;
use super::{Access, Core, Problem, Unreadable, Update, Verdict};
use crate::answer::Part;

/// So many of others' events are kept until the server's version is known; the sync after that finds the
/// rest.
const EARLY_MAX: usize = 10_000;

impl Core {
    /// A frame came.
    pub fn received(&mut self, text: &str, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        connection.heard(now);
        let taken = match ServerMessage::parse(text) {
            Ok(message) => self.take(message, now),
            Err(error) => self.take_unknown(text, &error, now),
        };
        if let Err(Unreadable(what)) = taken {
            self.tell(Problem::Unreadable(what));
            self.try_again(now, None, Duration::ZERO);
        }
        self.look_for_gap(now);
        self.tick(now);
    }

    fn take(&mut self, message: ServerMessage, now: Instant) -> Result<(), Unreadable> {
        let doc = self.config.doc.clone();
        let is_ours = |doc_id: &str| doc_id == doc.as_str();
        match message {
            ServerMessage::OpAck { doc_id, agent, end, .. }
                if is_ours(&doc_id) && agent == self.outbox.agent().as_str() =>
            {
                self.learn(end, now);
            }
            ServerMessage::RemoteOp { doc_id, events } if is_ours(&doc_id) => {
                self.retries.absence.reset();
                return self.take_broadcast(events, now);
            }
            ServerMessage::OpReplay {
                doc_id,
                part,
                parts,
                events,
                cursor,
                log,
                missing,
                access,
                reference,
                ..
            } if is_ours(&doc_id) => {
                let content = Part { events, cursor, log, missing, access, ..Part::default() };
                return self.take_part(reference.as_ref(), None, (part, parts), content, now);
            }
            ServerMessage::DocState {
                doc_id,
                state_id,
                part,
                parts,
                ops,
                version,
                state,
                events,
                cursor,
                log,
                missing,
                access,
                reference,
                ..
            } if is_ours(&doc_id) => {
                let content = Part { ops, version, state, events, cursor, log, missing, access };
                return self.take_part(reference.as_ref(), Some(state_id), (part, parts), content, now);
            }
            ServerMessage::RemotePresence { doc_id, agent, state, .. } if is_ours(&doc_id) => {
                self.retries.absence.reset();
                self.take_presence(agent, state, now);
            }
            ServerMessage::Error { code, message, retry, retry_after_ms, reference, .. } => {
                let refused = Problem::Refused { code, message };
                let retry = retry.then(|| least_pause(retry_after_ms));
                self.take_error(refused, retry, reference.as_ref(), now);
            }
            _ => {}
        }
        Ok(())
    }

    /// Until the server has said which log it has, its events may be of another one.
    fn take_broadcast(&mut self, events: Vec<WireEvent>, now: Instant) -> Result<(), Unreadable> {
        match &mut self.connection {
            Some(connection) if !connection.synced => {
                let room = EARLY_MAX.saturating_sub(connection.early.len());
                connection.early.extend(events.into_iter().take(room));
                Ok(())
            }
            _ => self.take_events(events, false, now),
        }
    }

    fn take_part(
        &mut self,
        reference: Option<&Value>,
        of: Option<String>,
        (part, parts): (u32, u32),
        content: Part,
        now: Instant,
    ) -> Result<(), Unreadable> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let came = reference.and_then(Value::as_u64).and_then(|number| connection.answers.get_mut(&number));
        let Some(came) = came else {
            // An answer that is not asked for any more still brings events.
            return match of {
                Some(_) => Ok(()),
                None => self.take_events(content.events, false, now),
            };
        };
        // Behind a large state on a slow line, everything else is late.
        if let Some(sync) = &mut connection.sync {
            sync.lost_at = now + sync.patience;
        }
        if let Some(sent) = &mut connection.in_flight {
            sent.lost_at = sent.lost_at.max(now + self.config.answer_patience);
        }
        match came.add(of, part, parts, content)? {
            Some(answer) => {
                // A server that demands no token may not say it.
                self.allow(answer.access.map_or(Access::Manage, Access::from));
                self.take_answer(answer, now)
            }
            None => Ok(()),
        }
    }

    /// `keeps_all`: also what is known already is to be stored, for it is not in the base that came with
    /// it. What comes before an event that cannot be read is taken.
    pub(super) fn take_events(
        &mut self,
        events: Vec<WireEvent>,
        keeps_all: bool,
        now: Instant,
    ) -> Result<(), Unreadable> {
        let mut changes = Vec::new();
        let mut taken = Ok(());
        for event in events {
            match event.into_event() {
                Ok(event) => self.take_event(event, keeps_all, &mut changes, now),
                Err(error) => taken = Err(Unreadable(error.to_string())),
            }
            if taken.is_err() {
                break;
            }
        }
        self.tell_changes(changes);
        taken
    }

    fn take_event(&mut self, logged: LoggedEvent, keeps_all: bool, changes: &mut Vec<Change>, now: Instant) {
        let event = &logged.event;
        if event.agent() == self.outbox.agent() && event.after() >= self.outbox.start() {
            let own = self.outbox.at(event.after());
            return match own.is_some_and(|own| own.sent && own.event == *event) {
                true => self.learn(event.end(), now),
                false => self.refuse(Some(event.after()), now),
            };
        }
        let applied = match self.config.changes {
            true => self.doc.apply_with(event, changes),
            false => self.doc.apply(event),
        };
        let is_new = applied != Applied::Repeat;
        if is_new {
            self.gap_grew |= applied == Applied::Waits;
            self.active = true;
            self.since_cursor.insert(event.agent().clone());
        }
        if is_new || keeps_all {
            self.keeper.heard(event);
        }
        if is_new {
            self.updates.push_back(Update::Received(logged));
        }
    }

    /// The log has this client's events up to `end`.
    pub(super) fn learn(&mut self, end: u64, now: Instant) {
        while self.outbox.front().is_some_and(|first| first.sent && first.event.end() <= end) {
            self.saved();
        }
        // Somebody else writes under this name.
        if self.outbox.start() < end {
            self.refuse(None, now);
        }
    }

    /// The oldest event is durable.
    pub(super) fn saved(&mut self) {
        let Some(event) = self.outbox.take_first() else { return };
        self.is_full = false;
        self.held = None;
        self.keeper.saved(&event);
        self.since_cursor.insert(event.agent().clone());
        self.retries.send.reset();
        self.retries.renewal.reset();
        self.active = true;
        self.calm();
        self.updates.push_back(Update::Saved(event));
    }

    /// `retry` is the server's word, after which pause at least; it also says what to do about a code that is new.
    fn take_error(
        &mut self,
        refused: Problem,
        retry: Option<Duration>,
        reference: Option<&Value>,
        now: Instant,
    ) {
        if refused.code() == Some(ErrorCode::NotJoined) {
            return self.register_again(now);
        }
        let Some(connection) = &self.connection else { return };
        let is_named = reference.is_some();
        let reference = reference.and_then(Value::as_u64);
        let of_sync = connection.sync.map(|sync| sync.reference) == reference;
        let of_send = connection.in_flight.map(|sent| sent.reference) == reference;
        // Of presence, or of a request given up.
        if is_named && (reference.is_none() || !(of_sync || of_send)) {
            return;
        }
        if let Some(least) = retry {
            return self.try_again(now, reference, least);
        }
        let sent = connection.in_flight.map(|sent| sent.after);
        let code = refused.code();
        self.is_full |= code == Some(ErrorCode::TooLarge) && !of_sync;
        let shut_out = !refused.is_retried();
        self.tell(refused.clone());
        if of_send {
            self.held = Some(refused.clone());
        }
        if code == Some(ErrorCode::Unauthorized) || (of_sync && shut_out) {
            self.turned_away(refused);
            self.verdict = Some(Verdict::Refused);
        } else if sent.is_some() && !of_sync && !shut_out && (!self.is_full || self.outbox.room_waits()) {
            match code {
                // Another event is in its place, or it is compacted itself.
                Some(ErrorCode::Conflict) => self.doubt(sent, now),
                _ => self.refuse(sent, now),
            }
        } else {
            // Without the cursor, in case that is what it does not like.
            if of_sync {
                self.cursor = None;
            }
            self.try_again(now, reference, Duration::ZERO);
            // Nobody knows when there is a right, or room.
            if of_send && let Some(connection) = &mut self.connection {
                connection.send_at = Some(now + self.retries.renewal.pause(&mut self.jitter));
            }
        }
    }

    /// A frame that is no message: the gateway's own word that a function failed, which names neither
    /// the request nor a code, or an action or a code that this client is too old to know.
    fn take_unknown(
        &mut self,
        text: &str,
        error: &serde_json::Error,
        now: Instant,
    ) -> Result<(), Unreadable> {
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) if !fields.contains_key("action") => {
                self.try_again(now, None, Duration::ZERO)
            }
            Ok(Value::Object(fields)) if !is_known(&fields["action"]) => {}
            Ok(error) if error["action"] == "ERROR" && error["code"].is_string() => {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                let refused = Problem::RefusedOtherwise { code: text("code"), message: text("message") };
                let retry = (error["retry"] == true).then(|| least_pause(error["retryAfterMs"].as_u64()));
                self.take_error(refused, retry, error.get("ref"), now);
            }
            _ => return Err(Unreadable(error.to_string())),
        }
        Ok(())
    }

    pub(super) fn tell_changes(&mut self, changes: Vec<Change>) {
        if self.config.changes && !changes.is_empty() {
            self.updates.push_back(Update::Changed(changes));
        }
    }

    /// Tells of a problem; while nothing gets better, of each only once.
    pub(super) fn tell(&mut self, problem: Problem) {
        if self.told.insert(problem.to_string()) {
            self.updates.push_back(Update::Problem(problem));
        }
    }

    /// Something went well: where nothing is left to be saved, what goes wrong from now on is news.
    pub(super) fn calm(&mut self) {
        if self.outbox.is_empty() {
            self.told.clear();
        }
    }
}

/// Whether this client knows the action; a message of such an action that does not parse is an error.
/// How long a refused message waits at least: what the server says, within reason.
fn least_pause(retry_after_ms: Option<u64>) -> Duration {
    Duration::from_millis(retry_after_ms.unwrap_or(0)).min(SYNC_PAUSE_MAX)
}

fn is_known(action: &Value) -> bool {
    let known = ["DOC_STATE", "OP_REPLAY", "REMOTE_OP", "OP_ACK", "REMOTE_PRESENCE", "PONG", "ERROR"];
    action.as_str().is_some_and(|action| known.contains(&action))
}
