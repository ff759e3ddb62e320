//! A server that forgot: the log's name, which every answer carries.

use std::collections::HashSet;
use std::path::Path;

use inklog_local::{Data, Stack, StackConfig};
use serde_json::{Value, json};

use crate::socket::Socket;

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
