//! One keystroke through every stage, and what clients see of it.

use std::time::{Duration, Instant};

use inklog_local::{Data, Stack, StackConfig};
use inklog_operator::{LiveCheck, Source};
use inklog_protocol::DocId;
use serde_json::json;

use crate::socket::Socket;

pub async fn memory_stack() -> Stack {
    let config = StackConfig { port: 0, data: Data::Memory, ..StackConfig::default() };
    Stack::start(config).await.expect("a stack in memory starts")
}

fn doc(name: &str) -> DocId {
    DocId::new(name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keystroke_goes_through_every_stage() {
    let stack = memory_stack().await;
    let mut alice = Socket::connect(stack.ws_url()).await;
    let mut bob = Socket::connect(stack.ws_url()).await;
    for socket in [&mut alice, &mut bob] {
        let state = socket.ask(json!({"action": "JOIN_DOC", "docId": "d", "ref": 1})).await;
        assert_eq!((&state["action"], &state["ref"]), (&json!("DOC_STATE"), &json!(1)));
        assert!(state["cursor"].is_string());
    }
    assert_eq!(stack.operator().docs().await.unwrap(), [], "joining creates nothing");

    let op = json!({"type": "insert", "id": "alice-0", "char": "H", "left": null});
    let ack = alice
        .ask(json!({"action": "SEND_OP", "docId": "d", "agent": "alice", "after": 0, "ops": [op], "ref": 2}))
        .await;
    assert_eq!(
        ack,
        json!({"action": "OP_ACK", "docId": "d", "agent": "alice", "after": 0, "end": 1, "ref": 2})
    );

    let remote = bob.next_of("REMOTE_OP").await;
    assert_eq!(remote["events"][0]["ops"][0]["text"], "H");

    let operator = stack.operator();
    for from in [Source::Live, Source::Log] {
        assert_eq!(operator.read(&doc("d"), from).await.unwrap().unwrap().text, "H");
    }
    let compacted = operator.compact(&doc("d")).await.unwrap().unwrap();
    assert_eq!(compacted.events_compacted, 1);
    assert_eq!(operator.read(&doc("d"), Source::Snapshot).await.unwrap().unwrap().text, "H");
    let verified = operator.verify(&doc("d")).await.unwrap().unwrap();
    assert!(verified.ok && verified.live == LiveCheck::Equal, "{verified:?}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stack_sweeps_by_itself() {
    // The schedule of the dirty documents never comes: what has a snapshot, the sweep has found.
    let (often, never) = (Duration::from_millis(100), Duration::from_secs(24 * 60 * 60));
    let config = StackConfig {
        port: 0,
        data: Data::Memory,
        snapshot_every: never,
        sweep_every: often,
        ..StackConfig::default()
    };
    let stack = Stack::start(config).await.expect("a stack in memory starts");
    let mut alice = Socket::connect(stack.ws_url()).await;
    let op = json!({"type": "insert", "id": "alice-0", "char": "H", "left": null});
    alice.ask(json!({"action": "SEND_OP", "docId": "d", "agent": "alice", "after": 0, "ops": [op]})).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while stack.operator().read(&doc("d"), Source::Snapshot).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "no sweep has come by");
        tokio::time::sleep(often).await;
    }
    stack.stop().await;
}
