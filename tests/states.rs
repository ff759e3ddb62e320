//! Whole states on their way to clients: shared, bounded, at the reader's pace.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::encodings::Body;
use futures::future::join_all;
use inklog_crdt::Doc;
use inklog_ingest::Sync;
use inklog_protocol::{DocId, ServerMessage};
use inklog_store::audience::Audience;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::document::Documents;
use inklog_store::{Connections as _, LiveState as _, Push, PushError};
use serde_json::{Value, json};

use crate::full_redis::long;
use crate::harness::{FailingLive, Harness, doc, typed};

/// A document of some twenty parts.
const CHARS: usize = 2_000_000;

/// Connections that take a message every so often, or none.
#[derive(Default)]
struct Readers {
    pause: Option<Duration>,
    last: Mutex<HashMap<String, Instant>>,
    taken: Mutex<HashMap<String, Vec<String>>>,
}

#[async_trait]
impl Push for Readers {
    async fn post(&self, connection: &str, message: &str) -> Result<(), PushError> {
        tokio::task::yield_now().await;
        if let Some(pause) = self.pause {
            let mut last = self.last.lock().unwrap();
            let last = last.entry(connection.to_owned()).or_insert_with(Instant::now);
            if last.elapsed() < pause {
                return Err(PushError::Busy("it was told to be slow".into()));
            }
            *last = Instant::now();
        }
        self.taken.lock().unwrap().entry(connection.to_owned()).or_default().push(message.to_owned());
        Ok(())
    }
}

struct World {
    sync: Sync,
    readers: Arc<Readers>,
    connections: Arc<MemoryConnections>,
}

fn world(harness: &Harness, documents: Documents, pause: Option<Duration>) -> World {
    let connections = Arc::new(MemoryConnections::new());
    let readers = Arc::new(Readers { pause, ..Readers::default() });
    let audience = Audience {
        presence: connections.clone(),
        connections: connections.clone(),
        push: readers.clone(),
        clock: harness.clock.clone(),
    };
    World { sync: Sync::new(documents, audience, "log".to_owned()), readers, connections }
}

impl World {
    async fn join(&self, connection: &str, doc: &DocId) -> Option<Value> {
        let mut event = ApiGatewayWebsocketProxyRequest::default();
        event.request_context.connection_id = Some(connection.to_owned());
        event.body =
            Some(json!({"action": "JOIN_DOC", "docId": doc.as_str(), "ref": connection}).to_string());
        match self.sync.handle(event).await.body {
            Some(Body::Text(answer)) => Some(serde_json::from_str(&answer).expect("JSON")),
            _ => None,
        }
    }

    /// The text of the parts that a connection was sent, with the last one.
    fn text(&self, connection: &str, last: &Value) -> String {
        let mut parts = self.readers.taken.lock().unwrap().remove(connection).unwrap_or_default();
        parts.push(last.to_string());
        let mut doc = Doc::new();
        let (mut spans, mut version, mut late) = (Vec::new(), inklog_crdt::Version::new(), Vec::new());
        let count = parts.len();
        for part in parts {
            let named: Value = serde_json::from_str(&part).unwrap();
            assert_eq!(named["ref"], connection, "each answer has its own ref");
            let ServerMessage::DocState { ops, version: slice, events, parts, .. } =
                ServerMessage::parse(&part).unwrap()
            else {
                panic!("not a DOC_STATE")
            };
            assert_eq!(parts as usize, count);
            spans.extend(ops.into_iter().map(|op| op.into_span().unwrap()));
            version.unite(&inklog_protocol::version_from_wire(&slice).unwrap());
            late.extend(events);
        }
        doc.merge(&spans, &version).unwrap();
        for event in late {
            doc.apply(&event.into_event().unwrap().event);
        }
        doc.text()
    }
}

/// A harness with a document of many parts, its live state kept, and reads of that counted.
async fn with_long() -> (Harness, Documents, Arc<FailingLive>) {
    let harness = Harness::start().await;
    harness.append(&doc("long"), long(CHARS)).await;
    harness.documents.rebuild(&doc("long")).await.unwrap();
    let live = Arc::new(FailingLive::new(harness.live.clone(), HashMap::new()));
    let documents = Documents { live: live.clone(), ..harness.documents.clone() };
    (harness, documents, live)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_join_at_once_share_one_state_and_a_connection_has_one_under_way() {
    let (harness, documents, live) = with_long().await;
    let world = world(&harness, documents, None);
    let long = doc("long");
    let answers = join_all((0..64).map(|_| world.join("greedy", &long))).await;
    let states: Vec<Value> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
    let (sent, refused): (Vec<&Value>, Vec<&Value>) =
        states.iter().partition(|answer| answer["action"] == "DOC_STATE");
    assert!(live.reads.load(Ordering::SeqCst) <= 3, "{} states were read", live.reads.load(Ordering::SeqCst));
    for answer in &refused {
        assert_eq!((&answer["code"], &answer["retry"]), (&json!("rate_limited"), &json!(true)), "{answer}");
    }
    assert!(!sent.is_empty() && sent.len() <= 3, "{} states were sent", sent.len());

    let names: Vec<String> = (0..32).map(|n| format!("c{n}")).collect();
    let before = live.reads.load(Ordering::SeqCst);
    let answers = join_all(names.iter().map(|name| world.join(name, &long))).await;
    assert!(live.reads.load(Ordering::SeqCst) - before <= 3);
    for (name, last) in names.iter().zip(answers) {
        assert_eq!(world.text(name, &last.expect("the last part")).len(), CHARS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_while_a_state_is_read_gets_one_that_was_read_later() {
    let harness = Harness::start().await;
    let d = doc("d");
    harness.append(&d, typed("alice", 0, "a")).await;
    harness.documents.rebuild(&d).await.unwrap();
    let live = Arc::new(FailingLive::new(harness.live.clone(), HashMap::new()));
    let documents = Documents { live: live.clone(), ..harness.documents.clone() };
    let world = Arc::new(world(&harness, documents, None));
    let late = Arc::new(Mutex::new(None));
    let (inside, joining, doc, below) = (world.clone(), late.clone(), d.clone(), harness.live.clone());
    let event = harness.logged(typed("bob", 0, "b").remove(0));
    // The first one has read: what comes now it does not have, and the second must.
    *live.after_read.lock().unwrap() = Some(Box::new(move || {
        let (world, joining, doc) = (inside.clone(), joining.clone(), doc.clone());
        let (below, event) = (below.clone(), event.clone());
        Box::pin(async move {
            below.append(&doc, &[event], "tail").await.unwrap();
            let (joiner, of) = (world.clone(), doc.clone());
            let second = tokio::spawn(async move { joiner.join("second", &of).await });
            while world.connections.list(&doc, 1_700_000_000_000).await.unwrap().len() < 2 {
                tokio::task::yield_now().await;
            }
            *joining.lock().unwrap() = Some(second);
        })
    }));
    let first = world.join("first", &d).await.expect("an answer");
    assert_eq!(world.text("first", &first).len(), 1, "something is tested");
    let second = late.lock().unwrap().take().expect("it joined meanwhile");
    let second = second.await.unwrap().expect("an answer");
    assert_eq!(world.text("second", &second).len(), 2, "{second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_that_reads_on_gets_all_with_one_join() {
    let (harness, documents, _) = with_long().await;
    let mut world = world(&harness, documents, Some(Duration::from_millis(150)));
    let patience = Duration::from_secs(1);
    world.sync = world.sync.with_patience(patience);
    let begun = Instant::now();
    let last = world.join("slow", &doc("long")).await.expect("the last part");
    assert!(begun.elapsed() > 2 * patience, "it took longer than patience lasts without progress");
    assert_eq!(world.text("slow", &last).len(), CHARS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_reads_nothing_is_given_up_and_may_come_again() {
    let (harness, documents, _) = with_long().await;
    let mut world = world(&harness, documents, Some(Duration::from_secs(3600)));
    world.sync = world.sync.with_patience(Duration::from_millis(500));
    let begun = Instant::now();
    for _ in 0..2 {
        assert!(world.join("stuck", &doc("long")).await.is_none(), "it is given up, not refused");
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
}
