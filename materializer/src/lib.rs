//! Applies the log's stream to the live state.
//!
//! A batch is grouped by document. For each: the catalogue's mark that it changed (at most once a
//! minute), the append to the tail, then what the tail's status asks for: a rebuild where the base is
//! missing, a fold where the tail has outgrown it. Every step may be repeated, and two handlers may
//! work on one document at once.
//!
//! A dependency that fails makes the batch come again from the lowest record that was not done,
//! without limit. A record written by a newer Inklog is held the same way. Only a record that cannot
//! be decoded is set aside, and its document's live state dropped, so that a rebuild decides.
#![deny(missing_docs)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use futures::StreamExt as _;
use inklog_crdt::DecodeError;
use inklog_protocol::limits::DIRTY_MARK_INTERVAL;
use inklog_protocol::{DocId, LoggedEvent};
use inklog_store::audience::by_doc;
use inklog_store::document::Documents;
use inklog_store::stream::{StreamRecord, records};
use inklog_store::{Clock, StoreError};

/// Documents of one batch that are worked on at once.
const DOCS_AT_ONCE: usize = 8;
/// Marks remembered by a warm function at most.
const MARKS_MAX: usize = 10_000;

/// The function.
pub struct Materializer {
    documents: Documents,
    clock: Arc<dyn Clock>,
    /// When this warm function last marked a document. A std mutex: never held across an await.
    marked: Mutex<HashMap<DocId, u64>>,
}

impl Materializer {
    /// A function over these stores.
    pub fn new(documents: Documents, clock: Arc<dyn Clock>) -> Materializer {
        Materializer { documents, clock, marked: Mutex::default() }
    }

    /// Handles one batch; names the lowest record from which it must come again, if any.
    pub async fn handle(&self, batch: StreamEvent) -> DynamoDbEventResponse {
        let mut order = Vec::new();
        let mut named = Vec::new();
        for record in records(batch) {
            order.push(record.sequence.clone());
            match record.doc.clone() {
                Some(doc) => named.push((doc, record)),
                None => tracing::error!(sequence = record.sequence, "a stream record without a document"),
            }
        }
        let failed: Vec<String> = futures::stream::iter(by_doc(named))
            .map(|(doc, records)| self.handle_doc(doc, records))
            .buffer_unordered(DOCS_AT_ONCE)
            .filter_map(|failed| async move { failed })
            .collect()
            .await;
        let lowest = order.into_iter().find(|sequence| failed.contains(sequence));
        respond(lowest)
    }

    /// Does one document's records; the first that must come again, if any.
    async fn handle_doc(&self, doc: DocId, records: Vec<StreamRecord>) -> Option<String> {
        let first = records.first().map(|record| record.sequence.clone());
        let mut events = Vec::with_capacity(records.len());
        let mut held = None;
        for StreamRecord { sequence, record, .. } in records {
            match record {
                Ok(record) => events.push(record.logged()),
                Err(error @ DecodeError::Newer { .. }) => {
                    tracing::error!(%doc, sequence, %error, "held until this function is upgraded");
                    held = Some(sequence);
                    break;
                }
                Err(error) => {
                    if let Err(error) = self.set_aside(&doc, &sequence, &error).await {
                        tracing::error!(%doc, %error, "the batch comes again");
                        return first;
                    }
                }
            }
        }
        match self.apply(&doc, &events).await {
            Ok(()) => held,
            Err(error) => {
                tracing::error!(%doc, %error, "the batch comes again");
                first
            }
        }
    }

    /// Brings events into the live state.
    async fn apply(&self, doc: &DocId, events: &[LoggedEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        self.mark_dirty(doc).await?;
        let fresh_tail = self.documents.entropy.nonce();
        let status = self.documents.live.append(doc, events, &fresh_tail).await?;
        if !status.has_base {
            self.documents.rebuild(doc).await?;
        } else if Documents::should_fold(status) {
            self.documents.fold(doc).await?;
        }
        Ok(())
    }

    async fn mark_dirty(&self, doc: &DocId) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let last = self.marked.lock().expect("no holder panics").get(doc).copied();
        if last.is_some_and(|last| now.saturating_sub(last) < DIRTY_MARK_INTERVAL.as_millis() as u64) {
            return Ok(());
        }
        self.documents.catalogue.mark_dirty(doc, now, &self.documents.entropy.nonce()).await?;
        let mut marked = self.marked.lock().expect("no holder panics");
        if marked.len() >= MARKS_MAX {
            marked.clear();
        }
        marked.insert(doc.clone(), now);
        Ok(())
    }

    /// Keeps what is known of a record that cannot be decoded, and lets a rebuild decide.
    async fn set_aside(&self, doc: &DocId, sequence: &str, error: &DecodeError) -> Result<(), StoreError> {
        tracing::error!(%doc, sequence, %error, "a record is set aside");
        let note =
            serde_json::json!({ "doc": doc.as_str(), "sequence": sequence, "error": error.to_string() });
        let key = inklog_store::keys::objects::set_aside(doc, sequence);
        self.documents.objects.put(&key, note.to_string().into_bytes()).await?;
        self.documents.live.drop_doc(doc).await
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
