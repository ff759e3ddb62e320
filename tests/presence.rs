//! Presence on the whole stack: a joiner sees who is there, and whoever leaves, is cut off or falls
//! silent is gone for the others.

use std::sync::Arc;

use inklog_local::{Data, Stack, StackConfig};
use inklog_protocol::limits::PRESENCE_TTL;
use inklog_store::ManualClock;
use serde_json::{Value, json};

use crate::socket::Socket;

async fn join(stack: &Stack) -> Socket {
    let mut socket = Socket::connect(stack.ws_url()).await;
    socket.send(json!({"action": "JOIN_DOC", "docId": "d"})).await;
    socket.next_of("DOC_STATE").await;
    socket
}

fn presence(agent: &str, state: Value) -> Value {
    json!({"action": "PRESENCE", "docId": "d", "agent": agent, "state": state})
}

fn remote(agent: &str, state: Value) -> Value {
    json!({"action": "REMOTE_PRESENCE", "docId": "d", "agent": agent, "state": state})
}

/// A stack whose clock stands still, and two who are in the document.
async fn two_in_a_document() -> (Stack, Arc<ManualClock>, Socket, Socket) {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let config = StackConfig { port: 0, data: Data::Memory, ..StackConfig::default() };
    let stack = Stack::start_with_clock(config, clock.clone()).await.expect("a stack in memory starts");
    let (alice, bob) = (join(&stack).await, join(&stack).await);
    (stack, clock, alice, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joiner_sees_who_is_there_and_nobody_hears_an_echo() {
    let (stack, _, mut alice, mut bob) = two_in_a_document().await;
    let at = |n: u32| json!({"name": "Alice", "cursor": {"anchor": {"id": format!("bob-{n}"), "side": 1}}});
    alice.send(presence("alice", at(1))).await;
    assert_eq!(bob.next().await, remote("alice", at(1)));
    alice.send(presence("alice", at(2))).await;
    assert_eq!(bob.next().await, remote("alice", at(2)));

    let mut carol = Socket::connect(stack.ws_url()).await;
    carol.send(json!({"action": "JOIN_DOC", "docId": "d"})).await;
    let mut got = [carol.next().await, carol.next().await];
    got.sort_by_key(|frame| frame["action"].to_string());
    assert_eq!(got[0]["action"], "DOC_STATE");
    assert_eq!(got[1], remote("alice", at(2)), "the newest, once");

    // The next thing that Alice hears is Bob's, and not her own.
    bob.send(presence("bob", json!({}))).await;
    assert_eq!(alice.next().await, remote("bob", json!({})));
    assert_eq!(carol.next().await, remote("bob", json!({})));

    // Who is there already hears no more of it by syncing.
    bob.send(json!({"action": "SYNC_STATE", "docId": "d"})).await;
    assert_eq!(bob.next().await["action"], "DOC_STATE");
    alice.send(presence("alice", at(3))).await;
    assert_eq!(bob.next().await, remote("alice", at(3)));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_ends_it_or_leaves_or_is_cut_off_is_gone() {
    let (stack, _, mut alice, mut bob) = two_in_a_document().await;
    let shown = async |alice: &mut Socket, bob: &mut Socket| {
        alice.send(presence("alice", json!({"cursor": 1}))).await;
        assert_eq!(bob.next().await, remote("alice", json!({"cursor": 1})));
    };
    let gone = remote("alice", Value::Null);

    shown(&mut alice, &mut bob).await;
    alice.send(presence("alice", Value::Null)).await;
    assert_eq!(bob.next().await, gone, "by a null of her own");

    shown(&mut alice, &mut bob).await;
    alice.send(json!({"action": "LEAVE_DOC", "docId": "d"})).await;
    assert_eq!(bob.next().await, gone, "by leaving");
    let refused = alice.ask(presence("alice", json!({}))).await;
    assert_eq!(refused["code"], "not_joined", "who left shows nothing");

    alice.send(json!({"action": "JOIN_DOC", "docId": "d"})).await;
    alice.next_of("DOC_STATE").await;
    shown(&mut alice, &mut bob).await;
    drop(alice);
    assert_eq!(bob.next().await, gone, "by a socket that was lost");

    let mut late = Socket::connect(stack.ws_url()).await;
    late.send(json!({"action": "JOIN_DOC", "docId": "d"})).await;
    assert_eq!(late.next().await["action"], "DOC_STATE", "and is not shown to a joiner");
    bob.send(presence("bob", json!({}))).await;
    assert_eq!(late.next().await, remote("bob", json!({})));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_falls_silent_expires() {
    let (stack, clock, mut alice, mut bob) = two_in_a_document().await;
    alice.send(presence("alice", json!({"cursor": 1}))).await;
    assert_eq!(bob.next().await, remote("alice", json!({"cursor": 1})));
    clock.pass(PRESENCE_TTL);
    let mut carol = Socket::connect(stack.ws_url()).await;
    carol.send(json!({"action": "JOIN_DOC", "docId": "d"})).await;
    let actions = [carol.next().await["action"].clone(), carol.next().await["action"].clone()];
    assert!(actions.contains(&json!("REMOTE_PRESENCE")), "it is there to the last moment: {actions:?}");

    clock.pass_ms(1);
    // Whoever joins or shows presence finds out, and tells the others.
    let mut dave = join(&stack).await;
    let gone = remote("alice", Value::Null);
    assert_eq!(bob.next().await, gone);
    assert_eq!(carol.next().await, gone);
    bob.send(presence("bob", json!({}))).await;
    for socket in [&mut carol, &mut dave] {
        loop {
            // Dave may have been told that Alice is gone, but never that she is there.
            let frame = socket.next().await;
            if frame == remote("bob", json!({})) {
                break;
            }
            assert_eq!(frame, gone);
        }
    }
    stack.stop().await;
}
