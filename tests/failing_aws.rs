//! What AWS says when it fails is never taken for an answer: not for "there is no such object", and not for
//! "another was faster". And what a gateway says decides whether a connection is forgotten, waited for or skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use inklog_protocol::UserName;
use inklog_store::catalogue::{DynamoCatalogue, Pointer, Revocation};
use inklog_store::objects::S3Objects;
use inklog_store::push::ApiGatewayPush;
use inklog_store::{
    Catalogue as _, Objects as _, Push as _, PushError, Revocations as _, StoreError, config,
};
use serde_json::json;

use crate::harness::doc;

/// A service that answers everything like this, and where it is.
async fn answering(status: u16, kind: &'static str, body: String) -> String {
    answering_each(kind, move |_| (status, body.clone())).await
}

/// A service that answers like this to what the header of DynamoDB's protocol names.
async fn answering_each(
    kind: &'static str,
    of: impl Fn(&str) -> (u16, String) + Clone + Send + Sync + 'static,
) -> String {
    let answer = move |headers: HeaderMap| async move {
        let operation =
            headers.get("x-amz-target").and_then(|target| target.to_str().ok()?.split('.').nth(1));
        let (status, body) = of(operation.unwrap_or_default());
        (StatusCode::from_u16(status).expect("a status"), [(header::CONTENT_TYPE, kind)], body)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    endpoint
}

async fn bucket(status: u16, code: &str) -> S3Objects {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>so it is</Message></Error>");
    let endpoint = answering(status, "application/xml", body).await;
    let aws = config::fixed_credentials("us-east-1", "local", "local-secret");
    S3Objects::new(config::s3_client(&aws, Some(endpoint)), "inklog")
}

async fn catalogue(status: u16, code: &str) -> DynamoCatalogue {
    let body = refusal(code);
    catalogue_of(move |_| (status, body.clone())).await
}

fn refusal(code: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"so it is"}}"#)
}

async fn catalogue_of(of: impl Fn(&str) -> (u16, String) + Clone + Send + Sync + 'static) -> DynamoCatalogue {
    let endpoint = answering_each("application/x-amz-json-1.0", of).await;
    let aws = config::fixed_credentials("us-east-1", "local", "local-secret");
    let client = aws_sdk_dynamodb::Client::from_conf(config::dynamodb_config(&aws, Some(endpoint)).build());
    DynamoCatalogue::new(client, "docs")
}

fn is_unavailable<T>(outcome: Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Unavailable { .. }))
}

#[tokio::test]
async fn only_a_missing_object_is_missing() {
    assert_eq!(bucket(404, "NoSuchKey").await.get("k").await.unwrap(), None);
    for (status, code) in [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "ExpiredToken")] {
        let bucket = bucket(status, code).await;
        assert!(is_unavailable(bucket.get("k").await), "{code}");
        assert!(is_unavailable(bucket.put("k", b"x".to_vec()).await), "{code}");
        assert!(is_unavailable(bucket.delete("k").await), "{code}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_called_so() {
    bucket(200, "").await.check().await.expect("it is there");
    for (status, is_missing) in [(404, true), (403, false), (400, false)] {
        let error = bucket(status, "").await.check().await.expect_err("it cannot be used").to_string();
        assert_eq!(error.contains("it has no bucket \"inklog\""), is_missing, "{status}: {error}");
    }
}

/// Else nobody would close the connections of whom it concerns.
#[tokio::test]
async fn a_revocation_is_made_though_older_ones_cannot_be_removed() {
    let (alice, now_s) = (UserName::new("alice").unwrap(), 1_700_000_000);
    let revocation = Revocation { doc: None, at: now_s };
    let item = |doc: &str| json!({"doc": {"S": "#user#alice"}, "item": {"S": format!("revoked#{doc}")}, "at": {"N": "7"}});
    let old = json!({ "Count": 2, "Items": [item("notes"), item("other")] }).to_string();
    for (fails, code, is_made, removals) in [
        ("", "", true, 2),
        ("UpdateItem", "AccessDeniedException", false, 0),
        ("UpdateItem", "ConditionalCheckFailedException", true, 2),
        ("Query", "AccessDeniedException", true, 0),
        ("DeleteItem", "AccessDeniedException", true, 1),
        // It was renewed meanwhile, which is no reason to keep the other.
        ("DeleteItem", "ConditionalCheckFailedException", true, 2),
    ] {
        let (old, removed) = (old.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = removed.clone();
        let catalogue = catalogue_of(move |operation| {
            counted.fetch_add(usize::from(operation == "DeleteItem"), Ordering::SeqCst);
            match operation {
                _ if operation == fails => (400, refusal(code)),
                "Query" => (200, old.clone()),
                _ => (200, "{}".to_owned()),
            }
        });
        let made = catalogue.await.revoke(&alice, &revocation, now_s).await;
        let outcome = (made.is_ok(), removed.load(Ordering::SeqCst));
        assert_eq!(outcome, (is_made, removals), "{fails} answers {code}: {made:?}");
    }
}

#[tokio::test]
async fn only_a_condition_that_does_not_hold_is_a_lost_race() {
    let pointer = Pointer { snapshot: "s".into(), segment: "g".into(), at: 1, superseded: Vec::new() };
    let doc = doc("d");
    let overtaken = catalogue(400, "ConditionalCheckFailedException").await;
    assert!(!overtaken.clear_dirty(&doc, "n").await.unwrap());
    assert!(!overtaken.move_pointer(&doc, None, &pointer).await.unwrap());
    for code in ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"] {
        let catalogue = catalogue(400, code).await;
        assert!(is_unavailable(catalogue.clear_dirty(&doc, "n").await), "{code}");
        assert!(is_unavailable(catalogue.move_pointer(&doc, None, &pointer).await), "{code}");
        assert!(is_unavailable(catalogue.entry(&doc).await), "{code}");
    }
}

fn push(endpoint: String) -> ApiGatewayPush {
    let aws = config::fixed_credentials("us-east-1", "local", "local-secret");
    ApiGatewayPush::new(config::push_client(&aws, endpoint))
}

/// What came of a post and of a closing, in a word each.
async fn outcomes(push: &ApiGatewayPush) -> [&'static str; 2] {
    [push.post("c", "{}").await, push.close("c").await].map(|outcome| match outcome {
        Ok(()) => "taken",
        Err(PushError::Gone) => "gone",
        Err(PushError::Busy(_)) => "busy",
        Err(PushError::Late(_)) => "late",
        Err(PushError::Retry(_)) => "retry",
        Err(PushError::Refused(_)) => "refused",
    })
}

#[tokio::test]
async fn only_a_connection_that_is_gone_is_forgotten() {
    for (status, expected) in [
        (200, "taken"),
        (400, "refused"),
        (403, "refused"),
        (409, "refused"),
        (410, "gone"),
        (411, "refused"),
        (413, "refused"),
        (428, "refused"),
        (429, "busy"),
        (430, "refused"),
        (499, "refused"),
        (500, "retry"),
        (503, "retry"),
        (599, "retry"),
        (600, "refused"),
    ] {
        // Not every answer names its error.
        let push = push(answering(status, "application/json", "{}".to_owned()).await);
        assert_eq!(outcomes(&push).await, [expected; 2], "{status}");
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_may_do_so_later() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let silent = push(format!("http://{}", listener.local_addr().expect("it is bound")));
    assert_eq!(outcomes(&silent).await, ["late"; 2], "it says nothing");
    drop(listener);
    assert_eq!(outcomes(&silent).await, ["retry"; 2], "nobody listens");
}
