//! Rebuilding the live state from the log: what must not come in between (DESIGN §4, Live state).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::encodings::Body;
use inklog_crdt::Agent;
use inklog_ingest::Sync;
use inklog_protocol::DocId;
use inklog_store::audience::Audience;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::document::{Documents, assemble};
use inklog_store::log::{Appended, LogItem};
use inklog_store::{LogRecord, Objects, OpLog, Push, PushError, StoreError};
use serde_json::{Value, json};

use crate::harness::{Harness, SteppedLog, doc, typed};

/// A log and a bucket that fail while they are told to.
struct Failing<T: ?Sized> {
    inner: Arc<T>,
    fails: Arc<AtomicBool>,
}

impl<T: ?Sized> Failing<T> {
    fn check(&self) -> Result<(), StoreError> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("the store", "it was told to fail")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl OpLog for Failing<dyn OpLog> {
    async fn append(&self, doc: &DocId, record: &LogRecord) -> Result<Appended, StoreError> {
        self.check()?;
        self.inner.append(doc, record).await
    }

    async fn last_of(
        &self,
        doc: &DocId,
        agent: &Agent,
        at_most: Option<u64>,
    ) -> Result<Option<LogRecord>, StoreError> {
        self.check()?;
        self.inner.last_of(doc, agent, at_most).await
    }

    async fn read(&self, doc: &DocId) -> Result<Vec<LogItem>, StoreError> {
        self.check()?;
        self.inner.read(doc).await
    }

    async fn delete(&self, doc: &DocId, places: &[(Agent, u64)]) -> Result<(), StoreError> {
        self.check()?;
        self.inner.delete(doc, places).await
    }
}

#[async_trait]
impl Objects for Failing<dyn Objects> {
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.check()?;
        self.inner.put(key, bytes).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        self.inner.get(key).await
    }
}

struct Nobody;

#[async_trait]
impl Push for Nobody {
    async fn post(&self, _: &str, _: &str) -> Result<(), PushError> {
        Err(PushError::Gone)
    }
}

/// What a joiner is answered.
async fn join(harness: &Harness, documents: &Documents, doc: &DocId) -> Value {
    let connections = Arc::new(MemoryConnections::new());
    let audience = Audience {
        presence: connections.clone(),
        connections,
        push: Arc::new(Nobody),
        clock: harness.clock.clone(),
    };
    let mut event = ApiGatewayWebsocketProxyRequest::default();
    event.request_context.connection_id = Some("c".to_owned());
    event.body = Some(json!({"action": "JOIN_DOC", "docId": doc.as_str()}).to_string());
    match Sync::new(documents.clone(), audience, "log".to_owned()).handle(event).await.body {
        Some(Body::Text(answer)) => serde_json::from_str(&answer).expect("JSON"),
        other => panic!("no answer: {other:?}"),
    }
}

#[tokio::test]
async fn a_rebuild_that_was_reading_when_the_state_was_dropped_puts_nothing_in() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "old")).await;
    let stepped = Arc::new(SteppedLog::new(harness.documents.log.clone()));
    // After the log was read: more is written, taken into the live state, and that is lost.
    let (documents, of) = (harness.documents.clone(), doc.clone());
    let newer: Vec<_> = typed("bob", 0, "newer").into_iter().map(|event| harness.logged(event)).collect();
    *stepped.after.lock().unwrap() = Some(Box::new(move || {
        let (documents, doc, newer) = (documents.clone(), of.clone(), newer.clone());
        Box::pin(async move {
            for logged in &newer {
                let record =
                    LogRecord { event: logged.event.clone(), at: logged.at, user: None, connection: None };
                documents.log.append(&doc, &record).await.unwrap();
            }
            documents.live.append(&doc, &newer, "tail").await.unwrap();
            documents.live.drop_doc(&doc).await.unwrap();
        })
    }));
    let slow = Documents { log: stepped, ..harness.documents.clone() };
    let (_, put_in) = slow.rebuild(&doc).await.unwrap();
    assert!(!put_in, "its base lacks what the dropped tail had");
    assert!(harness.documents.live.read(&doc).await.unwrap().is_none());
    let live = harness.documents.open(&doc).await.unwrap();
    assert_eq!(assemble(&doc, &live).unwrap().text().len(), "oldnewer".len());
}

#[tokio::test]
async fn an_error_while_reading_ends_a_rebuild_and_is_never_taken_for_empty() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    harness.clock.pass(1);
    inklog_snapshotter::Snapshotter::new(harness.documents.clone(), harness.clock.clone())
        .compact(&doc)
        .await
        .unwrap();
    let (log_fails, objects_fail) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let documents = Documents {
        log: Arc::new(Failing { inner: harness.documents.log.clone(), fails: log_fails.clone() }),
        objects: Arc::new(Failing { inner: harness.documents.objects.clone(), fails: objects_fail.clone() }),
        ..harness.documents.clone()
    };
    for fails in [&log_fails, &objects_fail] {
        fails.store(true, Ordering::SeqCst);
        assert!(matches!(documents.rebuild(&doc).await, Err(StoreError::Unavailable { .. })));
        assert!(matches!(documents.open(&doc).await, Err(StoreError::Unavailable { .. })));
        assert!(harness.documents.live.read(&doc).await.unwrap().is_none(), "nothing was put in");
        let refused = join(&harness, &documents, &doc).await;
        assert_eq!((&refused["code"], &refused["retry"]), (&json!("unavailable"), &json!(true)), "{refused}");
        fails.store(false, Ordering::SeqCst);
    }
    let state = join(&harness, &documents, &doc).await;
    assert_eq!((&state["action"], &state["ops"][0]["text"]), (&json!("DOC_STATE"), &json!("hello")));
}
