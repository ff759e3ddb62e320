//! One document's compaction, step by step.
//!
//! 1. Read the dirty mark's nonce, then the whole log, *then* the pointer and the snapshot that it names.
//!    Note the document's size if ingest needs it.
//! 2. The history segment (exactly the events between the pointer's version and the new one), then
//!    the snapshot; both are read back and compared.
//! 3. The pointer moves, if it is still the old one. Else another run was faster, and what this one
//!    wrote is deleted again.
//! 4. Snapshots that newer ones took the place of a grace period ago are deleted, but for one.
//! 5. Floors: see `floors.rs`.
//! 6. The live state is held against the log.
//! 7. The mark is taken away, if it is still the one of step 1, was not set lately, and nothing is left to do.

use futures::FutureExt as _;
use futures::stream::{self, StreamExt as _};
use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Doc, Event};
use inklog_protocol::DocId;
use inklog_protocol::limits::DIRTY_MARK_INTERVAL;
use inklog_store::catalogue::{Pointer, Superseded};
use inklog_store::document::{Peeked, Replayed, SEGMENTS_AHEAD};
use inklog_store::keys::objects as keys;
use inklog_store::objects::{Segment, Snapshot};
use inklog_store::{LogRecord, StoreError};

use super::floors;
use crate::Operator;

/// The live state must have every applicable event that is older than this, in ms.
pub const LIVE_LAG_MAX_MS: u64 = 60_000;
/// A materializer that has marked the document takes its next events without another mark for so long, in ms: twice
/// what it remembers, since clocks differ.
const MARK_REMEMBERED_MS: u64 = 2 * DIRTY_MARK_INTERVAL.as_millis() as u64;
/// Maximum number of superseded snapshots that a pointer names: without permission to delete, they would accumulate.
const SUPERSEDED_MAX: usize = 256;
/// Objects deleted at once.
const DELETES_AT_ONCE: usize = 8;

/// What became of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Compacted {
    /// Key of the snapshot that was written, if there was anything new.
    pub snapshot: Option<String>,
    /// Bytes of that snapshot.
    pub snapshot_bytes: usize,
    /// Events in it that the previous one lacks.
    pub events_compacted: usize,
    /// Events deleted from the log, below floors of earlier runs.
    pub events_deleted: usize,
    /// Older snapshots deleted.
    #[serde(default)]
    pub snapshots_deleted: usize,
    /// Whether the live state lacked something, or was damaged, and was dropped.
    pub live_dropped: bool,
    /// Whether the document stays marked: it changed meanwhile, or the log holds events to delete later.
    #[serde(default)]
    pub left_dirty: bool,
}

impl Operator {
    /// Compacts the document now; `None` when there is no such document. Any number of runs may meet on it.
    pub async fn compact(&self, doc: &DocId) -> Result<Option<Compacted>, StoreError> {
        let read_at = self.clock.now_ms();
        let entry = self.documents.catalogue.entry(doc).await?;
        let replayed = self.documents.replay(doc).await?;
        if entry.is_none() && replayed.is_unknown() {
            return Ok(None);
        }
        let mark = entry.and_then(|entry| Some((entry.dirty?, entry.last_edit)));
        let now = self.clock.now_ms();
        let known = replayed.noted.map(|size| size.bytes);
        self.documents.note_size(doc, known, replayed.bytes, read_at).await?;
        let mut done = Compacted::default();

        let fresh = fresh_records(&replayed);
        done.events_compacted = fresh.len();
        let mut kept = replayed.snapshot.clone();
        let mut pointer = replayed.pointer.clone();
        if !fresh.is_empty() || replayed.snapshot_lost.is_some() {
            let Some((moved, bytes)) = self.write_snapshot(doc, &replayed, fresh, now).await? else {
                return Ok(Some(Compacted { left_dirty: mark.is_some(), ..Compacted::default() }));
            };
            (done.snapshot, done.snapshot_bytes) = (Some(moved.snapshot.clone()), bytes);
            pointer = Some(moved);
            kept = replayed.doc.clone();
        }

        let grace_ms = self.grace.as_millis() as u64;
        if let Some(pointer) = &pointer {
            done.snapshots_deleted =
                self.delete_superseded(doc, pointer, now.saturating_sub(grace_ms)).await?;
        }
        let published = self.documents.catalogue.floors(doc).await?;
        let stays = floors::overlapping(&replayed.records);
        let due = floors::due_for_deletion(
            &replayed.records,
            &replayed.snapshot,
            &published,
            now.saturating_sub(grace_ms),
            &stays,
        );
        self.documents.log.delete(doc, &due).await?;
        done.events_deleted = due.len();
        for (agent, floor) in floors::to_publish(&replayed.records, &kept, &published, now, grace_ms) {
            self.documents.catalogue.publish_floor(doc, &agent, floor).await?;
        }

        done.live_dropped = self.drop_if_lacking(doc, &replayed, now).await?;
        let goes = |event: &Event| {
            kept.version().covers(event) && !stays.contains(&(event.agent().clone(), event.after()))
        };
        let left = replayed.records.iter().filter(|record| goes(&record.event)).count();
        if let Some((mark, marked_at)) = mark {
            let is_done = left == due.len() && marked_at + MARK_REMEMBERED_MS <= read_at;
            done.left_dirty = !is_done || !self.documents.catalogue.clear_dirty(doc, &mark.nonce).await?;
        }
        Ok(Some(done))
    }

    /// Writes segment and snapshot, reads both back, and moves the pointer. `None`: another run was
    /// faster.
    async fn write_snapshot(
        &self,
        doc: &DocId,
        replayed: &Replayed,
        mut fresh: Vec<LogRecord>,
        now: u64,
    ) -> Result<Option<(Pointer, usize)>, StoreError> {
        if planted(Bug::SegmentLacksLast) {
            fresh.pop();
        }
        let documents = &self.documents;
        let old = replayed.pointer.as_ref();
        let nonce = documents.entropy.nonce();
        let mut pointer = Pointer {
            snapshot: keys::snapshot(doc, now, &nonce),
            segment: keys::segment(doc, now, &nonce),
            at: now,
            superseded: superseded_by(old, replayed.snapshot_lost.is_some(), now),
        };
        let segment = match old {
            // Only the snapshot was lost; the history has it all.
            Some(old) if fresh.is_empty() => {
                pointer.segment = old.segment.clone();
                None
            }
            _ => Some(Segment { earlier: self.segments_before(old).await?, records: fresh }),
        };
        let written = self.write_and_read_back(&pointer, segment.as_ref(), &replayed.doc).await;
        let moved = match &written {
            // An error leaves open whether it has moved: then the objects must stay.
            Ok(_) => documents.catalogue.move_pointer(doc, old, &pointer).await?,
            Err(_) => false,
        };
        if !moved {
            let mut unnamed = vec![pointer.snapshot.clone()];
            unnamed.extend(segment.as_ref().map(|_| pointer.segment.clone()));
            self.delete_objects(unnamed).await;
        }
        written.map(|size| moved.then_some((pointer, size)))
    }

    /// Bytes of the snapshot.
    async fn write_and_read_back(
        &self,
        pointer: &Pointer,
        segment: Option<&Segment>,
        state: &Doc,
    ) -> Result<usize, StoreError> {
        let documents = &self.documents;
        if let Some(segment) = segment {
            documents.objects.put(&pointer.segment, segment.encode()).await?;
        }
        let bytes = Snapshot::encode(state);
        let size = bytes.len();
        documents.objects.put(&pointer.snapshot, bytes).await?;
        if planted(Bug::NothingIsReadBack) {
            return Ok(size);
        }

        if let Some(segment) = segment
            && documents.segment(&pointer.segment).await? != *segment
        {
            return Err(differs(&pointer.segment));
        }
        if documents.snapshot(pointer).await?.encode() != state.encode() {
            return Err(differs(&pointer.snapshot));
        }
        Ok(size)
    }

    /// The keys that a new segment names: the newest before it, and those which that one names.
    async fn segments_before(&self, old: Option<&Pointer>) -> Result<Vec<String>, StoreError> {
        let Some(old) = old else { return Ok(Vec::new()) };
        let mut earlier = vec![old.segment.clone()];
        match self.documents.segment(&old.segment).await {
            Ok(segment) => earlier.extend(segment.earlier),
            // Its readers will say so; what is new is kept all the same.
            Err(StoreError::Damaged { what, reason }) => {
                tracing::error!(reason, "{what} is damaged: the history has a gap");
            }
            Err(error) => return Err(error),
        }
        earlier.truncate(SEGMENTS_AHEAD);
        Ok(earlier)
    }

    /// Deletes the snapshots that were superseded at `superseded_by` or before, except the newest of them,
    /// which is kept in case the current one is lost.
    async fn delete_superseded(
        &self,
        doc: &DocId,
        pointer: &Pointer,
        superseded_by: u64,
    ) -> Result<usize, StoreError> {
        let stays = |(number, older): &(usize, &Superseded)| *number == 0 || older.at > superseded_by;
        let (stay, go): (Vec<_>, Vec<_>) = pointer.superseded.iter().enumerate().partition(stays);
        if go.is_empty() {
            return Ok(0);
        }
        let keys = go.iter().map(|(_, older)| older.snapshot.clone()).collect();
        let deleted = self.delete_objects(keys).await;
        if deleted == go.len() {
            let superseded = stay.into_iter().map(|(_, older)| older.clone()).collect();
            let trimmed = Pointer { superseded, ..pointer.clone() };
            // A pointer that has moved meanwhile names them still, and they are deleted once more.
            self.documents.catalogue.move_pointer(doc, Some(pointer), &trimmed).await?;
        }
        Ok(deleted)
    }

    /// Deletes what no pointer leads to, and returns how many; what stays only takes space.
    async fn delete_objects(&self, keys: Vec<String>) -> usize {
        let deletes: Vec<_> = keys.into_iter().map(|key| self.delete_object(key).boxed()).collect();
        stream::iter(deletes).buffer_unordered(DELETES_AT_ONCE).fold(0, async |sum, one| sum + one).await
    }

    async fn delete_object(&self, key: String) -> usize {
        match self.documents.objects.delete(&key).await {
            Ok(()) => 1,
            Err(error) => {
                tracing::warn!(key, %error, "could not delete an unneeded object");
                0
            }
        }
    }

    /// Drops a live state that is damaged or lacks an applicable event older than a minute.
    async fn drop_if_lacking(&self, doc: &DocId, replayed: &Replayed, now: u64) -> Result<bool, StoreError> {
        let live = match self.documents.peek(doc).await? {
            Peeked::Missing => return Ok(false),
            Peeked::Sound { state, .. } => state,
            Peeked::Damaged(what) => {
                tracing::error!(%doc, "{what}: dropping it");
                self.documents.live.drop_doc(doc).await?;
                return Ok(true);
            }
        };
        let old_enough = |record: &&LogRecord| record.at + LIVE_LAG_MAX_MS <= now;
        let lacks = !live.version().includes(replayed.snapshot.version())
            || replayed.records.iter().filter(old_enough).any(|record| {
                replayed.doc.version().covers(&record.event) && !live.version().covers(&record.event)
            });
        if lacks {
            tracing::error!(%doc, "dropping a live state that lacks events of the log");
            self.documents.live.drop_doc(doc).await?;
        }
        Ok(lacks)
    }
}

/// The applicable events of the log beyond the snapshot.
fn fresh_records(replayed: &Replayed) -> Vec<LogRecord> {
    let (old, new) = (replayed.snapshot.version(), replayed.doc.version());
    let fresh = |record: &&LogRecord| {
        new.covers(&record.event) && (!old.covers(&record.event) || planted(Bug::SegmentRepeats))
    };
    replayed.records.iter().filter(fresh).cloned().collect()
}

/// The superseded snapshots that the pointer after `old` names, newest first.
fn superseded_by(old: Option<&Pointer>, is_lost: bool, now: u64) -> Vec<Superseded> {
    let Some(old) = old else { return Vec::new() };
    let mut superseded = old.superseded.clone();
    let last = Superseded { snapshot: old.snapshot.clone(), at: now };
    // A lost one is nothing to fall back to.
    superseded.insert(if is_lost { superseded.len() } else { 0 }, last);
    superseded.truncate(SUPERSEDED_MAX);
    superseded
}

fn differs(key: &str) -> StoreError {
    let reason = "the bytes read back differ from those written".to_owned();
    StoreError::Damaged { what: key.to_owned(), reason }
}
