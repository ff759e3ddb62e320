//! What a store has to hold, so that the program may die between any two steps: what was typed, before it
//! is sent, and the text that it was typed on.
//!
//! A journal: batches of [`Record`]s, each kept whole or not at all. The base in it never holds what is not
//! durable, so that nothing depends on what may yet be refused. It is begun anew when all is saved and it has
//! outgrown its base.
//!
//! What is typed, a state, and new ids are written at once; that something is saved, soon; what others do, in
//! the next pause.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use inklog_crdt::{Agent, Doc, Event};

use super::record::{Base as KeptBase, Head, Record, Unsent, encode};
use super::{Access, Core};
use crate::answer::Base;
use crate::outbox::Outbox;

/// The journal may outgrow its base, but not below this many bytes.
const JOURNAL_BYTES_MIN: usize = 64 * 1024;
/// So many texts that were put aside stay, the newest; and what waits for so many other logs.
const FORKS_MAX: usize = 20;
/// That something is saved is written after this long, where nothing else is to be written sooner,
const WRITE_SOON: Duration = Duration::from_millis(50);
/// and what others did after this long.
const WRITE_LATE: Duration = Duration::from_secs(5);

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

/// What a store has, but for the document and the outbox.
pub(super) struct Loaded {
    pub head: Head,
    pub cursor: Option<String>,
    pub access: Option<Access>,
    pub forks: Vec<Fork>,
    pub unsent: Vec<Unsent>,
    /// The journal's length.
    pub bytes: usize,
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
    /// Where the document stands in what the server has, and what the store has of that.
    cursor: Option<String>,
    kept_cursor: Option<String>,
    access: Option<Access>,
    forks: VecDeque<Fork>,
    unsent: VecDeque<Unsent>,
    /// Whether what is due is to be written now,
    hurries: bool,
    /// or else when.
    write_at: Option<Instant>,
    /// Whether the next batch begins the journal.
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
            cursor: None,
            kept_cursor: None,
            access: None,
            forks: VecDeque::new(),
            unsent: VecDeque::new(),
            hurries: false,
            write_at: None,
            begins: true,
            given: 1,
            done: 1,
            journal_bytes: 0,
            base_bytes: 0,
        }
    }

    /// The store has this already.
    pub fn loaded(&mut self, kept: Loaded) {
        self.head = kept.head;
        self.access = kept.access;
        self.forks.extend(kept.forks);
        self.unsent.extend(kept.unsent);
        self.cursor.clone_from(&kept.cursor);
        self.kept_cursor = kept.cursor;
        self.begins = false;
        self.journal_bytes = kept.bytes;
    }

    pub fn forks(&self) -> impl ExactSizeIterator<Item = &Fork> {
        self.forks.iter()
    }

    /// The number of the batch that takes what is due now.
    fn next_batch(&self) -> u64 {
        self.given + 1
    }

    pub fn has(&self, kept: u64) -> bool {
        !self.is_on || (kept > 0 && kept <= self.done)
    }

    /// An event is kept, with its boundaries, before it is sent. Gives the batch that it goes with.
    pub fn keep_before_sending(&mut self, event: &Event) -> u64 {
        self.note(|| Record::Event(event.clone()));
        self.hurries = true;
        self.next_batch()
    }

    /// The log does not have the event that begins there, and never will.
    pub fn refused(&mut self, after: u64) {
        self.note(|| Record::Refused(after));
        self.hurries = true;
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
            self.hurries = true;
        }
    }

    pub fn access(&mut self, access: Access) {
        self.access = Some(access);
        // A journal that begins says it.
        if !self.begins {
            self.note(|| Record::Access(access));
        }
        self.hurries = true;
    }

    /// The document has what the server had at this cursor.
    pub fn moved(&mut self, cursor: Option<&str>) {
        self.cursor = cursor.map(str::to_owned);
    }

    /// Another agent goes on, and what the old one had not sent is not its own any more.
    pub fn renewed(&mut self, agent: &Agent) {
        self.head.agent = agent.clone();
        // A journal that begins says who writes.
        if !self.begins {
            self.note(|| Record::Agent(agent.clone()));
        }
        self.hurries = true;
    }

    /// Nothing of what is kept holds any more, but for the texts that were put aside, and what waits for
    /// other logs.
    pub fn begin_anew(&mut self, log: Option<&str>) {
        self.head.log = log.map(str::to_owned);
        self.due.clear();
        self.heard.clear();
        self.begins = true;
    }

    /// These events are for a log that is not the server's: they wait for it.
    pub fn put_by(&mut self, unsent: Unsent) {
        self.unsent.retain(|other| other.log != unsent.log);
        self.unsent.push_back(unsent);
        if self.unsent.len() > FORKS_MAX {
            self.unsent.pop_front();
        }
    }

    /// What waits for a log.
    pub fn unsent_for(&self, log: &str) -> Option<&Unsent> {
        self.unsent.iter().find(|unsent| unsent.log == log)
    }

    /// What waited for a log is under way, in a journal that begins.
    pub fn taken_up(&mut self, log: &str) {
        self.unsent.retain(|unsent| unsent.log != log);
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

    /// Decides when what is due is written.
    pub fn tick(&mut self, now: Instant) {
        let pause = match () {
            () if !self.is_on || self.hurries => None,
            () if !self.due.is_empty() => Some(WRITE_SOON),
            () if !self.heard.is_empty() || self.cursor_is_due() => Some(WRITE_LATE),
            () => None,
        };
        self.write_at = pause.map(|pause| self.write_at.unwrap_or(now + pause).min(now + pause));
        if self.write_at.is_some_and(|at| at <= now) {
            self.write_at = None;
            self.hurries = true;
        }
    }

    /// When [`Keeper::tick`] is due next.
    pub fn deadline(&self) -> Option<Instant> {
        self.write_at
    }

    fn cursor_is_due(&self) -> bool {
        !self.begins && self.cursor.is_some() && self.cursor != self.kept_cursor
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
            records.extend(self.unsent.iter().cloned().map(Record::Unsent));
            records.extend(self.access.map(Record::Access));
            self.kept_cursor = None;
        }
        if replaces {
            self.base = Some(KeptBase { state: doc.encode(), cursor: cursor.map(str::to_owned) });
            self.heard = doc.waiting().cloned().collect();
            self.due.clear();
        }
        if let Some(base) = self.base.take() {
            self.base_bytes = base.state.len();
            self.kept_cursor.clone_from(&base.cursor);
            records.push(Record::Base(base));
        }
        records.extend(self.heard.drain(..).map(Record::Heard));
        records.append(&mut self.due);
        records.extend(typed.map(Record::Typed));
        // Behind what came before it.
        if self.cursor_is_due() && !self.begins {
            self.kept_cursor.clone_from(&self.cursor);
            records.extend(self.cursor.clone().map(Record::Cursor));
        }
        let bytes = encode(&records);
        self.journal_bytes = if replaces { 0 } else { self.journal_bytes + bytes.len() };
        self.hurries = false;
        self.write_at = None;
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
