//! Typing, and sending what was typed: one event at a time, kept before it is sent.

use std::time::Instant;

use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Draft, Op};

use super::connection::InFlight;
use super::{Core, Update, message};
use crate::TextError;

impl Core {
    /// Replaces `deleted` characters from `at` on by `inserted`. Positions count Unicode scalar values.
    /// On an error nothing has changed.
    pub fn edit(&mut self, at: usize, deleted: usize, inserted: &str, now: Instant) -> Result<(), TextError> {
        if !self.may_write() {
            return Err(TextError::ReadOnly);
        }
        let agent = self.outbox.agent().clone();
        // Somebody else writes under this name: the edit may let in what waited for its ids.
        let expected = self.doc.is_awaited(&agent).then(|| replaced(&self.doc.text(), at, deleted, inserted));
        let mut draft = Draft::new(agent, self.outbox.end());
        self.doc.edit(&mut draft, at, deleted, inserted)?;
        if let Some(expected) = expected {
            self.tell_difference(&expected);
        }
        for op in draft.ops() {
            self.outbox.push(op.clone());
        }
        if self.is_full && deleted > 0 {
            self.make_room(now);
        }
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

    /// Sends the oldest event, when none is in flight and the store has it.
    pub(super) fn pump(&mut self, now: Instant) {
        let may_write = self.may_write();
        let Some(connection) = &mut self.connection else { return };
        if (!connection.synced && !planted(Bug::SendsBeforeLearning)) || !may_write {
            return;
        }
        let start = self.outbox.start();
        // It may be known to be durable from elsewhere than its ack.
        connection.in_flight = connection.in_flight.filter(|sent| sent.after == start);
        if connection.in_flight.is_some() || connection.send_at.is_some_and(|at| now < at) {
            return;
        }
        connection.send_at = None;
        let Some(queued) = self.outbox.next_to_send() else { return };
        queued.sent = true;
        if queued.kept == 0 {
            queued.kept = self.keeper.keep_before_sending(&queued.event);
        }
        if !self.keeper.has(queued.kept) && !planted(Bug::SendsBeforeKeeping) {
            self.integrate_closed();
            return;
        }
        self.references += 1;
        let (after, reference) = (queued.event.after(), self.references);
        connection.in_flight =
            Some(InFlight { after, reference, lost_at: now + self.config.answer_patience });
        self.frames.push_back(message::send_op(&self.config.doc, &queued.event, reference));
        if after >= self.told_sent {
            self.told_sent = queued.event.end();
            let event = queued.event.clone();
            self.updates.push_back(Update::Sent(event));
        }
        self.integrate_closed();
    }

    /// Events made elsewhere are part of this document, too.
    pub(super) fn integrate_closed(&mut self) {
        let known = self.doc.version().get(self.outbox.agent());
        for event in self.outbox.closed_from(known) {
            self.doc.apply(event);
        }
    }
}

/// A text after an edit.
fn replaced(text: &str, at: usize, deleted: usize, inserted: &str) -> String {
    let chars = || text.chars();
    chars().take(at).chain(inserted.chars()).chain(chars().skip(at.saturating_add(deleted))).collect()
}
