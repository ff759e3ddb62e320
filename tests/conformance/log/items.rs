//! Appending, reading and deleting items.

use futures::future::join_all;
use inklog_crdt::{Event, Id, MAX_SEQ, Op};
use inklog_protocol::limits::{BATCH_WRITE_MAX, ITEM_BYTES_MAX};
use inklog_protocol::{Author, DocId};
use inklog_store::log::{Appended, LogItem};
use inklog_store::{LogRecord, StoreError};

use super::{Harness, doc, record, record_of};
use crate::harness::{agent, doc as named, typed};

impl Harness {
    async fn append(&self, record: &LogRecord) -> Appended {
        self.log.append(&doc(), record).await.unwrap()
    }

    async fn add(&self, name: &str, places: impl IntoIterator<Item = u64>) {
        for after in places {
            assert_eq!(self.append(&record(name, after)).await, Appended::Added);
        }
    }

    async fn records(&self, doc: &DocId) -> Vec<LogRecord> {
        let item = |item| match item {
            LogItem::Record(record) => record,
            damaged => panic!("{damaged:?}"),
        };
        self.log.read(doc).await.unwrap().into_iter().map(item).collect()
    }

    /// Agent and place of each item, in order.
    async fn places(&self) -> Vec<(String, u64)> {
        let records = self.records(&doc()).await.into_iter();
        records.map(|record| (record.event.agent().to_string(), record.event.after())).collect()
    }

    async fn last_of(&self, name: &str, at_most: Option<u64>) -> Option<u64> {
        let last = self.log.last_of(&doc(), &agent(name), at_most).await.unwrap();
        last.map(|record| record.event.after())
    }
}

pub async fn what_is_appended_comes_back_whole(harness: Harness) {
    let delete = Op::Delete { seq: 12, target: Id::new(agent("alice"), 0), len: 3 };
    let event = Event::new(agent("-.~_"), 9, vec![delete]).unwrap();
    let deleting = LogRecord { event, ..record("x", 0) };
    let mut records = vec![record_of("alice", 0, "é😀\u{0}\r\n"), record("bob", MAX_SEQ - 2), deleting];
    records[0].author = Some(Author { user: "Zoë".into(), name: Some("Zoë \"Z\" 😀".into()) });
    records[0].connection = Some("L0SM9cOFvHcCIhw=".into());
    records[1].author = Some(Author { user: "zoe".into(), name: None });
    for record in &records {
        assert_eq!(harness.append(record).await, Appended::Added);
    }
    let mut read = harness.records(&doc()).await;
    for record in &records {
        let (agent, after) = (record.event.agent(), record.event.after());
        let place = read.iter().position(|read| read == record);
        read.remove(place.unwrap_or_else(|| panic!("{record:?} is not among {read:?}")));
        let last = harness.log.last_of(&doc(), agent, Some(after)).await.unwrap();
        assert_eq!(last.as_ref(), Some(record));
    }
    assert_eq!(read, []);
}

pub async fn a_repeat_is_told_from_a_conflict(harness: Harness) {
    let first = record_of("alice", 0, "one");
    assert_eq!(harness.append(&first).await, Appended::Added);
    let later = LogRecord {
        at: first.at + 5,
        author: Some(Author { user: "alice".into(), name: Some("Alice".into()) }),
        ..first.clone()
    };
    for again in [&first, &later] {
        assert_eq!(harness.append(again).await, Appended::Repeat, "the event counts, not who sent it when");
    }
    for other in [record_of("alice", 0, "two"), record_of("alice", 0, "on"), record_of("alice", 0, "one!")] {
        assert_eq!(harness.append(&other).await, Appended::Conflict);
    }
    assert_eq!(harness.records(&doc()).await, std::slice::from_ref(&first), "what was there first stays");
    let elsewhere = named("other");
    assert_eq!(harness.log.append(&elsewhere, &record_of("alice", 0, "two")).await.unwrap(), Appended::Added);
    assert_eq!(harness.append(&record_of("bob", 0, "two")).await, Appended::Added);
    harness.log.delete(&doc(), &[(agent("alice"), 0)]).await.unwrap();
    assert_eq!(harness.append(&record_of("alice", 0, "two")).await, Appended::Added, "the place is free");
}

pub async fn of_many_at_one_place_one_is_added(harness: Harness) {
    let texts: Vec<String> = (0..8).map(|n| format!("text {n}")).collect();
    let records: Vec<LogRecord> = texts.iter().map(|text| record_of("alice", 0, text)).collect();
    let outcomes = join_all(records.iter().map(|record| harness.append(record))).await;
    let added: Vec<usize> = (0..8).filter(|n| outcomes[*n] == Appended::Added).collect();
    assert_eq!(added.len(), 1, "{outcomes:?}");
    assert!(outcomes.iter().enumerate().all(|(n, outcome)| n == added[0] || *outcome == Appended::Conflict));
    assert_eq!(harness.records(&doc()).await, [records[added[0]].clone()]);
}

pub async fn items_are_read_by_agent_and_place(harness: Harness) {
    let places = [0, 1, 9, 10, 99, 100, 1_000_000, MAX_SEQ - 2];
    harness.add("bob", places.into_iter().rev()).await;
    for name in ["bob-2", "alice", "bob.", "Bob", "bob~1", "bo"] {
        harness.add(name, [0]).await;
    }
    let mut wanted = vec![("Bob".to_owned(), 0), ("alice".to_owned(), 0), ("bo".to_owned(), 0)];
    wanted.extend(places.map(|after| ("bob".to_owned(), after)));
    wanted.extend(["bob-2", "bob.", "bob~1"].map(|name| (name.to_owned(), 0)));
    assert_eq!(harness.places().await, wanted);
}

pub async fn the_last_of_an_agent_is_found_up_to_a_place(harness: Harness) {
    harness.add("alice", [5, 9, 10, 1_000]).await;
    for neighbour in ["al", "alice-2", "alice~", "alicf"] {
        harness.add(neighbour, [0, 7, MAX_SEQ - 2]).await;
    }
    let wanted = [
        (None, Some(1_000)),
        (Some(MAX_SEQ), Some(1_000)),
        (Some(1_000), Some(1_000)),
        (Some(999), Some(10)),
        (Some(10), Some(10)),
        (Some(9), Some(9)),
        (Some(8), Some(5)),
        (Some(5), Some(5)),
        (Some(4), None),
        (Some(0), None),
    ];
    for (at_most, last) in wanted {
        assert_eq!(harness.last_of("alice", at_most).await, last, "at most {at_most:?}");
    }
}

pub async fn of_nothing_there_is_nothing(harness: Harness) {
    assert_eq!(harness.log.read(&doc()).await.unwrap(), []);
    assert_eq!(harness.last_of("alice", None).await, None);
    harness.log.delete(&doc(), &[(agent("alice"), 0)]).await.unwrap();
    harness.log.delete(&doc(), &[]).await.unwrap();
    harness.add("alice", [0]).await;
    assert_eq!(harness.log.read(&named("doc~1")).await.unwrap(), [], "a name that begins like another's");
    assert_eq!(harness.last_of("alic", None).await, None);
}

pub async fn what_is_deleted_is_gone_and_nothing_else(harness: Harness) {
    for count in [1, BATCH_WRITE_MAX - 1, BATCH_WRITE_MAX, BATCH_WRITE_MAX + 1, 2 * BATCH_WRITE_MAX + 1] {
        let count = count as u64;
        harness.add("alice", 0..count + 2).await;
        harness.log.append(&named("other"), &record("alice", 1)).await.unwrap();
        // The first and the last stay; what is not there is no matter, and nor is a repeat.
        let mut places: Vec<_> = (1..=count).map(|after| (agent("alice"), after)).collect();
        for _ in 0..2 {
            harness.log.delete(&doc(), &places).await.unwrap();
            assert_eq!(harness.places().await, [("alice".to_owned(), 0), ("alice".to_owned(), count + 1)]);
        }
        places = vec![(agent("alice"), 0), (agent("nobody"), 0), (agent("alice"), count + 1)];
        harness.log.delete(&doc(), &places).await.unwrap();
        assert_eq!(harness.places().await, []);
        assert_eq!(harness.records(&named("other")).await, [record("alice", 1)]);
    }
}

pub async fn more_than_a_page_comes_back_whole(harness: Harness) {
    // A page of DynamoDB's holds a megabyte: just less, just more, and several.
    const PAGE: usize = 1024 * 1024;
    const PARTS: usize = 4;
    for (name, bytes) in [("less", PAGE - 4_000), ("more", PAGE + 4_000), ("several", 1_300_000)] {
        let doc = named(name);
        let text = "x".repeat(bytes / PARTS);
        let records: Vec<LogRecord> =
            (0..PARTS as u64).map(|n| record_of("alice", n * text.len() as u64, &text)).collect();
        for record in &records {
            assert_eq!(harness.log.append(&doc, record).await.unwrap(), Appended::Added);
        }
        let small = typed("bob", 0, "y").remove(0);
        let small = LogRecord { event: small, ..record("x", 0) };
        harness.log.append(&doc, &small).await.unwrap();
        let read = harness.records(&doc).await;
        assert!(read.len() == PARTS + 1 && read[..PARTS] == records && read[PARTS] == small, "{name}");
    }
}

pub async fn an_item_has_a_greatest_size(harness: Harness) {
    let of = |bytes: usize| record_of("alice", 0, &"x".repeat(bytes));
    let refused = harness.log.append(&doc(), &of(ITEM_BYTES_MAX)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert_eq!(harness.records(&doc()).await, []);
    let large = of(ITEM_BYTES_MAX - 500);
    assert_eq!(harness.append(&large).await, Appended::Added);
    assert_eq!(harness.records(&doc()).await, [large]);
}

pub async fn a_damaged_item_is_told_and_takes_its_place(harness: Harness) {
    harness.add("alice", [0]).await;
    harness.put_bytes("bob", vec![1, 2, 3]).await;
    harness.add("carol", [0]).await;
    let items = harness.log.read(&doc()).await.unwrap();
    let [LogItem::Record(_), LogItem::Damaged { key, .. }, LogItem::Record(_)] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!(key, "bob#0000000000000000");
    assert_eq!(harness.append(&record("bob", 0)).await, Appended::Conflict, "nothing is written over it");
    let last = harness.log.last_of(&doc(), &agent("bob"), None).await;
    assert!(matches!(last, Err(StoreError::Damaged { .. })), "{last:?}");
    harness.log.delete(&doc(), &[(agent("bob"), 0)]).await.unwrap();
    assert_eq!(harness.places().await.len(), 2);
}

pub async fn an_item_of_a_newer_inklog_stops_its_readers(harness: Harness) {
    harness.add("alice", [0]).await;
    let mut newer = record("bob", 0).event.encode();
    newer[0] += 1;
    harness.put_bytes("bob", newer).await;
    let read = harness.log.read(&doc()).await;
    assert!(matches!(read, Err(StoreError::Newer { .. })), "{read:?}");
    let last = harness.log.last_of(&doc(), &agent("bob"), None).await;
    assert!(matches!(last, Err(StoreError::Newer { .. })), "{last:?}");
    let again = harness.log.append(&doc(), &record("bob", 0)).await;
    assert!(matches!(again, Err(StoreError::Newer { .. })), "it may be this very event: {again:?}");
    assert_eq!(harness.last_of("alice", None).await, Some(0));
}
