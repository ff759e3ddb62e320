//! Folding the tail into the base.

use inklog_protocol::limits::{BASE_PIECE_BYTES_MAX, TAIL_KEPT_BYTES};
use inklog_store::encode_logged;
use inklog_store::live::{BaseTag, Cursor, NewBase};

use super::harness::{Harness, base, base_of};
use crate::support::{doc, event, event_of, events};

fn bytes_of(events: &[inklog_protocol::LoggedEvent]) -> u64 {
    events.iter().map(|event| encode_logged(event).len() as u64).sum()
}

pub async fn a_fold_takes_in_what_was_read(harness: Harness) {
    harness.rebuild(base("g1")).await;
    harness.append(&events(0..3)).await;
    let read = harness.read().await;
    assert_eq!(read.events, events(0..3));
    assert_eq!(read.base, b"state of g1");
    assert_eq!(read.tag.generation, "g1");

    assert!(harness.fold(&read, base("g2")).await);
    let folded = harness.read().await;
    assert_eq!(folded.base, b"state of g2");
    assert_eq!(folded.events, []);
    assert_eq!(folded.cursor, read.cursor);
    assert_eq!(folded.tag, BaseTag { generation: "g2".into(), folded: read.cursor });
}

pub async fn of_two_folds_of_one_reading_one_wins(harness: Harness) {
    harness.rebuild(base("g1")).await;
    harness.append(&events(0..3)).await;
    let read = harness.read().await;
    assert!(harness.fold(&read, base("g2")).await);
    assert!(!harness.fold(&read, base("g3")).await);
    assert_eq!(harness.read().await.base, b"state of g2");
}

pub async fn an_append_during_a_fold_stays(harness: Harness) {
    harness.rebuild(base("g1")).await;
    harness.append(&events(0..3)).await;
    let read = harness.read().await;
    harness.append(&events(3..5)).await;
    assert!(harness.fold(&read, base("g2")).await);
    let folded = harness.read().await;
    assert_eq!(folded.events, events(3..5));
    assert_eq!(folded.cursor.offset, read.cursor.offset + 2);
}

pub async fn a_fold_refuses_what_does_not_fit(harness: Harness) {
    harness.rebuild(base("g1")).await;
    harness.append(&events(0..3)).await;
    let first = harness.read().await;
    harness.append(&events(3..5)).await;
    assert!(harness.fold(&first, base("g2")).await);
    let read = harness.read().await;
    let to = |offset| Cursor { offset, ..read.cursor.clone() };
    let elsewhere = Cursor { tail: "elsewhere".into(), offset: 5 };

    let mut other_generation = read.tag.clone();
    other_generation.generation = "g1".into();
    let mut other_offset = read.tag.clone();
    other_offset.folded.offset = 0;
    let mut other_tail = read.tag.clone();
    other_tail.folded.tail = "elsewhere".into();
    for (tag, folded_to, why) in [
        (&other_generation, to(5), "another generation was read"),
        (&other_offset, to(5), "another folded offset was read"),
        (&other_tail, elsewhere.clone(), "another tail was read"),
        (&read.tag, elsewhere, "folds to another tail"),
        (&read.tag, to(6), "folds beyond the end"),
        (&read.tag, to(2), "folds back"),
    ] {
        assert!(!harness.live.fold(&doc(), tag, &folded_to, base("bad")).await.unwrap(), "{why}");
        let after = harness.read().await;
        assert_eq!(
            (after.tag, after.base, after.events),
            (read.tag.clone(), read.base.clone(), events(3..5))
        );
    }
    // A part of what was read can be folded.
    assert!(harness.live.fold(&doc(), &read.tag, &to(4), base("g3")).await.unwrap());
    assert_eq!(harness.read().await.events, events(4..5));
}

pub async fn a_repeated_fold_is_the_same_fold(harness: Harness) {
    harness.rebuild(base("g1")).await;
    harness.append(&events(0..3)).await;
    let read = harness.read().await;
    assert!(harness.fold(&read, base("g2")).await);
    harness.append(&events(3..4)).await;
    assert!(harness.fold(&read, base("g2")).await, "the first answer may have been lost");
    assert_eq!(harness.read().await.events, events(3..4));
    assert_eq!(harness.read().await.base, b"state of g2");
}

pub async fn waiting_events_travel_with_the_base(harness: Harness) {
    let waiting = vec![event_of("bob", 9, "waits"), event_of("carol", 1 << 52, "🖋 waits too")];
    harness.rebuild(base_of("g1", b"state".to_vec(), waiting[..1].to_vec())).await;
    let status = harness.append(&events(0..2)).await;
    assert_eq!(status.base_bytes, 5, "the state alone");
    assert_eq!(status.waiting_bytes, 4 + bytes_of(&waiting[..1]), "each with its length");
    assert_eq!(status.unfolded_bytes, bytes_of(&events(0..2)), "waiting events are not counted");
    let read = harness.read().await;
    assert_eq!(read.base, b"state");
    assert_eq!(read.events, [waiting[..1].to_vec(), events(0..2)].concat());

    assert!(harness.fold(&read, base_of("g2", b"state".to_vec(), waiting.clone())).await);
    assert_eq!(harness.read().await.events, waiting);
    assert_eq!(harness.append(&[]).await.unfolded_bytes, 0);
}

pub async fn what_is_set_aside_is_told_with_the_base(harness: Harness) {
    let aside = |generation: &str, aside_bytes| NewBase { aside_bytes, ..base(generation) };
    harness.rebuild(aside("g1", 1 << 33)).await;
    assert_eq!(harness.append(&events(0..2)).await.aside_bytes, 1 << 33);
    let read = harness.read().await;
    assert_eq!(read.aside_bytes, 1 << 33);
    assert!(harness.fold(&read, aside("g2", 7)).await);
    assert_eq!((harness.append(&[]).await.aside_bytes, harness.read().await.aside_bytes), (7, 7));
    harness.live.drop_doc(&doc()).await.unwrap();
    assert_eq!(harness.append(&[]).await.aside_bytes, 0);
}

pub async fn a_fold_keeps_recent_cursors_good(harness: Harness) {
    let kilobyte = |n| event_of("alice", n * 1000, &"x".repeat(1000));
    harness.rebuild(base("g1")).await;
    let count = 200;
    for n in 0..count {
        harness.append(&[kilobyte(n)]).await;
    }
    let read = harness.read().await;
    let since =
        async |offset| harness.live.since(&doc(), &Cursor { offset, ..read.cursor.clone() }).await.unwrap();
    assert_eq!(since(0).await.unwrap().0.len() as u64, count);
    assert!(harness.fold(&read, base("g2")).await);

    let mut kept = 0;
    while bytes_of(&(count - kept - 1..count).map(kilobyte).collect::<Vec<_>>()) <= TAIL_KEPT_BYTES as u64 {
        kept += 1;
    }
    assert!((60..65).contains(&kept), "{kept} events are kept");
    let (events, end) = since(count - kept).await.expect("a recent cursor stays good");
    assert_eq!(events, (count - kept..count).map(kilobyte).collect::<Vec<_>>());
    assert_eq!(end, read.cursor);
    assert!(since(count - kept - 1).await.is_none(), "an old cursor does not");
    assert!(since(0).await.is_none());

    // The tail goes on from there, through folds of less than is kept.
    for n in count..count + 10 {
        harness.append(&[kilobyte(n)]).await;
        let read = harness.read().await;
        assert_eq!(read.events, [kilobyte(n)]);
        assert!(harness.fold(&read, base(&format!("g{n}"))).await);
        let first = n + 1 - kept;
        assert_eq!(since(first).await.unwrap().0, (first..=n).map(kilobyte).collect::<Vec<_>>());
        assert!(since(first - 1).await.is_none());
    }
}

pub async fn what_comes_during_a_fold_takes_no_room_from_what_is_kept(harness: Harness) {
    const BYTES: usize = TAIL_KEPT_BYTES / 10 * 6;
    let large = |n| event_of("alice", n * TAIL_KEPT_BYTES as u64, &"x".repeat(BYTES));
    harness.rebuild(base("g1")).await;
    harness.append(&[large(0)]).await;
    let read = harness.read().await;
    harness.append(&[large(1)]).await;
    assert!(harness.fold(&read, base("g2")).await);
    let (events, _) = harness.live.since(&doc(), &read.tag.folded).await.unwrap().expect("it is kept");
    assert_eq!(events, [large(0), large(1)]);
}

pub async fn an_event_over_the_kept_bytes_is_trimmed_whole(harness: Harness) {
    harness.rebuild(base("g1")).await;
    harness.append(&[event_of("alice", 0, &"x".repeat(TAIL_KEPT_BYTES))]).await;
    let read = harness.read().await;
    assert!(harness.fold(&read, base("g2")).await);
    assert_eq!(harness.live.since(&doc(), &read.tag.folded).await.unwrap(), None);
    assert_eq!(
        harness.live.since(&doc(), &read.cursor).await.unwrap(),
        Some((Vec::new(), read.cursor.clone()))
    );
    let next = event(TAIL_KEPT_BYTES as u64);
    harness.append(std::slice::from_ref(&next)).await;
    assert_eq!(harness.read().await.events, [next]);
}

pub async fn bytes_not_folded_are_those_since_the_reading(harness: Harness) {
    harness.rebuild(base("g1")).await;
    assert_eq!(harness.append(&events(0..10)).await.unfolded_bytes, bytes_of(&events(0..10)));
    let read = harness.read().await;
    harness.append(&events(10..300)).await;
    assert!(harness.fold(&read, base("longer generation")).await);
    let status = harness.append(&events(300..302)).await;
    assert_eq!(status.unfolded_bytes, bytes_of(&events(10..302)));
    assert!(status.has_base);
    assert_eq!(status.base_bytes, "state of longer generation".len() as u64);
}

pub async fn a_large_base_comes_back_whole(harness: Harness) {
    let state = |seed: u64, len: usize| -> Vec<u8> {
        let mut x = seed;
        let mut next = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    };
    let sizes = [BASE_PIECE_BYTES_MAX - 1, BASE_PIECE_BYTES_MAX, 3 * BASE_PIECE_BYTES_MAX + 17];
    harness.rebuild(base("g")).await;
    for (i, size) in sizes.into_iter().enumerate() {
        let waiting = vec![event_of("bob", 5, "across the edge of a piece")];
        let read = harness.read().await;
        let next = base_of(&format!("g{i}"), state(i as u64, size), waiting.clone());
        assert!(harness.fold(&read, next).await);
        let read = harness.read().await;
        assert!(read.base == state(i as u64, size), "a base of {size} bytes");
        assert_eq!(read.events, waiting);
        assert_eq!(harness.append(&[]).await.base_bytes, size as u64);
    }
}

pub async fn an_empty_base_is_a_base(harness: Harness) {
    harness.rebuild(base_of("g1", Vec::new(), Vec::new())).await;
    assert_eq!(harness.read().await.base, b"");
    let status = harness.append(&events(0..1)).await;
    assert!(status.has_base);
    assert_eq!(status.base_bytes, 0);
}

pub async fn a_fold_after_a_drop_changes_nothing(harness: Harness) {
    harness.rebuild(base("g1")).await;
    harness.append(&events(0..3)).await;
    let read = harness.read().await;
    harness.live.drop_doc(&doc()).await.unwrap();
    assert!(!harness.fold(&read, base("g2")).await);
    assert!(harness.is_miss().await);
    // A base of the same name on a tail that counts alike is still another tail.
    harness.live.begin_rebuild(&doc(), "second").await.unwrap();
    harness.append(&events(0..3)).await;
    assert!(harness.live.commit_rebuild(&doc(), "second", base("g1")).await.unwrap());
    assert!(!harness.fold(&read, base("g2")).await);
    assert_eq!(harness.read().await.events, events(0..3));
}
