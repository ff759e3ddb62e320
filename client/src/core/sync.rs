//! Asking for what was missed: when, how, and what follows when it is answered.

use std::time::{Duration, Instant};

use inklog_crdt::Version;
use inklog_protocol::limits::CONFIRM_AGENTS_MAX;

use super::connection::SyncRequest;
use super::{Core, Update, message};
use crate::answer::Parts;

/// The first sync after joining: it finds what was broadcast while the connection registered.
const SYNC_AFTER_JOIN: Duration = Duration::from_secs(2);
/// A sync comes this long after activity at the latest,
pub(super) const SYNC_AFTER_ACTIVITY: Duration = Duration::from_secs(30);
/// and ever less often, to this, while nothing changes.
pub(super) const SYNC_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);
/// A sync waits for so many times the patience, since it may bring a large state; for twice as long
/// after each that was lost, up to the longest.
const SYNC_PATIENCE: u32 = 2;
const SYNC_PATIENCE_MAX: u32 = 16;
/// So many answers may be under way.
const ANSWERS_MAX: usize = 3;
/// A gap that this many syncs did not close may lie before the cursor: the next one asks without.
const GAP_SYNCS_BY_CURSOR: u32 = 3;

impl Core {
    /// Asks what was missed, unless that is being asked already.
    pub fn sync_now(&mut self, now: Instant) {
        if self.connection.as_ref().is_some_and(|connection| connection.sync.is_none()) {
            self.request_sync(now);
        }
    }

    pub(super) fn request_sync(&mut self, now: Instant) {
        let durable = self.durable();
        let Some(connection) = &mut self.connection else { return };
        self.references += 1;
        let reference = self.references;
        let times = (SYNC_PATIENCE << self.retries.sync.tries().min(8)).min(SYNC_PATIENCE_MAX);
        let patience = self.config.answer_patience * times;
        connection.sync = Some(SyncRequest { reference, patience, lost_at: now + patience });
        connection.answers.insert(reference, Parts::default());
        if connection.answers.len() > ANSWERS_MAX {
            connection.answers.pop_first();
        }
        connection.sync_at = None;
        connection.synced_at = Some(now);

        let confirm = !self.ahead_of.is_empty();
        // Once without, in case the gap lies before the cursor.
        let by_cursor = !confirm && self.retries.gap.tries() != GAP_SYNCS_BY_CURSOR + 1;
        let cursor = self.cursor.as_deref().filter(|_| by_cursor);
        let version = (connection.synced || confirm)
            .then(|| {
                // Of its own, what is durable: of the rest it wants to hear whether the log has it.
                let named = durable
                    .iter()
                    .filter(|(agent, _)| cursor.is_none() || self.since_cursor.contains(*agent));
                let version: Version = named.map(|(agent, end)| (agent.clone(), end)).collect();
                match message::has_room_for(&version) {
                    true => Some(version),
                    // Of a version too large to say, some of what the log is asked about.
                    false if confirm => {
                        let asked = self.ahead_of.iter().filter(|(agent, _)| durable.get(agent) > 0);
                        let some = asked.take(CONFIRM_AGENTS_MAX);
                        Some(some.map(|(agent, _)| (agent.clone(), durable.get(agent))).collect())
                    }
                    false => None,
                }
            })
            .flatten();
        // Joining shows who is there, too; a version too large to say is not said.
        let (doc, format) = (&self.config.doc, self.config.format);
        let frame = match version {
            Some(version) => message::sync_state(doc, format, cursor, &version, confirm, reference),
            None => message::join_doc(doc, format, cursor, reference),
        };
        self.frames.push_back(frame);
    }

    /// A sync is answered in whole.
    pub(super) fn take_sync(
        &mut self,
        cursor: Option<String>,
        now: Instant,
    ) -> Result<(), super::Unreadable> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.sync = None;
        connection.answers.clear();
        self.retries.sync.reset();
        // A state that is nowhere kept has no cursor; an older one would bring it all again.
        self.cursor = cursor;
        self.keeper.moved(self.cursor.as_deref());
        if self.cursor.is_some() {
            self.since_cursor.clear();
        }
        let first = !connection.synced;
        self.sync_pause = match self.active || first {
            true => SYNC_AFTER_ACTIVITY,
            false => (self.sync_pause * 2).min(SYNC_PAUSE_MAX),
        };
        let waits = self.doc.waiting().next().is_some();
        // Not even all that the server has has brought it.
        if waits && self.retries.gap.tries() > GAP_SYNCS_BY_CURSOR {
            self.set_gap(true);
        }
        let pause = match waits {
            true => self.retries.gap.pause(&mut self.jitter),
            false if first => SYNC_AFTER_JOIN,
            false => self.sync_pause,
        };
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.synced = true;
        connection.sync_at = Some(now + pause);
        self.active = false;
        let early = std::mem::take(&mut connection.early);
        self.shut_out = None;
        self.calm();
        let taken = self.take_events(early, false, now);
        self.updates.push_back(Update::Synced);
        taken
    }

    /// The server does not know this connection any more, as when Redis has lost its data: a sync registers it again.
    /// Where that does not help, ever less often.
    pub(super) fn register_again(&mut self, now: Instant) {
        let connection = self.connection.as_mut();
        let Some(connection) = connection.filter(|one| one.synced && one.sync.is_none()) else { return };
        let pause = self.retries.absence.pause(&mut self.jitter);
        let soon = connection.synced_at.map_or(now, |at| now.max(at + pause));
        connection.sync_at = Some(connection.sync_at.map_or(soon, |at| at.min(soon)));
    }

    /// Something new that cannot be placed leads to a sync: at once where all was in order before, else
    /// no sooner than activity does. While it stays, [`Core::take_sync`] sees to the next.
    pub(super) fn look_for_gap(&mut self, now: Instant) {
        let gap = self.doc.waiting().next().is_some();
        if !gap {
            self.retries.gap.reset();
            self.set_gap(false);
        }
        let opened = gap && !self.gap_open;
        let grew = std::mem::take(&mut self.gap_grew) && gap;
        self.gap_open = gap;
        let Some(connection) = self.connection.as_mut().filter(|connection| connection.synced) else {
            return;
        };
        let latest = match connection.synced_at {
            _ if opened => now,
            Some(at) if grew => (at + SYNC_AFTER_ACTIVITY).max(now),
            _ if self.active => now + SYNC_AFTER_ACTIVITY,
            _ => return,
        };
        connection.sync_at = Some(connection.sync_at.map_or(latest, |at| at.min(latest)));
    }

    pub(super) fn set_gap(&mut self, stays: bool) {
        if self.gap_stays != stays {
            self.gap_stays = stays;
            self.updates.push_back(Update::Gap(stays));
        }
    }

    /// A replay is not enough: the whole state decides.
    pub(super) fn ask_for_state(&mut self, now: Instant) {
        self.cursor = None;
        self.ahead_of = Version::new();
        if let Some(connection) = &mut self.connection {
            connection.restart_sync(now);
        }
    }
}
