//! The stream, as an event source mapping hands it on.

use aws_lambda_events::event::dynamodb::{Event as StreamEvent, EventRecord};
use inklog_protocol::Author;
use inklog_store::LogRecord;
use inklog_store::log::{Appended, Place, place_from_image};
use inklog_store::stream;

use super::{Harness, doc, record, record_of};
use crate::harness::{agent, doc as named};

fn text<'a>(item: &'a serde_dynamo::Item, name: &str) -> &'a str {
    match item.get(name) {
        Some(serde_dynamo::AttributeValue::S(text)) => text,
        other => panic!("{name} is {other:?}"),
    }
}

/// What happened to which item.
fn summary(record: &EventRecord) -> (&str, &str, &str) {
    let keys = &record.change.keys;
    (&record.event_name, text(keys, "doc"), text(keys, "sk"))
}

pub async fn what_changes_the_log_is_in_the_stream_in_order(harness: Harness) {
    let (log, doc, other) = (&harness.log, doc(), named("other"));
    for after in 0..3 {
        log.append(&doc, &record("alice", after)).await.unwrap();
    }
    log.append(&other, &record("alice", 0)).await.unwrap();
    // What changes nothing is not there.
    assert_eq!(log.append(&doc, &record("alice", 0)).await.unwrap(), Appended::Repeat);
    assert_eq!(log.append(&doc, &record_of("alice", 0, "other")).await.unwrap(), Appended::Conflict);
    log.delete(&doc, &[(agent("alice"), 1), (agent("nobody"), 0)]).await.unwrap();
    log.append(&doc, &record("alice", 1)).await.unwrap();

    let records = harness.stream(6).await;
    let key = |after: u64| format!("alice#{after:016}");
    let seen: Vec<_> = records.iter().map(summary).collect();
    assert_eq!(
        seen,
        [
            ("INSERT", "doc~1.x", &*key(0)),
            ("INSERT", "doc~1.x", &*key(1)),
            ("INSERT", "doc~1.x", &*key(2)),
            ("INSERT", "other", &*key(0)),
            ("REMOVE", "doc~1.x", &*key(1)),
            ("INSERT", "doc~1.x", &*key(1)),
        ]
    );
    let sequences: Vec<_> = records.iter().map(|record| record.change.sequence_number.clone()).collect();
    let number = |text: &Option<String>| text.as_deref().expect("there is one").parse::<u128>().unwrap();
    assert!(sequences.is_sorted_by(|a, b| number(a) < number(b)), "{sequences:?}");
    for record in &records {
        assert_eq!(record.event_source.as_deref(), Some("aws:dynamodb"));
        assert_eq!(record.change.new_image.is_empty(), record.event_name == "REMOVE", "{record:?}");
        assert!(record.change.old_image.is_empty(), "{record:?}");
        assert!(record.change.approximate_creation_date_time.timestamp() > 0, "{record:?}");
    }
}

pub async fn what_the_stream_shows_is_what_was_appended(harness: Harness) {
    let mut records = vec![record_of("alice", 0, "é😀\u{0}\r\n"), record("bob", 7)];
    records[0].author = Some(Author { user: "Zoë".into(), name: Some("Zoë \"Z\" 😀".into()) });
    records[0].connection = Some("L0SM9cOFvHcCIhw=".into());
    for record in &records {
        harness.log.append(&doc(), record).await.unwrap();
    }
    harness.put_bytes("mallory", vec![1, 2, 3]).await;
    harness.log.delete(&doc(), &[(agent("bob"), 7)]).await.unwrap();

    let mut batch = StreamEvent::default();
    batch.records = harness.stream(4).await;
    // Who only watches reads no ops.
    let place = |LogRecord { event, at, .. }: &LogRecord| {
        Some(Place {
            doc: doc(),
            agent: event.agent().clone(),
            after: event.after(),
            end: event.end(),
            at: *at,
        })
    };
    let places = batch.records.iter().map(|record| place_from_image(&record.change.new_image));
    assert_eq!(places.take(2).collect::<Vec<_>>(), [place(&records[0]), place(&records[1])]);
    // A function gets the batch as JSON.
    let json = serde_json::to_string(&batch).unwrap();
    let shown = stream::records(serde_json::from_str(&json).unwrap());
    assert!(shown.iter().all(|shown| shown.doc.as_ref() == Some(&doc())), "{shown:?}");
    assert!(shown[2].record.is_err(), "damage is shown as such: {shown:?}");
    let shown: Vec<LogRecord> = shown.into_iter().filter_map(|shown| shown.record.ok()).collect();
    assert_eq!(shown, records);
}
