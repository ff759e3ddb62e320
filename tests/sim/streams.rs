//! The event source mapping: the log's stream to one consumer, in batches.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::DynamoDbEventResponse;
use futures::future::join_all;
use inklog_store::log::place_from_image;
use serde_dynamo::AttributeValue;

use super::chaos::NEWER;
use super::executor::{self, Instant};
use super::faults::Fault;
use super::functions::Functions;
use super::world::World;

const BATCH: usize = 100;
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    Materializer,
    Broadcaster,
}

/// How far a consumer has come.
#[derive(Default)]
pub struct Place(std::sync::atomic::AtomicU64);

impl Place {
    pub fn get(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn set(&self, place: u64) {
        self.0.store(place, std::sync::atomic::Ordering::Relaxed);
    }
}

pub struct Stream {
    pub world: Arc<World>,
    pub functions: Arc<Functions>,
    pub consumer: Consumer,
    pub place: Arc<Place>,
}

impl Stream {
    pub async fn run(self) {
        let stream = Arc::new(self);
        let world = &stream.world;
        let mut shards = 1;
        loop {
            let (records, place) = world.log.stream(stream.place.get(), BATCH);
            if records.is_empty() {
                // What a restored log's stream never had is not waited for.
                stream.place.set(place);
                world.appended[stream.consumer as usize].notified().await;
                continue;
            }
            let log = world.restored();
            world.latency().await;
            if world.restored() != log {
                continue;
            }
            if world.fires(Fault::ShardSplit) {
                shards = 2;
            }
            let mut lanes: Vec<Vec<EventRecord>> = vec![Vec::new(); shards];
            for record in records {
                lanes[shard_of(&record, shards)].push(record);
            }
            let lanes = lanes.into_iter().filter(|lane| !lane.is_empty());
            join_all(lanes.map(|lane| stream.clone().deliver(lane))).await;
            stream.place.set(place);
        }
    }

    /// Delivers records until all are taken.
    async fn deliver(self: Arc<Self>, mut records: Vec<EventRecord>) {
        let world = &self.world;
        let log = world.restored();
        let mut pause = RETRY_FIRST;
        while !records.is_empty() && world.restored() == log {
            if world.is_upgraded() {
                records.iter_mut().for_each(upgrade);
            }
            if self.consumer == Consumer::Materializer && world.fires(Fault::RecordDamaged) {
                let at = world.draw().below(records.len());
                damage(&mut records[at]);
            }
            let mut batch = records.clone();
            if world.fires(Fault::BatchReordered) {
                world.draw().shuffle(&mut batch);
                // What is behind the lowest that failed is delivered again in any case.
                records.clone_from(&batch);
            }
            if world.fires(Fault::BatchTwice) {
                // The other one may have more of it, and go on while the next batch is delivered.
                let most_ms = if world.draw().chance(0.5) { world.plan.latency_ms } else { 3_000 };
                let (stream, batch, ms) = (self.clone(), batch.clone(), world.draw().between(0, most_ms));
                executor::spawn(async move {
                    executor::sleep(Duration::from_millis(ms)).await;
                    if stream.world.restored() == log {
                        _ = stream.invoke(batch).await;
                    }
                });
            }
            if world.fires(Fault::BatchSplit) {
                let len = 1 + world.draw().below(batch.len());
                batch.truncate(len);
            }
            let sent = batch.len();
            let done = self.invoke(batch).await;
            if done < sent {
                // An upgrade helps those who wait for one.
                executor::sleep(pause).await;
                pause = (pause * 2).min(RETRY_LONGEST);
            } else {
                pause = RETRY_FIRST;
                if world.fires(Fault::BatchRepeated) {
                    continue;
                }
            }
            records.drain(..done);
        }
    }

    /// How many of the records are done, from the first on.
    async fn invoke(&self, batch: Vec<EventRecord>) -> usize {
        let names: Vec<String> =
            batch.iter().filter_map(|record| record.change.sequence_number.clone()).collect();
        let mut event = Event::default();
        event.records = batch.clone();
        let (failures, restored) = (self.world.watch.failures(), self.world.restored());
        let begun = Instant::now();
        self.world.trace(format_args!("{:?} gets {} from {}", self.consumer, names.len(), names[0]));
        let response: Option<DynamoDbEventResponse> = match self.consumer {
            Consumer::Materializer => {
                self.functions.materializer.call(async |function| function.handle(event).await).await
            }
            Consumer::Broadcaster => {
                self.functions.broadcaster.call(async |function| function.handle(event).await).await
            }
        };
        let Some(response) = response else { return 0 };
        let failed = response.batch_item_failures.into_iter().filter_map(|failure| failure.item_identifier);
        let failed: Vec<String> = failed.collect();
        let done = names.iter().position(|name| failed.contains(name)).unwrap_or(names.len());
        if self.world.restored() != restored {
            return done;
        }
        match self.consumer {
            Consumer::Materializer => self.world.check_taken(&batch[..done]).await,
            Consumer::Broadcaster => self.world.check_pace(begun.elapsed()),
        }
        let (waits, rest) = (batch.iter().position(is_newer), batch.len() > done);
        if self.consumer == Consumer::Materializer && waits.is_some_and(|at| at < done) {
            self.world.fail("a record that only a newer function can read counts as done");
        }
        if rest && waits.is_none() && self.world.watch.failures() == failures {
            self.world.fail(format_args!("{:?} fails a batch, though nothing fails for all", self.consumer));
        }
        done
    }
}

/// A newer function reads what an older one could not.
fn upgrade(record: &mut EventRecord) {
    let mut image: HashMap<_, _> = std::mem::take(&mut record.change.new_image).into_inner();
    if let Some(AttributeValue::B(bytes)) = image.get_mut("ops")
        && bytes.first() == Some(&NEWER)
    {
        bytes[0] = 1;
    }
    record.change.new_image = image.into();
}

fn damage(record: &mut EventRecord) {
    let mut image: HashMap<_, _> = std::mem::take(&mut record.change.new_image).into_inner();
    if let Some(AttributeValue::B(bytes)) = image.get_mut("ops")
        && bytes.first() != Some(&NEWER)
    {
        // Half of an event may be one, too: nobody could know.
        bytes.truncate(1);
    }
    record.change.new_image = image.into();
}

fn is_newer(record: &EventRecord) -> bool {
    matches!(record.change.new_image.get("ops"), Some(AttributeValue::B(bytes)) if bytes.first() == Some(&NEWER))
}

fn shard_of(record: &EventRecord, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    let doc = place_from_image(&record.change.new_image).map(|place| place.doc);
    doc.map(|doc| doc.to_string()).hash(&mut hasher);
    hasher.finish() as usize % shards
}
