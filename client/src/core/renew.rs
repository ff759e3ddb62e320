//! When the log does not take what is here: new ids for what was typed, or a new beginning.

use std::time::{Duration, Instant};

use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Agent, Doc, Event, Op};

use super::record::Unsent;
use super::{Core, Update};
use crate::answer::{Answer, Base};
use crate::compare::{Holder, durable_spans, places_of, typed_in};
use crate::outbox::{Outbox, Queued};

/// More may be deleted in this time, before the state is asked for.
const ROOM_PAUSE: Duration = Duration::from_secs(1);

impl Core {
    /// The agent cannot be gone on with. The server's whole state is asked for: it decides what has to be
    /// offered again.
    pub(super) fn refuse(&mut self, after: Option<u64>, now: Instant) {
        if let Some(after) = after {
            self.keeper.refused(after);
        }
        self.doubt(after, now);
    }

    /// The same, where the state may yet show that the log has it after all.
    pub(super) fn doubt(&mut self, after: Option<u64>, now: Instant) {
        if let Some(after) = after {
            self.outbox.refuse(after);
        }
        self.cursor = None;
        let pause = self.retries.renewal.pause(&mut self.jitter);
        if let Some(connection) = &mut self.connection {
            connection.restart_sync(now + pause);
        }
    }

    /// A document that is full takes what makes it smaller: that does not wait behind what it refused.
    pub(super) fn make_room(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        if !connection.synced || connection.in_flight.is_some() || !self.outbox.room_waits() {
            return;
        }
        let start = self.outbox.start();
        self.outbox.refuse(start);
        self.keeper.refused(start);
        self.cursor = None;
        connection.restart_sync(now + ROOM_PAUSE);
    }

    /// Finds out what a document that is the server's proves to be saved, and what to be another's.
    pub(super) fn judge(&mut self, server: &Doc) {
        // A chain that goes on beyond what was sent from here is somebody else's as well. Whose text it was that is
        // there no more, nobody can tell then: it may have been theirs.
        let is_shared = self.outbox.sent_end() < server.version().get(self.outbox.agent());
        let holder = Holder::new(server);
        let is_there = |event: &Event| holder.holds(event) && !(is_shared && holder.is_gone(event));
        let is_saved = |first: &Queued| first.sent && is_there(&first.event);
        while self.outbox.front().is_some_and(is_saved) && !planted(Bug::OffersSavedTextAgain) {
            self.saved();
        }
        let start = self.outbox.start();
        self.is_foreign = start < server.version().get(self.outbox.agent());
        if self.is_foreign {
            self.outbox.refuse(start);
        }
    }

    /// Begins again from the server's state, with what it does not have under new ids.
    pub(super) fn rebuild(&mut self, server: Doc, base: Base, answer: Answer, cursor: Option<String>) {
        let mut fresh = server;
        // Where the server's state lags, what is typed may need what it lacks. What does not fit there hangs
        // on what another wrote under this agent's ids: the server has it.
        let (spans, durable) = durable_spans(&self.doc, self.outbox.agent(), &self.durable());
        let _ = fresh.merge(&spans, &durable);
        let (own, start) = (self.outbox.agent().clone(), self.outbox.start());
        let ops: Vec<Op> = self.outbox.ops().cloned().collect();
        let heir = (self.agents)();
        match planted(Bug::DropsRefusedText) {
            true => self.outbox = Outbox::new(heir),
            false => self.outbox.rename(heir, self.is_full),
        }
        let mut with = fresh.clone();
        for event in self.outbox.closed() {
            with.apply(event);
        }
        if let Some(open) = self.outbox.open_event() {
            with.apply(&open);
        }
        if with.version().get(self.outbox.agent()) == self.outbox.end() {
            fresh = with;
        } else {
            // What it hangs on is not there yet: it is typed again where the text around it is.
            let typed = typed_in(&self.doc, &fresh, (&own, start));
            self.outbox = Outbox::new(self.outbox.agent().clone());
            self.type_again(&mut fresh, typed, &ops, (&own, start));
        }
        self.is_foreign = false;
        self.renewed(&base, &answer, cursor);
        self.replace(fresh);
    }

    /// The log is not the one, or not any more the one, that the document is from: begins anew from the
    /// server's state. What was never saved is typed again under another agent, where the text around it is
    /// still there; but for what was loaded from the store for a log of another name, which waits for that one.
    /// What the document showed is put aside.
    pub(super) fn begin_anew(
        &mut self,
        server: Doc,
        base: Base,
        answer: Answer,
        cursor: Option<String>,
        same_ids: bool,
    ) {
        let before = self.doc.text();
        let is_other = self.is_other_log(&answer);
        let first = self.outbox.first_typed(is_other);
        let own = self.outbox.agent().clone();
        let typed = typed_in(&self.doc, &server, (&own, first));
        let deletes: Vec<Op> = match same_ids {
            true => self.outbox.ops().filter(|op| op.seq() >= first).cloned().collect(),
            false => Vec::new(),
        };
        let old_log = self.log.clone();
        if let Some(log) = old_log.clone().filter(|_| is_other) {
            self.put_by(log, first);
        }
        self.log = answer.log.clone().or(self.log.take());
        self.keeper.begin_anew(self.log.as_deref());
        let mut fresh = server;
        self.outbox = match self.take_up(&mut fresh) {
            Some(outbox) => outbox,
            None => Outbox::new((self.agents)()),
        };
        self.type_again(&mut fresh, typed, &deletes, (&own, first));
        self.is_foreign = false;
        self.since_cursor.clear();
        self.renewed(&base, &answer, cursor);
        self.replace(fresh);
        self.updates.push_back(Update::Merged(base.version));
        if !before.is_empty() && before != self.doc.text() && !planted(Bug::PutsNothingAside) {
            self.keeper.put_aside(&before, old_log.as_deref());
            self.updates.push_back(Update::Forked { text: before });
        }
    }

    /// Types `typed` again, each piece at its place, and deletes what `ops` did, but for what was `own`'s from the id
    /// `typed` on.
    fn type_again(&mut self, fresh: &mut Doc, typed: Vec<(usize, String)>, ops: &[Op], own: (&Agent, u64)) {
        for (at, text) in typed.into_iter().rev() {
            if let Ok(op) = fresh.insert(self.outbox.agent(), at, &text) {
                self.outbox.push(op);
            }
        }
        for (at, len) in places_of(fresh, ops, own).into_iter().rev() {
            for op in fresh.delete(self.outbox.agent(), at, len).unwrap_or_default() {
                self.outbox.push(op);
            }
        }
    }

    /// What was loaded from the store, and ends before `first`, waits for the log that it was typed for.
    fn put_by(&mut self, log: String, first: u64) {
        let (agent, start) = (self.outbox.agent().clone(), self.outbox.start());
        let events: Vec<Event> = self.outbox.closed().filter(|event| event.end() <= first).cloned().collect();
        if !events.is_empty() {
            self.keeper.put_by(Unsent { log, agent, start, events });
        }
    }

    /// What waited for the log that the server has now, in its document; `None`: nothing, or the log lacks what
    /// it was typed on, and it waits on.
    fn take_up(&mut self, server: &mut Doc) -> Option<Outbox> {
        let log = self.log.clone()?;
        let Unsent { agent, start, mut events, .. } = self.keeper.unsent_for(&log)?.clone();
        let holder = Holder::new(server);
        let there = events.iter().take_while(|event| holder.holds(event)).count();
        let start = events.drain(..there).last().map_or(start, |last| last.end());
        let end = server.version().get(&agent);
        let mut outbox = Outbox::loaded(agent, start, events.into_iter(), Vec::new());
        if start < end {
            // Somebody else has gone on under the name.
            outbox.rename((self.agents)(), false);
        }
        let mut with = server.clone();
        for event in outbox.closed() {
            with.apply(event);
        }
        if with.version().get(outbox.agent()) != outbox.end() {
            return None;
        }
        self.keeper.taken_up(&log);
        outbox.keep_all(|event| self.keeper.keep_before_sending(event));
        *server = with;
        Some(outbox)
    }

    /// What is here hangs on another agent, and on another base.
    fn renewed(&mut self, base: &Base, answer: &Answer, cursor: Option<String>) {
        self.told_sent = 0;
        if let Some(connection) = &mut self.connection {
            connection.in_flight = None;
        }
        self.keeper.renewed(self.outbox.agent());
        self.keeper.rebase(base, cursor);
        for event in answer.events.iter().filter_map(|event| event.clone().into_event().ok()) {
            self.keeper.heard(&event.event);
        }
        self.updates.push_back(Update::Agent(self.outbox.agent().clone()));
    }
}
