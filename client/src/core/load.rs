//! Going on with what a store has.

use std::collections::BTreeMap;

use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Doc, Event, Id, Op, Origin};

use super::keep::{Fork, Loaded};
use super::record::{Head, JournalError, Record, Unsent, decode};
use super::{Access, Agents, Core, CoreConfig, Jitter};
use crate::outbox::Outbox;

/// What a journal says, read from its beginning to its end.
#[derive(Default)]
struct Journal {
    head: Option<Head>,
    /// What the server's states showed.
    base: Doc,
    /// Durable events that the base lacks.
    heard: Vec<Event>,
    cursor: Option<String>,
    /// So many of `heard` came before the cursor.
    before_cursor: usize,
    /// Events that may have been sent, by their place.
    events: BTreeMap<u64, Event>,
    /// Where one begins that the log does not take.
    refused: Option<u64>,
    /// What was typed after them.
    typed: Vec<Op>,
    access: Option<Access>,
    forks: Vec<Fork>,
    unsent: Vec<Unsent>,
}

impl Journal {
    fn take(&mut self, record: Record) -> Result<(), JournalError> {
        match record {
            Record::Head(head) => *self = Journal { head: Some(head), ..Journal::default() },
            Record::Base(base) => {
                let doc = Doc::decode(&base.state)?;
                // One that lags does not take away what an earlier one had.
                let merged = self.base.merge(&doc.spans(), doc.version());
                merged.map_err(|error| JournalError::Damaged(error.to_string()))?;
                (self.cursor, self.before_cursor) = (base.cursor, self.heard.len());
            }
            Record::Heard(event) => self.heard.push(event),
            Record::Typed(event) => {
                self.check_own(&event)?;
                self.typed.extend(event.into_ops());
            }
            Record::Event(event) => {
                self.check_own(&event)?;
                let typed = std::mem::take(&mut self.typed).into_iter();
                self.typed = typed.filter_map(|op| beyond(op, &event)).collect();
                self.events.insert(event.after(), event);
            }
            Record::Saved(end) => {
                let rest = self.events.split_off(&end);
                self.heard.extend(std::mem::replace(&mut self.events, rest).into_values());
                self.head()?.start = end;
            }
            Record::Agent(agent) => {
                (self.events, self.typed) = (BTreeMap::new(), Vec::new());
                self.refused = None;
                let head = self.head()?;
                (head.agent, head.start) = (agent, 0);
            }
            Record::Refused(after) => self.refused = Some(after),
            Record::Cursor(cursor) => {
                (self.cursor, self.before_cursor) = (Some(cursor), self.heard.len());
            }
            Record::Log(log) => self.head()?.log = log,
            Record::Fork(fork) => self.forks.push(fork),
            Record::NoForks => self.forks.clear(),
            Record::Unsent(unsent) => self.unsent.push(unsent),
            Record::Access(access) => self.access = Some(access),
        }
        Ok(())
    }

    /// What the client wrote itself has the agent's name.
    fn check_own(&mut self, event: &Event) -> Result<(), JournalError> {
        let agent = &self.head()?.agent;
        match event.agent() == agent {
            true => Ok(()),
            false => Err(JournalError::Damaged(format!("{} wrote what is {agent}'s", event.agent()))),
        }
    }

    /// What the client wrote and is not durable must be one chain.
    fn check_chain(&self, start: u64) -> Result<(), JournalError> {
        let events = self.events.values().map(|event| (event.after(), event.end()));
        let typed = self.typed.iter().map(|op| (op.seq(), op.end()));
        let mut end = start;
        for (from, to) in events.chain(typed) {
            if from < end {
                return Err(JournalError::Damaged(format!("the id {from} was typed twice")));
            }
            end = to;
        }
        Ok(())
    }

    fn head(&mut self) -> Result<&mut Head, JournalError> {
        self.head.as_mut().ok_or_else(|| JournalError::Damaged("it has no beginning".to_owned()))
    }
}

/// What of an op is not in an event. What was typed is cut into events anew by each program that goes on with it, and
/// not always at the same places: an op may reach over an event's end.
fn beyond(op: Op, event: &Event) -> Option<Op> {
    let end = event.end();
    let known = end.saturating_sub(op.seq());
    match op {
        op if known == 0 => Some(op),
        op if op.end() <= end => None,
        Op::Insert { text, .. } => {
            let text = text.chars().skip(known as usize).collect();
            let origin = Origin::Left(Some(Id::new(event.agent().clone(), end - 1)));
            Some(Op::Insert { seq: end, text, origin })
        }
        Op::Delete { target, len, .. } => {
            let target = Id::new(target.agent, target.seq + known);
            Some(Op::Delete { seq: end, target, len: len - known })
        }
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
        journal.check_chain(head.start)?;
        let mut doc = journal.base;
        core.cursor.clone_from(&journal.cursor);
        for (at, event) in journal.heard.iter().enumerate() {
            doc.apply(event);
            if at >= journal.before_cursor {
                core.since_cursor.insert(event.agent().clone());
            }
        }
        let events = journal.events.into_values().filter(|_| !planted(Bug::GoesOnWithoutItsEvents));
        core.outbox = Outbox::loaded(head.agent.clone(), head.start, events, journal.typed);
        let (agent, start) = (head.agent.clone(), head.start);
        let Journal { cursor, access, forks, unsent, .. } = journal;
        core.log.clone_from(&head.log);
        core.access = access;
        core.keeper.loaded(Loaded { head, cursor, access, forks, unsent, bytes });
        // The log does not take it, whatever is typed behind it.
        if journal.refused == Some(start) && core.outbox.at(start).is_some() {
            let heir = (core.agents)();
            core.outbox.rename(heir, false);
            core.keeper.renewed(core.outbox.agent());
        }
        for event in core.outbox.closed() {
            doc.apply(event);
        }
        // Where something is missing, the agent cannot be gone on with.
        let end = doc.version().get(core.outbox.agent());
        if end != core.outbox.end() {
            let what = format!("{agent} stands at {end} of {}", core.outbox.end());
            return Err(JournalError::Damaged(what));
        }
        core.told_sent = if *core.outbox.agent() == agent { core.outbox.end() } else { 0 };
        core.doc = doc;
        Ok(core)
    }
}
