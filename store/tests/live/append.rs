//! Appending, and reading on from a cursor.

use inklog_protocol::DocId;
use inklog_store::live::{Cursor, TailStatus};

use super::harness::{Harness, base};
use crate::support::{doc, event, event_of, events};

/// A cursor, whatever its tail: all of it is read from the start.
async fn all_of_tail(harness: &Harness, tail: &str) -> Option<(Vec<inklog_protocol::LoggedEvent>, Cursor)> {
    harness.live.since(&doc(), &Cursor { tail: tail.into(), offset: 0 }).await.unwrap()
}

pub async fn an_unknown_document_is_a_miss(harness: Harness) {
    assert!(harness.is_miss().await);
    assert!(all_of_tail(&harness, "fresh").await.is_none());
    assert!(all_of_tail(&harness, "").await.is_none());
    harness.live.drop_doc(&doc()).await.unwrap();
}

pub async fn an_append_needs_no_base(harness: Harness) {
    let status = harness.append(&events(0..3)).await;
    assert!(!status.has_base);
    assert_eq!(status.base_bytes, 0);
    assert!(status.unfolded_bytes > 0);
    assert!(harness.is_miss().await, "a tail alone cannot be joined");

    let (read, cursor) = all_of_tail(&harness, "fresh").await.unwrap();
    assert_eq!(read, events(0..3));
    assert_eq!(cursor, Cursor { tail: "fresh".into(), offset: 3 });
}

pub async fn an_append_of_nothing_is_fine(harness: Harness) {
    let status = harness.append(&[]).await;
    assert_eq!(status, TailStatus::default());
    let (read, cursor) = all_of_tail(&harness, "fresh").await.unwrap();
    assert_eq!((read.len(), cursor.offset), (0, 0));
    assert_eq!(harness.append(&events(0..1)).await, harness.append(&[]).await);
}

pub async fn offsets_count_on_and_events_keep_their_order(harness: Harness) {
    let first = harness.append(&events(0..2)).await.unfolded_bytes;
    // Another name for a tail that is there changes nothing.
    let status = harness.live.append(&doc(), &events(2..5), "other").await.unwrap();
    assert!(status.unfolded_bytes > first);
    // More than one call of Redis's takes at once.
    harness.append(&events(5..3000)).await;
    // Repeats, and an event that can be applied to nothing, are appended like any other.
    harness.append(&[event(1), event_of("late", 77, "x")]).await;

    let from = |offset| Cursor { tail: "fresh".into(), offset };
    let (read, end) = harness.live.since(&doc(), &from(1)).await.unwrap().unwrap();
    assert_eq!(end, from(3002));
    assert_eq!(read[..2999], events(1..3000)[..]);
    assert_eq!(read[2999..], [event(1), event_of("late", 77, "x")]);
    let (read, _) = harness.live.since(&doc(), &from(2998)).await.unwrap().unwrap();
    assert_eq!(read[..2], events(2998..3000)[..]);
    assert_eq!(harness.live.since(&doc(), &end).await.unwrap().unwrap(), (Vec::new(), end));
}

pub async fn a_cursor_of_another_tail_or_beyond_the_end_is_refused(harness: Harness) {
    harness.append(&events(0..3)).await;
    for (tail, offset) in [
        ("other", 0),
        ("", 0),
        ("fresh", 4),
        ("fresh", 1 << 53),
        ("fresh", (1 << 53) + 1),
        ("fresh", u64::MAX),
    ] {
        let cursor = Cursor { tail: tail.into(), offset };
        assert_eq!(harness.live.since(&doc(), &cursor).await.unwrap(), None, "{cursor:?}");
    }
}

pub async fn documents_do_not_meet(harness: Harness) {
    harness.append(&events(0..3)).await;
    harness.rebuild(base("g1")).await;
    for name in ["doc", "doc~1.xx", "DOC~1.X", "x"] {
        let other = DocId::new(name).unwrap();
        assert!(harness.live.read(&other).await.unwrap().is_none());
        let status = harness.live.append(&other, &events(0..1), "fresh").await.unwrap();
        assert!(!status.has_base);
    }
    assert_eq!(harness.read().await.events, events(0..3));
}

pub async fn a_dropped_document_begins_anew(harness: Harness) {
    harness.append(&events(0..3)).await;
    harness.rebuild(base("g1")).await;
    let old = harness.read().await.cursor;
    harness.live.drop_doc(&doc()).await.unwrap();
    begins_anew(&harness, old).await;
}

pub async fn a_flushed_store_begins_anew(harness: Harness) {
    harness.append(&events(0..3)).await;
    harness.rebuild(base("g1")).await;
    let old = harness.read().await.cursor;
    harness.flush().await;
    begins_anew(&harness, old).await;
}

async fn begins_anew(harness: &Harness, old: Cursor) {
    assert!(harness.is_miss().await);
    assert!(harness.live.since(&doc(), &old).await.unwrap().is_none());
    let status = harness.live.append(&doc(), &events(3..7), "second").await.unwrap();
    assert!(!status.has_base);
    assert!(harness.live.since(&doc(), &old).await.unwrap().is_none(), "offsets of the old tail");
    assert_eq!(all_of_tail(harness, "second").await.unwrap().0, events(3..7));
}
