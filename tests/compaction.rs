//! Compaction: what it moves, in which order, and what it must never lose (DESIGN §4, Snapshots).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use inklog_crdt::Event;
use inklog_ingest::SendOp;
use inklog_protocol::DocId;
use inklog_protocol::limits::COMPACTION_GRACE;
use inklog_snapshotter::Snapshotter;
use inklog_store::document::Documents;
use inklog_store::log::LogItem;
use inklog_store::{Clock as _, Objects, StoreError};
use serde_json::{Value, json};

use crate::harness::{Harness, SteppedLog, TestClock, doc, hanging, typed};

const GRACE_MS: u64 = COMPACTION_GRACE.as_millis() as u64;

fn snapshotter(documents: &Documents, clock: &Arc<TestClock>) -> Snapshotter {
    Snapshotter::new(documents.clone(), clock.clone())
}

/// Runs compaction until the log is empty, letting the grace periods pass.
pub async fn compact_all(documents: &Documents, clock: &Arc<TestClock>, doc: &DocId) {
    for _ in 0..3 {
        snapshotter(documents, clock).compact(doc).await.unwrap();
        clock.pass(GRACE_MS);
    }
}

async fn items_in_log(harness: &Harness, doc: &DocId) -> usize {
    harness.documents.log.read(doc).await.unwrap().len()
}

#[tokio::test]
async fn events_leave_the_log_only_two_grace_periods_after_they_came() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    let snapshotter = snapshotter(&harness.documents, &harness.clock);

    let first = snapshotter.compact(&doc).await.unwrap();
    assert_eq!((first.events_compacted, first.events_deleted), (5, 0), "too young for a floor");
    harness.clock.pass(GRACE_MS - 1);
    snapshotter.compact(&doc).await.unwrap();
    assert_eq!(harness.documents.catalogue.floors(&doc).await.unwrap(), [], "a moment too young");
    harness.clock.pass(1);
    let second = snapshotter.compact(&doc).await.unwrap();
    assert_eq!(second.events_deleted, 0, "the floor is only published now");
    harness.clock.pass(GRACE_MS - 1);
    assert_eq!(snapshotter.compact(&doc).await.unwrap().events_deleted, 0, "ingest may know an older floor");
    harness.clock.pass(1);
    assert_eq!(snapshotter.compact(&doc).await.unwrap().events_deleted, 5);

    let replayed = harness.documents.replay(&doc).await.unwrap();
    assert_eq!(replayed.doc.text(), "hello");
    assert_eq!(replayed.records.len(), 0);
    let history = harness.documents.history(replayed.pointer.as_ref()).await.unwrap();
    assert_eq!(history.into_iter().map(|r| r.event).collect::<Vec<_>>(), typed("alice", 0, "hello"));
}

#[tokio::test]
async fn a_reader_loses_nothing_to_a_compaction_between_its_two_reads() {
    // Before the log is read: a reader that had read the pointer first would find neither.
    // After it: the items are still the reader's, and the pointer is newer.
    for before in [true, false] {
        let harness = Harness::start().await;
        let doc = doc("d");
        harness.append(&doc, typed("alice", 0, "hello")).await;
        let stepped = Arc::new(SteppedLog::new(harness.documents.log.clone()));
        let (documents, clock, of) = (harness.documents.clone(), harness.clock.clone(), doc.clone());
        let step = move || {
            let (documents, clock, doc) = (documents.clone(), clock.clone(), of.clone());
            Box::pin(async move { compact_all(&documents, &clock, &doc).await }) as _
        };
        let slot = if before { &stepped.before } else { &stepped.after };
        *slot.lock().unwrap() = Some(Box::new(step));
        let reader = Documents { log: stepped, ..harness.documents.clone() };
        let replayed = reader.replay(&doc).await.unwrap();
        assert_eq!(replayed.doc.text(), "hello", "stepping in before the read: {before}");
        assert_eq!(items_in_log(&harness, &doc).await, 0, "the compaction did run to its end");
    }
}

#[tokio::test]
async fn a_compaction_overtaken_by_another_changes_nothing() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    let stepped = Arc::new(SteppedLog::new(harness.documents.log.clone()));
    // Another run compacts, and more is typed and compacted, after the slow run has read everything.
    let (documents, clock, of) = (harness.documents.clone(), harness.clock.clone(), doc.clone());
    let overtaken = Documents { log: stepped.clone(), ..harness.documents.clone() };
    let slow = Snapshotter::new(overtaken, harness.clock.clone());
    *stepped.after.lock().unwrap() = Some(Box::new(move || {
        let (documents, clock, doc) = (documents.clone(), clock.clone(), of.clone());
        Box::pin(async move {
            Snapshotter::new(documents, clock).compact(&doc).await.unwrap();
        })
    }));
    // It sees the other's pointer, for it reads that last: nothing is new.
    let compacted = slow.compact(&doc).await.unwrap();
    assert_eq!(compacted.snapshot, None);
    let replayed = harness.documents.replay(&doc).await.unwrap();
    let history = harness.documents.history(replayed.pointer.as_ref()).await.unwrap();
    assert_eq!(history.len(), 5, "every event is in history exactly once");
}

#[tokio::test]
async fn two_compactions_at_once_leave_one_history() {
    let harness = Harness::start().await;
    let doc = doc("d");
    for round in 0..6 {
        harness.append(&doc, typed("alice", round * 5, "abcde")).await;
        let one = snapshotter(&harness.documents, &harness.clock);
        let two = snapshotter(&harness.documents, &harness.clock);
        let (one, two) = tokio::join!(one.compact(&doc), two.compact(&doc));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        harness.clock.pass(GRACE_MS / 2);
    }
    let replayed = harness.documents.replay(&doc).await.unwrap();
    let history = harness.documents.history(replayed.pointer.as_ref()).await.unwrap();
    let mut events: Vec<Event> = history.into_iter().map(|record| record.event).collect();
    events.sort_by_key(Event::after);
    assert_eq!(events, typed("alice", 0, &"abcde".repeat(6)));
    assert_eq!(replayed.doc.text(), "abcde".repeat(6));
}

#[tokio::test]
async fn what_waits_stays_in_the_log_until_it_can_be_applied() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "ab")).await;
    harness.append(&doc, [hanging("bob", 0, "!", "carol-0")]).await;
    compact_all(&harness.documents, &harness.clock, &doc).await;
    let items = harness.documents.log.read(&doc).await.unwrap();
    assert!(matches!(&items[..], [LogItem::Record(r)] if r.event.agent().as_str() == "bob"), "{items:?}");
    harness.append(&doc, typed("carol", 0, "c")).await;
    compact_all(&harness.documents, &harness.clock, &doc).await;
    assert_eq!(items_in_log(&harness, &doc).await, 0);
    let replayed = harness.documents.replay(&doc).await.unwrap();
    assert!(replayed.doc.text().contains("c!"));
    assert_eq!(harness.documents.history(replayed.pointer.as_ref()).await.unwrap().len(), 4);
}

/// One message through the ingest function.
async fn send(function: &SendOp, message: Value) -> Value {
    let event = json!({
        "requestContext": {
            "routeKey": "SEND_OP", "eventType": "MESSAGE", "connectionId": "c1=", "connectedAt": 1,
            "requestTimeEpoch": 1, "messageId": "m",
        },
        "body": message.to_string(), "isBase64Encoded": false,
    });
    let response = function.handle(serde_json::from_value(event).unwrap()).await;
    let response = serde_json::to_value(response).unwrap();
    serde_json::from_str(response["body"].as_str().expect("an answer")).unwrap()
}

#[tokio::test]
async fn below_the_floor_nothing_is_taken_again() {
    let harness = Harness::start().await;
    let doc = doc("d");
    let function = SendOp::new(
        harness.documents.log.clone(),
        harness.documents.catalogue.clone(),
        harness.clock.clone(),
    );
    let message = |text: &str| {
        json!({"action": "SEND_OP", "docId": "d", "agent": "alice", "after": 0,
               "ops": [{"type": "insert", "id": "alice-0", "text": text, "left": null}]})
    };
    assert_eq!(send(&function, message("hello")).await["action"], "OP_ACK");
    assert_eq!(send(&function, message("hello")).await["action"], "OP_ACK", "a repeat");
    assert_eq!(send(&function, message("other")).await["code"], "conflict");
    snapshotter(&harness.documents, &harness.clock).compact(&doc).await.unwrap();
    harness.clock.pass(GRACE_MS);
    snapshotter(&harness.documents, &harness.clock).compact(&doc).await.unwrap();
    assert_eq!(send(&function, message("hello")).await["action"], "OP_ACK", "the log still has it");
    harness.clock.pass(GRACE_MS);
    assert_eq!(
        snapshotter(&harness.documents, &harness.clock).compact(&doc).await.unwrap().events_deleted,
        1
    );

    // Without the floor the put would find the place empty, and the event would be there twice.
    assert_eq!(send(&function, message("hello")).await["code"], "conflict");
    assert_eq!(send(&function, message("other")).await["code"], "conflict");
    assert_eq!(items_in_log(&harness, &doc).await, 0);

    // A lone op finds its place after the floor.
    let lone = json!({"action": "SEND_OP", "docId": "d",
                      "op": {"type": "insert", "id": "alice-9", "char": "!", "left": "alice-4"}});
    let ack = send(&function, lone.clone()).await;
    assert_eq!((&ack["action"], &ack["after"]), (&json!("OP_ACK"), &json!(5)));
    assert_eq!(send(&function, lone).await["action"], "OP_ACK", "a repeat of the lone op");
    assert_eq!(harness.documents.replay(&doc).await.unwrap().doc.text(), "hello!");
}

#[tokio::test]
async fn a_floor_published_by_another_run_is_seen_before_its_items_go() {
    // The floor is cached by the warm function for less time than a deletion waits.
    let harness = Harness::start().await;
    let doc = doc("d");
    let function = SendOp::new(
        harness.documents.log.clone(),
        harness.documents.catalogue.clone(),
        harness.clock.clone(),
    );
    let message = |id: u64| {
        json!({"action": "SEND_OP", "docId": "d", "agent": "alice", "after": id,
               "ops": [{"type": "insert", "id": format!("alice-{id}"), "text": "x", "left": null}]})
    };
    send(&function, message(0)).await;
    compact_all(&harness.documents, &harness.clock, &doc).await;
    assert_eq!(items_in_log(&harness, &doc).await, 0);
    assert_eq!(send(&function, message(0)).await["code"], "conflict", "the cached floor is renewed");
    assert_eq!(send(&function, message(1)).await["action"], "OP_ACK");
}

#[tokio::test]
async fn a_live_state_that_lacks_an_old_event_is_dropped() {
    let harness = Harness::start().await;
    let doc = doc("d");
    let events = typed("alice", 0, "hello");
    harness.append(&doc, events.clone()).await;
    // The live state has got all but the last: as if its stream record had been lost.
    let missed: Vec<_> = events[..4].iter().map(|e| harness.logged(e.clone())).collect();
    let nonce = "n1";
    harness.documents.live.begin_rebuild(&doc, nonce).await.unwrap();
    let base = inklog_store::live::NewBase {
        generation: "g1".into(),
        state: inklog_crdt::Doc::new().encode(),
        waiting: missed,
    };
    assert!(harness.documents.live.commit_rebuild(&doc, nonce, base).await.unwrap());
    let snapshotter = snapshotter(&harness.documents, &harness.clock);
    assert!(!snapshotter.compact(&doc).await.unwrap().live_dropped, "it may still be on its way");
    harness.clock.pass(60_000);
    assert!(snapshotter.compact(&doc).await.unwrap().live_dropped);
    let live = harness.documents.open(&doc).await.unwrap();
    assert_eq!(live.into_doc().text(), "hello");
}

#[tokio::test]
async fn a_mark_made_during_a_compaction_stays() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    let catalogue = harness.documents.catalogue.clone();
    catalogue.mark_dirty(&doc, harness.clock.now_ms(), "first").await.unwrap();
    compact_all(&harness.documents, &harness.clock, &doc).await;
    assert_eq!(catalogue.dirty(10).await.unwrap(), [], "nothing is left to do");

    catalogue.mark_dirty(&doc, harness.clock.now_ms(), "second").await.unwrap();
    let stepped = Arc::new(SteppedLog::new(harness.documents.log.clone()));
    let (marker, of) = (catalogue.clone(), doc.clone());
    *stepped.after.lock().unwrap() = Some(Box::new(move || {
        let (catalogue, doc) = (marker.clone(), of.clone());
        Box::pin(async move { catalogue.mark_dirty(&doc, 1, "third").await.unwrap() })
    }));
    let documents = Documents { log: stepped, ..harness.documents.clone() };
    Snapshotter::new(documents, harness.clock.clone()).compact(&doc).await.unwrap();
    assert_eq!(
        catalogue.dirty(10).await.unwrap(),
        std::slice::from_ref(&doc),
        "the newer mark is not taken away"
    );
    let run = snapshotter(&harness.documents, &harness.clock).run(Duration::from_secs(60)).await.unwrap();
    assert_eq!((run.docs, run.failed), (1, 0));
    assert_eq!(catalogue.dirty(10).await.unwrap(), []);
}

/// A bucket that damages what it is given, where the key says so.
struct Damaging {
    inner: Arc<dyn Objects>,
    keys: &'static str,
}

#[async_trait]
impl Objects for Damaging {
    async fn put(&self, key: &str, mut bytes: Vec<u8>) -> Result<(), StoreError> {
        if key.contains(self.keys) {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        self.inner.put(key, bytes).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key).await
    }
}

#[tokio::test]
async fn nothing_is_pointed_to_before_it_was_read_back() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    harness.clock.pass(GRACE_MS);
    for keys in ["/segments/", "/snapshots/"] {
        let objects = Arc::new(Damaging { inner: harness.documents.objects.clone(), keys });
        let documents = Documents { objects, ..harness.documents.clone() };
        for _ in 0..3 {
            assert!(snapshotter(&documents, &harness.clock).compact(&doc).await.is_err());
            harness.clock.pass(GRACE_MS);
        }
        let entry = harness.documents.catalogue.entry(&doc).await.unwrap();
        assert_eq!(entry.and_then(|entry| entry.pointer), None);
        assert_eq!(items_in_log(&harness, &doc).await, 5);
    }
    compact_all(&harness.documents, &harness.clock, &doc).await;
    assert_eq!(items_in_log(&harness, &doc).await, 0, "and with a sound bucket it goes through");
}
