//! What `verify` says of stores that disagree, how long it waits, and that looking changes nothing.

use std::time::Duration;

use inklog_operator::{LiveCheck, Operator, Verified};
use inklog_protocol::{DocId, LoggedEvent};
use inklog_store::document::Documents;
use inklog_store::live::NewBase;
use inklog_store::tap::Operation;
use inklog_store::{Clock as _, LiveState as _};

use crate::harness::{Harness, doc, hanging, typed};
use crate::taps::SteppingIn;

/// A live state that has got these events of the log, and no more.
async fn live_with(harness: &Harness, doc: &DocId, events: Vec<LoggedEvent>) {
    let state = inklog_crdt::Doc::new().encode();
    base(harness, doc, NewBase { generation: "g1".into(), state, waiting: events, aside_bytes: 0 }).await;
}

async fn base(harness: &Harness, doc: &DocId, base: NewBase) {
    harness.live.begin_rebuild(doc, "n").await.unwrap();
    assert!(harness.live.swap_rebuild(doc, "n", base).await.unwrap());
}

async fn verify(harness: &Harness, documents: &Documents, doc: &DocId) -> Verified {
    let operator = Operator::new(documents.clone(), harness.clock.clone());
    harness.clock.run(operator.verify(doc)).await.unwrap().expect("there is such a document")
}

#[tokio::test]
async fn it_waits_for_events_that_are_on_their_way() {
    let harness = Harness::memory();
    let doc = doc("d");
    let events = typed("alice", 0, "hello");
    harness.append(&doc, events.clone()).await;
    let logged: Vec<_> = events.into_iter().map(|event| harness.logged(event)).collect();
    // So old that it is wrong to lack them.
    harness.clock.pass_ms(60_000);
    live_with(&harness, &doc, logged[..3].to_vec()).await;
    // They come after the live state and the log were read.
    let (live, of, rest) = (harness.live.clone(), doc.clone(), logged[3..].to_vec());
    let clock = harness.clock.clone();
    let documents = harness.tapped(SteppingIn::after(Operation::LogRead, async move {
        tokio::spawn(async move {
            clock.sleep(Duration::from_secs(1)).await;
            live.append(&of, &rest, "tail").await.unwrap();
        });
    }));
    let begin = harness.clock.monotonic();
    let verified = verify(&harness, &documents, &doc).await;
    assert_eq!((verified.ok, verified.live), (true, LiveCheck::Equal));
    let waited = harness.clock.monotonic() - begin;
    assert!((1_000..1_100).contains(&waited.as_millis()), "it went on once they were there: {waited:?}");
}

#[tokio::test]
async fn it_waits_for_a_bounded_time_and_then_tells_late_from_lost() {
    let harness = Harness::memory();
    let (lost, late) = (doc("lost"), doc("late"));
    for (doc, passes) in [(&lost, 59_999), (&late, 1)] {
        let events = typed("alice", 0, "hello");
        harness.append(doc, events.clone()).await;
        let logged = events.into_iter().map(|event| harness.logged(event)).take(4).collect();
        live_with(&harness, doc, logged).await;
        // In the end the first is a minute old, the second a moment.
        harness.clock.pass_ms(passes);
    }
    let begin = harness.clock.monotonic();
    let (lost, late) = tokio::join!(
        verify(&harness, &harness.documents, &lost),
        verify(&harness, &harness.documents, &late)
    );
    let waited = harness.clock.monotonic() - begin;
    assert!((5_000..6_000).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!((lost.ok, lost.live), (false, LiveCheck::Lacking));
    assert_eq!((late.ok, late.live), (true, LiveCheck::Behind));
}

#[tokio::test]
async fn what_is_old_and_there_does_not_make_lost_what_has_just_come() {
    let harness = Harness::memory();
    let doc = doc("d");
    let old = typed("alice", 0, "hello");
    harness.append(&doc, old.clone()).await;
    live_with(&harness, &doc, old.into_iter().map(|event| harness.logged(event)).collect()).await;
    harness.clock.pass_ms(60_000);
    harness.append(&doc, typed("bob", 0, "!")).await;
    // It never becomes applicable, and is missing nowhere.
    harness.append(&doc, [hanging("carol", 0, "?", "dave-7")]).await;
    let verified = verify(&harness, &harness.documents, &doc).await;
    assert_eq!((verified.ok, verified.live), (true, LiveCheck::Behind));
}

#[tokio::test]
async fn a_live_state_of_a_log_that_has_forgotten_is_wrong() {
    let harness = Harness::memory();
    let doc = doc("d");
    let events = typed("alice", 0, "hello").into_iter().map(|event| harness.logged(event)).collect();
    live_with(&harness, &doc, events).await;
    let verified = verify(&harness, &harness.documents, &doc).await;
    assert_eq!((verified.ok, verified.live, verified.events_in_log), (false, LiveCheck::Different, 0));
    // Where there is nothing at all, there is no such document.
    let operator = Operator::new(harness.documents.clone(), harness.clock.clone());
    assert_eq!(operator.verify(&crate::harness::doc("e")).await.unwrap(), None);
}

#[tokio::test]
async fn a_damaged_base_is_wrong_until_somebody_makes_it_anew() {
    let harness = Harness::start().await;
    let operator = Operator::new(harness.documents.clone(), harness.clock.clone());
    // Who looks after documents leaves it there, and says so as often as asked.
    for mend in ["rebuild", "compact", "read"] {
        let doc = doc(mend);
        harness.append(&doc, typed("alice", 0, "hello")).await;
        let state = b"no state".to_vec();
        base(&harness, &doc, NewBase { generation: "g1".into(), state, waiting: Vec::new(), aside_bytes: 0 })
            .await;
        for _ in 0..2 {
            let verified = verify(&harness, &harness.documents, &doc).await;
            assert_eq!((verified.ok, verified.live), (false, LiveCheck::Damaged));
            assert!(verified.damaged[0].contains("the live base"), "{:?}", verified.damaged);
            let status = operator.status(&doc).await.unwrap();
            assert_eq!((status.chars, status.base), (5, None));
            assert!(status.damaged.is_some());
        }
        match mend {
            "rebuild" => assert_eq!(operator.rebuild(&doc).await.unwrap().unwrap().chars, 5),
            "compact" => assert!(operator.compact(&doc).await.unwrap().unwrap().live_dropped),
            _ => assert_eq!(harness.documents.read(&doc).await.unwrap().text(), "hello"),
        }
        let verified = verify(&harness, &harness.documents, &doc).await;
        let live = if mend == "compact" { LiveCheck::Missing } else { LiveCheck::Equal };
        assert_eq!((verified.ok, verified.live), (true, live), "after {mend}");
        assert_eq!(operator.status(&doc).await.unwrap().damaged, None);
    }
}
