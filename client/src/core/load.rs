//! Going on with what a store has.

use std::collections::BTreeMap;

use inklog_crdt::{Doc, Event, Op};

use super::keep::Fork;
use super::record::{Head, JournalError, Record, decode};
use super::{Agents, Core, CoreConfig, Jitter};
use crate::outbox::Outbox;

/// What a journal says, read from its beginning to its end.
#[derive(Default)]
struct Journal {
    head: Option<Head>,
    base: Option<super::record::Base>,
    /// Durable events that the base lacks.
    heard: Vec<Event>,
    /// Events that may have been sent, by their place.
    events: BTreeMap<u64, Event>,
    /// What was typed after them.
    typed: Vec<Op>,
    forks: Vec<Fork>,
}

impl Journal {
    fn take(&mut self, record: Record) -> Result<(), JournalError> {
        match record {
            Record::Head(head) => *self = Journal { head: Some(head), ..Journal::default() },
            Record::Base(base) => self.base = Some(base),
            Record::Heard(event) => self.heard.push(event),
            Record::Typed(event) => self.typed.extend(event.into_ops()),
            Record::Event(event) => {
                self.typed.retain(|op| op.seq() >= event.end());
                self.events.insert(event.after(), event);
            }
            Record::Saved(end) => {
                let rest = self.events.split_off(&end);
                self.heard.extend(std::mem::replace(&mut self.events, rest).into_values());
                self.head()?.start = end;
            }
            Record::Agent(agent) => {
                (self.events, self.typed) = (BTreeMap::new(), Vec::new());
                let head = self.head()?;
                (head.agent, head.start) = (agent, 0);
            }
            Record::Log(log) => self.head()?.log = log,
            Record::Fork(fork) => self.forks.push(fork),
            Record::NoForks => self.forks.clear(),
        }
        Ok(())
    }

    fn head(&mut self) -> Result<&mut Head, JournalError> {
        self.head.as_mut().ok_or_else(|| JournalError::Damaged("it has no beginning".to_owned()))
    }
}

impl Core {
    /// A client that goes on with the batches that its store has, in the order in which they were written;
    /// with none, one that knows nothing yet. What it gives as [`Core::take_batch`] is to be stored.
    pub fn load(
        config: CoreConfig,
        batches: &[Vec<u8>],
        agents: Agents,
        jitter: Jitter,
    ) -> Result<Core, JournalError> {
        let mut core = Core::new(config, agents, jitter);
        core.keeper.is_on = true;
        let mut journal = Journal::default();
        for batch in batches {
            for record in decode(batch)? {
                journal.take(record)?;
            }
        }
        let bytes = batches.iter().map(Vec::len).sum();
        let Some(head) = journal.head.take() else { return Ok(core) };
        if head.server != core.config.server || head.doc != core.config.doc.as_str() {
            return Err(JournalError::Elsewhere { server: head.server, doc: head.doc });
        }
        let mut doc = Doc::new();
        if let Some(base) = journal.base {
            doc = Doc::decode(&base.state)?;
            core.cursor = base.cursor;
        }
        for event in &journal.heard {
            doc.apply(event);
            core.since_cursor.insert(event.agent().clone());
        }
        core.outbox =
            Outbox::loaded(head.agent.clone(), head.start, journal.events.into_values(), journal.typed);
        for event in core.outbox.closed() {
            doc.apply(event);
        }
        // Where something is missing, the agent cannot be gone on with.
        let end = doc.version().get(&head.agent);
        if end != core.outbox.end() {
            let what = format!("{} stands at {end} of {}", head.agent, core.outbox.end());
            return Err(JournalError::Damaged(what));
        }
        core.told_sent = core.outbox.end();
        core.log.clone_from(&head.log);
        core.doc = doc;
        core.keeper.loaded(head, journal.forks, bytes);
        Ok(core)
    }
}
