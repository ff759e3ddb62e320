//! What a simulation does to the stores in memory. A fault that changes nothing would find nothing.

use std::sync::Arc;

use inklog_crdt::DecodeError;
use inklog_store::catalogue::memory::MemoryCatalogue;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::live::memory::MemoryLiveState;
use inklog_store::log::memory::MemoryOpLog;
use inklog_store::log::record_from_image;
use inklog_store::objects::memory::MemoryObjects;
use inklog_store::{
    Catalogue as _, Connections as _, LiveState as _, LogRecord, ManualClock, Objects as _, OpLog as _,
};

use crate::live::base;
use crate::support::{doc, event, events};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(0))
}

#[tokio::test]
async fn a_base_is_evicted_altered_and_counted() {
    let live = MemoryLiveState::new(clock());
    assert!(!live.alter_base(&doc(), |_| ()) && live.bytes(&doc()) == 0, "there is none");
    live.append(&doc(), &events(0..3), "tail").await.unwrap();
    live.begin_rebuild(&doc(), "n").await.unwrap();
    let tail = live.bytes(&doc());
    assert!(live.commit_rebuild(&doc(), "n", base("g")).await.unwrap());
    assert_eq!(live.bytes(&doc()), tail + "state of g".len() as u64);
    assert!(live.alter_base(&doc(), |bytes| bytes[0] = b'S'));
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().base, b"State of g");
    live.evict_base(&doc());
    assert!(live.read(&doc()).await.unwrap().is_none());
    assert!(!live.alter_base(&doc(), |_| ()) && live.bytes(&doc()) == tail, "the tail alone");
}

#[tokio::test]
async fn what_was_dumped_is_there_after_a_restart_and_of_another_process() {
    let live = MemoryLiveState::new(clock());
    live.append(&doc(), &events(0..3), "tail").await.unwrap();
    let dump = live.dump();
    let bytes = live.bytes(&doc());
    live.append(&doc(), &events(3..5), "tail").await.unwrap();
    live.restart(dump);
    assert_eq!(live.bytes(&doc()), bytes);
    assert_eq!(live.append(&doc(), &events(5..6), "fresh").await.unwrap().unfolded_bytes, bytes / 3);
}

#[tokio::test]
async fn an_object_is_damaged_in_one_bit() {
    let objects = MemoryObjects::new();
    objects.put("empty", Vec::new()).await.unwrap();
    assert!(!objects.damage("empty", 0) && !objects.damage("nosuch", 0));
    objects.put("k", vec![6, 7]).await.unwrap();
    for (at, damaged) in [(0, [7, 7]), (3, [7, 6]), (1, [7, 7])] {
        assert!(objects.damage("k", at));
        assert_eq!(objects.get("k").await.unwrap().unwrap(), damaged);
    }
}

#[tokio::test]
async fn what_came_after_a_backup_is_gone_with_it() {
    let catalogue = MemoryCatalogue::new();
    let empty = catalogue.backup();
    catalogue.mark_dirty(&doc(), 1, "n").await.unwrap();
    let marked = catalogue.backup();
    catalogue.restore(empty);
    assert!(catalogue.entry(&doc()).await.unwrap().is_none());
    catalogue.restore(marked);
    assert!(catalogue.entry(&doc()).await.unwrap().is_some());

    let connections = MemoryConnections::new();
    connections.register(&doc(), "c", None, 0).await.unwrap();
    connections.clear();
    assert!(connections.list(&doc(), 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_that_lags_is_that_of_before() {
    let catalogue = MemoryCatalogue::new();
    catalogue.lag(true);
    catalogue.mark_dirty(&doc(), 1, "n").await.unwrap();
    assert!(catalogue.entry(&doc()).await.unwrap().is_some(), "an entry never lags");
    for (lags, listed) in [(None, 0), (Some(true), 1), (Some(false), 1)] {
        lags.into_iter().for_each(|lags| catalogue.lag(lags));
        assert_eq!(catalogue.dirty_after(None, 10).await.unwrap().len(), listed, "{lags:?}");
        assert_eq!(catalogue.docs(None, 10).await.unwrap().0.len(), listed, "{lags:?}");
    }
}

#[tokio::test]
async fn an_event_gets_another_version_in_the_log_and_in_its_stream_alone() {
    let log = MemoryOpLog::new(clock());
    let record = |n| LogRecord { event: event(n).event, at: 1, author: None, connection: None };
    let other = inklog_protocol::DocId::new("other").unwrap();
    for (doc, n) in [(&doc(), 0), (&doc(), 1), (&other, 0)] {
        log.append(doc, &record(n)).await.unwrap();
    }
    let agent = event(0).event.agent().clone();
    log.set_version(&doc(), &agent, 0, 99);
    let read =
        log.stream(0, 10).0.into_iter().map(|told| record_from_image(&told.change.new_image).unwrap().1);
    let read: Vec<_> = read.collect();
    assert!(matches!(read[0], Err(DecodeError::Newer { found: 99, .. })), "{read:?}");
    assert_eq!(read[1..], [Ok(record(1)), Ok(record(0))]);
    assert!(log.read(&doc()).await.is_err() && log.read(&other).await.unwrap().len() == 1);
    log.set_version(&doc(), &agent, 0, event(0).event.encode()[0]);
    assert_eq!(log.read(&doc()).await.unwrap().len(), 2);
}
