//! Going on with what a store has.

use std::collections::{BTreeMap, BTreeSet};

use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Agent, Applied, Doc, Event, Id, Op, Origin};

use super::keep::{Fork, Loaded};
use super::record::{Head, JournalError, Record, Unsent, decode};
use super::{Access, Agents, Core, CoreConfig, Jitter};
use crate::outbox::Outbox;

/// What a journal says, read from its beginning to its end.
#[derive(Default)]
struct Journal {
    head: Option<Head>,
    /// What the server's states showed, and the durable events that they lack. What hangs on what was typed here waits.
    doc: Doc,
    cursor: Option<String>,
    /// The agents of which something came since the cursor.
    since_cursor: BTreeSet<Agent>,
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
                let merged = self.doc.merge(&doc.spans(), doc.version());
                merged.map_err(|error| JournalError::Damaged(error.to_string()))?;
                self.moved(base.cursor);
            }
            Record::Heard(event) => self.hear(&event),
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
                std::mem::replace(&mut self.events, rest).values().for_each(|event| self.hear(event));
                self.head()?.start = end;
            }
            Record::Agent(agent) => {
                (self.events, self.typed) = (BTreeMap::new(), Vec::new());
                self.refused = None;
                let head = self.head()?;
                (head.agent, head.start) = (agent, 0);
            }
            Record::Refused(after) => self.refused = Some(after),
            Record::Cursor(cursor) => self.moved(Some(cursor)),
            Record::Log(log) => self.head()?.log = log,
            Record::Fork(fork) => self.forks.push(fork),
            Record::NoForks => self.forks.clear(),
            Record::Unsent(unsent) => self.unsent.push(unsent),
            Record::Access(access) => self.access = Some(access),
        }
        Ok(())
    }

    fn hear(&mut self, event: &Event) {
        self.doc.apply(event);
        self.since_cursor.insert(event.agent().clone());
    }

    fn moved(&mut self, cursor: Option<String>) {
        self.cursor = cursor;
        self.since_cursor.clear();
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
        core.cursor.clone_from(&journal.cursor);
        core.since_cursor = journal.since_cursor;
        let events = journal.events.into_values().filter(|_| !planted(Bug::GoesOnWithoutItsEvents));
        core.outbox = Outbox::loaded(head.agent.clone(), head.start, events, journal.typed);
        let start = head.start;
        let Journal { doc, cursor, access, forks, unsent, .. } = journal;
        core.log.clone_from(&head.log);
        core.access = access;
        core.keeper.loaded(Loaded { head, cursor, access, forks, unsent, bytes });
        if journal.refused == Some(start) && core.outbox.at(start).is_some() {
            // The log does not take it, whatever is typed behind it.
            let mut renamed = core.outbox.clone();
            renamed.rename((core.agents)(), false);
            if let Ok(doc) = with_typed(doc.clone(), &renamed) {
                core.outbox = renamed;
                core.keeper.renewed(core.outbox.agent());
                core.doc = doc;
                return Ok(core);
            }
            // It hangs on what hangs on its old ids: the server's state decides, as it would have before.
            core.outbox.refuse(start);
            core.cursor = None;
        }
        core.doc = with_typed(doc, &core.outbox)?;
        if core.doc.waiting().next().is_some() {
            // The log may since have forgotten it; a replay after the cursor would not show that.
            core.cursor = None;
        }
        Ok(core)
    }
}

/// The document with what was typed here. Where somebody else writes under this agent, others' text may hang on ids that
/// were given to something else here, in the middle of an event, and the rest of the event on that text: so each op goes
/// in as soon as what it hangs on is there, whatever the event it is in.
fn with_typed(mut doc: Doc, outbox: &Outbox) -> Result<Doc, JournalError> {
    let is_all = outbox.closed().all(|event| goes_in(&mut doc, event));
    let end = doc.version().get(outbox.agent());
    if is_all && end == outbox.end() {
        return Ok(doc);
    }
    let what = format!("{} stands at {end} of {}", outbox.agent(), outbox.end());
    Err(JournalError::Damaged(what))
}

/// Applies what can be of an event that was typed here; answers whether that is all.
fn goes_in(doc: &mut Doc, event: &Event) -> bool {
    let agent = event.agent();
    if doc.apply(event) == Applied::Now {
        return true;
    }
    let mut alone = |op: &Op| {
        let known = doc.version().get(agent);
        let is_next = (event.after()..=op.seq()).contains(&known);
        let piece = || Event::new(agent.clone(), known, vec![op.clone()]).expect("a part of an event is one");
        known >= op.end() || (is_next && doc.apply(&piece()) == Applied::Now)
    };
    event.ops().iter().all(|op| alone(op) || ids_of(op).all(|id| alone(&id)))
}

/// What an op does by each of its ids. Of a delete, each may have had to wait for more than the one before; an insert
/// waits for what its first character hangs on.
fn ids_of(op: &Op) -> impl Iterator<Item = Op> {
    let count = if let Op::Delete { len, .. } = op { *len } else { 1 };
    (0..count).map(move |n| match op {
        Op::Insert { .. } => op.clone(),
        Op::Delete { seq, target, .. } => {
            let target = Id::new(target.agent.clone(), target.seq + n);
            Op::Delete { seq: seq + n, target, len: 1 }
        }
    })
}
