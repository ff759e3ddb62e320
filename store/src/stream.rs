//! A batch of the log's stream, as the materializer and the broadcaster read it.

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
