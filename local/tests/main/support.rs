//! Clients, and functions that record what they get.

use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, StreamSpecification,
    StreamViewType,
};
use inklog_local::embedded::{LOCAL_ACCESS_KEY_ID, LOCAL_REGION, LOCAL_SECRET_ACCESS_KEY};
use inklog_local::{WriteSignal, signal_on_write};

/// Waits for a fact, and fails loudly when it does not come.
pub async fn within<T>(what: &str, fact: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), fact).await;
    waited.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

pub fn credentials() -> Credentials {
    Credentials::new(LOCAL_ACCESS_KEY_ID, LOCAL_SECRET_ACCESS_KEY, None, None, "local")
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
    pub fn new(endpoint: &str) -> Self {
        let signal = WriteSignal::new();
        let items = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(LOCAL_REGION))
            .credentials_provider(credentials())
            .http_client(http_client())
            .endpoint_url(endpoint);
        let streams = aws_sdk_dynamodbstreams::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(LOCAL_REGION))
            .credentials_provider(credentials())
            .http_client(http_client())
            .endpoint_url(endpoint);
        Self {
            items: aws_sdk_dynamodb::Client::from_conf(signal_on_write(items, signal.clone()).build()),
            streams: aws_sdk_dynamodbstreams::Client::from_conf(streams.build()),
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

/// The middle of some durations, and a high one.
pub fn percentiles(mut samples: Vec<Duration>) -> (Duration, Duration) {
    samples.sort();
    (samples[samples.len() / 2], samples[samples.len() * 99 / 100])
}
