//! Compacts the log on a schedule: the documents that the materializer marked dirty, longest first, and
//! now and then all of them, for what the marks missed.
//!
//! One document is [`Operator::compact`]'s work, and many of them its runner's; here is which documents,
//! and in which order. Any number of runs may meet on one document.
#![deny(missing_docs)]

mod dirty;
mod sweep;

use std::time::Duration;

use inklog_operator::{Compacted, FailedDoc, Operator, Queue, Runner, Told};
use inklog_protocol::DocId;
use inklog_store::StoreError;

use dirty::Dirty;
use sweep::Sweep;

/// A document that takes longer is left to the next run: it must not take all the time of every run.
const TIME_OF_ONE: Duration = Duration::from_secs(5 * 60);

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// Documents looked at.
    pub docs: usize,
    /// Snapshots written.
    pub snapshots: usize,
    /// Events moved out of the log.
    pub events_deleted: usize,
    /// Live states that lacked something, or were damaged, and were dropped.
    pub live_dropped: usize,
    /// Documents that failed; they stay dirty.
    pub failed: usize,
    /// The first of those.
    pub failures: Vec<FailedDoc>,
    /// Whether time ran out before the work did.
    pub out_of_time: bool,
}

impl std::ops::Add for Run {
    type Output = Run;

    fn add(self, other: Run) -> Run {
        Run {
            docs: self.docs + other.docs,
            snapshots: self.snapshots + other.snapshots,
            events_deleted: self.events_deleted + other.events_deleted,
            live_dropped: self.live_dropped + other.live_dropped,
            failed: self.failed + other.failed,
            failures: [self.failures, other.failures].concat(),
            out_of_time: self.out_of_time || other.out_of_time,
        }
    }
}

/// The function.
pub struct Snapshotter {
    operator: Operator,
}

impl Snapshotter {
    /// A function whose jobs this operator does.
    pub fn new(operator: Operator) -> Snapshotter {
        Snapshotter { operator }
    }

    /// What a schedule asks for: [`Snapshotter::sweep`], or [`Snapshotter::run`] and then, in the time
    /// that is left, the rest of a sweep that ran out of its own.
    pub async fn scheduled(&self, sweep: bool, time: Duration) -> Result<Run, StoreError> {
        if sweep {
            return self.sweep(time).await;
        }
        let begin = self.operator.clock().monotonic();
        let run = self.run(time).await?;
        if run.out_of_time || self.operator.documents().catalogue.sweep_place().await?.is_none() {
            return Ok(run);
        }
        Ok(run + self.sweep(time.saturating_sub(self.operator.clock().monotonic() - begin)).await?)
    }

    /// Compacts the dirty documents, oldest mark first, while `time` lasts. A document that stays dirty
    /// moves behind the others, so that the next run starts where this one ends.
    pub async fn run(&self, time: Duration) -> Result<Run, StoreError> {
        let catalogue = &self.operator.documents().catalogue;
        let mut queue = Dirty::new(catalogue.clone());
        self.compact_all(&mut queue, time, async |doc| {
            let compacted = self.operator.compact(&doc).await;
            let stays_dirty = match &compacted {
                Ok(compacted) => compacted.as_ref().is_some_and(|compacted| compacted.left_dirty),
                Err(_) => true,
            };
            if stays_dirty {
                catalogue.move_back(&doc, self.operator.clock().now_ms()).await?;
            }
            compacted
        })
        .await
    }

    /// Compacts every document, dirty or not, while `time` lasts; the next sweep resumes from there.
    pub async fn sweep(&self, time: Duration) -> Result<Run, StoreError> {
        let mut queue = Sweep::begin(self.operator.documents().catalogue.clone()).await?;
        let run = self.compact_all(&mut queue, time, async |doc| self.operator.compact(&doc).await).await?;
        queue.end(run.out_of_time).await?;
        Ok(run)
    }

    async fn compact_all<Q, F>(
        &self,
        queue: &mut Q,
        time: Duration,
        compact: impl Fn(DocId) -> F,
    ) -> Result<Run, StoreError>
    where
        Q: Queue<Error = StoreError>,
        F: Future<Output = Result<Option<Compacted>, StoreError>>,
    {
        let clock = self.operator.clock().clone();
        let runner = Runner { time: Some(time), time_of_one: Some(TIME_OF_ONE), clock, ..Runner::default() };
        let mut run = Run::default();
        let ran = runner
            .run(queue, compact, |told| {
                match told {
                    Told::Done(_, Ok(compacted)) => {
                        let compacted = compacted.unwrap_or_default();
                        run.snapshots += usize::from(compacted.snapshot.is_some());
                        run.events_deleted += compacted.events_deleted;
                        run.live_dropped += usize::from(compacted.live_dropped);
                    }
                    Told::Done(doc, Err(error)) => {
                        tracing::error!(%doc, %error, "could not compact a document; it stays dirty");
                    }
                    Told::Found(_) => {}
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(Run {
            docs: ran.docs,
            failed: ran.failed,
            failures: ran.failures,
            out_of_time: ran.out_of_time,
            ..run
        })
    }
}
