//! Where a mapping puts the batches it gives up on, as Lambda's S3 destination does.

use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use aws_lambda_events::dynamodb::{Event, EventRecord};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::gateway::BoxError;

/// Why a mapping gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum GivenUp {
    /// The batch used up its retries.
    RetryAttemptsExhausted,
    /// The records became too old.
    RecordAgeExceeded,
}

/// The invocation record that Lambda writes, with Lambda's field names.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Which invocation failed, and why there is no other.
    pub request_context: RequestContext,
    /// The format of this record.
    pub version: String,
    /// When it was written, in ISO 8601.
    pub timestamp: String,
    /// The position of the batch in the stream.
    #[serde(rename = "DDBStreamBatchInfo")]
    pub batch_info: BatchInfo,
    /// The event with the records, as a JSON text.
    pub payload: String,
}

/// Which invocation failed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// A random id.
    pub request_id: String,
    /// The mapping's name stands for the function's ARN.
    pub function_arn: String,
    /// Why the mapping gave up.
    pub condition: GivenUp,
    /// How often the function was tried with the first of these records.
    pub approximate_invoke_count: u32,
}

/// A batch's position in its stream.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // Each field is named as AWS documents it.
pub struct BatchInfo {
    pub shard_id: String,
    pub start_sequence_number: String,
    pub end_sequence_number: String,
    pub approximate_arrival_of_first_record: String,
    pub approximate_arrival_of_last_record: String,
    pub batch_size: usize,
    pub stream_arn: String,
}

/// An OnFailure destination that keeps the records.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Stores one batch under a key that Lambda would use. The mapping retries until this succeeds.
    async fn put(&self, key: &str, letter: &DeadLetter) -> Result<(), BoxError>;
}

/// Dead letters as files in a folder.
#[derive(Debug)]
pub struct DeadLetterFolder {
    folder: PathBuf,
}

impl DeadLetterFolder {
    /// Dead letters in `folder`, which is made when it is first needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[async_trait]
impl DeadLetters for DeadLetterFolder {
    async fn put(&self, key: &str, letter: &DeadLetter) -> Result<(), BoxError> {
        let path = self.folder.join(key);
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        Ok(tokio::fs::write(path, serde_json::to_vec(letter)?).await?)
    }
}

/// Dead letters in memory, for tests and for stacks without a folder.
#[derive(Debug, Default)]
pub struct MemoryDeadLetters(Mutex<Vec<(String, DeadLetter)>>);

impl MemoryDeadLetters {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The batches stored so far, with their keys.
    pub fn all(&self) -> Vec<(String, DeadLetter)> {
        self.0.lock().expect("nothing panics while holding it").clone()
    }
}

#[async_trait]
impl DeadLetters for MemoryDeadLetters {
    async fn put(&self, key: &str, letter: &DeadLetter) -> Result<(), BoxError> {
        self.0.lock().expect("nothing panics while holding it").push((key.to_owned(), letter.clone()));
        Ok(())
    }
}

/// The record of a batch, which must not be empty, and the key that Lambda would give it.
pub(super) fn write_letter(
    mapping: &str,
    stream_arn: &str,
    shard_id: &str,
    records: Vec<EventRecord>,
    condition: GivenUp,
    invocations: u32,
) -> (String, DeadLetter) {
    let now = Utc::now();
    let id = new_uuid();
    let key = format!("aws/lambda/{mapping}/{shard_id}/{}-{id}", now.format("%Y/%m/%d/%Y-%m-%dT%H.%M.%S"));
    let sequence = |record: Option<&EventRecord>| {
        record.and_then(|record| record.change.sequence_number.clone()).unwrap_or_default()
    };
    let arrival = |record: Option<&EventRecord>| {
        record.map(|record| iso(record.change.approximate_creation_date_time)).unwrap_or_default()
    };
    let batch_info = BatchInfo {
        shard_id: shard_id.to_owned(),
        start_sequence_number: sequence(records.first()),
        end_sequence_number: sequence(records.last()),
        approximate_arrival_of_first_record: arrival(records.first()),
        approximate_arrival_of_last_record: arrival(records.last()),
        batch_size: records.len(),
        stream_arn: stream_arn.to_owned(),
    };
    let mut event = Event::default();
    event.records = records;
    let letter = DeadLetter {
        request_context: RequestContext {
            request_id: id,
            function_arn: mapping.to_owned(),
            condition,
            approximate_invoke_count: invocations,
        },
        version: "1.0".to_owned(),
        timestamp: iso(now),
        batch_info,
        payload: serde_json::to_string(&event).expect("an event is JSON"),
    };
    (key, letter)
}

fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A random UUID (version 4).
fn new_uuid() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
