//! One client of a run: an author who types a trace's steps, or an observer who types nothing.
//!
//! An author types on a replica of its own, the *view*, which holds exactly what the author of the
//! trace had seen; what the client has received beyond that waits in an inbox. The client itself
//! integrates everything at once, as any client does, and is what is compared at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use inklog_crdt::{Doc, EditError, Event, Version};
use tokio::sync::watch;

use super::board::Board;
use super::trace::{Patch, Step};
use inklog_client::{ClientError, Link, Update};

use crate::arrivals::{Arrival, Arrivals};

/// An author stops typing while this many events wait for their acks.
const QUEUE_MAX: usize = 4;
/// If the client receives nothing for this long, it asks.
const SILENCE: Duration = Duration::from_secs(1);

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It writes under another name now, and the trace's edits count on what is gone.
    #[error("{client} had to begin anew: the server forgot what it had acknowledged, or refused an edit")]
    Renewed {
        /// Which client.
        client: String,
    },
    /// The trace edits beyond its text.
    #[error("the trace does not match its own text: {0}")]
    Edit(#[from] EditError),
    /// Nothing has come for long.
    #[error("{client} waited {seconds} s for {what}")]
    Stalled {
        /// Which client.
        client: String,
        /// For how long.
        seconds: u64,
        /// For what.
        what: &'static str,
    },
}

/// A client of a run.
pub struct Client {
    /// Its name in the report.
    pub name: String,
    /// Its connection.
    pub link: Link,
    /// What it types, when it is an author.
    pub author: Option<Author>,
    /// What all know.
    pub board: Arc<Board>,
    /// Counts edits.
    pub progress: ProgressBar,
    /// How long it waits while nothing happens.
    pub patience: Duration,
    /// What it has of the others.
    pub arrivals: Arrivals,
}

/// An author's part.
pub struct Author {
    number: usize,
    view: Doc,
    steps: std::iter::Peekable<std::vec::IntoIter<Step>>,
    typed_steps: usize,
    /// Events of others, by author and `after`, that the view does not hold.
    inbox: Vec<BTreeMap<u64, Event>>,
    edits_per_event: usize,
    edits_in_event: usize,
    finished: bool,
}

impl Author {
    /// An author who has not typed yet.
    pub fn new(number: usize, authors: usize, steps: Vec<Step>, edits_per_event: usize) -> Author {
        Author {
            number,
            view: Doc::new(),
            steps: steps.into_iter().peekable(),
            typed_steps: 0,
            inbox: vec![BTreeMap::new(); authors],
            edits_per_event,
            edits_in_event: 0,
            finished: false,
        }
    }

    /// Types on, as far as the outbox has room and the next step has what it saw.
    fn type_on(&mut self, link: &mut Link, board: &Board, progress: &ProgressBar) -> Result<(), PlayError> {
        while link.core().queued() < QUEUE_MAX && self.take_in_what_the_next_step_saw(board) {
            let Some(step) = self.steps.next() else { break };
            self.typed_steps += 1;
            for patch in &step.patches {
                self.type_patch(patch, link)?;
            }
            progress.inc(step.patches.len() as u64);
            self.edits_in_event += step.patches.len();
            if step.is_seen_last || self.edits_in_event >= self.edits_per_event {
                link.core_mut().close_event();
                self.edits_in_event = 0;
            }
            if step.is_seen_last {
                board.step_ends(self.number, self.typed_steps, link.core().end());
            }
        }
        if self.steps.peek().is_none() && !self.finished {
            self.finished = true;
            link.core_mut().close_event();
            board.author_finished(self.number, link.core().end());
        }
        Ok(())
    }

    fn type_patch(&mut self, Patch(at, deleted, inserted): &Patch, link: &mut Link) -> Result<(), PlayError> {
        let core = link.core_mut();
        if *deleted > 0 {
            for op in self.view.delete(core.agent(), *at, *deleted)? {
                core.queue(op);
            }
        }
        if !inserted.is_empty() {
            let op = self.view.insert(core.agent(), *at, inserted)?;
            core.queue(op);
        }
        Ok(())
    }

    /// Moves from the inbox to the view what the next step had seen; says whether all of it was there.
    fn take_in_what_the_next_step_saw(&mut self, board: &Board) -> bool {
        let Some(step) = self.steps.peek() else { return false };
        let mut ends = Vec::with_capacity(step.sees.len());
        for (author, steps) in &step.sees {
            let Some(end) = board.end_after(*author, *steps) else { return false };
            let agent = &board.agents[*author];
            let from = self.view.version().get(agent);
            if !is_complete(&self.inbox[*author], from, end) {
                return false;
            }
            ends.push((*author, end));
        }
        for (author, end) in ends {
            let rest = self.inbox[author].split_off(&end);
            for event in std::mem::replace(&mut self.inbox[author], rest).into_values() {
                self.view.apply(&event);
            }
        }
        true
    }

    fn keep(&mut self, event: Event, board: &Board) {
        if let Some(author) = board.agents.iter().position(|agent| agent == event.agent())
            && event.after() >= self.view.version().get(event.agent())
        {
            self.inbox[author].insert(event.after(), event);
        }
    }

    /// A state came in place of events: it is taken for the events that were sent up to its version,
    /// for the view may need the first of them without the last.
    fn keep_merged(&mut self, version: &Version, board: &Board) {
        for (author, agent) in board.agents.iter().enumerate().filter(|(author, _)| *author != self.number) {
            for event in board.events(author, self.view.version().get(agent), version.get(agent)) {
                self.inbox[author].entry(event.after()).or_insert(event);
            }
        }
    }
}

/// Whether the chain from `from` to `end` is there without a gap.
fn is_complete(inbox: &BTreeMap<u64, Event>, from: u64, end: u64) -> bool {
    let mut at = from;
    while at < end {
        match inbox.get(&at) {
            Some(event) => at = event.end(),
            None => return false,
        }
    }
    true
}

impl Client {
    /// Plays its part until it has everything that all authors typed, and everything of its own is
    /// durable. Returns itself, to be looked at.
    pub async fn run(mut self) -> Result<Client, PlayError> {
        let mut finished = self.board.finished();
        let mut quiet = tokio::time::interval(SILENCE);
        let mut last_heard = Instant::now();
        loop {
            if let Some(author) = &mut self.author {
                author.type_on(&mut self.link, &self.board, &self.progress)?;
            }
            // What can be sent is, so that it is known when.
            self.link.core_mut().tick(Instant::now());
            self.take_updates()?;
            if self.is_done(&finished) {
                return Ok(self);
            }
            tokio::select! {
                turned = self.link.turn() => turned?,
                _ = finished.changed() => {}
                _ = quiet.tick() => self.wait_on(last_heard)?,
            }
            if self.take_updates()? {
                last_heard = Instant::now();
                quiet.reset();
            }
        }
    }

    fn is_done(&self, finished: &watch::Receiver<Option<Version>>) -> bool {
        let core = self.link.core();
        match &*finished.borrow() {
            Some(last) => core.is_settled() && core.doc().version().includes(last),
            None => false,
        }
    }

    /// Nothing has come for a while: a broadcast may be lost.
    fn wait_on(&mut self, last_heard: Instant) -> Result<(), PlayError> {
        if last_heard.elapsed() > self.patience {
            let what = match self.link.core().is_settled() {
                true => "the others' events",
                false => "the server to acknowledge its events",
            };
            let seconds = self.patience.as_secs();
            return Err(PlayError::Stalled { client: self.name.clone(), seconds, what });
        }
        self.link.core_mut().sync_now(Instant::now());
        Ok(())
    }

    /// Notes what happened; says whether there was progress.
    fn take_updates(&mut self) -> Result<bool, PlayError> {
        let now = Instant::now();
        let mut progress = false;
        while let Some(update) = self.link.core_mut().next_update() {
            progress |= !matches!(update, Update::Synced | Update::Merged(_) | Update::Gap(_));
            self.arrivals.notice(&update);
            match (update, &mut self.author) {
                (Update::Sent(event), Some(author)) => self.board.sent(author.number, event, now),
                (Update::Saved(event), Some(author)) => self.board.acked(author.number, &event, now),
                // The trace's edits count on what is gone.
                (Update::Agent(_), _) => return Err(PlayError::Renewed { client: self.name.clone() }),
                (Update::Received(logged), Some(author)) => author.keep(logged.event, &self.board),
                (Update::Merged(version), Some(author)) => author.keep_merged(&version, &self.board),
                _ => {}
            }
        }
        for Arrival { agent, from, to } in self.arrivals.take(self.link.core()) {
            progress = true;
            self.board.arrived(&agent, from, to, now);
        }
        Ok(progress)
    }
}
