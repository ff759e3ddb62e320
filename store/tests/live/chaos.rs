//! Many tasks at once. The states are lists of the events taken in, so that a loss shows.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use inklog_protocol::LoggedEvent;
use inklog_store::LiveState;
use inklog_store::live::{LiveDoc, NewBase};

use super::harness::{Harness, base_of};
use crate::support::{doc, event_of};

fn name(event: &LoggedEvent) -> String {
    format!("{}-{}", event.event.agent(), event.event.after())
}

/// Every event that a reader sees, as often as it sees it.
fn names(read: &LiveDoc) -> Vec<String> {
    let state = String::from_utf8(read.base.clone()).unwrap();
    state.lines().map(str::to_owned).chain(read.events.iter().map(name)).collect()
}

fn state(names: impl IntoIterator<Item = String>) -> Vec<u8> {
    names.into_iter().flat_map(|name| (name + "\n").into_bytes()).collect()
}

/// Names that never meet, and choices that are the same in every run of one task alone.
struct Numbers(AtomicU64);

impl Numbers {
    fn new() -> Numbers {
        Numbers(AtomicU64::new(1))
    }

    fn nonce(&self) -> String {
        format!("n{}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

async fn fold_once(live: &dyn LiveState, numbers: &Numbers, unique: bool) -> bool {
    let Some(read) = live.read(&doc()).await.unwrap() else { return false };
    let mut all = names(&read);
    if !unique {
        all = all.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    }
    // The last event taken in waits, as far as the live state is concerned.
    let waiting: Vec<LoggedEvent> = read.events.last().cloned().into_iter().collect();
    let taken_in = all.into_iter().filter(|taken_in| !waiting.iter().any(|event| name(event) == *taken_in));
    let base = NewBase { generation: numbers.nonce(), state: state(taken_in), waiting, aside_bytes: 0 };
    live.fold(&doc(), &read.tag, &read.cursor, base).await.unwrap()
}

pub async fn appends_and_folds_at_once_lose_nothing(harness: Harness) {
    const TASKS: u64 = 8;
    const EVENTS: u64 = 200;
    harness.rebuild(base_of("g", Vec::new(), Vec::new())).await;
    let numbers = Arc::new(Numbers::new());
    let writing = Arc::new(AtomicBool::new(true));

    let folders: Vec<_> = (0..2)
        .map(|_| {
            let (live, numbers, writing) = (harness.live.clone(), numbers.clone(), writing.clone());
            tokio::spawn(async move {
                let mut folds = 0;
                while writing.load(Ordering::SeqCst) {
                    folds += u64::from(fold_once(&*live, &numbers, true).await);
                    tokio::task::yield_now().await;
                }
                folds
            })
        })
        .collect();
    let writers: Vec<_> = (0..TASKS)
        .map(|task| {
            let live = harness.live.clone();
            tokio::spawn(async move {
                for n in 0..EVENTS {
                    let event = event_of(&format!("agent{task}"), n, "x");
                    assert!(live.append(&doc(), &[event], "fresh").await.unwrap().has_base);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    writing.store(false, Ordering::SeqCst);
    let mut folds = 0;
    for folder in folders {
        folds += folder.await.unwrap();
    }
    assert!(folds > 0, "no fold came through: nothing was tested");

    let mut read = names(&harness.read().await);
    read.sort();
    let mut all: Vec<String> =
        (0..TASKS).flat_map(|task| (0..EVENTS).map(move |n| format!("agent{task}-{n}"))).collect();
    all.sort();
    assert_eq!(read, all, "each exactly once");
}

/// The promise as a whole: an event is put into the log, then appended; from then on every reading
/// that is not a miss has it, through folds, rebuilds, drops and losses of everything.
pub async fn no_reader_misses_an_event_whatever_happens(harness: Harness) {
    // Enough for every machine to get round to rebuilding.
    const EVENTS_MAX: u64 = 20_000;
    let harness = Arc::new(harness);
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let numbers = Arc::new(Numbers::new());
    let writing = Arc::new(AtomicBool::new(true));
    let (commits, hits) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));

    let rebuilder = |drop_every: u64| {
        let (harness, log, numbers, writing) =
            (harness.clone(), log.clone(), numbers.clone(), writing.clone());
        let commits = commits.clone();
        tokio::spawn(async move {
            for round in 1.. {
                if !writing.load(Ordering::SeqCst) {
                    break;
                }
                let nonce = numbers.nonce();
                harness.live.begin_rebuild(&doc(), &nonce).await.unwrap();
                let read = log.lock().unwrap().clone();
                tokio::task::yield_now().await;
                if round % drop_every == 0 {
                    match round / drop_every % 2 {
                        0 => harness.live.drop_doc(&doc()).await.unwrap(),
                        _ => harness.flush().await,
                    }
                }
                let base = base_of(&numbers.nonce(), state(read), Vec::new());
                if harness.live.commit_rebuild(&doc(), &nonce, base).await.unwrap() {
                    commits.fetch_add(1, Ordering::SeqCst);
                }
                fold_once(&*harness.live, &numbers, false).await;
                tokio::task::yield_now().await;
            }
        })
    };
    let rebuilders = [rebuilder(3), rebuilder(7)];

    let writer = |task: u64| {
        let (harness, log, numbers) = (harness.clone(), log.clone(), numbers.clone());
        let (commits, hits) = (commits.clone(), hits.clone());
        tokio::spawn(async move {
            let mut own = Vec::new();
            for n in 0..EVENTS_MAX {
                if n >= 150 && commits.load(Ordering::SeqCst) >= 20 && hits.load(Ordering::SeqCst) >= 50 {
                    break;
                }
                let event = event_of(&format!("agent{task}"), n, "x");
                own.push(name(&event));
                log.lock().unwrap().push(name(&event));
                harness.live.append(&doc(), &[event], &numbers.nonce()).await.unwrap();
                if let Some(read) = harness.live.read(&doc()).await.unwrap() {
                    hits.fetch_add(1, Ordering::SeqCst);
                    let read: BTreeSet<String> = names(&read).into_iter().collect();
                    let lost: Vec<_> = own.iter().filter(|own| !read.contains(*own)).collect();
                    assert!(lost.is_empty(), "a reader misses {lost:?}");
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let writers = [writer(0), writer(1), writer(2)];
    for writer in writers {
        writer.await.unwrap();
    }
    writing.store(false, Ordering::SeqCst);
    for rebuilder in rebuilders {
        rebuilder.await.unwrap();
    }
    let (commits, hits) = (commits.load(Ordering::SeqCst), hits.load(Ordering::SeqCst));
    assert!(commits >= 20 && hits >= 50, "{commits} rebuilds, {hits} readings: too little was tested");
}
