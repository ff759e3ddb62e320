//! Clients, and functions that record what they get.

use std::time::Duration;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, StreamSpecification,
    StreamViewType,
};
use aws_sdk_dynamodbstreams::types::{Record, ShardIteratorType};
use inklog_local::{EmbeddedDynamoDb, WriteSignal, signal_on_write, streams_client};
use inklog_store::config::dynamodb_config;

/// Waits for a fact, and fails loudly when it does not come.
pub async fn within<T>(what: &str, fact: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), fact).await;
    waited.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

/// The clients of one embedded DynamoDB.
pub struct Dynamo {
    pub items: aws_sdk_dynamodb::Client,
    pub streams: aws_sdk_dynamodbstreams::Client,
    pub signal: WriteSignal,
}

impl Dynamo {
    pub fn new(server: &EmbeddedDynamoDb) -> Self {
        let signal = WriteSignal::new();
        let aws = server.sdk_config();
        let items = signal_on_write(dynamodb_config(&aws, None), signal.clone());
        Self {
            items: aws_sdk_dynamodb::Client::from_conf(items.build()),
            streams: streams_client(&aws, None),
            signal,
        }
    }

    /// Makes a table with the keys `doc` and `sk` and a stream of new images; its stream's ARN.
    pub async fn create_table(&self, name: &str) -> String {
        let key = |name: &str, kind| {
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
        };
        let text = |name: &str| {
            let kind = ScalarAttributeType::S;
            AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
        };
        let stream =
            StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage);
        let created = self
            .items
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key("doc", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range))
            .attribute_definitions(text("doc"))
            .attribute_definitions(text("sk"))
            .stream_specification(stream.build().unwrap())
            .send()
            .await
            .unwrap();
        created.table_description.unwrap().latest_stream_arn.unwrap()
    }

    pub async fn put(&self, table: &str, doc: &str, sk: &str) {
        use aws_sdk_dynamodb::types::AttributeValue::S;
        let put = self.items.put_item().table_name(table);
        put.item("doc", S(doc.to_owned())).item("sk", S(sk.to_owned())).send().await.unwrap();
    }
}

/// What a table's stream holds.
pub async fn stream_records(dynamo: &Dynamo, stream: &str) -> Vec<Record> {
    let described = dynamo.streams.describe_stream().stream_arn(stream).send().await.unwrap();
    let shard = described.stream_description.unwrap().shards.unwrap().remove(0);
    let iterator = dynamo
        .streams
        .get_shard_iterator()
        .stream_arn(stream)
        .shard_id(shard.shard_id.unwrap())
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap();
    let iterator = iterator.shard_iterator.unwrap();
    let read = dynamo.streams.get_records().shard_iterator(iterator).send().await.unwrap();
    assert!(read.next_shard_iterator.is_some(), "the shard is open");
    read.records.unwrap()
}

/// The middle of some durations, and a high one.
pub fn percentiles(mut samples: Vec<Duration>) -> (Duration, Duration) {
    samples.sort();
    (samples[samples.len() / 2], samples[samples.len() * 99 / 100])
}
