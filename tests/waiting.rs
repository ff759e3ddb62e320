//! Events that wait for what does not come: what they cost readers, Redis and the log, and that all of
//! them show when it comes after all.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::encodings::Body;
use inklog_crdt::Event;
use inklog_ingest::{Gate, SendOp, Sync};
use inklog_materializer::Materializer;
use inklog_operator::Operator;
use inklog_protocol::DocId;
use inklog_protocol::limits::WAITING_KEPT_BYTES;
use inklog_store::audience::Audience;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::document::Documents;
use inklog_store::live::redis::RedisLiveState;
use inklog_store::push::memory::MemoryPush;
use inklog_store::{LiveState as _, encode_logged};
use inklog_tests::{CountingProxy, RedisServer};
use serde_json::json;

use crate::compaction::{compact_all, send};
use crate::harness::{Harness, doc, hanging, sound_batch, typed};

/// Events of one batch of the stream.
const BATCH: usize = 1_000;
/// Small edits, and how many come in one batch.
const EDITS: u64 = 1_000;
const EDITS_AT_ONCE: usize = 10;

/// Bytes that a joiner is sent.
async fn joined_bytes(harness: &Harness, documents: &Documents) -> usize {
    let connections = Arc::new(MemoryConnections::new());
    let push = Arc::new(MemoryPush::new());
    push.open("c");
    let audience = Audience {
        presence: connections.clone(),
        connections,
        push: push.clone(),
        clock: harness.clock.clone(),
    };
    let mut event = ApiGatewayWebsocketProxyRequest::default();
    event.request_context.connection_id = Some("c".to_owned());
    event.body = Some(json!({"action": "JOIN_DOC", "docId": "d"}).to_string());
    let answer = Sync::new(Gate::open(), documents.clone(), audience, "log".to_owned()).handle(event).await;
    let Some(Body::Text(last)) = answer.body else { panic!("no answer") };
    assert!(last.contains("DOC_STATE"), "{last:.300}");
    push.take("c").iter().map(String::len).sum::<usize>() + last.len()
}

/// `count` events of mallory's, each of `chars` characters, that hang at a character of a ghost's.
fn waiting(count: u64, chars: usize) -> Vec<Event> {
    let seqs = (0..count).map(|number| number * chars as u64);
    seqs.map(|seq| hanging("mallory", seq, &"w".repeat(chars), "ghost-0")).collect()
}

async fn materialize(function: &Materializer, doc: &DocId, events: &[Event], at_once: usize) {
    for batch in events.chunks(at_once) {
        assert!(function.handle(sound_batch(doc, batch)).await.batch_item_failures.is_empty());
    }
}

async fn items_in_log(documents: &Documents, doc: &DocId) -> usize {
    documents.log.read(doc).await.unwrap().len()
}

/// What so many events cost that wait; then what they wait for comes.
async fn measure(count: u64, chars: usize) {
    let redis = RedisServer::start();
    let proxy = CountingProxy::start(redis.addr()).await.expect("the proxy starts");
    let harness = Harness::start().await;
    let live = RedisLiveState::connect(&format!("redis://{}", proxy.addr()), "log").await.unwrap();
    let live = Arc::new(live);
    let documents = Documents { live: live.clone(), ..harness.documents.clone() };
    let function = Materializer::new(documents.clone(), harness.clock.clone());
    let doc = doc("d");

    let first = typed("alice", 0, "hello");
    harness.append(&doc, first.clone()).await;
    materialize(&function, &doc, &first, BATCH).await;
    let waits = waiting(count, chars);
    let begin = proxy.total_bytes();
    for batch in waits.chunks(BATCH) {
        harness.append(&doc, batch.iter().cloned()).await;
        materialize(&function, &doc, batch, BATCH.min(1_000_000 / chars)).await;
        harness.clock.pass(Duration::from_secs(1));
    }
    let sent: usize = waits.iter().map(|event| encode_logged(&harness.logged(event.clone())).len()).sum();
    let arrived = proxy.total_bytes() - begin;
    let joined = joined_bytes(&harness, &documents).await;

    let edits = typed("alice", 5, &"e".repeat(EDITS as usize));
    harness.append(&doc, edits.clone()).await;
    let begin = proxy.total_bytes();
    materialize(&function, &doc, &edits, EDITS_AT_ONCE).await;
    let edited = proxy.total_bytes() - begin;
    println!(
        "{count} waiting events of {chars}, {sent} bytes: {arrived} through Redis as they came, {joined} a \
         join, {edited} for {EDITS} small edits"
    );
    // A tail of as much as the base carries may wait to be folded; JSON takes five times the bytes.
    assert!(joined < 10 * WAITING_KEPT_BYTES, "{joined} bytes a join");
    assert!(edited < 1_000 * EDITS, "{edited} bytes through Redis for {EDITS} edits");
    assert!(arrived < 12 * sent as u64, "{arrived} bytes through Redis for {sent}");

    // Compaction takes all that is applied; what waits stays in the log, for its place must stay taken.
    compact_all(&documents, &harness.clock, &doc).await;
    assert_eq!(items_in_log(&documents, &doc).await as u64, count);
    let open = documents.open(&doc).await.unwrap();
    let carried: usize = open.beyond.events.iter().map(|logged| encode_logged(logged).len()).sum();
    assert!(carried <= 2 * WAITING_KEPT_BYTES, "{carried} bytes beyond the base");
    assert_eq!(documents.read(&doc).await.unwrap().len() as u64, 5 + EDITS);

    // What was missing comes.
    let ghost = typed("ghost", 0, "!");
    harness.append(&doc, ghost.clone()).await;
    materialize(&function, &doc, &ghost, BATCH).await;
    harness.clock.pass(Duration::from_secs(60));
    let compacted =
        Operator::new(documents.clone(), harness.clock.clone()).compact(&doc).await.unwrap().unwrap();
    assert!(compacted.live_dropped, "it lacks what was left to the log");
    let all = 5 + EDITS + 1 + count * chars as u64;
    assert_eq!(documents.read(&doc).await.unwrap().len() as u64, all);
    assert_eq!(live.read(&doc).await.unwrap().expect("it is kept again").aside_bytes, 0);
    compact_all(&documents, &harness.clock, &doc).await;
    assert_eq!(items_in_log(&documents, &doc).await, 0, "nothing waits any more");
    assert_eq!(documents.read(&doc).await.unwrap().len() as u64, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_waiting_events_cost_little_and_all_of_them_show_in_the_end() {
    measure(10_000, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_waiting_events_cost_little_and_all_of_them_show_in_the_end() {
    measure(200, 30_000).await;
}

/// Where the live state is kept nowhere, what waits is cut just the same, for joiners and for who syncs.
#[tokio::test]
async fn without_a_live_state_a_reader_is_not_sent_all_that_waits() {
    let harness = Harness::start().await;
    let redis = RedisServer::start();
    let live = RedisLiveState::connect(&redis.url(), "log").await.unwrap();
    drop(redis);
    let documents = Documents { live: Arc::new(live), ..harness.documents.clone() };
    let doc = doc("d");
    harness.append(&doc, typed("alice", 0, "hello")).await;
    harness.append(&doc, waiting(100, 3_000)).await;
    let opened = documents.open(&doc).await.unwrap();
    let bytes = |events: &[inklog_protocol::LoggedEvent]| -> usize {
        events.iter().map(|logged| encode_logged(logged).len()).sum()
    };
    assert!(bytes(&opened.beyond.events) <= WAITING_KEPT_BYTES);
    let (_, since) = opened.beyond.since(&inklog_crdt::Version::new()).expect("all events");
    assert!(bytes(&since) <= WAITING_KEPT_BYTES + 1_000);
    assert!(since.iter().filter(|logged| logged.event.agent().as_str() == "alice").count() == 5);
}

#[tokio::test]
async fn what_waits_counts_in_a_documents_size_once() {
    const MAX: u64 = 400_000;
    let harness = Harness::start().await;
    let documents = Documents { doc_bytes_max: MAX, ..harness.documents.clone() };
    let function = Materializer::new(documents.clone(), harness.clock.clone());
    let (log, catalogue) = (documents.log.clone(), documents.catalogue.clone());
    let send_op = SendOp::new(Gate::open(), log, catalogue, harness.clock.clone()).with_doc_bytes_max(MAX);
    let doc = doc("d");
    let waits = waiting(140, 3_000);
    let (some, more) = waits.split_at(100);
    let insert = |name: &str| {
        json!({"action": "SEND_OP", "docId": "d",
               "op": {"type": "insert", "id": format!("{name}-0"), "char": "!", "left": null}})
    };
    harness.append(&doc, some.iter().cloned()).await;
    for _ in 0..3 {
        // A batch that comes again sets the same events aside again.
        materialize(&function, &doc, some, 10).await;
    }
    assert_eq!(send(&send_op, insert("bob")).await["action"], "OP_ACK", "300,000 bytes wait, and no more");
    harness.append(&doc, more.iter().cloned()).await;
    materialize(&function, &doc, more, 10).await;
    harness.clock.pass(Duration::from_secs(60));
    assert_eq!(send(&send_op, insert("carol")).await["code"], "too_large");
}
