//! The snapshotter's runs and sweeps: every document's turn comes, however short a run is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use inklog_operator::Operator;
use inklog_protocol::DocId;
use inklog_snapshotter::{Run, Snapshotter};
use inklog_store::document::Documents;
use inklog_store::tap::{Call, Fault, Operation, Tap};
use inklog_store::{Clock, ManualClock};

use crate::compaction::GRACE_MS;
use crate::harness::{Harness, doc, typed};
use crate::taps::Counting;

pub fn snapshotter(documents: &Documents, clock: &Arc<ManualClock>) -> Snapshotter {
    Snapshotter::new(Operator::new(documents.clone(), clock.clone()))
}

fn numbered(prefix: &str, count: usize) -> Vec<DocId> {
    (0..count).map(|number| doc(&format!("{prefix}-{number}"))).collect()
}

async fn has_snapshot(harness: &Harness, doc: &DocId) -> bool {
    harness.documents.catalogue.entry(doc).await.unwrap().is_some_and(|entry| entry.pointer.is_some())
}

/// One more character in each document, and the mark that the materializer makes.
async fn edit_and_mark(harness: &Harness, docs: &[DocId], seq: u64) {
    for doc in docs {
        harness.append(doc, typed("alice", seq, "x")).await;
        let mark = format!("{seq}");
        harness.documents.catalogue.mark_dirty(doc, harness.clock.now_ms(), &mark).await.unwrap();
    }
}

#[tokio::test]
async fn documents_in_use_keep_no_other_from_its_snapshot() {
    let harness = Harness::start().await;
    let busy = numbered("busy", 150);
    let once = doc("once");
    let snapshotter = snapshotter(&harness.documents, &harness.clock);
    edit_and_mark(&harness, &busy, 0).await;
    harness.clock.pass_ms(1_000);
    edit_and_mark(&harness, std::slice::from_ref(&once), 0).await;
    for run in 1..=3 {
        harness.clock.pass_ms(60_000);
        edit_and_mark(&harness, &busy, run).await;
        assert_eq!(snapshotter.run(Duration::from_secs(60)).await.unwrap().failed, 0);
    }
    for doc in busy.iter().chain([&once]) {
        assert!(has_snapshot(&harness, doc).await, "{doc}");
    }
}

/// Time that each whole read of a log takes.
struct Slow {
    clock: Arc<ManualClock>,
    read: Duration,
}

#[async_trait]
impl Tap for Slow {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        if call.operation == Operation::LogRead {
            self.clock.pass(self.read);
        }
        Ok(())
    }
}

fn slow(harness: &Harness, read: Duration) -> Documents {
    harness.tapped(Arc::new(Slow { clock: harness.clock.clone(), read }))
}

#[tokio::test]
async fn a_run_goes_on_where_the_one_before_ran_out_of_time() {
    let harness = Harness::start().await;
    let docs = numbered("busy", 30);
    let documents = slow(&harness, Duration::from_millis(4));
    let snapshotter = snapshotter(&documents, &harness.clock);
    edit_and_mark(&harness, &docs, 0).await;
    let (mut runs, mut out_of_time) = (0, 0);
    loop {
        harness.clock.pass_ms(1_000);
        let run = snapshotter.run(Duration::from_millis(40)).await.unwrap();
        (runs, out_of_time) = (runs + 1, out_of_time + usize::from(run.out_of_time));
        // A mark made anew keeps the place among the others.
        for doc in &docs {
            let now = harness.clock.now_ms();
            harness.documents.catalogue.mark_dirty(doc, now, &format!("run {runs}")).await.unwrap();
        }
        let mut left = 0;
        for doc in &docs {
            left += usize::from(!has_snapshot(&harness, doc).await);
        }
        if left == 0 {
            break;
        }
        assert!(runs < 10 * docs.len(), "{left} are never reached");
    }
    assert_eq!((runs, out_of_time), (3, 3), "ten documents a run");
}

#[tokio::test]
async fn a_sweep_in_short_runs_reaches_all() {
    let harness = Harness::memory();
    let docs = numbered("forgotten", 800);
    edit_and_mark(&harness, &docs, 0).await;
    for doc in &docs {
        assert!(harness.documents.catalogue.clear_dirty(doc, "0").await.unwrap());
    }
    let (counting, clock) = (Arc::new(Counting::default()), harness.clock.clone() as Arc<dyn Clock>);
    let documents =
        slow(&harness, Duration::from_millis(4)).tapped(&(counting.clone() as Arc<dyn Tap>), &clock);
    let (mut runs, mut done) = (0, 0);
    loop {
        // Each run is another process: only the store knows the place.
        let run = snapshotter(&documents, &harness.clock);
        let run = run.scheduled(true, Duration::from_millis(400)).await.unwrap();
        (runs, done) = (runs + 1, done + run.docs);
        if !run.out_of_time {
            break;
        }
        assert!(runs < 10 * docs.len(), "{done} after {runs} runs");
    }
    assert_eq!((runs, done), (8, docs.len()), "a hundred a run, each once");
    let kept = counting.of(Operation::CatalogueKeepSweepPlace).calls;
    assert!(kept <= docs.len() / 20 + runs, "{kept}: after every twentieth, and at the end of each run");
    for doc in &docs {
        assert!(has_snapshot(&harness, doc).await, "{doc}");
    }
    assert_eq!(harness.documents.catalogue.sweep_place().await.unwrap(), None, "the next begins anew");
}

#[tokio::test]
async fn what_a_sweep_has_left_is_done_when_there_is_time() {
    let harness = Harness::start().await;
    let docs = numbered("forgotten", 12);
    edit_and_mark(&harness, &docs, 0).await;
    for doc in &docs {
        assert!(harness.documents.catalogue.clear_dirty(doc, "0").await.unwrap());
    }
    let snapshotter = snapshotter(&harness.documents, &harness.clock);
    let long = Duration::from_secs(60);
    // A warm function is older than the time that it has.
    harness.clock.pass(2 * long);
    assert_eq!(
        snapshotter.scheduled(false, long).await.unwrap().docs,
        0,
        "nothing is dirty, and no sweep under way"
    );
    let (page, _) = harness.documents.catalogue.docs(None, 1).await.unwrap();
    harness.documents.catalogue.keep_sweep_place(Some(&page[0].doc)).await.unwrap();
    assert_eq!(snapshotter.scheduled(false, long).await.unwrap().docs, docs.len() - 1);
}

#[tokio::test]
async fn a_run_counts_what_it_did() {
    let harness = Harness::memory();
    let docs = numbered("d", 3);
    edit_and_mark(&harness, &docs, 0).await;
    let snapshotter = snapshotter(&harness.documents, &harness.clock);
    // One has a live state that lacks what is a minute old.
    harness.documents.live.begin_rebuild(&docs[0], "n").await.unwrap();
    let state = inklog_crdt::Doc::new().encode();
    let base = inklog_store::live::NewBase { generation: "g".into(), state, waiting: vec![], aside_bytes: 0 };
    assert!(harness.documents.live.commit_rebuild(&docs[0], "n", base).await.unwrap());
    harness.clock.pass_ms(60_000);
    let time = Duration::from_secs(60);
    let first = snapshotter.run(time).await.unwrap();
    assert_eq!(first, Run { docs: 3, snapshots: 3, live_dropped: 1, ..Run::default() });
    harness.clock.pass_ms(GRACE_MS);
    snapshotter.run(time).await.unwrap();
    harness.clock.pass_ms(GRACE_MS);
    let last = snapshotter.run(time).await.unwrap();
    assert_eq!(last, Run { docs: 3, events_deleted: 3, ..Run::default() });
    let failed =
        Run { docs: 1, snapshots: 1, live_dropped: 1, failed: 1, out_of_time: true, ..Run::default() };
    let all = Run {
        docs: 7,
        snapshots: 4,
        events_deleted: 3,
        live_dropped: 2,
        failed: 1,
        out_of_time: true,
        ..Run::default()
    };
    assert_eq!(first + last + failed, all);
}
