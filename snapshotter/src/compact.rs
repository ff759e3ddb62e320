//! One document's compaction, step by step.
//!
//! 1. The dirty mark's nonce, then the log whole, *then* the pointer and the snapshot that it names.
//! 2. The history segment (exactly the events between the pointer's version and the new one), then
//!    the snapshot; both are read back and compared.
//! 3. The pointer moves, if it is still the old one. Else another run was faster, and what this one
//!    wrote is garbage that no pointer names.
//! 4. Floors: see [`crate::floors`].
//! 5. The live state is held against the log.
//! 6. The mark is taken away, if it is still the one of step 1 and nothing is left to do.

use inklog_crdt::Doc;
use inklog_protocol::DocId;
use inklog_store::catalogue::Pointer;
use inklog_store::document::{Replayed, assemble};
use inklog_store::keys::objects as keys;
use inklog_store::objects::{Segment, Snapshot};
use inklog_store::{LogRecord, StoreError};

use crate::{Snapshotter, floors};

/// The live state must have every applicable event that is older than this, in ms.
const LIVE_LAG_MAX_MS: u64 = 60_000;

/// What became of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Compacted {
    /// Key of the snapshot that was written and pointed to, if there was something new.
    pub snapshot: Option<String>,
    /// Bytes of that snapshot.
    pub snapshot_bytes: usize,
    /// Events that it has beyond the one before.
    pub events_compacted: usize,
    /// Events deleted from the log, below floors of earlier runs.
    pub events_deleted: usize,
    /// Whether the live state lacked something and was dropped.
    pub live_dropped: bool,
}

impl Snapshotter {
    /// Compacts one document.
    pub async fn compact(&self, doc: &DocId) -> Result<Compacted, StoreError> {
        let mark = self.documents.catalogue.entry(doc).await?.and_then(|entry| entry.dirty);
        let replayed = self.documents.replay(doc).await?;
        let now = self.clock.now_ms();
        let mut done = Compacted::default();

        let fresh = fresh_records(&replayed);
        done.events_compacted = fresh.len();
        let mut kept = replayed.snapshot.clone();
        if !fresh.is_empty() {
            match self.write_snapshot(doc, &replayed, fresh, now).await? {
                Some((key, bytes)) => (done.snapshot, done.snapshot_bytes) = (Some(key), bytes),
                None => return Ok(Compacted::default()),
            }
            kept = replayed.doc.clone();
        }

        let grace_ms = self.grace.as_millis() as u64;
        let published = self.documents.catalogue.floors(doc).await?;
        let due = floors::due_for_deletion(&replayed, &published, now.saturating_sub(grace_ms));
        self.documents.log.delete(doc, &due).await?;
        done.events_deleted = due.len();
        for (agent, floor) in floors::to_publish(&replayed.records, &kept, &published, now, grace_ms) {
            self.documents.catalogue.publish_floor(doc, &agent, floor).await?;
        }

        done.live_dropped = self.check_live(doc, &replayed, now).await?;
        let left = replayed.records.iter().filter(|record| kept.version().covers(&record.event)).count();
        if let Some(mark) = mark
            && left == due.len()
        {
            self.documents.catalogue.clear_dirty(doc, &mark.nonce).await?;
        }
        Ok(done)
    }

    /// Writes segment and snapshot, reads both back, and moves the pointer. `None`: another run was
    /// faster.
    async fn write_snapshot(
        &self,
        doc: &DocId,
        replayed: &Replayed,
        fresh: Vec<LogRecord>,
        now: u64,
    ) -> Result<Option<(String, usize)>, StoreError> {
        let documents = &self.documents;
        let old = replayed.pointer.as_ref();
        let nonce = documents.entropy.nonce();
        let pointer = Pointer {
            snapshot: keys::snapshot(doc, now, &nonce),
            segment: keys::segment(doc, now, &nonce),
            at: now,
        };
        let segment = Segment { previous: old.map(|old| old.segment.clone()), records: fresh };
        let state = replayed.doc.encode();
        let bytes = Snapshot::encode(&replayed.doc);
        let size = bytes.len();
        documents.objects.put(&pointer.segment, segment.encode()).await?;
        documents.objects.put(&pointer.snapshot, bytes).await?;

        if documents.segment(&pointer.segment).await? != segment {
            return Err(differs(&pointer.segment));
        }
        if documents.snapshot(&pointer).await?.encode() != state {
            return Err(differs(&pointer.snapshot));
        }
        let moved = documents.catalogue.move_pointer(doc, old, &pointer).await?;
        Ok(moved.then_some((pointer.snapshot, size)))
    }

    /// Drops a live state that lacks an applicable event older than a minute.
    async fn check_live(&self, doc: &DocId, replayed: &Replayed, now: u64) -> Result<bool, StoreError> {
        let Some(live) = self.documents.live.read(doc).await? else { return Ok(false) };
        let live = match assemble(doc, &live) {
            Ok(live) => live,
            Err(StoreError::Damaged { .. }) => Doc::new(),
            Err(error) => return Err(error),
        };
        let old_enough = |record: &&LogRecord| record.at + LIVE_LAG_MAX_MS <= now;
        let lacks = !live.version().includes(replayed.snapshot.version())
            || replayed.records.iter().filter(old_enough).any(|record| {
                replayed.doc.version().covers(&record.event) && !live.version().covers(&record.event)
            });
        if lacks {
            tracing::error!(%doc, "the live state lacks events of the log and is dropped");
            self.documents.live.drop_doc(doc).await?;
        }
        Ok(lacks)
    }
}

/// What the log holds beyond the snapshot and can be applied.
fn fresh_records(replayed: &Replayed) -> Vec<LogRecord> {
    let (old, new) = (replayed.snapshot.version(), replayed.doc.version());
    let fresh = |record: &&LogRecord| new.covers(&record.event) && !old.covers(&record.event);
    replayed.records.iter().filter(fresh).cloned().collect()
}

fn differs(key: &str) -> StoreError {
    let reason = "what was read back is not what was written".to_owned();
    StoreError::Damaged { what: key.to_owned(), reason }
}
