//! Idle documents expire, and nothing of them is left over.

use super::harness::{Harness, base};
use crate::support::{doc, events};

pub async fn an_idle_document_expires_as_a_whole(harness: Harness) {
    harness.append(&events(0..2)).await;
    harness.rebuild(base("g1")).await;
    harness.append(&events(2..4)).await;
    let cursor = harness.read().await.cursor;
    harness.pass(1.01).await;
    assert!(harness.is_miss().await);
    assert!(harness.live.since(&doc(), &cursor).await.unwrap().is_none());
    let status = harness.live.append(&doc(), &events(4..5), "second").await.unwrap();
    assert!(!status.has_base);
    assert!(harness.live.since(&doc(), &cursor).await.unwrap().is_none());
}

/// The key of an empty tail does not exist, and comes late.
pub async fn a_tail_that_begins_after_the_base_expires_with_it(harness: Harness) {
    harness.rebuild(base("g1")).await;
    harness.append(&events(0..2)).await;
    assert_eq!(harness.read().await.events, events(0..2));
    harness.pass(1.01).await;
    assert!(harness.is_miss().await);
}

pub async fn use_renews_the_life_of_all(harness: Harness) {
    harness.append(&events(0..2)).await;
    harness.rebuild(base("g1")).await;
    let cursor = harness.read().await.cursor;

    harness.pass(0.9).await;
    assert!(!harness.is_miss().await);
    harness.pass(0.8).await;
    harness.append(&events(2..3)).await;
    harness.pass(0.8).await;
    assert_eq!(harness.live.since(&doc(), &cursor).await.unwrap().unwrap().0, events(2..3));
    harness.pass(0.8).await;
    let read = harness.read().await;
    assert_eq!(read.events, events(0..3));
    assert!(harness.fold(&read, base("g2")).await);
    harness.pass(0.8).await;
    assert_eq!(harness.read().await.base, b"state of g2");
}

pub async fn who_only_looks_renews_nothing(harness: Harness) {
    harness.append(&events(0..2)).await;
    harness.rebuild(base("g1")).await;
    harness.pass(0.8).await;
    let peeked = harness.live.peek(&doc()).await.unwrap().expect("it is there");
    assert_eq!((peeked.base.as_slice(), peeked.events), (b"state of g1".as_slice(), events(0..2)));
    harness.pass(0.3).await;
    assert!(harness.is_miss().await);
    assert!(harness.live.peek(&doc()).await.unwrap().is_none());
}
