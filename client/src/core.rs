//! The client's rules, without a socket and without a clock: frames and the time go in, frames and
//! updates come out.
//!
//! On each connection the client learns the server's version before it sends anything. It integrates
//! what it receives in any order; events that cannot be applied yet are a gap and cause a sync. If a
//! server forgot what was durable, the client keeps its text as a fork and starts the document over
//! from what the server has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use inklog_crdt::{Agent, Applied, Change, Doc, EditError, Event, Op, Version};
use inklog_protocol::limits::CONFIRM_AGENTS_MAX;
use inklog_protocol::{DocId, ErrorCode, LoggedEvent, ServerMessage, StateFormat, WireEvent};
use serde_json::Value;

use crate::answer::{Answer, Base, Part, Parts};
use crate::forgotten::{Edit, agree, ahead, difference, to_do_again};
use crate::{Backoff, ClientError, Outbox, Random, message};

/// The first sync after joining: it finds what was broadcast while the connection registered.
const SYNC_AFTER_JOIN: Duration = Duration::from_secs(2);
/// A sync follows activity after this long at the latest,
const SYNC_AFTER_ACTIVITY: Duration = Duration::from_secs(30);
/// and ever less often, to this, while nothing changes.
const SYNC_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);
/// Pauses before a refused or lost message is sent again, and between syncs while a gap persists.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const SEND_RETRY_LONGEST: Duration = Duration::from_secs(5);
const SYNC_RETRY_LONGEST: Duration = Duration::from_secs(30);
/// A sync waits this many times the patience, since its answer may be a large state; twice as long
/// after each lost one, up to the maximum.
const SYNC_PATIENCE: u32 = 2;
const SYNC_PATIENCE_MAX: u32 = 16;
/// A gap that this many syncs did not close may lie before the cursor: the next one omits the cursor.
const GAP_SYNCS_BY_CURSOR: u32 = 3;
/// A connection that lost this many answers and received nothing is considered dead.
const ANSWERS_LOST_MAX: u32 = 3;

/// How many of others' events are kept until the server's version is known, plus those of one more
/// message; the next sync finds the rest.
const EARLY_MAX: usize = 10_000;

/// Who the client is, and what it wants.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// Which document.
    pub doc: DocId,
    /// Under which name it writes; nobody else may.
    pub agent: Agent,
    /// How states are asked for.
    pub format: StateFormat,
    /// An acknowledgement that takes longer is taken for lost; so is, after twice that, a state of which
    /// nothing came for so long.
    pub answer_patience: Duration,
    /// Whether [`Update::Changes`] are wanted.
    pub changes: bool,
}

impl CoreConfig {
    /// A client of `doc` that writes as `agent`.
    pub fn new(doc: DocId, agent: Agent) -> CoreConfig {
        let answer_patience = Duration::from_secs(10);
        CoreConfig { doc, agent, format: StateFormat::Binary, answer_patience, changes: false }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The client has what the server had when it was asked.
    Synced,
    /// An event is sent for the first time.
    Sent {
        /// The event.
        event: Event,
        /// When.
        at: Instant,
    },
    /// An event of this client is known to be durable.
    Acked(Event),
    /// An event of another came; it may have to wait.
    Received(Event),
    /// A state came; the events up to this version are part of the document without having been
    /// received.
    Merged(Version),
    /// The document has more of another agent.
    Advanced {
        /// Whose.
        agent: Agent,
        /// From this id on,
        from: u64,
        /// up to this one.
        to: u64,
    },
    /// What the others' events changed in the text.
    Changes(Vec<Change>),
    /// Others' events have come that cannot be placed, and asking the server for all that it has did
    /// not bring what they need ([`Core::has_gap`]); or that is over.
    Gap(bool),
    /// The server forgot what was durable, or is another one. The document was begun anew from what it
    /// has, what was never durable was typed again under another name ([`Core::agent`]), and what the
    /// document showed before is this text: nobody brings it back by itself.
    Forked {
        /// The document's text before.
        text: String,
    },
}

/// A request for missed events, not completely answered yet.
struct SyncRequest {
    reference: String,
    patience: Duration,
    lost_at: Instant,
}

/// State that lives as long as a connection.
#[derive(Default)]
struct Connection {
    /// Whether the server's version is known.
    synced: bool,
    /// The `after` of the event in flight, and when it is taken for lost.
    in_flight: Option<(u64, Instant)>,
    sync: Option<SyncRequest>,
    /// What has come of the answers to this and earlier requests, by number: that a later one was made
    /// does not make them worthless.
    answers: BTreeMap<u64, Parts>,
    /// Others' events that came before the server's version was known.
    early: Vec<WireEvent>,
    /// When the last sync was requested.
    asked_at: Option<Instant>,
    /// Answers that were lost since anything was heard.
    lost: u32,
    /// A refused event waits.
    send_not_before: Option<Instant>,
    /// A sync that is due: a refused one, one for a gap, or the next.
    sync_at: Option<Instant>,
}

/// A client of one document.
pub struct Core {
    config: CoreConfig,
    doc: Doc,
    outbox: Outbox,
    /// The end of what is known to be durable of this client's own.
    acked: u64,
    /// The end of the last event that was sent once.
    sent: u64,
    cursor: Option<String>,
    /// The agents of which something came since `cursor`.
    since_cursor: BTreeSet<Agent>,
    /// The name of the log that the durable text is from; `None`: no server has said.
    log: Option<String>,
    /// What the document has and a server's state had not: its log is to say whether that is gone.
    ahead_of: Version,
    /// The log lacks something of it: the next state is one to begin anew from, if it does, too.
    forgot: bool,
    /// The version as last told by [`Update::Advanced`].
    told: Version,
    /// The agents that may be further than told; `None`: all.
    moved: Option<BTreeSet<Agent>>,
    connection: Option<Connection>,
    /// Whether the state came once.
    joined: bool,
    /// Syncs so far; numbers the requests.
    syncs: u64,
    sync_pause: Duration,
    active: bool,
    /// Whether something waits for what has not come,
    gap_open: bool,
    /// something new since the last look,
    gap_grew: bool,
    /// and the server, asked for all it has, has not brought it.
    gap_stays: bool,
    gap: Backoff,
    send_retry: Backoff,
    sync_retry: Backoff,
    random: Random,
    frames: VecDeque<String>,
    updates: VecDeque<Update>,
}

impl Core {
    /// A client that knows nothing yet.
    pub fn new(config: CoreConfig, mut random: Random) -> Core {
        let mut retry = |longest| Backoff::new(RETRY_FIRST, longest, Random::new(random.next_u64()));
        let gap = retry(SYNC_PAUSE_MAX).at_least(0.5);
        let (send_retry, sync_retry) = (retry(SEND_RETRY_LONGEST), retry(SYNC_RETRY_LONGEST));
        Core {
            outbox: Outbox::new(config.agent.clone()),
            config,
            doc: Doc::new(),
            acked: 0,
            sent: 0,
            cursor: None,
            since_cursor: BTreeSet::new(),
            log: None,
            ahead_of: Version::new(),
            forgot: false,
            told: Version::new(),
            moved: Some(BTreeSet::new()),
            connection: None,
            joined: false,
            syncs: 0,
            sync_pause: SYNC_AFTER_ACTIVITY,
            active: false,
            gap_open: false,
            gap_grew: false,
            gap_stays: false,
            gap,
            send_retry,
            sync_retry,
            random,
            frames: VecDeque::new(),
            updates: VecDeque::new(),
        }
    }

    // --- What it knows ---------------------------------------------------------------------------

    /// The document, as far as it came, with what was typed here.
    pub fn doc(&self) -> &Doc {
        &self.doc
    }

    /// This client's name.
    pub fn agent(&self) -> &Agent {
        &self.config.agent
    }

    /// Whether everything typed is known to be durable.
    pub fn is_settled(&self) -> bool {
        self.outbox.is_empty()
    }

    /// How many closed events are not known to be durable.
    pub fn queued(&self) -> usize {
        self.outbox.closed_len()
    }

    /// The end of the last closed event.
    pub fn end(&self) -> u64 {
        self.outbox.end()
    }

    /// Whether this connection has learned the server's version.
    pub fn is_synced(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.synced)
    }

    /// Whether others' events wait for something that the server, asked for all it has, has not either.
    pub fn has_gap(&self) -> bool {
        self.gap_stays
    }

    /// Whether the connection gives no sign of life and should be made anew.
    pub fn is_dead(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.lost >= ANSWERS_LOST_MAX)
    }

    // --- What it is told by its owner ------------------------------------------------------------

    /// Types `text` at an index of the document.
    pub fn insert(&mut self, at: usize, text: &str, now: Instant) -> Result<(), EditError> {
        let op = self.doc.insert(&self.config.agent, at, text)?;
        self.outbox.push(op);
        self.pump(now);
        Ok(())
    }

    /// Queues an op that was made on another replica, which knew of others only what this one knows
    /// too. It shows in the document once its event is closed.
    pub fn queue(&mut self, op: Op) {
        self.outbox.push(op);
        self.integrate_closed();
    }

    /// Ends the event being filled.
    pub fn close_event(&mut self) {
        self.outbox.close();
        self.integrate_closed();
    }

    /// Asks what was missed, unless that is being asked already.
    pub fn sync_now(&mut self, now: Instant) {
        if self.connection.as_ref().is_some_and(|connection| connection.sync.is_none()) {
            self.request_sync(now);
        }
    }

    // --- What it is told by its socket -----------------------------------------------------------

    /// The socket is open.
    pub fn connected(&mut self, now: Instant) {
        self.frames.clear();
        self.connection = Some(Connection::default());
        self.request_sync(now);
    }

    /// The socket is gone. What was sent may have arrived, or not.
    pub fn disconnected(&mut self) {
        self.frames.clear();
        self.connection = None;
    }

    /// A frame came.
    pub fn received(&mut self, text: &str, now: Instant) -> Result<(), ClientError> {
        if let Some(connection) = &mut self.connection {
            connection.lost = 0;
        }
        match ServerMessage::parse(text) {
            Ok(message) => self.take(message, now)?,
            Err(error) => self.take_odd(text, &error, now)?,
        }
        self.tell_advance();
        self.look_for_gap(now);
        self.tick(now);
        Ok(())
    }

    /// Time has passed: does what is due.
    pub fn tick(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        if connection.sync.as_ref().is_some_and(|sync| sync.lost_at <= now) {
            connection.sync = None;
            connection.lost += 1;
            connection.sync_at = Some(now + self.sync_retry.pause());
        }
        if connection.in_flight.is_some_and(|(_, lost_at)| lost_at <= now) {
            connection.in_flight = None;
            connection.lost += 1;
            connection.send_not_before = Some(now + self.send_retry.pause());
        }
        if connection.sync.is_none() && connection.sync_at.is_some_and(|at| at <= now) {
            self.request_sync(now);
        }
        self.pump(now);
    }

    /// When [`Core::tick`] is due next.
    pub fn deadline(&self) -> Option<Instant> {
        let connection = self.connection.as_ref()?;
        let sync = match &connection.sync {
            Some(sync) => Some(sync.lost_at),
            None => connection.sync_at,
        };
        let ack = connection.in_flight.map(|(_, lost_at)| lost_at);
        let may_send = connection.synced && connection.in_flight.is_none() && !self.outbox.is_empty();
        let send = connection.send_not_before.filter(|_| may_send);
        [sync, ack, send].into_iter().flatten().min()
    }

    /// Whether there is a frame to send.
    pub fn has_frame(&self) -> bool {
        !self.frames.is_empty()
    }

    /// The next frame to send.
    pub fn next_frame(&mut self) -> Option<String> {
        self.frames.pop_front()
    }

    /// The next thing that happened.
    pub fn next_update(&mut self) -> Option<Update> {
        self.updates.pop_front()
    }

    // --- Sending ---------------------------------------------------------------------------------

    /// Sends the oldest event, when none is in flight.
    pub fn pump(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        if !connection.synced || connection.in_flight.is_some() {
            return;
        }
        if connection.send_not_before.is_some_and(|at| now < at) {
            return;
        }
        connection.send_not_before = None;
        let Some(event) = self.outbox.to_send() else { return };
        connection.in_flight = Some((event.after(), now + self.config.answer_patience));
        self.frames.push_back(message::send_op(&self.config.doc, event));
        if event.after() >= self.sent {
            self.sent = event.end();
            self.updates.push_back(Update::Sent { event: event.clone(), at: now });
        }
        self.integrate_closed();
    }

    /// Events made elsewhere are part of this document, too.
    fn integrate_closed(&mut self) {
        let known = self.doc.version().get(&self.config.agent);
        for event in self.outbox.closed_from(known) {
            self.doc.apply(event);
        }
    }

    fn request_sync(&mut self, now: Instant) {
        // Once without the cursor, in case the gap lies before it.
        let by_cursor = self.ahead_of.is_empty() && self.gap.tries() != GAP_SYNCS_BY_CURSOR + 1;
        let cursor = self.cursor.as_deref().filter(|_| by_cursor && !self.forgot);
        let mut version = self.durable();
        if cursor.is_some() {
            let came = version.iter().filter(|(agent, _)| self.since_cursor.contains(*agent));
            version = came.map(|(agent, end)| (agent.clone(), end)).collect();
        }
        if !message::has_room_for(&version) {
            // What is too large to be said is not said; of what the log is asked for, some.
            let some = self.ahead_of.iter().take(CONFIRM_AGENTS_MAX);
            version = some.map(|(agent, end)| (agent.clone(), end)).collect();
        }
        // Who has nothing, has too much to say, or shall get a whole state, joins.
        let joins = !self.joined || self.forgot || (version.is_empty() && cursor.is_none());
        let Some(connection) = &mut self.connection else { return };
        self.syncs += 1;
        let reference = format!("sync-{}", self.syncs);
        let (doc, format) = (&self.config.doc, self.config.format);
        let frame = match joins {
            true => message::join_doc(doc, format, cursor, &reference),
            false => message::sync_state(doc, format, cursor, &version, &reference),
        };
        let times = (SYNC_PATIENCE << self.sync_retry.tries().min(8)).min(SYNC_PATIENCE_MAX);
        let patience = self.config.answer_patience * times;
        connection.answers.insert(self.syncs, Parts::default());
        connection.sync = Some(SyncRequest { reference, patience, lost_at: now + patience });
        connection.sync_at = None;
        connection.asked_at = Some(now);
        self.frames.push_back(frame);
    }

    /// Of each agent, how far the document is durable.
    fn durable(&self) -> Version {
        let own = &self.config.agent;
        let known = self.doc.version().iter();
        known.map(|(agent, end)| (agent.clone(), if agent == own { self.acked } else { end })).collect()
    }

    // --- Receiving -------------------------------------------------------------------------------

    fn take(&mut self, message: ServerMessage, now: Instant) -> Result<(), ClientError> {
        match message {
            ServerMessage::OpAck { doc_id, agent, after, end, .. }
                if doc_id == self.config.doc.as_str() && agent == self.config.agent.as_str() =>
            {
                self.take_ack(after, end)?;
            }
            ServerMessage::RemoteOp { doc_id, events } if doc_id == self.config.doc.as_str() => {
                self.active = true;
                match &mut self.connection {
                    // They may be of another log than what is here.
                    Some(connection) if self.joined && !connection.synced => {
                        if connection.early.len() < EARLY_MAX {
                            connection.early.extend(events);
                        }
                    }
                    _ => self.take_events(read(events)?)?,
                }
            }
            ServerMessage::OpReplay {
                doc_id, part, parts, events, cursor, log, missing, reference, ..
            } if doc_id == self.config.doc.as_str() => {
                let content = Part { events, cursor, log, missing, ..Part::default() };
                self.take_part(reference.as_ref(), None, (part, parts), content, now)?;
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
                reference,
                ..
            } if doc_id == self.config.doc.as_str() => {
                let content = Part { ops, version, state, events, cursor, log, missing };
                self.take_part(reference.as_ref(), Some(state_id), (part, parts), content, now)?;
            }
            ServerMessage::Error { code, message, reference, .. } => {
                self.take_error(code, message, reference.as_ref(), now)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A part of an answer, also to a request that was given up: what has come is not thrown away.
    fn take_part(
        &mut self,
        reference: Option<&Value>,
        of: Option<String>,
        (part, parts): (u32, u32),
        content: Part,
        now: Instant,
    ) -> Result<(), ClientError> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let number = reference.and_then(Value::as_str).and_then(|name| name.strip_prefix("sync-"));
        let Some(number) = number.and_then(|number| number.parse().ok()) else { return Ok(()) };
        // The answer to an earlier request than one that was answered tells nothing new.
        let Some(came) = connection.answers.get_mut(&number) else { return Ok(()) };
        // Behind a large state on a slow line, everything else is late.
        if let Some(sync) = &mut connection.sync {
            sync.lost_at = now + sync.patience;
        }
        if let Some((_, lost_at)) = &mut connection.in_flight {
            *lost_at = now + self.config.answer_patience;
        }
        let Some(answer) = came.add(of, part, parts, content)? else { return Ok(()) };
        connection.answers = connection.answers.split_off(&(number + 1));
        self.take_answer(answer, now)
    }

    fn take_ack(&mut self, after: u64, end: u64) -> Result<(), ClientError> {
        let sent = self.outbox.at(after);
        if sent.is_some_and(|event| event.end() != end) {
            return Err(ClientError::Odd(format!("an ack of {after} to {end}, which was never sent")));
        }
        self.learn_own(end)
    }

    /// An event under this client's name: it must be the very one that it wrote.
    fn take_own(&mut self, event: &Event) -> Result<(), ClientError> {
        let kept = self.outbox.at(event.after());
        if kept.is_some_and(|kept| kept != event) {
            let (agent, end) = (self.config.agent.clone(), event.end());
            return Err(ClientError::ForeignHistory { agent, end });
        }
        self.learn_own(event.end())
    }

    /// The log has this client's events up to `end`.
    fn learn_own(&mut self, end: u64) -> Result<(), ClientError> {
        if end > self.outbox.end() {
            return Err(ClientError::ForeignHistory { agent: self.config.agent.clone(), end });
        }
        while let Some(event) = self.outbox.take_covered(end) {
            self.acked = event.end();
            self.active = true;
            self.since_cursor.insert(self.config.agent.clone());
            self.updates.push_back(Update::Acked(event));
        }
        if let Some(connection) = &mut self.connection
            && connection.in_flight.is_some_and(|(after, _)| after < self.acked)
        {
            connection.in_flight = None;
            self.send_retry.reset();
        }
        Ok(())
    }

    fn take_events(&mut self, events: Vec<LoggedEvent>) -> Result<(), ClientError> {
        let mut changes = Vec::new();
        for LoggedEvent { event, .. } in events {
            if *event.agent() == self.config.agent {
                self.take_own(&event)?;
                continue;
            }
            // It may release what waited, of any agent.
            if self.doc.waiting().next().is_some() {
                self.moved = None;
            }
            let applied = match self.config.changes {
                true => self.doc.apply_with(&event, &mut changes),
                false => self.doc.apply(&event),
            };
            if applied != Applied::Repeat {
                self.gap_grew |= applied == Applied::Waits;
                if let Some(moved) = &mut self.moved {
                    moved.insert(event.agent().clone());
                }
                self.since_cursor.insert(event.agent().clone());
                self.updates.push_back(Update::Received(event));
            }
        }
        self.tell_changes(changes);
        Ok(())
    }

    /// An answer is there in whole.
    fn take_answer(&mut self, answer: Answer, now: Instant) -> Result<(), ClientError> {
        let is_other = self.log.is_some() && answer.log.is_some() && self.log != answer.log;
        match &answer.base {
            // There is nothing to be forgotten.
            Some(base) if self.durable().is_empty() => {
                self.take_base(base)?;
                self.take_events(answer.events)?;
            }
            Some(base) => {
                let server = base.with(&answer.events)?;
                if self.is_forgotten(&server, is_other, answer.is_missing_some) {
                    self.begin_anew(server, base, is_other);
                } else if self.is_to_be_confirmed(&server) {
                    self.ask_again(now);
                    return Ok(());
                } else {
                    self.take_base(base)?;
                    self.take_events(answer.events)?;
                }
            }
            // Only a whole state says what the server has.
            None if is_other || answer.is_missing_some => {
                self.forgot = true;
                self.ask_again(now);
                return Ok(());
            }
            None => self.take_events(answer.events)?,
        }
        self.forgot = false;
        self.ahead_of = Version::new();
        self.log = answer.log.or(self.log.take());
        self.take_sync(answer.cursor, now);
        let early = self.connection.as_mut().map(|connection| std::mem::take(&mut connection.early));
        self.take_events(read(early.unwrap_or_default())?)
    }

    fn take_base(&mut self, base: &Base) -> Result<(), ClientError> {
        self.learn_own(base.version.get(&self.config.agent))?;
        let changes = self.doc.merge(&base.spans, &base.version)?;
        self.moved = None;
        self.tell_changes(changes);
        if !base.version.is_empty() {
            self.updates.push_back(Update::Merged(base.version.clone()));
        }
        Ok(())
    }

    /// A sync is answered in whole.
    fn take_sync(&mut self, cursor: Option<String>, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        connection.sync = None;
        self.sync_retry.reset();
        if cursor.is_some() {
            self.cursor = cursor;
            self.since_cursor.clear();
        }
        let first = !connection.synced;
        self.sync_pause = match self.active || first {
            true => SYNC_AFTER_ACTIVITY,
            false => (self.sync_pause * 2).min(SYNC_PAUSE_MAX),
        };
        let waits = self.doc.waiting().next().is_some();
        // Not even all that the server has has brought it.
        if waits && self.gap.tries() > GAP_SYNCS_BY_CURSOR {
            self.set_gap(true);
        }
        let Some(connection) = &mut self.connection else { return };
        let pause = match waits.then_some(()) {
            Some(()) => self.gap.pause(),
            None if first => SYNC_AFTER_JOIN,
            None => self.sync_pause,
        };
        connection.synced = true;
        connection.sync_at = Some(now + pause);
        self.joined = true;
        self.active = false;
        self.updates.push_back(Update::Synced);
    }

    fn take_error(
        &mut self,
        code: ErrorCode,
        message: String,
        reference: Option<&Value>,
        now: Instant,
    ) -> Result<(), ClientError> {
        if !code.retry() {
            return Err(ClientError::Refused { code, message });
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let after = connection.in_flight.map(|(after, _)| after);
        let of_sync = connection
            .sync
            .as_ref()
            .is_some_and(|sync| reference.and_then(Value::as_str) == Some(&sync.reference));
        if of_sync {
            connection.sync = None;
            connection.sync_at = Some(now + self.sync_retry.pause());
        } else if after.is_some() && reference.and_then(Value::as_u64) == after {
            connection.in_flight = None;
            connection.send_not_before = Some(now + self.send_retry.pause());
        } else if reference.is_none() {
            self.try_all_again(now);
        }
        Ok(())
    }

    /// A frame that is no message: the gateway's own word that a function failed, which names neither
    /// the request nor a code, or an action that this client is too old to know.
    fn take_odd(&mut self, text: &str, error: &serde_json::Error, now: Instant) -> Result<(), ClientError> {
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) if !fields.contains_key("action") => self.try_all_again(now),
            Ok(Value::Object(fields)) if !is_known(&fields["action"]) => {}
            _ => return Err(ClientError::Odd(error.to_string())),
        }
        Ok(())
    }

    /// Something failed, and nobody says what: whatever is under way is sent again after a pause.
    fn try_all_again(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        if connection.sync.take().is_some() {
            connection.sync_at = Some(now + self.sync_retry.pause());
        }
        if connection.in_flight.take().is_some() {
            connection.send_not_before = Some(now + self.send_retry.pause());
        }
    }

    // --- After every frame -----------------------------------------------------------------------

    fn tell_changes(&mut self, changes: Vec<Change>) {
        if self.config.changes && !changes.is_empty() {
            self.updates.push_back(Update::Changes(changes));
        }
    }

    fn tell_advance(&mut self) {
        let moved = self.moved.replace(BTreeSet::new());
        let ends: Vec<(Agent, u64)> = match &moved {
            Some(moved) => moved.iter().map(|agent| (agent.clone(), self.doc.version().get(agent))).collect(),
            None => self.doc.version().iter().map(|(agent, end)| (agent.clone(), end)).collect(),
        };
        for (agent, to) in ends {
            let from = self.told.get(&agent);
            if from < to && agent != self.config.agent {
                self.told.advance(&agent, to);
                self.updates.push_back(Update::Advanced { agent, from, to });
                self.active = true;
            }
        }
    }

    /// Something new that cannot be placed leads to a sync: at once where all was in order before, else
    /// no sooner than activity does. While it stays, [`Core::take_sync`] sees to the next.
    fn look_for_gap(&mut self, now: Instant) {
        let gap = self.doc.waiting().next().is_some();
        if !gap {
            self.gap.reset();
            self.set_gap(false);
        }
        let opened = gap && !self.gap_open;
        let grew = std::mem::take(&mut self.gap_grew) && gap;
        self.gap_open = gap;
        let Some(connection) = &mut self.connection else { return };
        let after_activity = match connection.asked_at {
            Some(at) if grew => (at + SYNC_AFTER_ACTIVITY).max(now),
            _ => now + SYNC_AFTER_ACTIVITY,
        };
        if opened {
            connection.sync_at = Some(now);
        } else if self.active || grew {
            connection.sync_at = connection.sync_at.map(|at| at.min(after_activity));
        }
    }

    fn set_gap(&mut self, stays: bool) {
        if self.gap_stays != stays {
            self.gap_stays = stays;
            self.updates.push_back(Update::Gap(stays));
        }
    }

    // --- When the server forgot

    /// Whether a server's state is of another history than the document: it contradicts what is durable
    /// here, or lacks some of it for good.
    fn is_forgotten(&self, server: &Doc, is_other: bool, is_missing_some: bool) -> bool {
        let durable = self.durable();
        let lacks = !ahead(&durable, server.version()).is_empty();
        let own = &self.config.agent;
        // A log that goes on with this client's chain was not made from a copy of this one.
        let goes_on = is_other && server.version().get(own) > self.acked;
        (lacks && (is_other || is_missing_some || self.forgot))
            || goes_on
            || !agree(&self.doc, server, &durable)
    }

    /// Whether the state lacks something of which its log has not said yet whether it has it: the live
    /// state may be late.
    fn is_to_be_confirmed(&mut self, server: &Doc) -> bool {
        let was_asked = !self.ahead_of.is_empty();
        self.ahead_of = match was_asked {
            true => Version::new(),
            false => ahead(&self.durable(), server.version()),
        };
        !self.ahead_of.is_empty()
    }

    /// Nothing is sent, and no earlier answer counts, until another request is answered.
    fn ask_again(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.synced = false;
            connection.in_flight = None;
            connection.sync = None;
            connection.answers.clear();
        }
        self.request_sync(now);
    }

    /// Puts the text aside and goes on from the server's, under another name. What was never durable is
    /// typed again, where the text around it is still there.
    fn begin_anew(&mut self, server: Doc, base: &Base, is_other: bool) {
        let before = self.doc.text();
        let own = self.config.agent.clone();
        let durable = self.durable();
        let agrees = agree(&self.doc, &server, &durable);
        let has_all = agrees && ahead(&durable, server.version()).is_empty();
        let same_ids = agrees && !is_other;
        let saved = if same_ids { self.acked.max(server.version().get(&own)) } else { self.acked };
        let deletes = self.outbox.ops().filter(|_| same_ids);
        let edits = to_do_again(&self.doc, &server, (&own, saved), deletes);
        self.config.agent = another_session(&own, &mut self.random);
        self.outbox = Outbox::new(self.config.agent.clone());
        self.doc = server;
        (self.acked, self.sent, self.cursor) = (0, 0, None);
        self.since_cursor.clear();
        (self.told, self.moved) = (Version::new(), None);
        if let Some(connection) = &mut self.connection {
            connection.in_flight = None;
        }
        self.gap_grew = true;
        for Edit { at, len, text } in edits {
            self.do_again(at, len, &text);
        }
        let after = self.doc.text();
        if before != after {
            let Edit { at, len, text } = difference(&before, &after);
            let deleted = (len > 0).then_some(Change::Delete { at, len });
            let inserted = (!text.is_empty()).then_some(Change::Insert { at, text });
            self.tell_changes(deleted.into_iter().chain(inserted).collect());
            if !has_all {
                self.updates.push_back(Update::Forked { text: before });
            }
        }
        self.updates.push_back(Update::Merged(base.version.clone()));
    }

    fn do_again(&mut self, at: usize, len: usize, text: &str) {
        let agent = &self.config.agent;
        let deleted = self.doc.delete(agent, at, len).unwrap_or_default();
        let inserted = (!text.is_empty()).then(|| self.doc.insert(agent, at, text).ok()).flatten();
        deleted.into_iter().chain(inserted).for_each(|op| self.outbox.push(op));
    }
}

/// Another agent of the same user: the name, `~` and a new session suffix.
fn another_session(agent: &Agent, random: &mut Random) -> Agent {
    let suffix = random.suffix();
    let user = agent.as_str().split('~').next().filter(|user| !user.is_empty()).unwrap_or("again");
    let room = inklog_crdt::MAX_AGENT_LEN - suffix.len() - 1;
    Agent::new(&format!("{}~{suffix}", &user[..user.len().min(room)])).expect("it has an agent's characters")
}

/// Reads events from the wire.
fn read(events: Vec<WireEvent>) -> Result<Vec<LoggedEvent>, ClientError> {
    let odd = |error: inklog_protocol::WireEventError| ClientError::Odd(error.to_string());
    events.into_iter().map(|event| event.into_event().map_err(odd)).collect()
}

/// Whether this client knows the action; if so, a message that does not parse is an error.
fn is_known(action: &Value) -> bool {
    let known = ["DOC_STATE", "OP_REPLAY", "REMOTE_OP", "OP_ACK", "REMOTE_PRESENCE", "PONG", "ERROR"];
    action.as_str().is_some_and(|action| known.contains(&action))
}
