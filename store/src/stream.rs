//! A batch of the log's stream, as the materializer and the broadcaster read it.

use std::collections::HashMap;

use aws_lambda_events::event::dynamodb::{Event as StreamEvent, EventRecord};
use inklog_crdt::DecodeError;
use inklog_protocol::DocId;

use crate::LogRecord;
use crate::log::record_from_image;

/// One event of the log, as it arrived through the stream.
#[derive(Debug)]
pub struct StreamRecord {
    /// Its place in the stream, which a partial failure names.
    pub sequence: String,
    /// The document, if it can be determined.
    pub doc: Option<DocId>,
    /// The record, or why it cannot be read.
    pub record: Result<LogRecord, DecodeError>,
}

/// The inserts of a batch, in its order. Consumers ignore removals and changes: the event source mapping
/// filters them, and so does this function.
pub fn records(batch: StreamEvent) -> Vec<StreamRecord> {
    batch.records.into_iter().filter(|record| record.event_name == "INSERT").map(read).collect()
}

/// Groups items by document, keeping the order within each.
pub fn by_doc<T>(items: impl IntoIterator<Item = (DocId, T)>) -> Vec<(DocId, Vec<T>)> {
    let mut places: HashMap<DocId, usize> = HashMap::new();
    let mut groups: Vec<(DocId, Vec<T>)> = Vec::new();
    for (doc, item) in items {
        let place = *places.entry(doc.clone()).or_insert_with(|| {
            groups.push((doc, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(item);
    }
    groups
}

fn read(record: EventRecord) -> StreamRecord {
    let sequence = record.change.sequence_number.unwrap_or_default();
    match record_from_image(&record.change.new_image) {
        Some((doc, record)) => StreamRecord { sequence, doc: Some(doc), record },
        None => {
            let error = DecodeError::Damaged { offset: 0, what: "the item has no document" };
            StreamRecord { sequence, doc: None, record: Err(error) }
        }
    }
}
