//! What only a real Redis can show: foreign keys, and others on the same server.

use inklog_protocol::UserName;
use inklog_store::connections::PresenceEntry;
use inklog_store::connections::redis::RedisConnections;
use inklog_store::{Connections as _, Presence as _};
use inklog_tests::RedisServer;

use super::holder;
use crate::support::{RawRedis, doc};

const API: &str = "wss://api/dev";

#[tokio::test]
async fn what_another_has_put_there_counts_as_missing_and_is_replaced() {
    let server = RedisServer::start();
    let raw = RawRedis::connect(&server.url()).await;
    let store = RedisConnections::connect(&server.url(), API).await.unwrap();
    let entry = PresenceEntry {
        agent: inklog_crdt::Agent::new("ann").unwrap(),
        connection: "c1".into(),
        state: "{}".into(),
        author: None,
    };
    let (holder, ann) = (holder("ann"), UserName::new("ann").unwrap());
    store.register(&doc(), "c1", Some(&holder), 1).await.unwrap();
    assert!(store.set(&doc(), &entry, None, 1).await.unwrap());
    let keys = raw.keys().await;
    assert_eq!(keys.len(), 6, "{keys:?}");
    let spoil = async || {
        for key in &keys {
            let _: String = raw.run(&["SET", key, "foreign"]).await;
        }
    };
    spoil().await;
    assert!(!store.is_registered(&doc(), "c1", 1).await.unwrap());
    spoil().await;
    assert!(store.list(&doc(), 1).await.unwrap().is_empty());
    assert!(store.registrations(&doc(), 1).await.unwrap().is_empty());
    assert!(store.of_user(&ann, 1).await.unwrap().is_empty());
    assert!(store.docs_of("c1").await.unwrap().is_empty());
    assert!(store.all(&doc(), 1).await.unwrap().is_empty());
    spoil().await;
    assert!(store.take_expired(&doc(), 1).await.unwrap().is_empty());
    spoil().await;
    assert!(store.clear(&doc(), "c1", None).await.unwrap().is_empty());
    store.remove(&doc(), "c1").await.unwrap();
    spoil().await;
    store.register(&doc(), "c1", Some(&holder), 1).await.unwrap();
    assert_eq!(store.of_user(&ann, 1).await.unwrap(), [(doc(), "c1".to_owned())]);
    assert!(store.set(&doc(), &entry, None, 1).await.unwrap());
    assert_eq!(store.list(&doc(), 1).await.unwrap(), ["c1"]);
    assert_eq!(store.all(&doc(), 1).await.unwrap(), [entry]);
}

#[tokio::test]
async fn two_deployments_on_one_server_do_not_meet() {
    let server = RedisServer::start();
    let one = RedisConnections::connect(&server.url(), API).await.unwrap();
    let other = RedisConnections::connect(&server.url(), "wss://other/dev").await.unwrap();
    one.register(&doc(), "c1", None, 1).await.unwrap();
    other.register(&doc(), "c2", None, 1).await.unwrap();
    assert_eq!(one.list(&doc(), 1).await.unwrap(), ["c1"], "nobody posts to another's connections");
    other.remove(&doc(), "c1").await.unwrap();
    assert!(other.docs_of("c1").await.unwrap().is_empty());
    assert_eq!(one.list(&doc(), 1).await.unwrap(), ["c1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_listed_is_found_though_they_left_and_joined_at_once() {
    let server = RedisServer::start();
    let store = RedisConnections::connect(&server.url(), "wss://api/dev").await.unwrap();
    let (ann, holder) = (UserName::new("ann").unwrap(), holder("ann"));
    for round in 0..300 {
        let connection = format!("c{round}");
        store.register(&doc(), &connection, Some(&holder), 1).await.unwrap();
        let (doc, joining) = (doc(), store.clone());
        let leaving = async { store.remove(&doc, &connection).await.unwrap() };
        let joining = async { joining.register(&doc, &connection, Some(&holder), 1).await.unwrap() };
        futures::join!(leaving, joining);
        if store.is_registered(&doc, &connection, 1).await.unwrap() {
            assert_eq!(store.docs_of(&connection).await.unwrap(), std::slice::from_ref(&doc), "{round}");
            assert!(store.of_user(&ann, 1).await.unwrap().contains(&(doc, connection)), "{round}");
        }
    }
}
