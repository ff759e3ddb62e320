//! The materializer's batches: failures, poison, newer encodings, missing bases (DESIGN §4, Streams).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use inklog_crdt::Event;
use inklog_materializer::Materializer;
use inklog_protocol::DocId;
use inklog_protocol::limits::{DIRTY_MARK_INTERVAL, TAIL_KEPT_BYTES};
use inklog_store::document::{Documents, assemble};
use inklog_store::log::memory::MemoryOpLog;
use inklog_store::tap::{Call, Fault, Operation, Store, Tap};
use inklog_store::{LiveState as _, LogRecord, OpLog as _};

use crate::harness::{Harness, agent, batch, doc, hanging, sound_batch, typed};
use crate::taps::{Counting, Failing, SteppingIn};

/// Handles a batch; the sequence number from which it must come again.
async fn handle(function: &Materializer, batch: StreamEvent) -> Option<String> {
    let response = function.handle(batch).await;
    assert!(response.batch_item_failures.len() <= 1);
    response.batch_item_failures.into_iter().next().and_then(|failure| failure.item_identifier)
}

async fn live_text(documents: &Documents, doc: &DocId) -> String {
    let live = documents.live.read(doc).await.unwrap().expect("there is a live state");
    assemble(doc, &live).unwrap().text()
}

#[tokio::test]
async fn a_new_document_gets_its_base_and_repeats_change_nothing() {
    let harness = Harness::start().await;
    let function = Materializer::new(harness.documents.clone(), harness.clock.clone());
    let (doc, events) = (doc("d"), typed("alice", 0, "hello"));
    harness.append(&doc, events.clone()).await;
    assert_eq!(handle(&function, sound_batch(&doc, &events[..3])).await, None);
    assert_eq!(live_text(&harness.documents, &doc).await, "hello", "the rebuild read the log");
    for _ in 0..2 {
        assert_eq!(handle(&function, sound_batch(&doc, &events)).await, None);
        assert_eq!(live_text(&harness.documents, &doc).await, "hello");
    }
    assert_eq!(harness.documents.catalogue.dirty(10).await.unwrap(), [doc]);
}

#[tokio::test]
async fn events_in_any_order_are_appended_and_none_is_checked_for_readiness() {
    let harness = Harness::start().await;
    let function = Materializer::new(harness.documents.clone(), harness.clock.clone());
    let doc = doc("d");
    let late = hanging("bob", 0, "!", "alice-4");
    let mut events = typed("alice", 0, "hello");
    events.reverse();
    harness.append(&doc, events.clone()).await;
    harness.append(&doc, [late.clone()]).await;
    assert_eq!(handle(&function, sound_batch(&doc, &[late])).await, None);
    harness.live.clear();
    for event in &events {
        assert_eq!(handle(&function, sound_batch(&doc, std::slice::from_ref(event))).await, None);
    }
    assert_eq!(live_text(&harness.documents, &doc).await, "hello!");
}

/// So that the catalogue keeps up where thousands are new.
#[tokio::test]
async fn all_documents_of_a_batch_are_marked_before_the_first_is_kept() {
    let harness = Harness::memory();
    let docs: Vec<DocId> = (0..40).map(|number| doc(&format!("d{number:02}"))).collect();
    let event = &typed("alice", 0, "x")[0];
    for doc in &docs {
        harness.append(doc, [event.clone()]).await;
    }
    let (catalogue, all) = (harness.documents.catalogue.clone(), docs.clone());
    let stepping_in = SteppingIn::before(Operation::LiveAppend, async move {
        assert_eq!(catalogue.dirty(100).await.unwrap(), all);
    });
    let function = Materializer::new(harness.tapped(stepping_in), harness.clock.clone());
    let names: Vec<String> = (0..docs.len()).map(|number| number.to_string()).collect();
    let records: Vec<_> =
        docs.iter().zip(&names).map(|(doc, name)| (name.as_str(), doc, event.encode(), event)).collect();
    assert_eq!(handle(&function, batch(&records)).await, None);
}

/// A live state that is down for one document: it refuses so many appends, and never drops it.
struct DownFor {
    doc: DocId,
    refusals: AtomicU32,
}

#[async_trait]
impl Tap for DownFor {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        let refuses = || {
            let less = |left: u32| left.checked_sub(1);
            self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
        };
        let down = match call.operation {
            _ if call.doc != Some(&self.doc) => false,
            Operation::LiveAppend => refuses(),
            operation => operation == Operation::LiveDropDoc,
        };
        if down { Err(call.unanswered("it was told to fail")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_failing_live_state_brings_the_batch_again_and_other_documents_go_on() {
    let harness = Harness::start().await;
    let (bad, good) = (doc("bad"), doc("good"));
    let documents = harness.tapped(Arc::new(DownFor { doc: bad.clone(), refusals: 3.into() }));
    let function = Materializer::new(documents.clone(), harness.clock.clone());
    let (first, second) = (typed("alice", 0, "a"), typed("bob", 0, "bc"));
    harness.append(&good, first.clone()).await;
    harness.append(&bad, second.clone()).await;
    let records = [
        ("1", &good, first[0].encode(), &first[0]),
        ("2", &bad, second[0].encode(), &second[0]),
        ("3", &bad, second[1].encode(), &second[1]),
    ];
    for _ in 0..3 {
        assert_eq!(handle(&function, batch(&records)).await.as_deref(), Some("2"));
        assert_eq!(live_text(&documents, &good).await, "a");
    }
    assert_eq!(handle(&function, batch(&records)).await, None);
    assert_eq!(live_text(&documents, &bad).await, "bc");
}

#[tokio::test]
async fn a_document_is_marked_once_a_minute() {
    let harness = Harness::memory();
    let counting = Arc::new(Counting::default());
    let function = Materializer::new(harness.tapped(counting.clone()), harness.clock.clone());
    let docs = [doc("d"), doc("e")];
    let interval_ms = DIRTY_MARK_INTERVAL.as_millis() as u64;
    for (after, passes_ms, marks) in [(0, 0, 2), (1, 0, 2), (2, interval_ms - 1, 2), (3, 1, 4), (4, 1, 4)] {
        harness.clock.pass_ms(passes_ms);
        for doc in &docs {
            let events = typed("alice", after, "x");
            harness.append(doc, events.clone()).await;
            assert_eq!(handle(&function, sound_batch(doc, &events)).await, None);
        }
        assert_eq!(counting.of(Operation::CatalogueMarkDirty).calls, marks, "{after}");
    }
}

#[tokio::test]
async fn what_cannot_be_rebuilt_keeps_a_tail_only_while_that_is_small() {
    let harness = Harness::memory();
    let failing = Failing::new(Store::Log);
    let function = Materializer::new(harness.tapped(failing.clone()), harness.clock.clone());
    let doc = doc("d");
    let text = "x".repeat(TAIL_KEPT_BYTES / 4);
    let kept = async || harness.live.append(&doc, &[], "unused").await.unwrap().unfolded_bytes;
    for after in 0..8 {
        let before = kept().await;
        let event = hanging(&format!("a{after}"), 0, &text, "z-0");
        harness.append(&doc, [event.clone()]).await;
        assert_eq!(handle(&function, sound_batch(&doc, &[event])).await, None, "nobody else waits for it");
        let (limit, bytes) = (TAIL_KEPT_BYTES as u64, kept().await);
        assert!(bytes <= limit, "{after}: {bytes}");
        // It goes whole, once it would be too much, and not before.
        assert!(
            bytes > before || (bytes == 0 && before + 2 * text.len() as u64 > limit),
            "{after}: {before}, {bytes}"
        );
    }
    failing.set(false);
    harness.clock.pass_ms(1_000);
    let event = hanging("b", 0, "y", "z-0");
    harness.append(&doc, [event.clone()]).await;
    assert_eq!(handle(&function, sound_batch(&doc, &[event])).await, None);
    assert!(harness.live.read(&doc).await.unwrap().is_some(), "it is kept again after its rest");
}

#[tokio::test]
async fn an_undecodable_record_is_set_aside_and_a_rebuild_decides() {
    let harness = Harness::start().await;
    let function = Materializer::new(harness.documents.clone(), harness.clock.clone());
    let (doc, other) = (doc("d"), doc("other"));
    let events = typed("alice", 0, "hello");
    harness.append(&doc, events.clone()).await;
    harness.append(&other, events.clone()).await;
    let mut garbage = events[1].encode();
    garbage.truncate(garbage.len() / 2);
    let records = [
        ("1", &doc, events[0].encode(), &events[0]),
        ("2", &doc, garbage, &events[1]),
        ("3", &doc, events[2].encode(), &events[2]),
        ("4", &other, events[0].encode(), &events[0]),
    ];
    assert_eq!(handle(&function, batch(&records)).await, None, "nobody behind it is stopped");
    assert_eq!(live_text(&harness.documents, &doc).await, "hello", "the log had it whole");
    assert_eq!(live_text(&harness.documents, &other).await, "hello");
    let note = harness.documents.objects.get("set-aside/d/2").await.unwrap().expect("a note is kept");
    assert!(String::from_utf8(note).unwrap().contains("damaged"));
}

#[tokio::test]
async fn a_record_that_another_function_has_set_aside_in_other_words_stops_nobody() {
    let harness = Harness::start().await;
    let function = Materializer::new(harness.documents.clone(), harness.clock.clone());
    let (doc, events) = (doc("d"), typed("alice", 0, "hello"));
    harness.append(&doc, events.clone()).await;
    harness.documents.objects.put("set-aside/d/1", b"cannot be read".to_vec()).await.unwrap();
    let records = [("1", &doc, vec![1], &events[0]), ("2", &doc, events[1].encode(), &events[1])];
    assert_eq!(handle(&function, batch(&records)).await, None);
    assert_eq!(live_text(&harness.documents, &doc).await, "hello");
}

#[tokio::test]
async fn a_newer_encoding_is_held_and_not_taken_for_poison() {
    let harness = Harness::start().await;
    let function = Materializer::new(harness.documents.clone(), harness.clock.clone());
    let (doc, other) = (doc("d"), doc("other"));
    let events = typed("alice", 0, "hello");
    harness.append(&doc, events.clone()).await;
    harness.append(&other, events.clone()).await;
    let mut newer = events[2].encode();
    newer[0] += 1;
    let records = [
        ("1", &doc, events[0].encode(), &events[0]),
        ("2", &doc, newer, &events[2]),
        ("3", &other, events[0].encode(), &events[0]),
    ];
    assert_eq!(handle(&function, batch(&records)).await.as_deref(), Some("2"));
    assert_eq!(harness.documents.objects.get("set-aside/d/2").await.unwrap(), None);
    assert_eq!(live_text(&harness.documents, &other).await, "hello");
}

#[tokio::test]
async fn a_damaged_log_item_does_not_hide_the_document_and_a_newer_one_does_not_get_lost() {
    let harness = Harness::memory();
    let (doc, log) = (doc("d"), Arc::new(MemoryOpLog::new(harness.clock.clone())));
    let documents = Documents { log: log.clone(), ..harness.documents.clone() };
    for event in typed("alice", 0, "hello") {
        let record = LogRecord { event, at: 1, author: None, connection: None };
        log.append(&doc, &record).await.unwrap();
    }
    log.put_bytes(&doc, &agent("mallory"), 0, vec![1, 2, 3]);
    let replayed = documents.replay(&doc).await.unwrap();
    assert_eq!(replayed.doc.text(), "hello");
    assert_eq!(replayed.damaged, ["mallory#0000000000000000"]);
    let mut newer: Vec<u8> = Event::encode(&typed("mallory", 0, "x")[0]);
    newer[0] += 1;
    log.put_bytes(&doc, &agent("mallory"), 0, newer);
    assert!(documents.replay(&doc).await.is_err(), "an upgrade is needed, and nothing is guessed");
    assert!(log.read(&doc).await.is_err());
}
