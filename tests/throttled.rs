//! Deletes from the log that DynamoDB takes only in part: what it hands back is sent again, ever less
//! often, and not for ever.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Json, Router};
use inklog_store::log::DynamoOpLog;
use inklog_store::{OpLog as _, StoreError, config};
use serde_json::{Value, json};

use crate::harness::{agent, doc};

const TABLE: &str = "oplog";

/// A DynamoDB that takes so many deletes of each batch, as told for one after the other; then all.
struct Throttled {
    takes: Mutex<VecDeque<usize>>,
    /// When each batch came, and how many deletes were in it.
    batches: Mutex<Vec<(Instant, usize)>>,
}

async fn answer(State(server): State<Arc<Throttled>>, headers: HeaderMap, body: String) -> Json<Value> {
    assert_eq!(headers["x-amz-target"], "DynamoDB_20120810.BatchWriteItem");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let requests = body["RequestItems"][TABLE].as_array().expect("requests").clone();
    server.batches.lock().unwrap().push((Instant::now(), requests.len()));
    let takes = server.takes.lock().unwrap().pop_front().unwrap_or(usize::MAX);
    let left = requests.get(takes..).unwrap_or_default();
    let left = if left.is_empty() { json!({}) } else { json!({ TABLE: left }) };
    Json(json!({ "UnprocessedItems": left }))
}

/// Deletes so many items; the outcome, and what the server was asked.
async fn delete(items: u64, takes: &[usize]) -> (Result<(), StoreError>, Vec<(Instant, usize)>) {
    let takes = Mutex::new(takes.iter().copied().collect());
    let server = Arc::new(Throttled { takes, batches: Mutex::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    let router = Router::new().fallback(answer).with_state(server.clone());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let aws = config::fixed_credentials("us-east-1", "local", "local-secret");
    let client = aws_sdk_dynamodb::Client::from_conf(config::dynamodb_config(&aws, Some(endpoint)).build());
    let places: Vec<_> = (0..items).map(|after| (agent("alice"), after)).collect();
    let outcome = DynamoOpLog::new(client, TABLE).delete(&doc("d"), &places).await;
    serving.abort();
    let batches = server.batches.lock().unwrap().clone();
    (outcome, batches)
}

fn pauses(batches: &[(Instant, usize)]) -> Vec<Duration> {
    batches.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

#[tokio::test]
async fn what_is_handed_back_is_sent_again_until_all_is_gone() {
    // A full batch: none, a few, none again, all but one.
    let (outcome, batches) = delete(25, &[0, 3, 0, 21]).await;
    outcome.expect("all went in the end");
    let sizes: Vec<usize> = batches.iter().map(|(_, size)| *size).collect();
    assert_eq!(sizes, [25, 25, 22, 22, 1]);
    assert!(
        pauses(&batches).iter().all(|pause| *pause >= Duration::from_millis(50)),
        "{:?}",
        pauses(&batches)
    );
    // However many it takes to get there, if some are gone after each.
    let (outcome, batches) = delete(8, &[1; 7]).await;
    outcome.expect("it goes on");
    assert_eq!(batches.len(), 8);
    // One more than a batch holds is two batches.
    let (outcome, batches) = delete(26, &[]).await;
    outcome.expect("nothing hinders it");
    assert_eq!(batches.len(), 2);
}

#[tokio::test]
async fn one_that_takes_nothing_is_asked_ever_less_often_and_left() {
    let (outcome, batches) = delete(25, &[0; 100]).await;
    let error = outcome.expect_err("it takes nothing").to_string();
    assert!(error.contains("accepts no more deletes for now"), "{error}");
    assert_eq!(batches.len(), 5);
    for (n, pause) in (0..).zip(pauses(&batches)) {
        assert!(pause >= Duration::from_millis(50) * 2u32.pow(n), "{:?}", pauses(&batches));
    }
}
