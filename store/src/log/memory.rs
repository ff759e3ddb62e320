//! The op log in memory, with its stream, for tests and simulations.
//!
//! It stores DynamoDB's items, so that anything not encoded is lost here too.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::event::dynamodb::{EventRecord, StreamRecord, StreamViewType};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::DateTime;
use inklog_crdt::Agent;
use inklog_protocol::DocId;
use inklog_protocol::limits::ITEM_BYTES_MAX;

use super::item::{Item, from_item, log_item, met, to_item};
use super::{Appended, LogItem, OpLog};
use crate::keys::log::{DOC, OPS, SORT_KEY, sort_key};
use crate::{Clock, LogRecord, StoreError};

/// How long the stream keeps a record.
const STREAM_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// What its records name as their source.
const STREAM_ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/memory/stream/1";

/// The log of all documents in this process.
pub struct MemoryOpLog {
    clock: Arc<dyn Clock>,
    // No method awaits anything while it holds this: each is one atomic step.
    state: Mutex<State>,
}

/// A log at a moment.
#[derive(Clone)]
pub struct Backup(BTreeMap<DocId, BTreeMap<String, Item>>);

#[derive(Default)]
struct State {
    /// By document and sort key.
    docs: BTreeMap<DocId, BTreeMap<String, Item>>,
    stream: VecDeque<EventRecord>,
    /// Number of the stream's newest record, counted from 1.
    newest: u64,
}

impl MemoryOpLog {
    /// An empty log. The clock tells when a record of its stream was written.
    pub fn new(clock: Arc<dyn Clock>) -> MemoryOpLog {
        MemoryOpLog { clock, state: Mutex::default() }
    }

    /// Up to `limit` records of the stream after the place `after` (0: the beginning), oldest first, in the
    /// form in which an event source mapping delivers them; and the place after them. Records older than a
    /// day are gone, and are skipped.
    pub fn stream(&self, after: u64, limit: usize) -> (Vec<EventRecord>, u64) {
        let mut state = self.lock();
        state.trim(self.clock.now_ms());
        let gone = state.newest - state.stream.len() as u64;
        let from = after.clamp(gone, state.newest);
        let records = state.stream.iter().skip((from - gone) as usize).take(limit);
        let records: Vec<EventRecord> = records.cloned().collect();
        let place = from + records.len() as u64;
        (records, place)
    }

    /// Inserts an item with these bytes as its `ops`, valid or not, as damage or a newer Inklog would.
    pub fn put_bytes(&self, doc: &DocId, agent: &Agent, after: u64, ops: Vec<u8>) {
        let sort_key = sort_key(agent, after);
        let item = HashMap::from([
            (DOC.to_owned(), AttributeValue::S(doc.as_str().to_owned())),
            (SORT_KEY.to_owned(), AttributeValue::S(sort_key.clone())),
            (OPS.to_owned(), AttributeValue::B(Blob::new(ops))),
        ]);
        self.lock().put(doc, sort_key, item, self.clock.now_ms());
    }

    /// Gives the event at this place another format version, in the log and in its stream, as a newer Inklog
    /// would have written it.
    pub fn set_version(&self, doc: &DocId, agent: &Agent, after: u64, version: u8) {
        let sort_key = sort_key(agent, after);
        let mut state = self.lock();
        let ops = state
            .docs
            .get_mut(doc)
            .and_then(|items| items.get_mut(&sort_key))
            .and_then(|item| item.get_mut(OPS));
        if let Some(AttributeValue::B(ops)) = ops {
            let mut bytes = ops.as_ref().to_vec();
            bytes[0] = version;
            *ops = Blob::new(bytes);
        }
        for record in &mut state.stream {
            set_version(record, doc, &sort_key, version);
        }
    }

    /// A copy of the log, as a backup has it.
    pub fn backup(&self) -> Backup {
        Backup(self.lock().docs.clone())
    }

    /// Becomes a log that was restored from a backup: its stream has none of the records of before.
    pub fn restore(&self, backup: Backup) {
        let mut state = self.lock();
        state.docs = backup.0;
        state.stream.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, doc: &DocId, sort_key: String, item: Item, now_ms: u64) {
        let image = image(&item);
        let old = self.docs.entry(doc.clone()).or_default().insert(sort_key.clone(), item);
        let name = if old.is_some() { "MODIFY" } else { "INSERT" };
        self.write(name, doc, &sort_key, image, now_ms);
    }

    fn delete(&mut self, doc: &DocId, sort_key: &str, now_ms: u64) {
        let Some(items) = self.docs.get_mut(doc) else { return };
        if items.remove(sort_key).is_none() {
            return;
        }
        if items.is_empty() {
            self.docs.remove(doc);
        }
        self.write("REMOVE", doc, sort_key, serde_dynamo::Item::default(), now_ms);
    }

    /// Adds a record to the stream.
    fn write(&mut self, name: &str, doc: &DocId, sort_key: &str, image: serde_dynamo::Item, now_ms: u64) {
        self.newest += 1;
        let mut change = StreamRecord::default();
        change.approximate_creation_date_time =
            DateTime::from_timestamp_millis(now_ms as i64).unwrap_or_default();
        change.keys = HashMap::from([
            (DOC.to_owned(), serde_dynamo::AttributeValue::S(doc.as_str().to_owned())),
            (SORT_KEY.to_owned(), serde_dynamo::AttributeValue::S(sort_key.to_owned())),
        ])
        .into();
        change.new_image = image;
        change.sequence_number = Some(format!("{:021}", self.newest));
        change.stream_view_type = Some(StreamViewType::NewImage);
        let mut record = EventRecord::default();
        record.aws_region = "us-east-1".to_owned();
        record.event_id = self.newest.to_string();
        record.event_name = name.to_owned();
        record.event_source = Some("aws:dynamodb".to_owned());
        record.event_version = Some("1.1".to_owned());
        record.event_source_arn = Some(STREAM_ARN.to_owned());
        record.change = change;
        self.stream.push_back(record);
        self.trim(now_ms);
    }

    fn trim(&mut self, now_ms: u64) {
        let oldest_ms = now_ms.saturating_sub(STREAM_KEPT.as_millis() as u64) as i64;
        let is_old = |record: &EventRecord| {
            record.change.approximate_creation_date_time.timestamp_millis() < oldest_ms
        };
        while self.stream.front().is_some_and(is_old) {
            self.stream.pop_front();
        }
    }
}

/// The same in one record, if it is about that place.
fn set_version(record: &mut EventRecord, doc: &DocId, key: &str, version: u8) {
    let is_text = |name: &str, text: &str| matches!(record.change.keys.get(name), Some(serde_dynamo::AttributeValue::S(there)) if there == text);
    if !is_text(DOC, doc.as_str()) || !is_text(SORT_KEY, key) {
        return;
    }
    let mut image: HashMap<_, _> = std::mem::take(&mut record.change.new_image).into_inner();
    if let Some(serde_dynamo::AttributeValue::B(bytes)) = image.get_mut(OPS) {
        bytes[0] = version;
    }
    record.change.new_image = image.into();
}

/// An item as the stream shows it. The log uses strings, numbers and bytes only.
fn image(item: &Item) -> serde_dynamo::Item {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => serde_dynamo::AttributeValue::S(text.clone()),
        AttributeValue::N(number) => serde_dynamo::AttributeValue::N(number.clone()),
        AttributeValue::B(bytes) => serde_dynamo::AttributeValue::B(bytes.as_ref().to_vec()),
        other => unreachable!("the log holds no {other:?}"),
    };
    let image: HashMap<_, _> = item.iter().map(|(name, of)| (name.clone(), value(of))).collect();
    image.into()
}

/// An item's size as DynamoDB counts it: names and values.
fn item_bytes(item: &Item) -> usize {
    let value_bytes = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        other => unreachable!("the log holds no {other:?}"),
    };
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

#[async_trait]
impl OpLog for MemoryOpLog {
    async fn append(&self, doc: &DocId, record: &LogRecord) -> Result<Appended, StoreError> {
        let item = to_item(doc, record);
        if item_bytes(&item) > ITEM_BYTES_MAX {
            let why = "Item size has exceeded the maximum allowed size";
            return Err(StoreError::unavailable("DynamoDB", why));
        }
        let sort_key = sort_key(record.event.agent(), record.event.after());
        let mut state = self.lock();
        if let Some(old) = state.docs.get(doc).and_then(|items| items.get(&sort_key)) {
            return met(doc, old, record);
        }
        state.put(doc, sort_key, item, self.clock.now_ms());
        Ok(Appended::Added)
    }

    async fn last_of(
        &self,
        doc: &DocId,
        agent: &Agent,
        at_most: Option<u64>,
    ) -> Result<Option<LogRecord>, StoreError> {
        let last = sort_key(agent, at_most.unwrap_or(inklog_crdt::MAX_SEQ));
        let state = self.lock();
        let items = state.docs.get(doc);
        let of_agent = items.and_then(|items| items.range(sort_key(agent, 0)..=last).next_back());
        let Some((_, item)) = of_agent else { return Ok(None) };
        let record = from_item(item)
            .map_err(|error| StoreError::undecodable(format!("the last event of {agent} in {doc}"), error))?;
        Ok(Some(record))
    }

    async fn read(&self, doc: &DocId) -> Result<Vec<LogItem>, StoreError> {
        let state = self.lock();
        state.docs.get(doc).into_iter().flat_map(BTreeMap::values).map(|item| log_item(doc, item)).collect()
    }

    async fn delete(&self, doc: &DocId, places: &[(Agent, u64)]) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        for (agent, after) in places {
            state.delete(doc, &sort_key(agent, *after), now_ms);
        }
        Ok(())
    }
}
