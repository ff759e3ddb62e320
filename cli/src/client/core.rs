//! The client's rules, without a socket and without a clock: frames and the time go in, frames and
//! updates come out.
//!
//! On each connection the server's version is learned first; only then is anything sent. What is
//! received is integrated as it comes, in whatever order; what cannot be placed yet is a gap, and
//! leads to a sync.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use inklog_crdt::{Agent, Applied, Change, Doc, EditError, Event, Op, Version};
use inklog_protocol::{DocId, ErrorCode, ServerMessage, StateFormat, WireEvent};
use serde_json::Value;

use super::answer::{Parts, StatePart, whole_state};
use super::{Backoff, ClientError, Outbox, Random, message};

/// The first sync after joining: it finds what was broadcast while the connection registered.
const SYNC_AFTER_JOIN: Duration = Duration::from_secs(2);
/// A sync comes this long after activity at the latest,
const SYNC_AFTER_ACTIVITY: Duration = Duration::from_secs(30);
/// and ever less often, to this, while nothing changes.
const SYNC_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);
/// Pauses before a refused message is sent again, and between syncs while a gap stays.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);
/// A gap that this many syncs did not close may lie before the cursor.
const GAP_SYNCS_BY_CURSOR: u32 = 3;

/// Who the client is, and what it wants.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// Which document.
    pub doc: DocId,
    /// Under which name it writes; nobody else may.
    pub agent: Agent,
    /// How states are asked for.
    pub format: StateFormat,
    /// An answer that takes longer is taken for lost.
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
}

/// A request for the document's state, not answered in whole.
struct SyncRequest {
    reference: String,
    lost_at: Instant,
    state: Option<(String, Parts<StatePart>)>,
    replay: Option<Parts<Option<String>>>,
}

/// What lasts as long as a connection.
#[derive(Default)]
struct Connection {
    /// Whether the server's version is known.
    synced: bool,
    /// The `after` of the event in flight, and when it is taken for lost.
    in_flight: Option<(u64, Instant)>,
    sync: Option<SyncRequest>,
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
    /// The version as last told by [`Update::Advanced`].
    told: Version,
    connection: Option<Connection>,
    /// Whether the state came once.
    joined: bool,
    /// Syncs so far; numbers the requests.
    syncs: u64,
    sync_pause: Duration,
    active: bool,
    /// Whether something waits for what has not come.
    gap_open: bool,
    gap: Backoff,
    send_retry: Backoff,
    sync_retry: Backoff,
    frames: VecDeque<String>,
    updates: VecDeque<Update>,
}

impl Core {
    /// A client that knows nothing yet.
    pub fn new(config: CoreConfig, mut random: Random) -> Core {
        let mut retry = || Backoff::new(RETRY_FIRST, RETRY_LONGEST, Random::new(random.next_u64()));
        let (gap, send_retry, sync_retry) = (retry(), retry(), retry());
        Core {
            outbox: Outbox::new(config.agent.clone()),
            config,
            doc: Doc::new(),
            acked: 0,
            sent: 0,
            cursor: None,
            since_cursor: BTreeSet::new(),
            told: Version::new(),
            connection: None,
            joined: false,
            syncs: 0,
            sync_pause: SYNC_AFTER_ACTIVITY,
            active: false,
            gap_open: false,
            gap,
            send_retry,
            sync_retry,
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
            connection.sync_at = Some(now);
        }
        if connection.in_flight.is_some_and(|(_, lost_at)| lost_at <= now) {
            connection.in_flight = None;
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
        let send = connection.send_not_before.filter(|_| !self.outbox.is_empty());
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
        for event in self.outbox.closed() {
            if !self.doc.version().covers(event) {
                self.doc.apply(event);
            }
        }
    }

    fn request_sync(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        self.syncs += 1;
        let reference = format!("sync-{}", self.syncs);
        let (doc, format) = (&self.config.doc, self.config.format);
        let frame = if self.joined {
            let by_cursor = self.gap.tries() <= GAP_SYNCS_BY_CURSOR;
            let cursor = self.cursor.as_deref().filter(|_| by_cursor);
            let since = |agent: &Agent| cursor.is_none() || self.since_cursor.contains(agent);
            let known = self.doc.version().iter().filter(|(agent, _)| since(agent)).map(|(agent, end)| {
                // Of its own, what is durable: of the rest it wants to hear whether the log has it.
                let own = *agent == self.config.agent;
                (agent.clone(), if own { self.acked } else { end })
            });
            message::sync_state(doc, format, cursor, &known.collect(), &reference)
        } else {
            message::join_doc(doc, format, &reference)
        };
        let lost_at = now + self.config.answer_patience;
        connection.sync = Some(SyncRequest { reference, lost_at, state: None, replay: None });
        connection.sync_at = None;
        self.frames.push_back(frame);
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
                self.take_events(events)?;
            }
            ServerMessage::OpReplay { doc_id, part, parts, events, cursor, reference, .. }
                if doc_id == self.config.doc.as_str() =>
            {
                self.take_events(events)?;
                let Some(sync) = self.sync_of(reference.as_ref()) else { return Ok(()) };
                let came = sync.replay.get_or_insert_with(|| Parts::new(parts));
                if came.add(part, parts, cursor)? {
                    let cursor = sync.replay.take().and_then(|came| came.into_values().flatten().next());
                    self.take_sync(cursor, now);
                }
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
                reference,
                ..
            } if doc_id == self.config.doc.as_str() => {
                let Some(sync) = self.sync_of(reference.as_ref()) else { return Ok(()) };
                if sync.state.as_ref().is_none_or(|(id, _)| *id != state_id) {
                    sync.state = Some((state_id, Parts::new(parts)));
                }
                let Some((_, came)) = &mut sync.state else { return Ok(()) };
                if came.add(part, parts, StatePart { ops, version, state, events, cursor })?
                    && let Some((_, came)) = sync.state.take()
                {
                    self.take_state(came, now)?;
                }
            }
            ServerMessage::Error { code, message, reference, .. } => {
                self.take_error(code, message, reference.as_ref(), now)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The sync that an answer belongs to; `None` for the answer to one given up.
    fn sync_of(&mut self, reference: Option<&Value>) -> Option<&mut SyncRequest> {
        let sync = self.connection.as_mut()?.sync.as_mut()?;
        (reference.and_then(Value::as_str) == Some(&sync.reference)).then_some(sync)
    }

    fn take_ack(&mut self, after: u64, end: u64) -> Result<(), ClientError> {
        let sent = self.outbox.closed().find(|event| event.after() == after);
        if sent.is_some_and(|event| event.end() != end) {
            return Err(ClientError::Odd(format!("an ack of {after} to {end}, which was never sent")));
        }
        self.learn_own(end)
    }

    /// An event under this client's name: it must be the very one that it wrote.
    fn take_own(&mut self, event: &Event) -> Result<(), ClientError> {
        let kept = self.outbox.closed().find(|kept| kept.after() == event.after());
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

    fn take_events(&mut self, events: Vec<WireEvent>) -> Result<(), ClientError> {
        let mut changes = Vec::new();
        for event in events {
            let event = event.into_event().map_err(|error| ClientError::Odd(error.to_string()))?.event;
            if *event.agent() == self.config.agent {
                self.take_own(&event)?;
                continue;
            }
            let applied = match self.config.changes {
                true => self.doc.apply_with(&event, &mut changes),
                false => self.doc.apply(&event),
            };
            if applied != Applied::Repeat {
                self.since_cursor.insert(event.agent().clone());
                self.updates.push_back(Update::Received(event));
            }
        }
        self.tell_changes(changes);
        Ok(())
    }

    fn take_state(&mut self, parts: Parts<StatePart>, now: Instant) -> Result<(), ClientError> {
        let whole = whole_state(parts)?;
        self.learn_own(whole.version.get(&self.config.agent))?;
        let changes = self.doc.merge(&whole.spans, &whole.version)?;
        self.tell_changes(changes);
        if !whole.version.is_empty() {
            self.updates.push_back(Update::Merged(whole.version));
        }
        self.take_events(whole.events)?;
        self.take_sync(whole.cursor, now);
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
        let pause = match self.doc.waiting().next() {
            Some(_) => self.gap.pause(),
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
        for (agent, to) in self.doc.version().iter() {
            let from = self.told.get(agent);
            if from < to && *agent != self.config.agent {
                self.updates.push_back(Update::Advanced { agent: agent.clone(), from, to });
                self.told.advance(agent, to);
                self.active = true;
            }
        }
    }

    /// A gap leads to a sync at once; while it stays, [`Core::take_sync`] sees to the next.
    fn look_for_gap(&mut self, now: Instant) {
        let gap = self.doc.waiting().next().is_some();
        if !gap {
            self.gap.reset();
        }
        let opened = gap && !self.gap_open;
        self.gap_open = gap;
        let Some(connection) = &mut self.connection else { return };
        if opened {
            connection.sync_at = Some(now);
        } else if self.active {
            let latest = now + SYNC_AFTER_ACTIVITY;
            connection.sync_at = connection.sync_at.map(|at| at.min(latest));
        }
    }
}

/// Whether this client knows the action; a message of such an action that does not parse is an error.
fn is_known(action: &Value) -> bool {
    let known = ["DOC_STATE", "OP_REPLAY", "REMOTE_OP", "OP_ACK", "REMOTE_PRESENCE", "PONG", "ERROR"];
    action.as_str().is_some_and(|action| known.contains(&action))
}
