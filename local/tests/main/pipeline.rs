//! What a developer sees of the pipeline: events passing, and how a document stands.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use inklog_local::pipeline::{Passage, Stage};
use inklog_local::{Data, Stack, StackConfig};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::http::{Answer, request};
use crate::support::within;

async fn stack() -> Stack {
    let config = StackConfig { port: 0, data: Data::Memory, ..StackConfig::default() };
    Stack::start(config).await.expect("a stack in memory starts")
}

/// Sends frames over a connection of their own, each after the answer to the one before.
async fn say(stack: &Stack, frames: &[Value]) -> Vec<Value> {
    let (mut socket, _) = tokio_tungstenite::connect_async(stack.ws_url()).await.expect("an upgrade");
    let mut answers = Vec::new();
    for frame in frames {
        socket.send(Message::text(frame.to_string())).await.expect("the socket is open");
        let answer = within("an answer", socket.next()).await.expect("an answer").expect("a frame");
        answers.push(serde_json::from_str(answer.to_text().expect("text")).expect("JSON"));
    }
    answers
}

/// One insert of `text` by ann at the start of the document.
fn send(doc: &str, after: u64, text: &str) -> Value {
    let op = json!({"type": "insert", "id": format!("ann-{after}"), "text": text, "left": null});
    json!({"action": "SEND_OP", "docId": doc, "agent": "ann", "after": after, "ops": [op]})
}

async fn watch(stack: &Stack, doc: &str, headers: &[&str]) -> Answer {
    let answer = request(stack.http_url(), "GET", &format!("/_inklog/pipeline?doc={doc}"), headers).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    answer
}

/// The next passage, and its event's id.
async fn next(watching: &mut Answer) -> Option<(String, Passage)> {
    let mut id = None;
    while let Some(line) = watching.line().await {
        if let Some(given) = line.strip_prefix("id: ") {
            id = Some(given.to_owned());
        } else if let Some(data) = line.strip_prefix("data: ") {
            let passage = serde_json::from_str(data).expect("a passage");
            return Some((id.expect("an id comes first"), passage));
        }
    }
    None
}

async fn take(watching: &mut Answer, count: usize) -> Vec<(String, Passage)> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(next(watching).await.expect("the stream goes on"));
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_seen_once_at_every_stage() {
    let stack = stack().await;
    let mut watching = watch(&stack, "d", &[]).await;
    let answers = say(&stack, &[send("other", 0, "x"), send("d", 0, "Hello")]).await;
    assert!(answers.iter().all(|answer| answer["action"] == "OP_ACK"), "{answers:?}");
    let seen = take(&mut watching, 4).await;
    let by_stage: BTreeMap<&str, &Passage> = seen
        .iter()
        .map(|(_, passage)| match passage.stage {
            Stage::Ingest => ("ingest", passage),
            Stage::Log => ("log", passage),
            Stage::Materializer => ("materializer", passage),
            Stage::Broadcaster => ("broadcaster", passage),
        })
        .collect();
    assert_eq!(by_stage.len(), 4, "{seen:?}");
    for passage in by_stage.values() {
        assert_eq!((&*passage.doc, &*passage.agent, passage.after, passage.end), ("d", "ann", 0, 5));
        assert!(passage.ok && passage.started_at <= passage.ended_at, "{passage:?}");
        assert!(passage.started_at > 1.6e12, "ms since the epoch");
    }
    // The log's time comes from ingest, in whole milliseconds.
    assert!(by_stage["log"].started_at >= by_stage["ingest"].started_at.floor());
    for function in ["materializer", "broadcaster"] {
        assert!(by_stage[function].started_at >= by_stage["log"].started_at, "{function}");
    }

    // Who looks later sees the same, and who comes back only what is new.
    let mut later = watch(&stack, "d", &[]).await;
    assert_eq!(take(&mut later, 4).await, seen);
    let last = format!("Last-Event-ID: {}", seen[3].0);
    let mut back = watch(&stack, "d", &[&last]).await;
    say(&stack, &[send("d", 5, "!")]).await;
    for watching in [&mut back, &mut watching] {
        assert!(take(watching, 4).await.iter().all(|(_, passage)| passage.after == 5));
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_event_is_seen_as_refused() {
    let stack = stack().await;
    let answers = say(&stack, &[send("d", 0, "Hello"), send("d", 0, "Other"), json!("no event")]).await;
    assert_eq!(answers[1]["code"], "conflict");
    let mut watching = watch(&stack, "d", &[]).await;
    let seen = take(&mut watching, 5).await;
    let refused: Vec<_> = seen.iter().filter(|(_, passage)| !passage.ok).collect();
    assert_eq!(refused.len(), 1, "{seen:?}");
    assert_eq!((refused[0].1.stage, refused[0].1.after, refused[0].1.end), (Stage::Ingest, 0, 5));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_does_not_keep_the_stack_from_stopping() {
    let stack = stack().await;
    let mut watching = watch(&stack, "d", &[]).await;
    let stopped = tokio::time::timeout(Duration::from_secs(5), stack.stop()).await;
    assert!(stopped.is_ok(), "it waits for its watcher");
    assert_eq!(next(&mut watching).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_this_machine_may_look() {
    let stack = stack().await;
    for path in ["/_inklog/pipeline?doc=d", "/_inklog/docs/d/status"] {
        for (header, status) in [
            ("Host: 127.0.0.1:8080", 200),
            ("Host: [::1]:8080", 200),
            ("Origin: http://localhost:5173", 403),
            ("Host: rebound.example", 403),
            ("Origin: https://elsewhere.example", 403),
            ("Origin: null", 403),
        ] {
            let answer = request(stack.http_url(), "GET", path, &[header]).await;
            assert_eq!(answer.status, status, "{path} {header}");
        }
    }
    for path in ["/_inklog/pipeline?doc=..", "/_inklog/pipeline", "/_inklog/docs/a%20b/status"] {
        assert_eq!(request(stack.http_url(), "GET", path, &[]).await.status, 400, "{path}");
    }
    stack.stop().await;
}

async fn status(stack: &Stack) -> Value {
    let answer = request(stack.http_url(), "GET", "/_inklog/docs/d/status", &[]).await;
    serde_json::from_str(&answer.text().await).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_tells_base_tail_and_snapshot() {
    let stack = stack().await;
    let nothing = json!({
        "doc": "d", "chars": 0, "version": {}, "waiting": 0, "base": null,
        "tail": {"events": 0, "bytes": 0}, "snapshot": null, "dirty": false,
    });
    assert_eq!(status(&stack).await, nothing);

    let mut watching = watch(&stack, "d", &[]).await;
    say(&stack, &[json!({"action": "JOIN_DOC", "docId": "d"}), send("d", 0, "Hello"), send("d", 9, "?")])
        .await;
    // Until both were materialized.
    let mut materialized = 0;
    while materialized < 2 {
        let (_, passage) = next(&mut watching).await.expect("the stream goes on");
        materialized += usize::from(passage.stage == Stage::Materializer);
    }
    let written = status(&stack).await;
    assert_eq!((&written["chars"], &written["version"]), (&json!(5), &json!({"ann": 5})));
    assert_eq!((&written["waiting"], &written["dirty"]), (&json!(1), &json!(true)), "a gap before 9");
    assert_eq!(written["snapshot"], Value::Null);

    let doc = inklog_protocol::DocId::new("d").expect("a document");
    stack.operator().rebuild(&doc).await.expect("a rebuild");
    stack.operator().compact(&doc).await.expect("a compaction");
    let compacted = status(&stack).await;
    assert!(compacted["base"]["bytes"].as_u64() > Some(0), "{compacted}");
    assert!(compacted["base"]["generation"].is_string());
    // A rebuild leaves the tail alone, and the new base brings the waiting event once more.
    assert_eq!(compacted["tail"]["events"], 3, "{compacted}");
    assert!(compacted["tail"]["bytes"].as_u64() > Some(0), "{compacted}");
    assert_eq!(compacted["snapshot"]["version"], json!({"ann": 5}));
    assert!(compacted["snapshot"]["at"].as_u64() > Some(1_600_000_000_000));
    assert!(compacted["snapshot"]["key"].as_str().is_some_and(|key| key.contains('d')), "{compacted}");
    stack.stop().await;
}
