//! Compacts the log: a snapshot of each document that has changed, its events moved from the log to
//! history, and the live state held against the log.
//!
//! Runs on a schedule over the documents that the materializer marked dirty, longest first, and now
//! and then over all of them ([`Snapshotter::sweep`]). One document is [`Snapshotter::compact`]'s work;
//! any number of runs may meet on it.
#![deny(missing_docs)]

mod compact;
mod floors;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use inklog_protocol::DocId;
use inklog_protocol::limits::COMPACTION_GRACE;
use inklog_store::document::Documents;
use inklog_store::{Clock, StoreError};

pub use compact::{Compacted, LIVE_LAG_MAX_MS};

/// Documents asked for at once.
const PAGE: usize = 100;
/// A sweep keeps its place each time that it has done so many documents.
const PLACE_KEPT_EVERY: usize = 20;

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// Documents looked at.
    pub docs: usize,
    /// Snapshots written.
    pub snapshots: usize,
    /// Events moved out of the log.
    pub events_deleted: usize,
    /// Live states that lacked something and were dropped.
    pub live_dropped: usize,
    /// Documents that could not be done; they stay dirty.
    pub failed: usize,
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
            out_of_time: self.out_of_time || other.out_of_time,
        }
    }
}

/// The function.
pub struct Snapshotter {
    documents: Documents,
    clock: Arc<dyn Clock>,
    /// Events younger than this stay in the log, and floors younger than this are not acted on.
    grace: Duration,
}

impl Snapshotter {
    /// A function over these stores.
    pub fn new(documents: Documents, clock: Arc<dyn Clock>) -> Snapshotter {
        Snapshotter { documents, clock, grace: COMPACTION_GRACE }
    }

    /// With another grace period. Below the default, acknowledged events can be refused as conflicts
    /// when ingest functions run on an older floor: only for a stack that is otherwise stopped.
    pub fn with_grace(self, grace: Duration) -> Snapshotter {
        Snapshotter { grace, ..self }
    }

    /// The clock that all ages are measured with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What a schedule asks for: [`Snapshotter::sweep`], or [`Snapshotter::run`] and then, in the time
    /// that is left, the rest of a sweep that ran out of its own.
    pub async fn scheduled(&self, sweep: bool, time: Duration) -> Result<Run, StoreError> {
        if sweep {
            return self.sweep(time).await;
        }
        let begin = tokio::time::Instant::now();
        let run = self.run(time).await?;
        if run.out_of_time || self.documents.catalogue.sweep_place().await?.is_none() {
            return Ok(run);
        }
        Ok(run + self.sweep(time.saturating_sub(begin.elapsed())).await?)
    }

    /// Compacts the dirty documents, those marked longest ago first, while `time` lasts. What stays dirty
    /// moves behind the others, so that the next run begins where this one ends.
    pub async fn run(&self, time: Duration) -> Result<Run, StoreError> {
        let deadline = tokio::time::Instant::now() + time;
        let mut run = Run::default();
        let (mut place, mut done) = (None, HashSet::new());
        loop {
            let page = self.documents.catalogue.dirty_after(place.as_ref(), PAGE).await?;
            if page.is_empty() {
                return Ok(run);
            }
            for dirty in page {
                // One that has moved back comes once more.
                if done.insert(dirty.doc.clone()) {
                    if tokio::time::Instant::now() >= deadline {
                        run.out_of_time = true;
                        return Ok(run);
                    }
                    if self.compact_into(&dirty.doc, &mut run).await {
                        self.documents.catalogue.move_back(&dirty.doc, self.clock.now_ms()).await?;
                    }
                }
                place = Some(dirty);
            }
        }
    }

    /// Compacts every document that there is, dirty or not, while `time` lasts; the next sweep goes on
    /// from there.
    pub async fn sweep(&self, time: Duration) -> Result<Run, StoreError> {
        let deadline = tokio::time::Instant::now() + time;
        let catalogue = &self.documents.catalogue;
        let mut run = Run::default();
        let mut place = catalogue.sweep_place().await?;
        loop {
            let (page, next) = catalogue.docs(place.as_ref(), PAGE).await?;
            for entry in page {
                if tokio::time::Instant::now() >= deadline {
                    run.out_of_time = true;
                    catalogue.keep_sweep_place(place.as_ref()).await?;
                    return Ok(run);
                }
                self.compact_into(&entry.doc, &mut run).await;
                place = Some(entry.doc);
                if run.docs.is_multiple_of(PLACE_KEPT_EVERY) {
                    catalogue.keep_sweep_place(place.as_ref()).await?;
                }
            }
            if next.is_none() {
                catalogue.keep_sweep_place(None).await?;
                return Ok(run);
            }
        }
    }

    /// Tells whether the document stays dirty. One's failure stops no other.
    async fn compact_into(&self, doc: &DocId, run: &mut Run) -> bool {
        run.docs += 1;
        match self.compact(doc).await {
            Ok(compacted) => {
                run.snapshots += usize::from(compacted.snapshot.is_some());
                run.events_deleted += compacted.events_deleted;
                run.live_dropped += usize::from(compacted.live_dropped);
                compacted.left_dirty
            }
            Err(error) => {
                run.failed += 1;
                tracing::error!(%doc, %error, "a document could not be compacted; it stays dirty");
                true
            }
        }
    }
}
