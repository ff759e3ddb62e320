//! A server that forgot: the log's name, which every answer carries, and the log's own word on what a
//! client has and the live state has not.

use std::collections::HashSet;
use std::path::Path;

use inklog_local::{Data, Stack, StackConfig};
use inklog_protocol::DocId;
use inklog_protocol::limits::{CONFIRM_AGENTS_MAX, FRAME_BYTES_MAX};
use inklog_store::document::Documents;
use inklog_store::tap::Store;
use serde_json::{Value, json};

use crate::compaction::compact_all;
use crate::harness::{Harness, doc, hanging, typed};
use crate::socket::Socket;
use crate::taps::Failing;

async fn stack(data: Data) -> Stack {
    let config = StackConfig { port: 0, data, ..StackConfig::default() };
    Stack::start(config).await.expect("a stack starts")
}

/// The name that a stack's answers give its log: the same in a state and in a replay.
async fn log_of(stack: &Stack) -> String {
    let mut socket = Socket::connect(stack.ws_url()).await;
    let op = json!({"type": "insert", "id": "alice-0", "text": "Hello", "left": null});
    socket.ask(json!({"action": "SEND_OP", "docId": "d", "agent": "alice", "after": 0, "ops": [op]})).await;
    let state = socket.ask(json!({"action": "JOIN_DOC", "docId": "d"})).await;
    assert_eq!(state["action"], "DOC_STATE");
    let cursor = &state["cursor"];
    let replay = socket.ask(json!({"action": "SYNC_STATE", "docId": "d", "cursor": cursor})).await;
    assert_eq!((&replay["action"], &replay["log"]), (&json!("OP_REPLAY"), &state["log"]));
    state["log"].as_str().expect("a name").to_owned()
}

async fn log_in(folder: &Path) -> String {
    let stack = stack(Data::Dir(folder.to_owned())).await;
    let log = log_of(&stack).await;
    stack.stop().await;
    log
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logs_name_stays_while_its_folder_does_and_is_another_for_every_other_log() {
    let (first, second) = tokio::join!(stack(Data::Memory), stack(Data::Memory));
    let mut names = HashSet::from([log_of(&first).await, log_of(&second).await]);
    first.stop().await;
    second.stop().await;
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("data");
    let name = log_in(&folder).await;
    assert_eq!(log_in(&folder).await, name, "a restart makes no other log");
    names.insert(name);
    std::fs::remove_dir_all(&folder).expect("the stack has let go of it");
    names.insert(log_in(&folder).await);
    assert_eq!(names.len(), 4, "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_of_an_answer_names_the_log() {
    let stack = stack(Data::Memory).await;
    let mut socket = Socket::connect(stack.ws_url()).await;
    let text = "x".repeat(30_000);
    for i in 0..6 {
        let (after, left) = (i * 30_000, (i > 0).then(|| format!("alice-{}", i * 30_000 - 1)));
        let op = json!({"type": "insert", "id": format!("alice-{after}"), "text": text, "left": left});
        let send = json!({"action": "SEND_OP", "docId": "d", "agent": "alice", "after": after, "ops": [op]});
        assert_eq!(socket.ask(send).await["action"], "OP_ACK");
    }
    for format in ["ops", "binary"] {
        socket.send(json!({"action": "JOIN_DOC", "docId": "d", "format": format})).await;
        let mut logs: Vec<Value> = Vec::new();
        let mut parts = 1;
        while logs.len() < parts {
            let part = socket.next_of("DOC_STATE").await;
            parts = part["parts"].as_u64().expect("a number") as usize;
            logs.push(part["log"].clone());
        }
        assert!(parts > 1 && logs.iter().all(|log| *log == logs[0] && log.is_string()), "{logs:?}");
    }
    stack.stop().await;
}

/// A document whose live state is kept, and as old as `events`; what the log gets from then on, it lacks.
async fn lagging(harness: &Harness, events: Vec<inklog_crdt::Event>) -> DocId {
    let doc = doc("d");
    harness.append(&doc, events).await;
    harness.documents.open(&doc).await.expect("it is rebuilt");
    doc
}

/// What the log lacks of a version, in the answer to a sync with or without a cursor; `null` when nothing.
async fn missing(documents: &Documents, harness: &Harness, cursor: Option<&Value>, version: Value) -> Value {
    let message =
        json!({"action": "SYNC_STATE", "docId": "d", "cursor": cursor, "version": version, "confirm": true});
    let answer = harness.ask_sync(documents, message).await;
    assert_ne!(answer["action"], "ERROR", "{answer}");
    answer["missing"].clone()
}

#[tokio::test]
async fn what_the_log_has_is_not_missing_though_the_live_state_lacks_it() {
    let harness = Harness::start().await;
    let documents = &harness.documents;
    let doc = lagging(&harness, typed("alice", 0, "hello")).await;
    let joined = json!({"action": "JOIN_DOC", "docId": "d"});
    let cursor = harness.ask_sync(documents, joined).await["cursor"].clone();
    // It lags: more of alice, and something of bob, whose chain has a hole before it.
    harness.append(&doc, typed("alice", 5, " there")).await;
    harness.append(&doc, [hanging("bob", 7, "late", "alice-3")]).await;
    let version = json!({"alice": 11, "bob": 11});
    for cursor in [None, Some(&cursor)] {
        assert_eq!(missing(documents, &harness, cursor, version.clone()).await, Value::Null, "{cursor:?}");
        // One more of each is nowhere.
        let version = json!({"alice": 12, "bob": 12});
        assert_eq!(missing(documents, &harness, cursor, version).await, json!({"alice": 11, "bob": 11}));
    }
}

#[tokio::test]
async fn what_the_log_forgot_is_missing_from_either_kind_of_answer() {
    let harness = Harness::start().await;
    let documents = &harness.documents;
    lagging(&harness, typed("alice", 0, "hello")).await;
    // A version that covers the base is answered with a replay, another with a state.
    for (alice, action) in [(6, "OP_REPLAY"), (4, "DOC_STATE")] {
        let version = json!({"alice": alice, "bob": 3});
        let message = json!({"action": "SYNC_STATE", "docId": "d", "version": version, "confirm": true});
        let answer = harness.ask_sync(documents, message).await;
        let lost = if alice == 6 { json!({"alice": 5, "bob": 0}) } else { json!({"bob": 0}) };
        assert_eq!((&answer["action"], &answer["missing"]), (&json!(action), &lost));
    }
    // A document that is gone altogether.
    let message = json!({"action": "SYNC_STATE", "docId": "gone", "version": {"a": 1}, "confirm": true});
    assert_eq!(harness.ask_sync(documents, message).await["missing"], json!({"a": 0}));
}

#[tokio::test]
async fn what_is_compacted_is_not_missing() {
    let harness = Harness::start().await;
    let doc = lagging(&harness, typed("alice", 0, "a")).await;
    harness.append(&doc, typed("bob", 0, "hello")).await;
    compact_all(&harness.documents, &harness.clock, &doc).await;
    assert!(harness.documents.log.read(&doc).await.unwrap().is_empty(), "only floors are left");
    assert_eq!(missing(&harness.documents, &harness, None, json!({"alice": 1, "bob": 5})).await, Value::Null);
    let version = json!({"alice": 1, "bob": 6});
    assert_eq!(missing(&harness.documents, &harness, None, version).await, json!({"bob": 5}));
}

#[tokio::test]
async fn the_log_is_read_only_to_confirm_and_only_for_who_is_ahead() {
    let harness = Harness::start().await;
    lagging(&harness, typed("alice", 0, "hello")).await;
    let fails = Failing::new(Store::Log);
    let documents = harness.tapped(fails.clone());
    let sync = async |version: Value, confirm: Value| {
        let message = json!({"action": "SYNC_STATE", "docId": "d", "version": version, "confirm": confirm});
        harness.ask_sync(&documents, message).await
    };
    let (ahead, level) = (json!({"alice": 6}), json!({"alice": 5}));
    for confirm in [Value::Null, json!(false)] {
        let answer = sync(ahead.clone(), confirm).await;
        assert_eq!((&answer["action"], &answer["missing"]), (&json!("OP_REPLAY"), &Value::Null));
    }
    assert_eq!(sync(level, json!(true)).await["action"], "OP_REPLAY");
    // An error is never taken for "it is not there".
    let refused = sync(ahead.clone(), json!(true)).await;
    assert_eq!((&refused["code"], &refused["retry"]), (&json!("unavailable"), &json!(true)));
    fails.set(false);
    assert_eq!(sync(ahead, json!(true)).await["missing"], json!({"alice": 5}));
}

#[tokio::test]
async fn eight_agents_are_confirmed_at_once_and_a_version_may_fill_the_frame() {
    let harness = Harness::start().await;
    lagging(&harness, typed("alice", 0, "hello")).await;
    for ahead in [CONFIRM_AGENTS_MAX, CONFIRM_AGENTS_MAX + 1] {
        // One who is level comes first, by name, and takes nobody's place.
        let names: Vec<String> = (0..ahead).map(|i| format!("b{i}")).collect();
        let mut version: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), json!(1))).collect();
        version.insert("alice".into(), json!(5));
        let answer = missing(&harness.documents, &harness, None, version.into()).await;
        let told: Vec<&String> = answer.as_object().expect("some").keys().collect();
        assert_eq!(told, names.iter().take(CONFIRM_AGENTS_MAX).collect::<Vec<_>>());
    }
    // As many agents as a frame has room for; `ref` fills it to the byte.
    let frame = |agents: usize, filler: usize| {
        let version: serde_json::Map<_, _> = (0..agents).map(|i| (format!("a{i:063}"), json!(1))).collect();
        json!({
            "action": "SYNC_STATE", "docId": "d", "version": version, "confirm": true, "ref": "r".repeat(filler),
        })
    };
    let agents = (FRAME_BYTES_MAX - frame(0, 0).to_string().len())
        / (frame(1, 0).to_string().len() - frame(0, 0).to_string().len() + 1);
    let filler = FRAME_BYTES_MAX - frame(agents, 0).to_string().len();
    let full = frame(agents, filler);
    assert_eq!(full.to_string().len(), FRAME_BYTES_MAX);
    let answer = harness.ask_sync(&harness.documents, full).await;
    assert_eq!(answer["missing"].as_object().expect("some").len(), CONFIRM_AGENTS_MAX);
    let answer = harness.ask_sync(&harness.documents, frame(agents, filler + 1)).await;
    assert_eq!(answer["code"], "too_large");
}
