//! What the log in memory has of its own: places in the stream.

use std::time::Duration;

use inklog_store::OpLog as _;
use inklog_store::log::memory::MemoryOpLog;

use super::{doc, record};

#[tokio::test]
async fn a_reader_of_the_stream_goes_on_from_its_place() {
    let log = MemoryOpLog::new(crate::conformance::clock());
    assert_eq!(log.stream(0, 10), (Vec::new(), 0));
    let mut place = 0;
    for after in 0..5 {
        log.append(&doc(), &record("alice", after)).await.unwrap();
    }
    let mut sizes = Vec::new();
    for _ in 0..4 {
        let (records, next) = log.stream(place, 2);
        assert_eq!(next, place + records.len() as u64);
        (sizes, place) = ([sizes, vec![records.len()]].concat(), next);
    }
    assert_eq!(sizes, [2, 2, 1, 0]);
    log.append(&doc(), &record("alice", 5)).await.unwrap();
    assert_eq!(log.stream(place, 2).0.len(), 1);
    assert_eq!(log.stream(99, 2), (Vec::new(), 6), "a place that was never reached is the end");
}

#[tokio::test]
async fn the_stream_forgets_after_a_day() {
    let clock = crate::conformance::clock();
    let log = MemoryOpLog::new(clock.clone());
    log.append(&doc(), &record("alice", 0)).await.unwrap();
    clock.pass(Duration::from_secs(24 * 60 * 60));
    log.append(&doc(), &record("alice", 1)).await.unwrap();
    assert_eq!(log.stream(0, 10).0.len(), 2, "at a day it is still there");
    clock.pass_ms(1);
    let (records, place) = log.stream(0, 10);
    assert_eq!((records.len(), place), (1, 2));
    assert_eq!(log.read(&doc()).await.unwrap().len(), 2, "the log itself forgets nothing");
}
