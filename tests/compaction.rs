//! Compaction: what it moves, in which order, and what it must never lose (DESIGN §4, Snapshots).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use inklog_crdt::{Event, Op, Origin};
use inklog_ingest::{Gate, SendOp};
use inklog_operator::{Compacted, Operator};
use inklog_protocol::DocId;
use inklog_protocol::limits::{COMPACTION_GRACE, DIRTY_MARK_INTERVAL, FLOOR_CACHE_TTL};
use inklog_store::document::Documents;
use inklog_store::log::LogItem;
use inklog_store::objects::memory::MemoryObjects;
use inklog_store::tap::{Call, Fault, Operation, Tap};
use inklog_store::{Clock, ManualClock};
use serde_json::{Value, json};

use crate::harness::{Harness, agent, doc, hanging, typed};
use crate::snapshotter::snapshotter;
use crate::taps::{Counting, Damaging, SteppingIn};

pub const GRACE_MS: u64 = COMPACTION_GRACE.as_millis() as u64;

fn operator(documents: &Documents, clock: &Arc<ManualClock>) -> Operator {
    Operator::new(documents.clone(), clock.clone())
}

/// Runs compaction until the log is empty, letting the grace periods pass.
pub async fn compact_all(documents: &Documents, clock: &Arc<ManualClock>, doc: &DocId) {
    for _ in 0..3 {
        operator(documents, clock).compact(doc).await.unwrap().unwrap();
        clock.pass_ms(GRACE_MS);
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
    let operator = operator(&harness.documents, &harness.clock);

    let first = operator.compact(&doc).await.unwrap().unwrap();
    assert_eq!((first.events_compacted, first.events_deleted), (5, 0), "too young for a floor");
    harness.clock.pass_ms(GRACE_MS - 1);
    operator.compact(&doc).await.unwrap().unwrap();
    assert_eq!(harness.documents.catalogue.floors(&doc).await.unwrap(), [], "a moment too young");
    harness.clock.pass_ms(1);
    let second = operator.compact(&doc).await.unwrap().unwrap();
    assert_eq!(second.events_deleted, 0, "the floor is only published now");
    harness.clock.pass_ms(GRACE_MS - 1);
    assert_eq!(
        operator.compact(&doc).await.unwrap().unwrap().events_deleted,
        0,
        "ingest may know an older floor"
    );
    harness.clock.pass_ms(1);
    assert_eq!(operator.compact(&doc).await.unwrap().unwrap().events_deleted, 5);

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
        let (documents, clock, of) = (harness.documents.clone(), harness.clock.clone(), doc.clone());
        let compaction = async move { compact_all(&documents, &clock, &of).await };
        let reader = harness.tapped(match before {
            true => SteppingIn::before(Operation::LogRead, compaction),
            false => SteppingIn::after(Operation::LogRead, compaction),
        });
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
    // Another run compacts after the slow run has read everything.
    let (documents, clock, of) = (harness.documents.clone(), harness.clock.clone(), doc.clone());
    let overtaken = harness.tapped(SteppingIn::after(Operation::LogRead, async move {
        operator(&documents, &clock).compact(&of).await.unwrap().unwrap();
    }));
    let slow = operator(&overtaken, &harness.clock);
    // It sees the other's pointer, for it reads that last: nothing is new.
    let compacted = slow.compact(&doc).await.unwrap().unwrap();
    assert_eq!(compacted.snapshot, None);
    let replayed = harness.documents.replay(&doc).await.unwrap();
    let history = harness.documents.history(replayed.pointer.as_ref()).await.unwrap();
    assert_eq!(history.len(), 5, "every event is in history exactly once");
}

#[tokio::test]
async fn a_compaction_that_loses_the_race_says_whether_the_mark_stays() {
    for is_marked in [true, false] {
        let harness = Harness::start().await;
        let doc = doc("d");
        harness.append(&doc, typed("alice", 0, "hello")).await;
        if is_marked {
            harness.documents.catalogue.mark_dirty(&doc, harness.clock.now_ms(), "n").await.unwrap();
        }
        // Another run moves the pointer while this one writes what it would lead to.
        let (documents, clock, of) = (harness.documents.clone(), harness.clock.clone(), doc.clone());
        let late = harness.tapped(SteppingIn::before(Operation::CatalogueMovePointer, async move {
            operator(&documents, &clock).compact(&of).await.unwrap().unwrap();
        }));
        let compacted = operator(&late, &harness.clock).compact(&doc).await.unwrap().unwrap();
        assert_eq!(compacted, Compacted { left_dirty: is_marked, ..Compacted::default() });
    }
}

#[tokio::test]
async fn two_compactions_at_once_leave_one_history() {
    let harness = Harness::start().await;
    let doc = doc("d");
    for round in 0..6 {
        harness.append(&doc, typed("alice", round * 5, "abcde")).await;
        let one = operator(&harness.documents, &harness.clock);
        let two = operator(&harness.documents, &harness.clock);
        let (one, two) = tokio::join!(one.compact(&doc), two.compact(&doc));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        harness.clock.pass_ms(GRACE_MS / 2);
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
pub async fn send(function: &SendOp, message: Value) -> Value {
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
        Gate::open(),
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
    operator(&harness.documents, &harness.clock).compact(&doc).await.unwrap().unwrap();
    harness.clock.pass_ms(GRACE_MS);
    operator(&harness.documents, &harness.clock).compact(&doc).await.unwrap().unwrap();
    assert_eq!(send(&function, message("hello")).await["action"], "OP_ACK", "the log still has it");
    harness.clock.pass_ms(GRACE_MS);
    assert_eq!(
        operator(&harness.documents, &harness.clock).compact(&doc).await.unwrap().unwrap().events_deleted,
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
async fn an_event_inside_the_range_of_another_is_kept_somewhere() {
    // A broken client's: ingest does not check that `after` links up.
    for came_late in [false, true] {
        let harness = Harness::memory();
        let doc = doc("d");
        let sound =
            [inserted("alice", 0, "hello"), inserted("alice", 5, "world"), inserted("alice", 10, "!")];
        harness.append(&doc, sound.clone()).await;
        if came_late {
            operator(&harness.documents, &harness.clock).compact(&doc).await.unwrap();
        }
        let inside = inserted("alice", 7, "lost?");
        harness.append(&doc, [inside.clone()]).await;
        harness.documents.catalogue.mark_dirty(&doc, harness.clock.now_ms(), "n").await.unwrap();
        compact_all(&harness.documents, &harness.clock, &doc).await;

        let replayed = harness.documents.replay(&doc).await.unwrap();
        let history = harness.documents.history(replayed.pointer.as_ref()).await.unwrap();
        let place = |event: &Event| (event.agent().to_string(), event.after());
        let kept = history.iter().chain(&replayed.records).map(|record| place(&record.event));
        let all = sound.iter().chain([&inside]).map(place);
        assert_eq!(kept.collect::<HashSet<_>>(), all.collect(), "came late: {came_late}");
        let entry = harness.documents.catalogue.entry(&doc).await.unwrap().unwrap();
        assert_eq!(entry.dirty, None, "what stays for ever is nothing to come back for");
    }
}

fn inserted(name: &str, after: u64, text: &str) -> Event {
    let op = Op::Insert { seq: after, text: text.to_owned(), origin: Origin::Left(None) };
    Event::new(agent(name), after, vec![op]).unwrap()
}

#[tokio::test]
async fn a_floor_published_by_another_run_is_seen_before_its_items_go() {
    // The floor is cached by the warm function for less time than a deletion waits.
    let harness = Harness::start().await;
    let doc = doc("d");
    let function = SendOp::new(
        Gate::open(),
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
async fn a_floor_is_read_once_a_minute_for_each_agent() {
    let harness = Harness::memory();
    let counting = Arc::new(Counting::default());
    let documents = harness.tapped(counting.clone());
    let (log, catalogue) = (documents.log.clone(), documents.catalogue.clone());
    let function = SendOp::new(Gate::open(), log, catalogue, harness.clock.clone());
    let ttl_ms = FLOOR_CACHE_TTL.as_millis() as u64;
    for (after, passes_ms, reads) in [(0, 0, 2), (1, 0, 2), (2, ttl_ms - 1, 2), (3, 1, 4), (4, ttl_ms - 1, 4)]
    {
        harness.clock.pass_ms(passes_ms);
        for agent in ["alice", "bob"] {
            let op = json!({"type": "insert", "id": format!("{agent}-{after}"), "text": "x", "left": null});
            let event =
                json!({"action": "SEND_OP", "docId": "d", "agent": agent, "after": after, "ops": [op]});
            assert_eq!(send(&function, event).await["action"], "OP_ACK");
        }
        assert_eq!(counting.of(Operation::CatalogueFloor).calls, reads, "{after}");
    }
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
        aside_bytes: 0,
    };
    assert!(harness.documents.live.commit_rebuild(&doc, nonce, base).await.unwrap());
    let operator = operator(&harness.documents, &harness.clock);
    assert!(!operator.compact(&doc).await.unwrap().unwrap().live_dropped, "it may still be on its way");
    harness.clock.pass_ms(60_000);
    assert!(operator.compact(&doc).await.unwrap().unwrap().live_dropped);
    let live = harness.documents.read(&doc).await.unwrap();
    assert_eq!(live.text(), "hello");
}

#[tokio::test]
async fn a_live_state_that_lacks_nothing_stays_however_old_it_is() {
    let harness = Harness::memory();
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    // What waits is in no base, and is not missing there.
    harness.append(&doc, [hanging("bob", 0, "!", "carol-7")]).await;
    harness.documents.rebuild(&doc).await.unwrap();
    let operator = operator(&harness.documents, &harness.clock);
    // Before it is compacted, while it leaves the log, and after.
    for _ in 0..4 {
        harness.clock.pass_ms(GRACE_MS);
        assert!(!operator.compact(&doc).await.unwrap().unwrap().live_dropped);
    }
    assert_eq!(items_in_log(&harness, &doc).await, 1);
}

#[tokio::test]
async fn a_mark_made_during_a_compaction_stays() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    let catalogue = harness.documents.catalogue.clone();
    catalogue.mark_dirty(&doc, harness.clock.now_ms(), "first").await.unwrap();
    let done = operator(&harness.documents, &harness.clock).compact(&doc).await.unwrap().unwrap();
    assert!(done.left_dirty, "the log still holds what is compacted");
    compact_all(&harness.documents, &harness.clock, &doc).await;
    assert_eq!(catalogue.dirty(10).await.unwrap(), [], "nothing is left to do");

    catalogue.mark_dirty(&doc, harness.clock.now_ms(), "again").await.unwrap();
    // So long that no materializer remembers it.
    harness.clock.pass_ms(2 * DIRTY_MARK_INTERVAL.as_millis() as u64);
    let done = operator(&harness.documents, &harness.clock).compact(&doc).await.unwrap().unwrap();
    assert!(!done.left_dirty && catalogue.dirty(10).await.unwrap().is_empty());

    catalogue.mark_dirty(&doc, harness.clock.now_ms(), "second").await.unwrap();
    let (marker, of) = (catalogue.clone(), doc.clone());
    let marked = harness.tapped(SteppingIn::after(Operation::LogRead, async move {
        marker.mark_dirty(&of, 1, "third").await.unwrap();
    }));
    assert!(operator(&marked, &harness.clock).compact(&doc).await.unwrap().unwrap().left_dirty);
    assert_eq!(
        catalogue.dirty(10).await.unwrap(),
        std::slice::from_ref(&doc),
        "the newer mark is not taken away"
    );
    harness.clock.pass_ms(2 * DIRTY_MARK_INTERVAL.as_millis() as u64);
    let run = snapshotter(&harness.documents, &harness.clock).run(Duration::from_secs(60)).await.unwrap();
    assert_eq!((run.docs, run.failed), (1, 0));
    assert_eq!(catalogue.dirty(10).await.unwrap(), []);
}

#[tokio::test]
async fn a_mark_stays_while_a_materializer_remembers_it() {
    let harness = Harness::start().await;
    let doc = doc("d");
    // It waits for what is not there: nothing can be compacted.
    harness.append(&doc, typed("alice", 5, ", world")).await;
    harness.documents.catalogue.mark_dirty(&doc, harness.clock.now_ms(), "nonce").await.unwrap();
    let operator = operator(&harness.documents, &harness.clock);
    for left_dirty in [true, false] {
        assert_eq!(operator.compact(&doc).await.unwrap().unwrap().left_dirty, left_dirty);
        harness.clock.pass_ms(2 * DIRTY_MARK_INTERVAL.as_millis() as u64);
    }
}

#[tokio::test]
async fn nothing_is_pointed_to_before_it_was_read_back() {
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    harness.clock.pass_ms(GRACE_MS);
    for keys in ["/segments/", "/snapshots/"] {
        let bucket = harness.documents.objects.clone();
        let documents = harness.tapped(Arc::new(Damaging { bucket, keys }));
        for _ in 0..3 {
            assert!(operator(&documents, &harness.clock).compact(&doc).await.is_err());
            harness.clock.pass_ms(GRACE_MS);
        }
        let entry = harness.documents.catalogue.entry(&doc).await.unwrap();
        assert_eq!(entry.and_then(|entry| entry.pointer), None);
        assert_eq!(items_in_log(&harness, &doc).await, 5);
    }
    compact_all(&harness.documents, &harness.clock, &doc).await;
    assert_eq!(items_in_log(&harness, &doc).await, 0, "and with a sound bucket it goes through");
}

/// Edits come every 20 s all day, and a run every two minutes, never at a whole number of grace periods.
#[tokio::test]
async fn a_document_edited_without_pause_is_trimmed() {
    const EDIT_MS: u64 = 20_000;
    const RUN_MS: u64 = 120_007;
    let harness = Harness::start().await;
    let doc = doc("d");
    let operator = operator(&harness.documents, &harness.clock);
    let (mut next_run, mut most, mut deleted) = (RUN_MS, 0, 0);
    for edit in 0..24 * 60 * 60 * 1_000 / EDIT_MS {
        harness.append(&doc, typed("alice", edit, "x")).await;
        harness.clock.pass_ms(EDIT_MS);
        if (edit + 1) * EDIT_MS >= next_run {
            next_run += RUN_MS;
            // The most that it holds, just before it is trimmed.
            most = most.max(items_in_log(&harness, &doc).await);
            deleted += operator.compact(&doc).await.unwrap().unwrap().events_deleted;
        }
    }
    let three_graces = (3 * GRACE_MS / EDIT_MS) as usize;
    assert!(most <= three_graces, "{most} items in the log, which is more than {three_graces}");
    let replayed = harness.documents.replay(&doc).await.unwrap();
    assert_eq!((replayed.doc.len(), deleted + replayed.records.len()), (4_320, 4_320));
}

/// The documents with a bucket that tells what is in it.
fn with_bucket(harness: &Harness) -> (Arc<MemoryObjects>, Documents) {
    let bucket = Arc::new(MemoryObjects::new());
    (bucket.clone(), Documents { objects: bucket, ..harness.documents.clone() })
}

fn count(bucket: &MemoryObjects, kind: &str) -> usize {
    bucket.keys().iter().filter(|key| key.contains(kind)).count()
}

#[tokio::test]
async fn old_snapshots_are_deleted_after_their_grace() {
    let harness = Harness::start().await;
    let doc = doc("d");
    let (bucket, documents) = with_bucket(&harness);
    let operator = operator(&documents, &harness.clock);
    let mut deleted = 0;
    for round in 0..30 {
        harness.append(&doc, typed("alice", round, "x")).await;
        let before = documents.replay(&doc).await.unwrap().pointer;
        deleted += operator.compact(&doc).await.unwrap().unwrap().snapshots_deleted;
        if let Some(before) = before {
            // Who read the pointer just before must find it.
            assert!(documents.objects.get(&before.snapshot).await.unwrap().is_some());
        }
        harness.clock.pass_ms(GRACE_MS / 5);
        assert!(count(&bucket, "/snapshots/") <= 8, "{}", count(&bucket, "/snapshots/"));
    }
    for _ in 0..3 {
        harness.clock.pass_ms(GRACE_MS);
        deleted += operator.compact(&doc).await.unwrap().unwrap().snapshots_deleted;
    }
    assert_eq!((count(&bucket, "/snapshots/"), deleted), (2, 28), "the newest, and one to fall back to");
    assert_eq!(operator.compact(&doc).await.unwrap().unwrap().snapshots_deleted, 0);
    let replayed = documents.replay(&doc).await.unwrap();
    assert_eq!(replayed.doc.text(), "x".repeat(30));
    assert_eq!(documents.history(replayed.pointer.as_ref()).await.unwrap().len(), 30);
}

#[tokio::test]
async fn what_no_pointer_came_to_lead_to_is_deleted() {
    let harness = Harness::start().await;
    let doc = doc("d");
    let (bucket, documents) = with_bucket(&harness);
    for round in 0..4 {
        harness.append(&doc, typed("alice", round, "x")).await;
        let (one, two) = (operator(&documents, &harness.clock), operator(&documents, &harness.clock));
        let (one, two) = tokio::join!(one.compact(&doc), two.compact(&doc));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    }
    assert_eq!((count(&bucket, "/segments/"), count(&bucket, "/snapshots/")), (4, 4));

    harness.append(&doc, typed("alice", 4, "x")).await;
    let damaging: Arc<dyn Tap> = Arc::new(Damaging { bucket: bucket.clone(), keys: "/snapshots/" });
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let damaged = documents.tapped(&damaging, &clock);
    assert!(operator(&damaged, &harness.clock).compact(&doc).await.is_err());
    assert_eq!(
        (count(&bucket, "/segments/"), count(&bucket, "/snapshots/")),
        (4, 4),
        "a failed run leaves nothing"
    );
}

/// A bucket so far away that each read takes a second.
struct Far(Arc<ManualClock>);

#[async_trait]
impl Tap for Far {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        if call.operation == Operation::ObjectsGet {
            self.0.sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn segments_are_read_ahead() {
    let harness = Harness::memory();
    let doc = doc("d");
    for round in 0..50 {
        harness.append(&doc, typed("alice", round, "x")).await;
        operator(&harness.documents, &harness.clock).compact(&doc).await.unwrap().unwrap();
    }
    let counting = Arc::new(Counting::default());
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let far = harness.tapped(Arc::new(Far(harness.clock.clone())));
    let documents = far.tapped(&(counting.clone() as Arc<dyn Tap>), &clock);
    let pointer = documents.catalogue.entry(&doc).await.unwrap().unwrap().pointer;
    let begin = harness.clock.monotonic();
    let history = harness.clock.run(documents.history(pointer.as_ref())).await.unwrap();
    assert_eq!(
        history.iter().map(|record| record.event.after()).collect::<Vec<_>>(),
        (0..50).collect::<Vec<_>>()
    );
    assert_eq!(counting.of(Operation::ObjectsGet).at_once, 16, "as many at once as a segment names");
    let waited = harness.clock.monotonic() - begin;
    assert!(
        waited <= Duration::from_secs(5),
        "a second for every sixteen, and one for the newest: {waited:?}"
    );
}

#[tokio::test]
async fn a_lost_snapshot_is_put_together_again() {
    let harness = Harness::start().await;
    let doc = doc("d");
    for round in 0..4 {
        harness.append(&doc, typed("alice", round, "x")).await;
        compact_all(&harness.documents, &harness.clock, &doc).await;
    }
    assert_eq!(items_in_log(&harness, &doc).await, 0, "the log alone has nothing");
    let pointer = harness.documents.replay(&doc).await.unwrap().pointer.unwrap();
    // The newest, in whose place the one before it is read, and what came since; then that one as well.
    for (lost, reads) in [(&pointer.snapshot, 3), (&pointer.superseded[0].snapshot, 6)] {
        harness.documents.objects.delete(lost).await.unwrap();
        let counting = Arc::new(Counting::default());
        let replayed = harness.tapped(counting.clone()).replay(&doc).await.unwrap();
        assert_eq!(replayed.doc.text(), "xxxx");
        assert!(replayed.snapshot_lost.unwrap().contains(&pointer.snapshot));
        assert_eq!(counting.of(Operation::ObjectsGet).calls, reads);
    }
    // The next compaction writes it anew.
    operator(&harness.documents, &harness.clock).compact(&doc).await.unwrap().unwrap();
    let replayed = harness.documents.replay(&doc).await.unwrap();
    assert_eq!((replayed.snapshot_lost, replayed.doc.text()), (None, "xxxx".to_owned()));
    let again = replayed.pointer.as_ref().unwrap();
    assert_ne!(again.snapshot, pointer.snapshot);
    assert_eq!(again.segment, pointer.segment, "the history had it all");
    assert_eq!(harness.documents.history(replayed.pointer.as_ref()).await.unwrap().len(), 4);
}
