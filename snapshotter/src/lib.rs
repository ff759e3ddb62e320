//! Compacts the log: a snapshot of each document that has changed, its events moved from the log to
//! history, and the live state held against the log.
//!
//! Runs on a schedule over the documents that the materializer marked dirty, longest first, and now
//! and then over all of them ([`Snapshotter::sweep`]). One document is [`Snapshotter::compact`]'s work;
//! any number of runs may meet on it.
#![deny(missing_docs)]

mod compact;
mod floors;

use std::sync::Arc;
use std::time::Duration;

use inklog_protocol::DocId;
use inklog_protocol::limits::COMPACTION_GRACE;
use inklog_store::document::Documents;
use inklog_store::{Clock, StoreError};

pub use compact::Compacted;

/// Dirty documents asked for at once.
const PAGE: usize = 100;

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

    /// Compacts the dirty documents, those marked longest ago first, while `time` lasts.
    pub async fn run(&self, time: Duration) -> Result<Run, StoreError> {
        let deadline = tokio::time::Instant::now() + time;
        let mut run = Run::default();
        for doc in self.documents.catalogue.dirty(PAGE).await? {
            if tokio::time::Instant::now() >= deadline {
                run.out_of_time = true;
                break;
            }
            self.compact_into(&doc, &mut run).await;
        }
        Ok(run)
    }

    /// Compacts every document that there is, dirty or not, while `time` lasts.
    pub async fn sweep(&self, time: Duration) -> Result<Run, StoreError> {
        let deadline = tokio::time::Instant::now() + time;
        let mut run = Run::default();
        let mut start = None;
        loop {
            let (page, next) = self.documents.catalogue.docs(start.as_ref(), PAGE).await?;
            for entry in page {
                if tokio::time::Instant::now() >= deadline {
                    run.out_of_time = true;
                    return Ok(run);
                }
                self.compact_into(&entry.doc, &mut run).await;
            }
            match next {
                Some(doc) => start = Some(doc),
                None => return Ok(run),
            }
        }
    }

    /// One document's failure stops no other.
    async fn compact_into(&self, doc: &DocId, run: &mut Run) {
        run.docs += 1;
        match self.compact(doc).await {
            Ok(compacted) => {
                run.snapshots += usize::from(compacted.snapshot.is_some());
                run.events_deleted += compacted.events_deleted;
                run.live_dropped += usize::from(compacted.live_dropped);
            }
            Err(error) => {
                run.failed += 1;
                tracing::error!(%doc, %error, "a document could not be compacted; it stays dirty");
            }
        }
    }
}
