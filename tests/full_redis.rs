//! A document that alone fails stops no other (DESIGN §4, Streams): one that Redis has no room for, one
//! whose snapshot is lost.

use std::sync::Arc;

use inklog_crdt::{Event, Id, Op, Origin};
use inklog_materializer::Materializer;
use inklog_operator::Operator;
use inklog_protocol::DocId;
use inklog_store::document::Documents;
use inklog_store::live::redis::RedisLiveState;
use inklog_store::objects::memory::MemoryObjects;
use inklog_store::{LiveState as _, Objects as _};
use inklog_tests::RedisServer;

use crate::harness::{Harness, agent, batch, doc, sound_batch, typed};

/// Characters of one event of the large document.
const EVENT_CHARS: usize = 300_000;
const LARGE_CHARS: usize = 20_000_000;

/// `chars` characters in events of one agent, each after the one before.
pub fn long(chars: usize) -> Vec<Event> {
    let writer = agent("writer");
    let mut seq: u64 = 0;
    let mut events = Vec::new();
    while (seq as usize) < chars {
        let text = "The quick brown fox. ".repeat(EVENT_CHARS / 21 + 1);
        let text = text[..EVENT_CHARS.min(chars - seq as usize)].to_owned();
        let left = seq.checked_sub(1).map(|before| Id::new(writer.clone(), before));
        let event =
            Event::new(writer.clone(), seq, vec![Op::Insert { seq, text, origin: Origin::Left(left) }]);
        let event = event.unwrap();
        seq = event.end();
        events.push(event);
    }
    events
}

async fn text(documents: &Documents, doc: &DocId) -> String {
    documents.read(doc).await.expect("the document is readable").text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_too_large_for_redis_stops_no_other() {
    let redis = RedisServer::start_with(&["--maxmemory", "16mb", "--maxmemory-policy", "noeviction"]);
    let harness = Harness::start().await;
    let live = Arc::new(RedisLiveState::connect(&redis.url(), "log").await.unwrap());
    let documents = Documents { live: live.clone(), ..harness.documents.clone() };
    let function = Materializer::new(documents.clone(), harness.clock.clone());
    let (large, small) = (doc("large"), doc("small"));
    let small_text: String = "abcdefghijklmnopqrstuvwxyz".repeat(3);
    let mut small_events = typed("alice", 0, &small_text).into_iter();
    let mut written = 0;
    for events in long(LARGE_CHARS).chunks(4) {
        let next: Vec<Event> = small_events.by_ref().take(4).collect();
        written += next.len();
        harness.append(&large, events.to_vec()).await;
        harness.append(&small, next.clone()).await;
        let names: Vec<String> = (1..=events.len() + next.len()).map(|n| format!("{n:021}")).collect();
        let of = |doc, events: &[Event]| -> Vec<(DocId, Event)> {
            events.iter().map(|event| (DocId::clone(doc), event.clone())).collect()
        };
        let both = [of(&large, events), of(&small, &next)].concat();
        let records: Vec<_> =
            both.iter().zip(&names).map(|((doc, e), name)| (name.as_str(), doc, e.encode(), e)).collect();
        let failed = function.handle(batch(&records)).await.batch_item_failures;
        assert!(failed.is_empty(), "the batch would come again for ever: {failed:?}");
        assert_eq!(text(&documents, &small).await, small_text[..written]);
        harness.clock.pass_ms(1_000);
    }
    assert!(live.read(&large).await.unwrap().is_none(), "it is larger than all of Redis");
    assert_eq!(text(&documents, &large).await.len(), LARGE_CHARS, "from the log");
    Operator::new(documents.clone(), harness.clock.clone()).compact(&large).await.unwrap().unwrap();
    assert_eq!(text(&documents, &large).await.len(), LARGE_CHARS, "from the snapshot");
    assert!(live.read(&small).await.unwrap().is_some(), "what fits is kept");
}

/// A harness with a compacted document `bad`, what is under `prefix` lost, and the live state as well.
async fn with_lost(prefix: &'static str) -> (Harness, Documents) {
    let harness = Harness::start().await;
    let objects = Arc::new(MemoryObjects::new());
    let documents = Documents { objects: objects.clone(), ..harness.documents.clone() };
    harness.append(&doc("bad"), typed("alice", 0, "hello")).await;
    harness.clock.pass_ms(1);
    let grace = std::time::Duration::ZERO;
    let operator = Operator::new(documents.clone(), harness.clock.clone()).with_grace(grace);
    for _ in 0..3 {
        operator.compact(&doc("bad")).await.unwrap().unwrap();
        harness.clock.pass_ms(1_000);
    }
    assert!(documents.log.read(&doc("bad")).await.unwrap().is_empty(), "only the objects have the text");
    harness.live.clear();
    for key in objects.keys().iter().filter(|key| key.starts_with(prefix)) {
        objects.delete(key).await.unwrap();
    }
    (harness, documents)
}

#[tokio::test]
async fn a_document_whose_objects_are_lost_stops_no_other() {
    let (harness, documents) = with_lost("docs/bad/").await;
    let function = Materializer::new(documents.clone(), harness.clock.clone());
    let (bad, good) = (doc("bad"), doc("good"));
    let (one, other) = (typed("bob", 0, "x"), typed("carol", 0, "good"));
    harness.append(&bad, one.clone()).await;
    harness.append(&good, other.clone()).await;
    let mut records = vec![("1", &bad, one[0].encode(), &one[0])];
    let names: Vec<String> = (2..).map(|n| format!("{n}")).take(other.len()).collect();
    records.extend(other.iter().zip(&names).map(|(e, name)| (name.as_str(), &good, e.encode(), e)));
    assert!(function.handle(batch(&records)).await.batch_item_failures.is_empty());
    assert_eq!(text(&documents, &good).await, "good");
    assert!(documents.open(&bad).await.is_err(), "nobody can say what it held");
}

#[tokio::test]
async fn where_a_snapshot_is_lost_the_history_tells() {
    let (harness, documents) = with_lost("docs/bad/snapshots/").await;
    let bad = doc("bad");
    assert_eq!(text(&documents, &bad).await, "hello");
    let function = Materializer::new(documents.clone(), harness.clock.clone());
    harness.live.clear();
    let more = typed("bob", 0, "!");
    harness.append(&bad, more.clone()).await;
    assert!(function.handle(sound_batch(&bad, &more)).await.batch_item_failures.is_empty());
    let mut live: Vec<char> = text(&documents, &bad).await.chars().collect();
    live.sort_unstable();
    assert_eq!(live, ['!', 'e', 'h', 'l', 'l', 'o']);
}
