//! What the embedded stores promise to the stores and Lambdas built on them.

use std::time::Instant;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue::{B, N, S};
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use aws_sdk_dynamodbstreams::types::OperationType;
use inklog_local::{EmbeddedDynamoDb, EmbeddedS3};
use inklog_store::config::s3_client;

use crate::support::{Dynamo, percentiles, stream_records};

const TABLE: &str = "oplog";

#[tokio::test]
async fn a_refused_conditional_put_returns_the_old_item() {
    let server = EmbeddedDynamoDb::memory().await.unwrap();
    let dynamo = Dynamo::new(&server);
    dynamo.create_table(TABLE).await;
    let put = |ops: &'static [u8]| {
        dynamo
            .items
            .put_item()
            .table_name(TABLE)
            .item("doc", S("d".into()))
            .item("sk", S("a#0".into()))
            .item("ops", B(Blob::new(ops)))
            .item("end", N("9007199254740993".into()))
            .condition_expression("attribute_not_exists(doc)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    put(b"first").await.unwrap();
    let error = put(b"second").await.unwrap_err().into_service_error();
    let PutItemError::ConditionalCheckFailedException(refusal) = error else { panic!("{error:?}") };
    let old = refusal.item().expect("the old item comes along");
    assert_eq!(old["ops"], B(Blob::new(b"first")));
    assert_eq!(old["end"], N("9007199254740993".into()), "numbers keep every digit");
    server.stop().await;
}

#[tokio::test]
async fn data_and_stream_survive_a_restart_on_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/dynamodb.sqlite");
    let server = EmbeddedDynamoDb::open(&file).await.unwrap();
    let dynamo = Dynamo::new(&server);
    let stream = dynamo.create_table(TABLE).await;
    dynamo.put(TABLE, "d", "a#0").await;
    server.stop().await;

    let server = EmbeddedDynamoDb::open(&file).await.unwrap();
    let dynamo = Dynamo::new(&server);
    dynamo.put(TABLE, "d", "a#1").await;
    let items = dynamo.items.scan().table_name(TABLE).send().await.unwrap();
    assert_eq!(items.count, 2);
    let records = stream_records(&dynamo, &stream).await;
    assert_eq!(records.len(), 2);
    for (record, sk) in records.iter().zip(["a#0", "a#1"]) {
        assert_eq!(record.event_name, Some(OperationType::Insert));
        let image = record.dynamodb.as_ref().unwrap().new_image.as_ref().unwrap();
        assert_eq!(image["sk"], aws_sdk_dynamodbstreams::types::AttributeValue::S(sk.into()));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dynamodb.sqlite");
    std::fs::write(&file, "this is not a database, it is a text of some length\n".repeat(20)).unwrap();
    let error = EmbeddedDynamoDb::open(&file).await.unwrap_err().to_string();
    assert!(error.starts_with("could not open the database"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_latency_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let memory = EmbeddedDynamoDb::memory().await.unwrap();
    let file = EmbeddedDynamoDb::open(&folder.path().join("d.sqlite")).await.unwrap();
    for (name, server) in [("memory", memory), ("file", file)] {
        let dynamo = Dynamo::new(&server);
        dynamo.create_table(TABLE).await;
        let mut samples = Vec::new();
        for n in 0..500 {
            let started = Instant::now();
            dynamo.put(TABLE, "d", &format!("a#{n:016}")).await;
            samples.push(started.elapsed());
        }
        let (p50, p99) = percentiles(samples);
        println!("a put by the SDK, {name}: p50 {p50:?}, p99 {p99:?}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_does_not_cost_more_with_every_put_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let memory = EmbeddedDynamoDb::memory().await.unwrap();
    let file = EmbeddedDynamoDb::open(&folder.path().join("d.sqlite")).await.unwrap();
    for (name, server) in [("memory", memory), ("file", file)] {
        let dynamo = Dynamo::new(&server);
        dynamo.create_table(TABLE).await;
        let p50 = async |round: &str| {
            let mut samples = Vec::new();
            for n in 0..200 {
                let started = Instant::now();
                dynamo.put(TABLE, "d", &format!("{round}#{n:016}")).await;
                samples.push(started.elapsed());
            }
            percentiles(samples).0
        };
        let early = p50("early").await;
        fill(&dynamo, 10_000).await;
        let late = p50("late").await;
        println!("a put by the SDK, {name}: p50 {early:?}, {late:?} after 10,000 more");
        assert!(late < early * 4, "{name}: {early:?} became {late:?}");
        server.stop().await;
    }
}

async fn fill(dynamo: &Dynamo, items: usize) {
    use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
    for batch in 0..items / 25 {
        let write = |n: usize| {
            let put = PutRequest::builder()
                .item("doc", S(format!("other{}", batch % 10)))
                .item("sk", S(format!("b#{:016}", batch * 25 + n)))
                .item("ops", B(Blob::new([0_u8; 200])));
            WriteRequest::builder().put_request(put.build().unwrap()).build()
        };
        let writes = (0..25).map(write).collect();
        dynamo.items.batch_write_item().request_items(TABLE, writes).send().await.unwrap();
    }
}

#[tokio::test]
async fn s3_keeps_objects_in_its_folder_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let body: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    let opened = EmbeddedS3::open(folder.path(), "snapshots").unwrap();
    let client = s3_client(&opened.sdk_config(), None);
    let put = |if_none_match: Option<&str>| {
        let put = client.put_object().bucket("snapshots").key("doc/1/x.zst").body(body.clone().into());
        put.set_if_none_match(if_none_match.map(str::to_owned)).send()
    };
    put(Some("*")).await.unwrap();
    let error = put(Some("*")).await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 412);
    drop(opened);

    let opened = EmbeddedS3::open(folder.path(), "snapshots").unwrap();
    let client = s3_client(&opened.sdk_config(), None);
    let got = client.get_object().bucket("snapshots").key("doc/1/x.zst").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), body);
    let missing = client.get_object().bucket("snapshots").key("none").send().await.unwrap_err();
    assert!(missing.into_service_error().is_no_such_key());
}

#[tokio::test]
async fn s3_in_memory_starts_empty_and_refuses_other_credentials() {
    let opened = EmbeddedS3::memory("snapshots").unwrap();
    let client = s3_client(&opened.sdk_config(), None);
    let list = client.list_objects_v2().bucket("snapshots").send().await.unwrap();
    assert_eq!(list.key_count, Some(0));
    let wrong = aws_sdk_s3::config::Credentials::new("other", "secret", None, None, "test");
    let wrong = client.config().to_builder().credentials_provider(wrong).build();
    let refused = aws_sdk_s3::Client::from_conf(wrong).list_objects_v2().bucket("snapshots").send().await;
    assert_eq!(refused.unwrap_err().raw_response().unwrap().status().as_u16(), 403);
}

/// The SDK takes a server's date for the time to sign with; after the clock was set back, a server that
/// keeps its date would have it refused.
#[tokio::test]
async fn the_embedded_stores_tell_no_time() {
    let s3 = EmbeddedS3::memory("bucket").unwrap();
    let missing = s3_client(&s3.sdk_config(), None).get_object().bucket("bucket").key("none").send().await;
    assert!(missing.unwrap_err().raw_response().unwrap().headers().get("date").is_none());
    let server = EmbeddedDynamoDb::memory().await.unwrap();
    let missing = Dynamo::new(&server).items.describe_table().table_name("none").send().await;
    assert!(missing.unwrap_err().raw_response().unwrap().headers().get("date").is_none());
    server.stop().await;
}

#[tokio::test]
async fn a_database_whose_file_is_gone_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data").join("dynamodb.sqlite");
    let server = EmbeddedDynamoDb::open(&file).await.unwrap();
    let dynamo = Dynamo::new(&server);
    dynamo.create_table(TABLE).await;
    let put = async |number: u32| {
        let put = dynamo.items.put_item().table_name(TABLE);
        put.item("doc", S("d".into())).item("sk", S(format!("a#{number}"))).send().await
    };
    put(0).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let deadline = Instant::now() + std::time::Duration::from_secs(10);
    let mut number = 1;
    while put(number).await.is_ok() {
        assert!(Instant::now() < deadline, "it goes on as if nothing were");
        number += 1;
    }
    server.stop().await;
}
