//! The materializer's batches: failures, poison, newer encodings, missing bases (DESIGN §4, Streams).

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use inklog_crdt::Event;
use inklog_materializer::Materializer;
use inklog_protocol::DocId;
use inklog_store::document::{Documents, assemble};

use crate::harness::{FailingLive, Harness, batch, doc, hanging, sound_batch, typed};

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

#[tokio::test]
async fn a_failing_live_state_brings_the_batch_again_and_other_documents_go_on() {
    let harness = Harness::start().await;
    let (bad, good) = (doc("bad"), doc("good"));
    let live = Arc::new(FailingLive::new(harness.live.clone(), HashMap::from([(bad.clone(), 3)])));
    let documents = Documents { live, ..harness.documents.clone() };
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
    use aws_sdk_dynamodb::primitives::Blob;
    use aws_sdk_dynamodb::types::AttributeValue as Value;
    let harness = Harness::start().await;
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    let put = async |bytes: Vec<u8>| {
        harness
            .dynamodb
            .put_item()
            .table_name("oplog")
            .item("doc", Value::S("d".into()))
            .item("sk", Value::S("mallory#0000000000000000".into()))
            .item("ops", Value::B(Blob::new(bytes)))
            .item("at", Value::N("1".into()))
            .send()
            .await
            .unwrap();
    };
    put(vec![1, 2, 3]).await;
    let replayed = harness.documents.replay(&doc).await.unwrap();
    assert_eq!(replayed.doc.text(), "hello");
    assert_eq!(replayed.damaged, ["mallory#0000000000000000"]);
    let mut newer: Vec<u8> = Event::encode(&typed("mallory", 0, "x")[0]);
    newer[0] += 1;
    put(newer).await;
    assert!(harness.documents.replay(&doc).await.is_err(), "an upgrade is needed, and nothing is guessed");
    assert!(harness.documents.log.read(&doc).await.is_err());
}
