//! The op log: its items, and its stream.

mod items;
mod memory_only;
mod stream;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::event::dynamodb::{Event as StreamEvent, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use inklog_local::streams::{MemoryCheckpoints, streams_client};
use inklog_local::{BoxError, EmbeddedDynamoDb, Latency, Mapping, MappingConfig, StreamFunction};
use inklog_store::log::memory::MemoryOpLog;
use inklog_store::log::{self, DynamoOpLog};
use inklog_store::{LogRecord, OpLog};
use tokio::sync::Notify;

use crate::harness::agent;

const TABLE: &str = "oplog";
/// How long the stream's next record is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

struct Harness {
    log: Arc<dyn OpLog>,
    backend: Backend,
}

enum Backend {
    Memory(Arc<MemoryOpLog>),
    Embedded { server: EmbeddedDynamoDb, client: aws_sdk_dynamodb::Client },
}

inklog_tests::conformance! {
    on memory tapped embedded;
    items:
        what_is_appended_comes_back_whole
        a_repeat_is_told_from_a_conflict
        of_many_at_one_place_one_is_added
        items_are_read_by_agent_and_place
        the_last_of_an_agent_is_found_up_to_a_place
        of_nothing_there_is_nothing
        what_is_deleted_is_gone_and_nothing_else
        more_than_a_page_comes_back_whole
        an_item_has_a_greatest_size
        a_damaged_item_is_told_and_takes_its_place
        an_item_of_a_newer_inklog_stops_its_readers;
    stream:
        what_changes_the_log_is_in_the_stream_in_order
        what_the_stream_shows_is_what_was_appended;
}

impl Harness {
    async fn memory() -> Harness {
        let log = Arc::new(MemoryOpLog::new(super::clock()));
        Harness { log: log.clone(), backend: Backend::Memory(log) }
    }

    async fn tapped() -> Harness {
        let Harness { log, backend } = Harness::memory().await;
        Harness { log: super::tapped(log), backend }
    }

    async fn embedded() -> Harness {
        let (server, client) = super::dynamodb().await;
        log::create_table(&client, TABLE).await.unwrap();
        let log = Arc::new(DynamoOpLog::new(client.clone(), TABLE));
        Harness { log, backend: Backend::Embedded { server, client } }
    }

    /// Puts an item with these bytes in its `ops` at the place of `agent` and 0.
    async fn put_bytes(&self, name: &str, ops: Vec<u8>) {
        match &self.backend {
            Backend::Memory(log) => log.put_bytes(&doc(), &agent(name), 0, ops),
            Backend::Embedded { client, .. } => {
                use aws_sdk_dynamodb::primitives::Blob;
                use aws_sdk_dynamodb::types::AttributeValue as Value;
                let put = client.put_item().table_name(TABLE);
                let put = put.item("doc", Value::S(doc().as_str().to_owned()));
                let put = put.item("sk", Value::S(format!("{name}#{:016}", 0)));
                put.item("ops", Value::B(Blob::new(ops))).send().await.unwrap();
            }
        }
    }

    /// What an event source mapping hands on, up to so many records.
    async fn stream(&self, count: usize) -> Vec<EventRecord> {
        match &self.backend {
            Backend::Memory(log) => log.stream(0, usize::MAX).0,
            Backend::Embedded { server, client } => {
                let seen = Arc::new(Seen::default());
                let mapping = mapping(server, client, seen.clone()).await.start();
                let enough = async {
                    while seen.records.lock().unwrap().len() < count {
                        seen.more.notified().await;
                    }
                };
                tokio::time::timeout(PATIENCE, enough).await.expect("the records come in time");
                mapping.stop().await;
                std::mem::take(&mut seen.records.lock().unwrap())
            }
        }
    }
}

/// Keeps the records that it is handed.
#[derive(Default)]
struct Seen {
    records: Mutex<Vec<EventRecord>>,
    more: Notify,
}

#[async_trait]
impl StreamFunction for Seen {
    async fn invoke(&self, event: StreamEvent) -> Result<DynamoDbEventResponse, BoxError> {
        self.records.lock().unwrap().extend(event.records);
        self.more.notify_one();
        Ok(DynamoDbEventResponse::default())
    }
}

async fn mapping(
    server: &EmbeddedDynamoDb,
    client: &aws_sdk_dynamodb::Client,
    function: Arc<Seen>,
) -> Mapping {
    let table = client.describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    let mut config = MappingConfig::new("test", table.latest_stream_arn.expect("it has a stream"));
    config.partition_key = Some("doc".to_owned());
    config.latency = Latency::fast();
    let streams = streams_client(&server.sdk_config(), None);
    Mapping::new(config, streams, function, Arc::new(MemoryCheckpoints::new()))
}

fn doc() -> inklog_protocol::DocId {
    crate::harness::doc("doc~1.x")
}

/// An event of one character, with its time.
fn record(name: &str, after: u64) -> LogRecord {
    record_of(name, after, "x")
}

fn record_of(name: &str, after: u64, text: &str) -> LogRecord {
    let event = crate::harness::hanging(name, after, text, "root-0");
    LogRecord { event, at: super::NOW_MS + after % 1_000, author: None, connection: None }
}
