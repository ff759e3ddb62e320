//! DynamoDB's protocol as the embedded one speaks it: each action, the errors, many at once, and its end.

use std::process::Command;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::AttributeValue::{N, S};
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, DeleteRequest, Put, PutRequest,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, WriteRequest,
};
use aws_sdk_dynamodb::{Client, Error};
use aws_sdk_dynamodbstreams::types::OperationType;
use futures::future::join_all;
use inklog_local::EmbeddedDynamoDb;
use inklog_store::config::dynamodb_config;

use crate::support::{Dynamo, stream_records, within};

const TABLE: &str = "oplog";

fn text(value: &str) -> AttributeValue {
    S(value.to_owned())
}

/// Clients that ask once: what is refused for good need not be asked three times.
fn without_retries(server: &EmbeddedDynamoDb) -> Client {
    let config = dynamodb_config(&server.sdk_config(), None).retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

#[tokio::test]
async fn every_action_that_is_used_is_answered() {
    let server = EmbeddedDynamoDb::memory().await.unwrap();
    let dynamo = Dynamo::new(&server);
    let db = &dynamo.items;
    let stream = dynamo.create_table(TABLE).await;
    let described = db.describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    assert_eq!(described.latest_stream_arn.as_deref(), Some(&*stream));
    assert_eq!(db.list_tables().send().await.unwrap().table_names(), [TABLE]);

    dynamo.put(TABLE, "d", "a#0").await;
    let update = db.update_item().table_name(TABLE).key("doc", text("d")).key("sk", text("a#0"));
    let update = update.update_expression("SET n = :n").expression_attribute_values(":n", N("7".into()));
    update.send().await.unwrap();
    let get = db.get_item().table_name(TABLE).key("doc", text("d")).key("sk", text("a#0"));
    assert_eq!(get.send().await.unwrap().item.unwrap()["n"], N("7".into()));
    let delete = db.delete_item().table_name(TABLE).key("doc", text("d")).key("sk", text("a#0"));
    delete.send().await.unwrap();

    let put = |sk| PutRequest::builder().item("doc", text("d")).item("sk", text(sk)).build().unwrap();
    let put = |sk| WriteRequest::builder().put_request(put(sk)).build();
    let writes = vec![put("b#0"), put("b#1"), put("b#2")];
    db.batch_write_item().request_items(TABLE, writes).send().await.unwrap();
    let delete = DeleteRequest::builder().key("doc", text("d")).key("sk", text("b#2")).build().unwrap();
    let delete = WriteRequest::builder().delete_request(delete).build();
    db.batch_write_item().request_items(TABLE, vec![delete]).send().await.unwrap();
    let delete = Delete::builder().table_name(TABLE).key("doc", text("d")).key("sk", text("b#1"));
    let put = Put::builder().table_name(TABLE).item("doc", text("e")).item("sk", text("c#0"));
    db.transact_write_items()
        .transact_items(TransactWriteItem::builder().delete(delete.build().unwrap()).build())
        .transact_items(TransactWriteItem::builder().put(put.build().unwrap()).build())
        .send()
        .await
        .unwrap();

    let query = db.query().table_name(TABLE).key_condition_expression("doc = :d");
    let query = query.expression_attribute_values(":d", text("d")).send().await.unwrap();
    assert_eq!(query.items()[0]["sk"], text("b#0"));
    assert_eq!(query.count, 1);
    assert_eq!(db.scan().table_name(TABLE).send().await.unwrap().count, 2);

    use OperationType::{Insert, Modify, Remove};
    let names = stream_records(&dynamo, &stream).await.into_iter().map(|record| record.event_name.unwrap());
    let wanted = [Insert, Modify, Remove, Insert, Insert, Insert, Remove, Remove, Insert];
    assert_eq!(names.collect::<Vec<_>>(), wanted);
    server.stop().await;
}

#[tokio::test]
async fn errors_are_those_that_the_sdk_knows() {
    let server = EmbeddedDynamoDb::memory().await.unwrap();
    let dynamo = Dynamo::new(&server);
    let db = &dynamo.items;
    dynamo.create_table(TABLE).await;
    dynamo.put(TABLE, "d", "a#0").await;

    let put = db.put_item().table_name(TABLE).item("doc", text("d")).item("sk", text("a#0"));
    let put = put.condition_expression("attribute_not_exists(doc)");
    let error = Error::from(put.clone().send().await.unwrap_err());
    let Error::ConditionalCheckFailedException(refusal) = error else { panic!("{error:?}") };
    assert_eq!(refusal.message.as_deref(), Some("The conditional request failed"));
    assert!(refusal.item.is_none());
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let error = Error::from(put.send().await.unwrap_err());
    let Error::ConditionalCheckFailedException(refusal) = error else { panic!("{error:?}") };
    assert_eq!(refusal.item.unwrap()["sk"], text("a#0"));

    let new = Put::builder().table_name(TABLE).item("doc", text("d")).item("sk", text("a#1"));
    let check = ConditionCheck::builder().table_name(TABLE).key("doc", text("d")).key("sk", text("a#0"));
    let check = check.condition_expression("attribute_not_exists(doc)").build().unwrap();
    let cancelled = db
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(new.build().unwrap()).build())
        .transact_items(TransactWriteItem::builder().condition_check(check).build());
    let error = Error::from(cancelled.send().await.unwrap_err());
    let Error::TransactionCanceledException(refusal) = error else { panic!("{error:?}") };
    let reasons = refusal.cancellation_reasons().iter().map(|reason| reason.code().unwrap());
    assert_eq!(reasons.collect::<Vec<_>>(), ["None", "ConditionalCheckFailed"]);
    assert_eq!(db.scan().table_name(TABLE).send().await.unwrap().count, 1, "nothing of it was written");

    let missing = db.get_item().table_name("none").key("doc", text("d")).key("sk", text("a#0"));
    let error = Error::from(missing.send().await.unwrap_err());
    assert!(matches!(error, Error::ResourceNotFoundException(_)), "{error:?}");
    let table = dynamo.items.describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    let again = db.create_table().table_name(TABLE).set_key_schema(table.key_schema);
    let again = again.set_attribute_definitions(table.attribute_definitions);
    let again = again.billing_mode(aws_sdk_dynamodb::types::BillingMode::PayPerRequest).send().await;
    let error = Error::from(again.unwrap_err());
    assert!(matches!(error, Error::ResourceInUseException(_)), "{error:?}");
    let stream = dynamo
        .streams
        .describe_stream()
        .stream_arn("arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/2026-01-01T00:00:00.000");
    let error = stream.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");

    let without_key = db.put_item().table_name(TABLE).item("doc", text("d")).send().await.unwrap_err();
    assert_eq!(without_key.raw_response().unwrap().status().as_u16(), 400);
    let error = without_key.into_service_error();
    assert_eq!(error.meta().code(), Some("ValidationException"));
    let error = db.describe_limits().send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("UnknownOperationException"));
    assert!(error.meta().message().unwrap().ends_with("DescribeLimits"), "{error:?}");
    server.stop().await;
}

/// The other tests of this process open sockets, so this one runs itself in another, alone.
#[test]
fn a_thousand_requests_at_once_need_no_descriptors() {
    const ALONE: &str = "INKLOG_TEST_ALONE";
    const NAME: &str = "dynamodb::a_thousand_requests_at_once_need_no_descriptors";
    if std::env::var_os(ALONE).is_none() {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{output:?}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let server = EmbeddedDynamoDb::memory().await.unwrap();
        let dynamo = Dynamo::new(&server);
        dynamo.create_table(TABLE).await;
        let before = open();
        let puts = (0..1000).map(async |n| {
            dynamo.put(TABLE, "d", &format!("a#{n}")).await;
            open()
        });
        let most = join_all(puts).await.into_iter().max().unwrap();
        assert!(most <= before + 2, "{before} descriptors became {most}");
        let count = dynamo.items.scan().table_name(TABLE).send().await.unwrap().count;
        assert_eq!(count, 1000);
        server.stop().await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_at_the_end_is_answered_or_refused_and_never_both() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("d.sqlite");
    let server = EmbeddedDynamoDb::open(&file).await.unwrap();
    Dynamo::new(&server).create_table(TABLE).await;
    let db = without_retries(&server);
    let put = |n: u32| {
        let put = db.put_item().table_name(TABLE).item("doc", text("d"));
        put.item("sk", S(format!("a#{n}"))).send()
    };
    let mut puts = tokio::task::JoinSet::new();
    for n in 0..500 {
        let put = put(n);
        puts.spawn(async move { (n, put.await) });
    }
    let mut put_ids = Vec::new();
    let mut refused = 0;
    let mut count = |(n, outcome): (u32, Result<_, SdkError<_>>)| match outcome {
        Ok(_) => put_ids.push(n),
        Err(error) => {
            assert_eq!(error.raw_response().expect("a refusal").status().as_u16(), 503);
            refused += 1;
        }
    };
    count(within("a first put", puts.join_next()).await.unwrap().unwrap());
    within("its end", server.stop()).await;
    while let Some(outcome) = within("an answer", puts.join_next()).await {
        count(outcome.unwrap());
    }
    println!("{} answered, {refused} refused", put_ids.len());
    assert!(refused > 0, "it was stopped too late to show anything");
    let late = put(500).await.unwrap_err();
    assert!(format!("{:?}", late.into_service_error()).contains("has stopped"));

    let server = EmbeddedDynamoDb::open(&file).await.unwrap();
    let kept = Dynamo::new(&server).items.scan().table_name(TABLE).send().await.unwrap();
    let mut kept: Vec<_> = kept.items().iter().map(|item| item["sk"].as_s().unwrap().clone()).collect();
    let mut wanted: Vec<_> = put_ids.iter().map(|n| format!("a#{n}")).collect();
    kept.sort();
    wanted.sort();
    assert_eq!(kept, wanted);
    server.stop().await;
}
