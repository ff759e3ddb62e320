//! What lasts as long as a connection: what is under way on it, and when it counts as lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use inklog_protocol::WireEvent;

use super::{Core, Verdict, message};
use crate::answer::Parts;

/// A connection on which more answers than this were lost, and nothing was heard, is no connection.
const ANSWERS_LOST_MAX: u32 = 2;
/// While somebody looks, the server is asked for a sign of life after this long without one,
const PING_AFTER: Duration = Duration::from_secs(18);
/// which must come within this time; behind a first state that is on its way, it takes longer.
const PONG_PATIENCE: Duration = Duration::from_secs(8);
const PONG_PATIENCE_SLOW: Duration = Duration::from_secs(60);
/// After a sleep, a connection is asked at once, and given up sooner.
const PONG_PATIENCE_WAKING: Duration = Duration::from_secs(4);

/// The event that is on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub after: u64,
    pub reference: u64,
    /// When it is taken for lost.
    pub lost_at: Instant,
}

/// A request for what was missed, not answered in whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct SyncRequest {
    pub reference: u64,
    pub patience: Duration,
    pub lost_at: Instant,
}

#[derive(Debug)]
pub(super) struct Connection {
    /// Whether the server's version is known.
    pub synced: bool,
    pub in_flight: Option<InFlight>,
    pub sync: Option<SyncRequest>,
    /// Answers of which parts have come or may come, by their requests: that a later one was made does
    /// not make them worthless.
    pub answers: BTreeMap<u64, Parts>,
    /// Others' events that came before the server's version was known.
    pub early: Vec<WireEvent>,
    /// When a sync is due; `None` while one is under way.
    pub sync_at: Option<Instant>,
    /// When the last one was requested.
    pub synced_at: Option<Instant>,
    /// A refused event waits until then.
    pub send_at: Option<Instant>,
    /// Answers that were lost since anything was heard.
    pub lost: u32,
    pub heard_at: Instant,
    /// An unanswered PING makes the connection a dead one then.
    pub dead_at: Option<Instant>,
}

impl Connection {
    pub fn new(now: Instant) -> Connection {
        Connection {
            synced: false,
            in_flight: None,
            sync: None,
            answers: BTreeMap::new(),
            early: Vec::new(),
            sync_at: Some(now),
            synced_at: None,
            send_at: None,
            lost: 0,
            heard_at: now,
            dead_at: None,
        }
    }

    /// Nothing is sent, and no earlier answer counts, until another request is answered.
    pub fn restart_sync(&mut self, at: Instant) {
        self.synced = false;
        self.in_flight = None;
        self.sync = None;
        self.answers.clear();
        self.sync_at = Some(at);
    }

    pub fn heard(&mut self, now: Instant) {
        self.lost = 0;
        self.heard_at = now;
        self.dead_at = None;
    }
}

impl Core {
    /// The socket is open.
    pub fn connected(&mut self, now: Instant) {
        self.frames.clear();
        self.connection = Some(Connection::new(now));
        self.presence.connected();
        self.tick(now);
    }

    /// The socket is gone. What was sent may have arrived, or not.
    pub fn disconnected(&mut self) {
        self.frames.clear();
        self.connection = None;
    }

    /// The machine was asleep: whether the connection is still one is asked at once.
    pub fn woke(&mut self, now: Instant) {
        self.ping(now, PONG_PATIENCE_WAKING);
    }

    /// Time has passed, or the store has: does what is due.
    pub fn tick(&mut self, now: Instant) {
        self.keeper.tick(now);
        let Some(connection) = &mut self.connection else { return self.show(now) };
        let sync = connection.sync.filter(|sync| sync.lost_at <= now).map(|sync| sync.reference);
        let sent = connection.in_flight.filter(|sent| sent.lost_at <= now).map(|sent| sent.reference);
        for reference in [sync, sent].into_iter().flatten() {
            if let Some(connection) = &mut self.connection {
                connection.lost += 1;
            }
            self.try_again(now, Some(reference), Duration::ZERO);
        }
        self.look_for_life(now);
        if self.connection.as_ref().is_some_and(|connection| {
            connection.sync.is_none() && connection.sync_at.is_some_and(|at| at <= now)
        }) {
            self.request_sync(now);
        }
        self.pump(now);
        self.show(now);
    }

    /// When [`Core::tick`] is due next; `None`: never, as long as nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let mut due = vec![self.presence_deadline(), self.keeper.deadline()];
        if let Some(connection) = &self.connection {
            let sync = connection.sync.map(|sync| sync.lost_at).or(connection.sync_at);
            let sent = connection.in_flight.map(|sent| sent.lost_at);
            let may_send = connection.synced && self.may_write() && sent.is_none() && !self.outbox.is_empty();
            let send = connection.send_at.filter(|_| may_send);
            due.extend([sync, sent, send, connection.dead_at, self.ping_at(connection)]);
        }
        due.into_iter().flatten().min()
    }

    fn look_for_life(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        if connection.lost > ANSWERS_LOST_MAX || connection.dead_at.is_some_and(|at| at <= now) {
            connection.lost = 0;
            connection.dead_at = None;
            self.verdict = Some(Verdict::Dead);
            return;
        }
        let patience = if connection.synced { PONG_PATIENCE } else { PONG_PATIENCE_SLOW };
        if self
            .connection
            .as_ref()
            .and_then(|connection| self.ping_at(connection))
            .is_some_and(|at| at <= now)
        {
            self.ping(now, patience);
        }
    }

    fn ping_at(&self, connection: &Connection) -> Option<Instant> {
        (self.config.visible && connection.dead_at.is_none()).then_some(connection.heard_at + PING_AFTER)
    }

    fn ping(&mut self, now: Instant, patience: Duration) {
        let Some(connection) = &mut self.connection else { return };
        let dead_at = now + patience;
        connection.dead_at = Some(connection.dead_at.map_or(dead_at, |at| at.min(dead_at)));
        self.frames.push_back(message::ping());
    }

    /// Something failed: it is sent again after a pause of at least `least`, or, when nobody says what failed,
    /// all that is under way.
    pub(super) fn try_again(&mut self, now: Instant, reference: Option<u64>, least: Duration) {
        let Some(connection) = &mut self.connection else { return };
        let failed = |of: u64| reference.is_none_or(|reference| reference == of);
        if connection.sync.is_some_and(|sync| failed(sync.reference)) {
            connection.sync = None;
            connection.sync_at = Some(now + self.retries.sync.pause(&mut self.jitter).max(least));
        }
        if connection.in_flight.is_some_and(|sent| failed(sent.reference)) {
            connection.in_flight = None;
            connection.send_at = Some(now + self.retries.send.pause(&mut self.jitter).max(least));
        }
    }
}
