//! Rebuilding the live state from the log: what must not come in between (DESIGN §4, Live state).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use inklog_protocol::DocId;
use inklog_store::document::Documents;
use inklog_store::live::memory::MemoryLiveState;
use inklog_store::tap::{Call, Done, Fault, Operation, Store, Tap};
use inklog_store::{LiveState as _, LogRecord, StoreError};
use serde_json::{Value, json};

use crate::harness::{Harness, doc, typed};
use crate::taps::{Failing, SteppingIn};

/// What a joiner is answered.
async fn join(harness: &Harness, documents: &Documents, doc: &DocId) -> Value {
    harness.ask_sync(documents, json!({"action": "JOIN_DOC", "docId": doc.as_str()})).await
}

#[tokio::test]
async fn a_rebuild_that_was_reading_when_the_state_was_dropped_puts_nothing_in() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "old")).await;
    // After the log was read: more is written, taken into the live state, and that is lost.
    let (documents, of) = (harness.documents.clone(), doc.clone());
    let newer: Vec<_> = typed("bob", 0, "newer").into_iter().map(|event| harness.logged(event)).collect();
    let slow = harness.tapped(SteppingIn::after(Operation::LogRead, async move {
        for logged in &newer {
            let record =
                LogRecord { event: logged.event.clone(), at: logged.at, author: None, connection: None };
            documents.log.append(&of, &record).await.unwrap();
        }
        documents.live.append(&of, &newer, "tail").await.unwrap();
        documents.live.drop_doc(&of).await.unwrap();
    }));
    let (_, put_in) = slow.rebuild(&doc).await.unwrap();
    assert!(!put_in, "its base lacks what the dropped tail had");
    assert!(harness.documents.live.read(&doc).await.unwrap().is_none());
    let live = harness.documents.read(&doc).await.unwrap();
    assert_eq!(live.text().len(), "oldnewer".len());
}

#[tokio::test]
async fn an_error_while_reading_ends_a_rebuild_and_is_never_taken_for_empty() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    harness.clock.pass_ms(1);
    inklog_operator::Operator::new(harness.documents.clone(), harness.clock.clone())
        .compact(&doc)
        .await
        .unwrap()
        .unwrap();
    for store in [Store::Log, Store::Objects] {
        let fails = Failing::new(store);
        let documents = harness.tapped(fails.clone());
        assert!(matches!(documents.rebuild(&doc).await, Err(StoreError::Unavailable { .. })));
        assert!(matches!(documents.open(&doc).await, Err(StoreError::Unavailable { .. })));
        assert!(harness.documents.live.read(&doc).await.unwrap().is_none(), "nothing was put in");
        let refused = join(&harness, &documents, &doc).await;
        assert_eq!((&refused["code"], &refused["retry"]), (&json!("unavailable"), &json!(true)), "{refused}");
        fails.set(false);
        let state = join(&harness, &documents, &doc).await;
        assert_eq!((&state["action"], &state["ops"][0]["text"]), (&json!("DOC_STATE"), &json!("hello")));
        harness.live.clear();
    }
}

/// Takes the nonce from every rebuild, just before it would put its base in.
struct Overtaking(Arc<MemoryLiveState>, AtomicUsize);

#[async_trait]
impl Tap for Overtaking {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        if call.operation == Operation::LiveCommitRebuild {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.begin_rebuild(call.doc.expect("a document's"), "another").await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn whoever_is_always_overtaken_reads_the_log() {
    let harness = Harness::memory();
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    let tap = Arc::new(Overtaking(harness.live.clone(), AtomicUsize::new(0)));
    assert_eq!(harness.tapped(tap.clone()).read(&doc).await.unwrap().text(), "hello");
    assert!((2..=4).contains(&tap.1.load(Ordering::SeqCst)), "it tried again, and not for ever");
    assert!(harness.live.read(&doc).await.unwrap().is_none());
}

/// Evicts each base as soon as it was put in, like a Redis that others fill.
struct Evicting(Arc<MemoryLiveState>, AtomicUsize);

#[async_trait]
impl Tap for Evicting {
    async fn after(&self, call: &Call<'_>, _: &Done<'_>) -> Result<(), Fault> {
        if call.operation == Operation::LiveCommitRebuild {
            self.0.evict_base(call.doc.expect("a document's"));
            let evicted = self.1.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(evicted < 100, "it reads the log for ever");
        }
        Ok(())
    }
}

#[tokio::test]
async fn whose_base_is_evicted_again_and_again_reads_the_log() {
    let harness = Harness::memory();
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    let tap = Arc::new(Evicting(harness.live.clone(), AtomicUsize::new(0)));
    assert_eq!(harness.tapped(tap.clone()).read(&doc).await.unwrap().text(), "hello");
    assert!((2..=4).contains(&tap.1.load(Ordering::SeqCst)), "it tried again, and not for ever");
}

#[tokio::test]
async fn remaking_the_live_state_keeps_the_old_one_until_the_log_is_read() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    let before = harness.documents.open(&doc).await.unwrap().tag.expect("it is kept");
    let fails = Failing::new(Store::Log);
    let documents = harness.tapped(fails.clone());
    assert!(documents.remake(&doc).await.is_err());
    let still = harness.documents.live.read(&doc).await.unwrap().expect("it is there still");
    assert_eq!(still.tag, before);

    fails.set(false);
    assert_eq!(documents.remake(&doc).await.unwrap().expect("there is such a document").doc.text(), "hello");
    let after = harness.documents.base(&doc).await.unwrap().expect("it was made anew");
    assert_ne!(after.tag.as_ref().expect("it is kept").generation, before.generation);
    assert_eq!(after.base.decode().unwrap().text(), "hello");
    assert!(documents.remake(&crate::harness::doc("nosuch")).await.unwrap().is_none());
}
