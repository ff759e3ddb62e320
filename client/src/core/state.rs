//! An answer that is there in whole: merged, or the reason to begin anew.

use std::time::Instant;

use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Change, Doc, Version};

use super::{Core, Unreadable, Update};
use crate::answer::{Answer, Base};
use crate::compare::{agree, ahead, difference};

impl Core {
    pub(super) fn take_answer(&mut self, mut answer: Answer, now: Instant) -> Result<(), Unreadable> {
        let cursor = answer.cursor.take();
        let is_taken = match answer.base.take() {
            Some(base) => self.take_state(base, answer, cursor.clone(), now)?,
            None => self.take_replay(answer, now)?,
        };
        // Where something was refused meanwhile, another state is on its way.
        match is_taken && self.connection.as_ref().is_some_and(|connection| !connection.answers.is_empty()) {
            true => self.take_sync(cursor, now),
            false => Ok(()),
        }
    }

    /// Says whether the sync is done with it.
    fn take_replay(&mut self, answer: Answer, now: Instant) -> Result<bool, Unreadable> {
        if self.is_other_log(&answer) {
            self.ask_for_state(now);
            return Ok(false);
        }
        if answer.is_missing_some {
            self.forgot = true;
            self.ask_for_state(now);
            return Ok(false);
        }
        self.learn_log(answer.log);
        self.ahead_of = Version::new();
        self.take_events(answer.events, false, now)?;
        Ok(true)
    }

    /// Says whether the sync is done with it.
    fn take_state(
        &mut self,
        base: Base,
        answer: Answer,
        cursor: Option<String>,
        now: Instant,
    ) -> Result<bool, Unreadable> {
        let is_other = self.is_other_log(&answer);
        let own = self.outbox.agent();
        let knows_own =
            base.version.get(own) > 0 || answer.events.iter().any(|event| event.agent == own.as_str());
        let is_first = self.durable().is_empty() && !self.outbox.has_sent() && !self.forgot;
        // Else there is nothing here that a server could have forgotten, or have from somebody else.
        if !is_first || is_other || knows_own {
            let server = base.with(&answer.events)?;
            // What reached the log, and was never acknowledged, is saved, whatever becomes of the rest.
            self.judge(&server);
            let durable = self.durable();
            let lacks = ahead(&durable, server.version());
            let same_ids = agree(&self.doc, &server, &durable);
            // Where all of a text is there under its ids, the log is a copy of the one that it is from.
            let is_copy = same_ids && lacks.is_empty() && !durable.is_empty();
            let is_gone = self.forgot || (answer.is_missing_some && !lacks.is_empty());
            let is_another = is_gone || !same_ids || (is_other && !is_copy);
            if is_another && !planted(Bug::MergesForgottenText) {
                self.forgot = false;
                self.ahead_of = Version::new();
                self.begin_anew(server, base, answer, cursor, same_ids && !is_other);
                self.active = true;
                return Ok(true);
            }
            let was_asked = !self.ahead_of.is_empty();
            self.ahead_of = if was_asked { Version::new() } else { lacks };
            if !self.ahead_of.is_empty() {
                // It may be late, or have forgotten: only its log knows.
                if let Some(connection) = &mut self.connection {
                    connection.restart_sync(now);
                }
                return Ok(false);
            }
            // Under ids that another used, the document may hold text from here: it is begun anew from
            // what the server has.
            if self.is_foreign || self.outbox.front().is_some_and(|first| first.refused) {
                self.learn_log(answer.log.clone());
                self.active = true;
                self.rebuild(server, base, answer, cursor);
                return Ok(true);
            }
        }
        self.learn_log(answer.log.clone());
        self.active = true;
        if !self.is_synced() {
            // Since the last connection, the log may have forgotten what waits and is not there. If it has not, it
            // comes again.
            self.doc.drop_waiting();
        }
        let changes =
            self.doc.merge(&base.spans, &base.version).map_err(|error| Unreadable(error.to_string()))?;
        self.tell_changes(changes);
        if !base.version.is_empty() {
            self.updates.push_back(Update::Merged(base.version.clone()));
        }
        self.keeper.rebase(&base, cursor);
        self.take_events(answer.events, true, now)?;
        Ok(true)
    }

    pub(super) fn is_other_log(&self, answer: &Answer) -> bool {
        matches!((&self.log, &answer.log), (Some(ours), Some(theirs)) if ours != theirs)
    }

    fn learn_log(&mut self, log: Option<String>) {
        if log.is_some() && self.log != log {
            self.keeper.log(log.as_deref());
            self.log = log;
        }
    }

    /// Of each agent, how far the document is durable.
    pub(super) fn durable(&self) -> Version {
        let own = self.outbox.agent();
        let known = self.doc.version().iter();
        let ends =
            known.map(|(agent, end)| (agent, if agent == own { self.outbox.start().min(end) } else { end }));
        ends.filter(|(_, end)| *end > 0).map(|(agent, end)| (agent.clone(), end)).collect()
    }

    /// The document becomes another, and what changes is told as one change.
    pub(super) fn replace(&mut self, doc: Doc) {
        let before = self.config.changes.then(|| self.doc.text());
        self.doc = doc;
        self.gap_grew = true;
        if let Some(before) = before {
            self.tell_difference(&before);
        }
    }

    /// Tells what makes the document's text of `before`, as one change.
    pub(super) fn tell_difference(&mut self, before: &str) {
        let (at, len, text) = difference(before, &self.doc.text());
        let deleted = (len > 0).then_some(Change::Delete { at, len });
        let inserted = (!text.is_empty()).then_some(Change::Insert { at, text });
        self.tell_changes(deleted.into_iter().chain(inserted).collect());
    }
}
