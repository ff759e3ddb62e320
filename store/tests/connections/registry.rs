//! Who is connected to which document.

use inklog_protocol::DocId;
use inklog_protocol::limits::CONNECTION_TTL;

use super::Harness;
use crate::support::doc;

const NOW_MS: u64 = 1_700_000_000_000;
const TTL_MS: u64 = CONNECTION_TTL.as_millis() as u64;

async fn list(harness: &Harness, now_ms: u64) -> Vec<String> {
    let mut connections = harness.store.list(&doc(), now_ms).await.unwrap();
    connections.sort();
    connections
}

fn other_doc() -> DocId {
    DocId::new("other").unwrap()
}

pub async fn who_is_registered_is_listed(harness: Harness) {
    assert!(list(&harness, NOW_MS).await.is_empty());
    assert!(harness.store.docs_of("a=").await.unwrap().is_empty());
    for connection in ["a=", "b/+", "a="] {
        harness.store.register(&doc(), connection, NOW_MS).await.unwrap();
    }
    harness.store.register(&other_doc(), "a=", NOW_MS).await.unwrap();
    assert_eq!(list(&harness, NOW_MS).await, ["a=", "b/+"]);
    assert!(harness.store.is_registered(&doc(), "b/+", NOW_MS).await.unwrap());
    assert!(!harness.store.is_registered(&other_doc(), "b/+", NOW_MS).await.unwrap());
    let mut docs = harness.store.docs_of("a=").await.unwrap();
    docs.sort();
    assert_eq!(docs, [doc(), other_doc()]);
    assert_eq!(harness.store.docs_of("b/+").await.unwrap(), [doc()]);
}

pub async fn a_connection_lapses_unless_it_is_renewed(harness: Harness) {
    harness.store.register(&doc(), "a", NOW_MS).await.unwrap();
    harness.store.register(&doc(), "b", NOW_MS).await.unwrap();
    harness.store.register(&doc(), "b", NOW_MS + 10).await.unwrap();
    assert_eq!(list(&harness, NOW_MS + TTL_MS).await, ["a", "b"], "at the limit it is still there");
    assert!(harness.store.is_registered(&doc(), "a", NOW_MS + TTL_MS).await.unwrap());

    let later = NOW_MS + TTL_MS + 1;
    assert!(!harness.store.is_registered(&doc(), "a", later).await.unwrap());
    assert!(harness.store.is_registered(&doc(), "b", later).await.unwrap());
    assert_eq!(list(&harness, later).await, ["b"]);
    // It was removed on the way, not only left out.
    assert_eq!(list(&harness, NOW_MS).await, ["b"]);
    assert!(list(&harness, later + 10).await.is_empty());
}

pub async fn a_removed_connection_is_gone_from_that_document_only(harness: Harness) {
    harness.store.register(&doc(), "a", NOW_MS).await.unwrap();
    harness.store.register(&other_doc(), "a", NOW_MS).await.unwrap();
    for _ in 0..2 {
        harness.store.remove(&doc(), "a").await.unwrap();
    }
    assert!(list(&harness, NOW_MS).await.is_empty());
    assert!(!harness.store.is_registered(&doc(), "a", NOW_MS).await.unwrap());
    assert!(harness.store.is_registered(&other_doc(), "a", NOW_MS).await.unwrap());
    assert_eq!(harness.store.docs_of("a").await.unwrap(), [other_doc()]);
}
