//! Lets people watch the pipeline: each event at each stage, with its times.
//!
//! The stages are observed from outside, where [`crate::stack`] wires them: around the function behind
//! SEND_OP, around the functions that the stream's mappings invoke, and where a mapping has read the
//! stream ([`observe`]). The functions know nothing about it, as on AWS. Observations go into a short
//! history and to the current watchers ([`serve`]); no watcher can delay an edit: one that reads too
//! slowly misses some.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use inklog_protocol::DocId;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

mod observe;
mod serve;

pub(crate) use observe::{ObservedSend, ObservedStream, seen_in_the_log};
pub(crate) use serve::router;

/// How many passages are kept, of all documents.
const REMEMBERED: usize = 2_048;
/// How many of them a new watcher gets first.
const SHOWN_FIRST: usize = 100;
/// How many passages a watcher may be behind before it misses some.
const BEHIND_MAX: usize = 1_024;

/// Where an event can be observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The function behind SEND_OP: from its call to its answer. `ok`: the event is acknowledged.
    Ingest,
    /// The log: from the event's `at`, which ingest gave it just before the put, to the moment it was
    /// read from the log's stream.
    Log,
    /// A batch of the materializer that held the event. Not `ok`: it is retried.
    Materializer,
    /// A batch of the broadcaster that held the event. Not `ok`: it is retried.
    Broadcaster,
}

/// One event at one stage. Times are ms since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passage {
    /// Where.
    pub stage: Stage,
    /// The event's document.
    pub doc: String,
    /// Its agent.
    pub agent: String,
    /// The end of the agent's previous event.
    pub after: u64,
    /// The last id used plus one.
    pub end: u64,
    /// When the stage began with it.
    pub started_at: f64,
    /// When it was done with it.
    pub ended_at: f64,
    /// Whether it succeeded.
    pub ok: bool,
}

/// A passage and its number. Numbers ascend, across restarts too.
type Numbered = (u64, Arc<Passage>);

/// The latest passages, and their watchers. Clones are handles on the same pipeline.
#[derive(Clone)]
pub struct Pipeline(Arc<Mutex<Inner>>);

struct Inner {
    next: u64,
    lately: VecDeque<Numbered>,
    /// `None` once nothing more will arrive.
    watchers: Option<broadcast::Sender<Numbered>>,
}

impl Pipeline {
    /// An empty pipeline.
    pub(crate) fn new() -> Pipeline {
        let watchers = Some(broadcast::Sender::new(BEHIND_MAX));
        // Microseconds: more than pass, so that another process's numbers lie below.
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let next = started.map_or(0, |started| started.as_micros() as u64);
        Pipeline(Arc::new(Mutex::new(Inner { next, lately: VecDeque::new(), watchers })))
    }

    /// Records passages, in their order.
    fn passed(&self, passages: impl IntoIterator<Item = Passage>) {
        let inner = &mut *self.inner();
        for passage in passages {
            let numbered = (inner.next, Arc::new(passage));
            inner.next += 1;
            if inner.lately.len() == REMEMBERED {
                inner.lately.pop_front();
            }
            inner.lately.push_back(numbered.clone());
            if let Some(watchers) = &inner.watchers {
                // Fails where nobody watches.
                let _ = watchers.send(numbered);
            }
        }
    }

    /// The newest passages of the document from number `from` on, and the stream of those that follow.
    fn watch(&self, doc: &DocId, from: u64) -> (Vec<Numbered>, Option<broadcast::Receiver<Numbered>>) {
        let inner = self.inner();
        let of_doc = |(number, passage): &&Numbered| *number >= from && passage.doc == doc.as_str();
        let mut first: Vec<_> = inner.lately.iter().rev().filter(of_doc).take(SHOWN_FIRST).cloned().collect();
        first.reverse();
        // Under the same lock, so that nothing falls between the two.
        (first, inner.watchers.as_ref().map(broadcast::Sender::subscribe))
    }

    /// Ends every watcher's stream.
    pub(crate) fn close(&self) {
        self.inner().watchers = None;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(doc: &str, after: u64) -> Passage {
        let (stage, agent) = (Stage::Log, "ann".to_owned());
        Passage {
            stage,
            doc: doc.into(),
            agent,
            after,
            end: after + 1,
            started_at: 1.5,
            ended_at: 2.0,
            ok: true,
        }
    }

    fn afters(seen: &[Numbered]) -> Vec<u64> {
        seen.iter().map(|(_, passage)| passage.after).collect()
    }

    #[test]
    fn a_watcher_gets_the_newest_of_its_document_and_misses_nothing_after() {
        let pipeline = Pipeline::new();
        let doc = DocId::new("d").unwrap();
        pipeline.passed((0..SHOWN_FIRST as u64 + 7).map(|n| passage("d", n)));
        pipeline.passed([passage("other", 0)]);
        let (first, receiver) = pipeline.watch(&doc, 0);
        assert_eq!(afters(&first), (7..SHOWN_FIRST as u64 + 7).collect::<Vec<_>>());
        pipeline.passed([passage("d", 1_000)]);
        assert_eq!(receiver.unwrap().try_recv().unwrap().1.after, 1_000);
        // Who comes back gets what it has not seen.
        let (again, _) = pipeline.watch(&doc, first.last().unwrap().0 + 1);
        assert_eq!(afters(&again), [1_000]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_a_slow_watcher_misses_some() {
        let pipeline = Pipeline::new();
        let (_, receiver) = pipeline.watch(&DocId::new("d").unwrap(), 0);
        pipeline.passed((0..10_000).map(|n| passage("d", n)));
        assert_eq!(pipeline.inner().lately.len(), REMEMBERED);
        let mut receiver = receiver.unwrap();
        let lagged = broadcast::error::TryRecvError::Lagged(10_000 - BEHIND_MAX as u64);
        assert_eq!(receiver.try_recv(), Err(lagged));
        assert_eq!(receiver.try_recv().unwrap().1.after, 10_000 - BEHIND_MAX as u64);
        pipeline.close();
        assert!(pipeline.watch(&DocId::new("d").unwrap(), 0).1.is_none());
    }
}
