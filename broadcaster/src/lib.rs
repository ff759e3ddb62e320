//! Pushes the log's stream to the connections.
//!
//! A batch is grouped by document; all events of one document go to each of its connections in as few
//! messages as possible, except those that the connection itself sent. All connections at once,
//! with a bound, each once, or twice if the first call broke off: nobody waits for a slow one. Best
//! effort: a client that misses something finds the gap and syncs.
#![deny(missing_docs)]

use std::collections::HashSet;
use std::sync::Arc;

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use futures::StreamExt as _;
use inklog_protocol::{DocId, parts};
use inklog_store::audience::{Audience, Post};
use inklog_store::stream::{by_doc, records};
use inklog_store::{LogRecord, StoreError};

/// Documents of one batch that are broadcast at once.
const DOCS_AT_ONCE: usize = 8;

/// The function.
pub struct Broadcaster {
    audience: Audience,
}

/// An event's JSON, and the connection that sent it and gets no echo.
struct Outgoing {
    json: String,
    sender: Option<String>,
}

impl Broadcaster {
    /// A function over these stores.
    pub fn new(audience: Audience) -> Broadcaster {
        Broadcaster { audience }
    }

    /// Handles one batch. It is retried only if no document's connections can be read; a single failing
    /// document is skipped.
    pub async fn handle(&self, batch: StreamEvent) -> DynamoDbEventResponse {
        let mut first = None;
        let mut named = Vec::new();
        for record in records(batch) {
            let sequence = record.sequence;
            match (record.doc, record.record) {
                (Some(doc), Ok(record)) => named.push((doc, record)),
                // The materializer sets it aside; nobody could show it.
                (_, record) => tracing::warn!(sequence, error = ?record.err(), "a record is undecodable"),
            }
            first.get_or_insert(sequence);
        }
        let docs = by_doc(named);
        let count = docs.len();
        let failed: Vec<(DocId, StoreError)> = futures::stream::iter(docs)
            .map(|(doc, records)| async move {
                let told = self.broadcast(&doc, records).await;
                told.err().map(|error| (doc, error))
            })
            .buffer_unordered(DOCS_AT_ONCE)
            .filter_map(|failed| async move { failed })
            .collect()
            .await;
        let mut response = DynamoDbEventResponse::default();
        let all = failed.len() == count;
        for (doc, error) in failed {
            let then = if all { "retrying the batch" } else { "its clients find the gap when they sync" };
            tracing::error!(%doc, %error, "cannot read a document's connections: {then}");
            if all && response.batch_item_failures.is_empty() {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = first.clone();
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn broadcast(&self, doc: &DocId, records: Vec<LogRecord>) -> Result<(), StoreError> {
        let connections = self.audience.connections.list(doc, self.audience.clock.now_ms()).await?;
        if connections.is_empty() {
            return Ok(());
        }
        let outgoing: Vec<Outgoing> = records
            .into_iter()
            .map(|record| {
                let sender = record.connection.clone();
                Outgoing { json: parts::event_json(&record.logged()), sender }
            })
            .collect();
        self.audience.broadcast(doc, posts(doc, connections, &outgoing)).await;
        Ok(())
    }
}

/// One post per connection. Those that sent nothing share one list of messages.
fn posts(doc: &DocId, connections: Vec<String>, outgoing: &[Outgoing]) -> Vec<Post> {
    let senders: HashSet<&str> = outgoing.iter().filter_map(|event| event.sender.as_deref()).collect();
    let to_all: Arc<[String]> = parts::remote_op(doc, outgoing.iter().map(|e| e.json.as_str())).into();
    connections
        .into_iter()
        .filter_map(|connection| {
            if !senders.contains(connection.as_str()) {
                return Some(Post { connection, messages: to_all.clone() });
            }
            let others = outgoing.iter().filter(|event| event.sender.as_deref() != Some(&*connection));
            let messages: Arc<[String]> = parts::remote_op(doc, others.map(|e| e.json.as_str())).into();
            (!messages.is_empty()).then_some(Post { connection, messages })
        })
        .collect()
}
