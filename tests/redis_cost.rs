//! The bytes that the materializer reads and writes in Redis for one edit do not depend on the
//! document's length (DESIGN §5, invariant 4). Counted between the function and a real Redis.

use std::sync::Arc;

use inklog_crdt::{Event, Id, Op, Origin};
use inklog_materializer::Materializer;
use inklog_store::LiveState as _;
use inklog_store::document::Documents;
use inklog_store::live::redis::RedisLiveState;
use inklog_tests::{CountingProxy, RedisServer};

use crate::harness::{Harness, agent, doc, sound_batch};

/// Edits of one batch of the stream: a few people typing.
const BATCH: usize = 10;
/// Characters that one edit in two inserts; the next one deletes them, so that the document keeps its
/// length.
const EDIT_CHARS: usize = 200;
const FOLDS: usize = 3;
/// The most characters of one event when the document is first written.
const FIRST_CHARS: usize = 25_000;

struct Cost {
    edits: u64,
    bytes: u64,
    largest: u64,
}

impl Cost {
    fn mean(&self) -> f64 {
        self.bytes as f64 / self.edits as f64
    }
}

/// Edits a document of `chars` until it has been folded [`FOLDS`] times, each time from fold to fold.
async fn measure(redis: &RedisServer, chars: usize) -> Cost {
    let proxy = CountingProxy::start(redis.addr()).await.expect("the proxy starts");
    let harness = Harness::start().await;
    let live = RedisLiveState::connect(&format!("redis://{}", proxy.addr()), "log").await.unwrap();
    let live = Arc::new(live);
    let documents = Documents { live: live.clone(), ..harness.documents.clone() };
    let function = Materializer::new(documents, harness.clock.clone());
    let doc = doc(&format!("d{chars}"));

    let writer = agent("writer");
    let mut seq: u64 = 0;
    let mut first = Vec::new();
    while (seq as usize) < chars {
        let text = "The quick brown fox. ".repeat(FIRST_CHARS / 21 + 1);
        let text = text[..FIRST_CHARS.min(chars - seq as usize)].to_owned();
        let left = seq.checked_sub(1).map(|before| Id::new(writer.clone(), before));
        let ops = vec![Op::Insert { seq, text, origin: Origin::Left(left) }];
        let event = Event::new(writer.clone(), seq, ops).unwrap();
        seq = event.end();
        first.push(event);
    }
    harness.append(&doc, first.clone()).await;
    let failed = function.handle(sound_batch(&doc, &first[first.len() - 1..])).await.batch_item_failures;
    assert!(failed.is_empty());

    let generation = async || live.read(&doc).await.unwrap().expect("there is a base").tag.generation;
    let mut at = generation().await;
    let (mut cost, mut folds) = (Cost { edits: 0, bytes: 0, largest: 0 }, 0);
    let middle = Origin::Left(Some(Id::new(writer.clone(), chars as u64 / 2)));
    let mut inserted = None;
    while folds < FOLDS {
        let mut events = Vec::new();
        while events.len() < BATCH {
            let op = match inserted.take() {
                None => {
                    inserted = Some(seq);
                    Op::Insert { seq, text: "x".repeat(EDIT_CHARS), origin: middle.clone() }
                }
                Some(target) => {
                    let target = Id::new(writer.clone(), target);
                    Op::Delete { seq, target, len: EDIT_CHARS as u64 }
                }
            };
            let event = Event::new(writer.clone(), seq, vec![op]).unwrap();
            seq = event.end();
            events.push(event);
        }
        let batch = sound_batch(&doc, &events);
        let before = proxy.total_bytes();
        assert!(function.handle(batch).await.batch_item_failures.is_empty());
        let bytes = proxy.total_bytes() - before;
        cost.edits += BATCH as u64;
        cost.bytes += bytes;
        cost.largest = cost.largest.max(bytes);
        // A fold moves far more bytes than a batch holds; only then is it worth looking.
        if bytes > 3_000 + (BATCH * EDIT_CHARS) as u64 {
            let now = generation().await;
            folds += usize::from(now != at);
            at = now;
        }
    }
    cost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_costs_the_same_in_a_short_and_in_a_long_document() {
    let redis = RedisServer::start();
    let short = measure(&redis, 1_000).await;
    let long = measure(&redis, 10_000_000).await;
    for (name, cost) in [("1 KB", &short), ("10 MB", &long)] {
        println!(
            "{name}: {:.0} bytes an edit over {} edits and {FOLDS} folds, {} in the largest batch of {BATCH}",
            cost.mean(),
            cost.edits,
            cost.largest
        );
    }
    let ratio = long.mean() / short.mean();
    println!("ratio {ratio:.2}");
    assert!(ratio <= 2.0, "an edit costs {ratio:.2} times as much in a document of 10 MB");
}
