//! Rebuilding a base from the log.

use super::harness::{Harness, base};
use crate::support::{doc, events};

async fn begin(harness: &Harness, nonce: &str) {
    harness.live.begin_rebuild(&doc(), nonce).await.unwrap();
}

async fn commit(harness: &Harness, nonce: &str, generation: &str) -> bool {
    harness.live.commit_rebuild(&doc(), nonce, base(generation)).await.unwrap()
}

pub async fn a_rebuild_fills_an_unknown_document(harness: Harness) {
    begin(&harness, "n1").await;
    assert!(harness.is_miss().await);
    assert!(commit(&harness, "n1", "g1").await);
    let read = harness.read().await;
    assert_eq!(read.base, b"state of g1");
    assert_eq!(read.events, []);
    // Its cursor is good from the first moment.
    harness.append(&events(0..2)).await;
    let (since, end) = harness.live.since(&doc(), &read.cursor).await.unwrap().unwrap();
    assert_eq!(since, events(0..2));
    assert_eq!(harness.read().await.cursor, end);
}

pub async fn a_rebuild_leaves_the_tail_alone(harness: Harness) {
    harness.append(&events(0..2)).await;
    begin(&harness, "n1").await;
    harness.append(&events(2..4)).await;
    assert!(commit(&harness, "n1", "g1").await);
    let read = harness.read().await;
    assert_eq!(read.events, events(0..4), "all of the tail counts as not folded");
    assert_eq!((read.cursor.tail.as_str(), read.cursor.offset), ("fresh", 4));
    assert_eq!(read.tag.folded.offset, 0);
    assert!(harness.append(&[]).await.unfolded_bytes > 0);
}

pub async fn a_later_rebuild_takes_the_nonce(harness: Harness) {
    begin(&harness, "n1").await;
    begin(&harness, "n2").await;
    assert!(!commit(&harness, "n1", "g1").await);
    assert!(harness.is_miss().await);
    assert!(commit(&harness, "n2", "g2").await);
    assert_eq!(harness.read().await.base, b"state of g2");
}

pub async fn a_rebuild_without_a_nonce_changes_nothing(harness: Harness) {
    assert!(!commit(&harness, "n1", "g1").await);
    harness.append(&events(0..2)).await;
    assert!(!commit(&harness, "n1", "g1").await);
    assert!(!commit(&harness, "", "g1").await);
    assert!(harness.is_miss().await);
}

pub async fn a_base_that_came_meanwhile_stays(harness: Harness) {
    harness.rebuild(base("g1")).await;
    begin(&harness, "n2").await;
    assert_eq!(harness.read().await.base, b"state of g1", "a good base is not dropped");
    assert!(!commit(&harness, "n2", "g2").await);
    assert!(!commit(&harness, "nonce", "g3").await, "a nonce is used up");
    assert_eq!(harness.read().await.base, b"state of g1");
}

pub async fn a_fold_ends_a_rebuild(harness: Harness) {
    harness.rebuild(base("g1")).await;
    harness.append(&events(0..2)).await;
    begin(&harness, "n2").await;
    let read = harness.read().await;
    assert!(harness.fold(&read, base("g2")).await);
    assert!(!commit(&harness, "n2", "g3").await);
    assert_eq!(harness.read().await.base, b"state of g2");
}

pub async fn a_flush_ends_a_rebuild(harness: Harness) {
    for append_after in [false, true] {
        begin(&harness, "n1").await;
        harness.append(&events(0..2)).await;
        harness.flush().await;
        if append_after {
            harness.append(&events(2..4)).await;
        }
        assert!(!commit(&harness, "n1", "g1").await, "its tail lacks what was flushed");
        assert!(harness.is_miss().await);
    }
}

pub async fn a_drop_ends_a_rebuild(harness: Harness) {
    begin(&harness, "n1").await;
    harness.live.drop_doc(&doc()).await.unwrap();
    harness.append(&events(0..2)).await;
    assert!(!commit(&harness, "n1", "g1").await);
    assert!(harness.is_miss().await);
}

pub async fn a_repeated_commit_is_the_same_commit(harness: Harness) {
    begin(&harness, "n1").await;
    assert!(commit(&harness, "n1", "g1").await);
    harness.append(&events(0..2)).await;
    assert!(commit(&harness, "n1", "g1").await, "the first answer may have been lost");
    assert_eq!(harness.read().await.base, b"state of g1");
    assert_eq!(harness.read().await.events, events(0..2));
}

pub async fn all_of_a_kept_tail_counts_after_a_rebuild(harness: Harness) {
    harness.append(&events(0..5)).await;
    let unfolded_bytes = harness.append(&events(5..9)).await.unfolded_bytes;
    harness.rebuild(base("g1")).await;
    assert_eq!(harness.append(&[]).await.unfolded_bytes, unfolded_bytes);
    assert_eq!(harness.read().await.events, events(0..9));
}

pub async fn a_rebuild_that_swaps_takes_the_place_of_a_base(harness: Harness) {
    harness.append(&events(0..2)).await;
    harness.rebuild(base("g1")).await;
    begin(&harness, "n2").await;
    harness.append(&events(2..4)).await;
    let swap = async |nonce: &str, generation: &str| {
        harness.live.swap_rebuild(&doc(), nonce, base(generation)).await.unwrap()
    };
    assert!(!swap("n1", "g2").await, "another rebuild's nonce");
    assert!(swap("n2", "g2").await);
    let read = harness.read().await;
    assert_eq!((read.base.as_slice(), read.events.clone()), (b"state of g2".as_slice(), events(0..4)));
    assert!(swap("n2", "g2").await, "a repeat");

    // What a fold has trimmed, the log that was being read may lack.
    begin(&harness, "n3").await;
    assert!(harness.fold(&read, base("g3")).await);
    assert!(!swap("n3", "g4").await);
    assert_eq!(harness.read().await.base, b"state of g3");
}

pub async fn a_rebuild_that_is_given_up_leaves_nothing(harness: Harness) {
    let end = async |nonce: &str| harness.live.end_rebuild(&doc(), nonce).await.unwrap();
    begin(&harness, "n1").await;
    begin(&harness, "n2").await;
    end("n1").await;
    assert!(commit(&harness, "n2", "g2").await, "another's nonce stands");
    end("n2").await;
    assert_eq!(harness.read().await.base, b"state of g2", "a repeat after the end changes nothing");
    harness.live.drop_doc(&doc()).await.unwrap();

    begin(&harness, "n3").await;
    end("n3").await;
    assert!(!commit(&harness, "n3", "g3").await);
    harness.assert_nothing_is_left().await;

    begin(&harness, "n4").await;
    harness.append(&events(0..2)).await;
    end("n4").await;
    assert!(!commit(&harness, "n4", "g4").await);
    begin(&harness, "n5").await;
    assert!(commit(&harness, "n5", "g5").await);
    assert_eq!(harness.read().await.events, events(0..2), "a tail stays");
}
