//! What a store has to hold, so that the program may die between any two steps: what was typed, before it
//! is sent, and the text that it was typed on.
//!
//! A journal: batches of [`Record`]s, each kept whole or not at all. The base in it never holds what is not
//! durable, so that nothing depends on what may yet be refused. It is begun anew when all is saved and it has
//! outgrown its base.

use std::collections::VecDeque;

use inklog_crdt::{Agent, Doc, Event};

use super::Core;
use super::record::{Base as KeptBase, Head, Record, encode};
use crate::answer::Base;
use crate::outbox::Outbox;

/// The journal may outgrow its base, but not below this many bytes.
const JOURNAL_BYTES_MIN: usize = 64 * 1024;
/// So many texts that were put aside stay, the newest.
const FORKS_MAX: usize = 20;

/// What a store is to write, whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which one; [`Core::stored`] takes it.
    pub number: u64,
    /// What to write.
    pub bytes: Vec<u8>,
    /// Whether it takes the place of all that is there.
    pub replaces: bool,
}

/// A text that was put aside because the server forgot it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The document's text, as it was here.
    pub text: String,
    /// The name of the log that had it; `None`: no server had said.
    pub log: Option<String>,
}

#[derive(Debug)]
pub(super) struct Keeper {
    /// Whether there is a store; without one, everything counts as kept.
    pub(super) is_on: bool,
    head: Head,
    /// To be kept with the next batch.
    due: Vec<Record>,
    /// The newest base, until it is kept.
    base: Option<KeptBase>,
    /// Durable events that the base lacks, until they are kept.
    heard: Vec<Event>,
    forks: VecDeque<Fork>,
    /// Whether what is due is to be written now, and not with what is typed next.
    hurries: bool,
    begins: bool,
    given: u64,
    done: u64,
    journal_bytes: usize,
    base_bytes: usize,
}

impl Keeper {
    pub fn new(is_on: bool, head: Head) -> Keeper {
        Keeper {
            is_on,
            head,
            due: Vec::new(),
            base: None,
            heard: Vec::new(),
            forks: VecDeque::new(),
            hurries: false,
            begins: true,
            given: 1,
            done: 1,
            journal_bytes: 0,
            base_bytes: 0,
        }
    }

    /// The store has this already.
    pub fn loaded(&mut self, head: Head, forks: impl IntoIterator<Item = Fork>, journal_bytes: usize) {
        self.head = head;
        self.forks.extend(forks);
        self.begins = false;
        self.journal_bytes = journal_bytes;
    }

    pub fn forks(&self) -> impl ExactSizeIterator<Item = &Fork> {
        self.forks.iter()
    }

    /// The number of the batch that takes what is due now.
    pub fn next_batch(&self) -> u64 {
        self.given + 1
    }

    pub fn has(&self, kept: u64) -> bool {
        !self.is_on || (kept > 0 && kept <= self.done)
    }

    /// An event is kept, with its boundaries, before it is sent. Gives the batch that it goes with.
    pub fn keep_before_sending(&mut self, event: &Event, batch: u64) -> u64 {
        self.note(|| Record::Event(event.clone()));
        self.hurries = true;
        batch
    }

    pub fn saved(&mut self, event: &Event) {
        self.note(|| Record::Saved(event.end()));
    }

    pub fn heard(&mut self, event: &Event) {
        if self.is_on {
            self.heard.push(event.clone());
        }
    }

    pub fn log(&mut self, log: Option<&str>) {
        self.head.log = log.map(str::to_owned);
        if !self.begins {
            self.note(|| Record::Log(log.map(str::to_owned)));
        }
    }

    /// The server's state came. One that does not decode was not taken either.
    pub fn rebase(&mut self, base: &Base, cursor: Option<String>) {
        if self.is_on
            && let Ok(state) = base.encoded()
        {
            self.base = Some(KeptBase { state, cursor });
        }
    }

    /// Another agent goes on, and what the old one had not sent is not its own any more.
    pub fn renewed(&mut self, agent: &Agent) {
        self.head.agent = agent.clone();
        self.note(|| Record::Agent(agent.clone()));
        self.hurries = true;
    }

    /// Nothing of what is kept holds any more, but for the texts that were put aside.
    pub fn begin_anew(&mut self, log: Option<&str>) {
        self.head.log = log.map(str::to_owned);
        self.due.clear();
        self.heard.clear();
        self.begins = true;
    }

    pub fn put_aside(&mut self, text: &str, log: Option<&str>) {
        let fork = Fork { text: text.to_owned(), log: log.map(str::to_owned) };
        // A journal that begins has them all.
        if !self.begins {
            self.note(|| Record::Fork(fork.clone()));
        }
        self.forks.push_back(fork);
        if self.forks.len() > FORKS_MAX {
            self.forks.pop_front();
        }
        self.hurries = true;
    }

    pub fn discard_forks(&mut self) {
        if !self.forks.is_empty() {
            self.forks.clear();
            self.note(|| Record::NoForks);
            self.hurries = true;
        }
    }

    fn note(&mut self, record: impl FnOnce() -> Record) {
        if self.is_on {
            self.due.push(record());
        }
    }

    /// The next batch, when nothing is being written. The same is not given twice.
    fn take_batch(&mut self, doc: &Doc, cursor: Option<&str>, outbox: &mut Outbox) -> Option<Batch> {
        if !self.is_on || self.given > self.done {
            return None;
        }
        let typed = outbox.take_typed();
        let outgrown = self.journal_bytes > JOURNAL_BYTES_MIN.max(self.base_bytes) || self.base_bytes == 0;
        let replaces =
            !self.begins && outgrown && self.journal_bytes > JOURNAL_BYTES_MIN && outbox.is_empty();
        if typed.is_none() && !self.hurries && !replaces {
            return None;
        }
        let mut records = Vec::new();
        if self.begins || replaces {
            self.head.start = outbox.start();
            records.push(Record::Head(self.head.clone()));
            records.extend(self.forks.iter().cloned().map(Record::Fork));
        }
        if replaces {
            self.base = Some(KeptBase { state: doc.encode(), cursor: cursor.map(str::to_owned) });
            self.heard = doc.waiting().cloned().collect();
            self.due.clear();
        }
        if let Some(base) = self.base.take() {
            self.base_bytes = base.state.len();
            records.push(Record::Base(base));
        }
        records.extend(self.heard.drain(..).map(Record::Heard));
        records.append(&mut self.due);
        records.extend(typed.map(Record::Typed));
        let bytes = encode(&records);
        self.journal_bytes = if replaces { 0 } else { self.journal_bytes + bytes.len() };
        self.hurries = false;
        self.begins = false;
        self.given += 1;
        Some(Batch { number: self.given, bytes, replaces })
    }
}

impl Core {
    /// What the store is to write next; `None`: nothing, or it has not written the one before yet.
    pub fn take_batch(&mut self) -> Option<Batch> {
        self.keeper.take_batch(&self.doc, self.cursor.as_deref(), &mut self.outbox)
    }

    /// A batch is stored for good. [`Core::tick`] does what follows.
    pub fn stored(&mut self, number: u64) {
        self.keeper.done = self.keeper.done.max(number);
    }

    /// The program may end: what can be written now is.
    pub fn hurry(&mut self) {
        self.keeper.hurries |= !self.keeper.due.is_empty();
    }

    /// Whether the store has all that was typed here, or there is none.
    pub fn is_kept(&self) -> bool {
        !self.keeper.is_on || (self.keeper.given == self.keeper.done && !self.outbox.has_typed())
    }

    /// Texts that were put aside because the server forgot them, oldest first.
    pub fn forks(&self) -> impl ExactSizeIterator<Item = &Fork> {
        self.keeper.forks()
    }

    /// Gives up the texts that were put aside.
    pub fn discard_forks(&mut self) {
        self.keeper.discard_forks();
    }
}
