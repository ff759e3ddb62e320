//! Applies the log's stream to the live state.
//!
//! A batch is grouped by document. For each, the function marks it as changed in the catalogue (at most
//! once a minute), appends to the tail, and then does what the tail's status requires: a rebuild if the
//! base is missing, a fold if the tail has outgrown it. Every step may be repeated, and two handlers may
//! work on one document at once.
//!
//! If a dependency fails for all documents, the batch is retried from the lowest record that is not done,
//! without limit. A record written by a newer Inklog is held the same way. Only a record that cannot be
//! decoded is set aside; its document's live state is dropped, so that a rebuild decides.
//!
//! A document that fails alone (too large for Redis, a snapshot lost) stops no other: its live state is
//! dropped, which needs no memory, and readers replay the log until it can be kept again. If not even
//! dropping works, Redis is down for all.
//!
//! A fold or rebuild tells how large a document is. Where it has come to its limit, or is below it again,
//! the catalogue is told, by which ingest goes.
#![deny(missing_docs)]

mod rests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use futures::StreamExt as _;
use inklog_crdt::DecodeError;
use inklog_crdt::planted::{Bug, planted};
use inklog_protocol::limits::{DIRTY_MARK_INTERVAL, TAIL_KEPT_BYTES};
use inklog_protocol::{DocId, LoggedEvent};
use inklog_store::document::Documents;
use inklog_store::stream::{StreamRecord, by_doc, records};
use inklog_store::{Clock, StoreError};

use rests::Rests;

/// Documents of one batch that are processed at once.
const DOCS_AT_ONCE: usize = 8;
/// Documents of one batch marked at the same time: a mark is one small write and needs nothing else.
const MARKS_AT_ONCE: usize = 32;
/// Maximum number of marks that a warm function remembers.
const MARKS_MAX: usize = 10_000;

/// The function.
pub struct Materializer {
    documents: Documents,
    clock: Arc<dyn Clock>,
    /// When this warm function last marked a document. A std mutex: never held across an await.
    marked: Mutex<HashMap<DocId, u64>>,
    /// Documents that could not be kept.
    rests: Rests,
}

impl Materializer {
    /// A function over these stores.
    pub fn new(documents: Documents, clock: Arc<dyn Clock>) -> Materializer {
        Materializer { documents, clock, marked: Mutex::default(), rests: Rests::default() }
    }

    /// Handles one batch; returns the lowest record from which to retry, if any.
    pub async fn handle(&self, batch: StreamEvent) -> DynamoDbEventResponse {
        let mut order = Vec::new();
        let mut named = Vec::new();
        for record in records(batch) {
            order.push(record.sequence.clone());
            match record.doc.clone() {
                Some(doc) => named.push((doc, record)),
                None => tracing::error!(sequence = record.sequence, "a stream record has no document"),
            }
        }
        let named = by_doc(named);
        self.mark_ahead(&named).await;
        let down = AtomicBool::new(false);
        let failed: Vec<String> = futures::stream::iter(named)
            .map(|(doc, records)| self.handle_doc(doc, records, &down))
            .buffer_unordered(DOCS_AT_ONCE)
            .filter_map(|failed| async move { failed })
            .collect()
            .await;
        let is_failed = |sequence: &String| failed.contains(sequence) && !planted(Bug::FailureIsSuccess);
        let lowest = order.into_iter().find(is_failed);
        respond(lowest)
    }

    /// Marks the batch's documents before processing any, so that a new one is soon in the catalogue even if
    /// thousands come at the same time. After a failed mark, the rest are marked as they are processed.
    async fn mark_ahead(&self, batch: &[(DocId, Vec<StreamRecord>)]) {
        let docs = batch.iter().filter(|(_, records)| records.iter().any(|record| record.record.is_ok()));
        let marks: Vec<_> = docs.map(|(doc, _)| self.mark_dirty(doc)).collect();
        let mut marks = futures::stream::iter(marks).buffer_unordered(MARKS_AT_ONCE);
        while let Some(Ok(())) = marks.next().await {}
    }

    /// Processes one document's records; returns the first to retry, if any. `down` says that a store
    /// fails for all: then no other document of this batch waits for its time-out.
    async fn handle_doc(&self, doc: DocId, records: Vec<StreamRecord>, down: &AtomicBool) -> Option<String> {
        let first = records.first().map(|record| record.sequence.clone());
        if down.load(Ordering::Relaxed) {
            return first;
        }
        let mut events = Vec::with_capacity(records.len());
        let mut held = None;
        for StreamRecord { sequence, record, .. } in records {
            match record {
                Ok(record) => events.push(record.logged()),
                Err(error) if is_held(&error) => {
                    tracing::error!(%doc, sequence, %error, "holding a record until this function is upgraded");
                    held = Some(sequence);
                    break;
                }
                Err(error) => {
                    if let Err(error) = self.set_aside(&doc, &sequence, &error).await {
                        tracing::error!(%doc, %error, "retrying the batch");
                        down.store(true, Ordering::Relaxed);
                        return first;
                    }
                }
            }
        }
        match self.apply(&doc, &events).await {
            Ok(()) => held,
            Err(error) => {
                tracing::error!(%doc, %error, "retrying the batch");
                down.store(true, Ordering::Relaxed);
                first
            }
        }
    }

    /// Adds events to the live state, or drops it. Fails only if a store fails for all.
    async fn apply(&self, doc: &DocId, events: &[LoggedEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        self.mark_dirty(doc).await?;
        match self.keep(doc, events).await {
            Ok(()) => Ok(()),
            Err(error @ StoreError::Newer { .. }) => {
                // The newer function, which others run already, takes care of it.
                tracing::warn!(%doc, %error, "left a live state to a newer Inklog");
                Ok(())
            }
            Err(error) if planted(Bug::OneFailsForAll) => Err(error),
            Err(error) => {
                tracing::warn!(%doc, %error, "cannot keep a document: its readers replay the log");
                self.documents.live.drop_doc(doc).await
            }
        }
    }

    /// Appends, and does what the tail's status requires.
    async fn keep(&self, doc: &DocId, events: &[LoggedEvent]) -> Result<(), StoreError> {
        let fresh_tail = self.documents.entropy.nonce();
        let status = self.documents.live.append(doc, events, &fresh_tail).await?;
        if status.has_base {
            self.rests.end(doc);
            if self.documents.should_fold(status) {
                self.fold(doc).await?;
            }
            return Ok(());
        }
        if self.rests.is_resting(doc, self.clock.now_ms()) {
            // A tail without a base serves cursors for a while; it must not grow without end.
            if status.unfolded_bytes > TAIL_KEPT_BYTES as u64 {
                self.documents.live.drop_doc(doc).await?;
            }
            return Ok(());
        }
        let read_at = self.clock.now_ms();
        match self.documents.rebuild(doc).await {
            Ok((replayed, _)) => {
                self.rests.end(doc);
                let known = replayed.noted.map(|size| size.bytes);
                self.documents.note_size(doc, known, replayed.bytes, read_at).await?;
            }
            Err(error) => {
                let pause = self.rests.begin(doc, self.clock.now_ms());
                tracing::warn!(%doc, %error, ?pause, "could not rebuild a live state: readers replay the log for now");
            }
        }
        Ok(())
    }

    /// Folds the tail, and notes what only a fold tells: how large the document is now.
    async fn fold(&self, doc: &DocId) -> Result<(), StoreError> {
        let mut read_at = self.clock.now_ms();
        let Some(folded) = self.documents.fold(doc).await? else { return Ok(()) };
        let mut bytes = folded.bytes;
        if folded.aside_bytes > 0 && bytes > self.documents.doc_bytes_max {
            // What the stream repeated may have been set aside twice; nobody is refused for that.
            read_at = self.clock.now_ms();
            if let Some(replayed) = self.documents.remake(doc).await? {
                bytes = replayed.bytes;
            }
        }
        self.documents.note_size(doc, Some(folded.before), bytes, read_at).await
    }

    async fn mark_dirty(&self, doc: &DocId) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let last = self.marked.lock().expect("no holder panics").get(doc).copied();
        if last.is_some_and(|last| now.saturating_sub(last) < DIRTY_MARK_INTERVAL.as_millis() as u64) {
            return Ok(());
        }
        let marked = self.documents.catalogue.mark_dirty(doc, now, &self.documents.entropy.nonce()).await;
        marked.or_else(|error| planted(Bug::MarkMayFail).then_some(()).ok_or(error))?;
        let mut marked = self.marked.lock().expect("no holder panics");
        if marked.len() >= MARKS_MAX {
            marked.clear();
        }
        marked.insert(doc.clone(), now);
        Ok(())
    }

    /// Keeps what is known of a record that cannot be decoded, and lets a rebuild decide.
    async fn set_aside(&self, doc: &DocId, sequence: &str, error: &DecodeError) -> Result<(), StoreError> {
        tracing::error!(%doc, sequence, %error, "set aside an undecodable record");
        // What the log has of it is to be compacted all the same.
        self.mark_dirty(doc).await?;
        let note =
            serde_json::json!({ "doc": doc.as_str(), "sequence": sequence, "error": error.to_string() });
        let key = inklog_store::keys::objects::set_aside(doc, sequence);
        if let Err(error) = self.documents.objects.put(&key, note.to_string().into_bytes()).await {
            // Any note will do: another version of this function, which words it otherwise, may have been faster.
            match self.documents.objects.get(&key).await {
                Ok(Some(_)) => {}
                _ => return Err(error),
            }
        }
        if planted(Bug::PoisonKeepsLiveState) {
            return Ok(());
        }
        self.documents.live.drop_doc(doc).await
    }
}

/// Whether a record waits for a newer function.
fn is_held(error: &DecodeError) -> bool {
    match error {
        DecodeError::Newer { .. } => !planted(Bug::NewerIsPoison),
        _ => planted(Bug::PoisonIsHeld),
    }
}

fn respond(lowest_failed: Option<String>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    if let Some(sequence) = lowest_failed {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(sequence);
        response.batch_item_failures.push(failure);
    }
    response
}
