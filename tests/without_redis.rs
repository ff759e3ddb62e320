//! Redis is a cache: what the log has can be read where Redis is full, away, foreign or damaged.

use std::sync::Arc;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::encodings::Body;
use inklog_ingest::{Gate, Sync};
use inklog_store::RedisClient;
use inklog_store::audience::Audience;
use inklog_store::connections::redis::RedisConnections;
use inklog_store::document::Documents;
use inklog_store::live::redis::RedisLiveState;
use inklog_store::push::memory::MemoryPush;
use inklog_tests::RedisServer;
use serde_json::{Value, json};

use crate::harness::{Harness, doc, typed};

struct World {
    _harness: Harness,
    redis: RedisServer,
    documents: Documents,
    sync: Sync,
}

async fn world() -> World {
    let (harness, redis) = (Harness::start().await, RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let live = Arc::new(RedisLiveState::new(client.clone(), "log"));
    let documents = Documents { live, ..harness.documents.clone() };
    let connections = Arc::new(RedisConnections::new(client, "api"));
    let audience = Audience {
        presence: connections.clone(),
        connections,
        push: Arc::new(MemoryPush::new()),
        clock: harness.clock.clone(),
    };
    harness.append(&doc("d"), typed("alice", 0, "hello")).await;
    let sync = Sync::new(Gate::open(), documents.clone(), audience, "log".to_owned());
    World { _harness: harness, redis, documents, sync }
}

impl World {
    async fn ask(&self, message: Value) -> Value {
        let mut event = ApiGatewayWebsocketProxyRequest::default();
        event.request_context.connection_id = Some("c".to_owned());
        event.body = Some(message.to_string());
        match self.sync.handle(event).await.body {
            Some(Body::Text(answer)) => serde_json::from_str(&answer).expect("JSON"),
            other => panic!("no answer: {other:?}"),
        }
    }

    /// Joins, and syncs with a version and with a cursor that was good once.
    async fn assert_answers(&self, cursor: &Value, why: &str) {
        let state = self.ask(json!({"action": "JOIN_DOC", "docId": "d"})).await;
        assert_eq!(
            (&state["action"], &state["ops"][0]["text"]),
            (&json!("DOC_STATE"), &json!("hello")),
            "{why}"
        );
        let version = json!({"alice": 3});
        let replay = self.ask(json!({"action": "SYNC_STATE", "docId": "d", "version": version})).await;
        assert!(["OP_REPLAY", "DOC_STATE"].iter().any(|name| replay["action"] == *name), "{why}: {replay}");
        let replay = self.ask(json!({"action": "SYNC_STATE", "docId": "d", "cursor": cursor})).await;
        assert_ne!(replay["action"], "ERROR", "{why}: {replay}");
    }

    async fn raw(&self, words: &[&str]) {
        let mut cmd = redis::cmd(words[0]);
        for word in &words[1..] {
            cmd.arg(word);
        }
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let _: redis::Value = cmd.query_async(&mut connection).await.unwrap();
    }

    async fn keys(&self) -> Vec<String> {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_read_where_redis_is_foreign_damaged_full_or_away() {
    let mut world = world().await;
    let state = world.ask(json!({"action": "JOIN_DOC", "docId": "d"})).await;
    let cursor = state["cursor"].clone();
    assert!(cursor.is_string(), "all is well at first: {state}");
    for key in world.keys().await {
        world.raw(&["SET", &key, "foreign"]).await;
        world.assert_answers(&cursor, &key).await;
        assert!(world.documents.live.read(&doc("d")).await.unwrap().is_some(), "{key} is ours again");
    }
    for key in world.keys().await.iter().filter(|key| key.contains(":b:")) {
        // The encoded base itself, its length unchanged.
        world.raw(&["SETRANGE", key, "0", "\u{7f}\u{7f}"]).await;
        world.assert_answers(&cursor, "a damaged base").await;
        let opened = world.documents.base(&doc("d")).await.unwrap().expect("it was made anew");
        assert_eq!(opened.base.decode().unwrap().text(), "hello");
    }
    world.raw(&["FLUSHALL"]).await;
    world.raw(&["CONFIG", "SET", "maxmemory", "1"]).await;
    world.assert_answers(&cursor, "full").await;
    assert!(world.ask(json!({"action": "JOIN_DOC", "docId": "d"})).await["cursor"].is_null());
    world.redis.stop();
    world.assert_answers(&cursor, "away").await;
    world.redis.restart();
    world.assert_answers(&cursor, "back").await;
    assert!(world.ask(json!({"action": "JOIN_DOC", "docId": "d"})).await["cursor"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_never_written_leaves_nothing_behind() {
    let world = world().await;
    for n in 0..20 {
        let name = format!("never-{n}");
        let state = world.ask(json!({"action": "JOIN_DOC", "docId": name})).await;
        assert_eq!(state["action"], "DOC_STATE");
        world.ask(json!({"action": "SYNC_STATE", "docId": name, "version": {}})).await;
    }
    let live = |key: &&String| !key.ends_with(":c") && !key.starts_with("inklog-conn:");
    let left: Vec<String> = world.keys().await.into_iter().filter(|key| live(&key)).collect();
    assert_eq!(left, [""; 0], "but the connection itself");
}
