//! `@connections`, through the SDK.

use std::time::{Duration, Instant};

use aws_sdk_apigatewaymanagement::config::Credentials;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use futures::StreamExt;
use inklog_local::gateway::MESSAGE_BYTES_MAX;
use inklog_local::{GatewayConfig, Routes};

use crate::http::request;
use crate::support::{percentiles, within};

use super::{Recorder, Running, close_code, id_of, text};

#[tokio::test]
async fn the_sdk_pushes_looks_and_closes() {
    let (connect, disconnect) = (Recorder::ok(), Recorder::ok());
    let routes = Routes::new().route("$connect", connect.clone()).route("$disconnect", disconnect.clone());
    let running = Running::with(routes).await;
    let mut client = running.connect().await;
    let id = id_of(&connect.event(0).await);
    let sdk = running.sdk();
    let post =
        |size: usize| sdk.post_to_connection().connection_id(&id).data(Blob::new("x".repeat(size))).send();

    post(MESSAGE_BYTES_MAX).await.unwrap();
    assert_eq!(text(&mut client).await.len(), MESSAGE_BYTES_MAX);
    let error = post(MESSAGE_BYTES_MAX + 1).await.unwrap_err().into_service_error();
    assert!(error.is_payload_too_large_exception(), "{error:?}");

    let seen = sdk.get_connection().connection_id(&id).send().await.unwrap();
    assert_eq!(seen.identity().unwrap().source_ip(), Some("127.0.0.1"));
    let context = connect.event(0).await.request_context;
    assert_eq!(seen.connected_at().unwrap().to_millis().unwrap(), context.connected_at);
    assert!(seen.last_active_at().unwrap() >= seen.connected_at().unwrap());

    let other = running.sdk_for("prod").post_to_connection().connection_id(&id).data(Blob::new("x")).send();
    assert!(other.await.unwrap_err().into_service_error().is_forbidden_exception());

    post(5).await.unwrap();
    sdk.delete_connection().connection_id(&id).send().await.unwrap();
    let error = post(1).await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 410);
    assert!(error.into_service_error().is_gone_exception());
    assert_eq!(text(&mut client).await, "xxxxx", "what was accepted before the end is still delivered");
    assert_eq!(close_code(&mut client).await, 1000);
    assert_eq!(disconnect.event(0).await.request_context.disconnect_status_code, Some(1000));
    let error = sdk.get_connection().connection_id(&id).send().await.unwrap_err();
    assert!(error.into_service_error().is_gone_exception());
}

#[tokio::test]
async fn a_client_that_does_not_read_fills_its_buffer() {
    let connect = Recorder::ok();
    let config = GatewayConfig { outgoing_buffer_bytes: 256 * 1024, ..GatewayConfig::default() };
    let running = Running::start(config, Routes::new().route("$connect", connect.clone())).await;
    let mut client = running.connect().await;
    let id = id_of(&connect.event(0).await);
    let sdk = running.sdk();
    let payload = "x".repeat(100_000);
    let mut accepted = 0;
    let error = loop {
        match sdk.post_to_connection().connection_id(&id).data(Blob::new(payload.clone())).send().await {
            Ok(_) => accepted += 1,
            Err(error) => break error.into_service_error(),
        }
        assert!(accepted < 1000, "the buffer has no end");
    };
    assert!(error.is_limit_exceeded_exception(), "{error:?}");
    for _ in 0..accepted {
        assert_eq!(text(&mut client).await.len(), payload.len());
    }
    sdk.post_to_connection().connection_id(&id).data(Blob::new("again")).send().await.unwrap();
    assert_eq!(text(&mut client).await, "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushing_is_measured() {
    const PUSHES: usize = 2000;
    let connect = Recorder::ok();
    let running = Running::with(Routes::new().route("$connect", connect.clone())).await;
    let mut client = running.connect().await;
    let id = id_of(&connect.event(0).await);
    let sdk = running.sdk();
    let reading = tokio::spawn(async move {
        for _ in 0..PUSHES {
            text(&mut client).await;
        }
    });
    let started = Instant::now();
    let samples: Vec<Duration> = futures::stream::iter(0..PUSHES)
        .map(|_| {
            let push = sdk.post_to_connection().connection_id(&id).data(Blob::new("x".repeat(200)));
            async move {
                let started = Instant::now();
                push.send().await.unwrap();
                started.elapsed()
            }
        })
        .buffer_unordered(16)
        .collect()
        .await;
    within("the pushes", reading).await.unwrap();
    let rate = PUSHES as f64 / started.elapsed().as_secs_f64();
    let (p50, p99) = percentiles(samples);
    println!("post_to_connection, 16 at once: {rate:.0}/s with client and server, p50 {p50:?}, p99 {p99:?}");
}

#[tokio::test]
async fn only_the_stacks_own_credentials_push() {
    let connect = Recorder::ok();
    let running = Running::with(Routes::new().route("$connect", connect.clone())).await;
    let mut client = running.connect().await;
    let id = id_of(&connect.event(0).await);
    let push = async |credentials| {
        let sdk = running.sdk_of("dev", credentials);
        sdk.post_to_connection().connection_id(&id).data(Blob::new("x")).send().await
    };
    let own = running.credentials.clone();
    for (key_id, secret) in
        [(own.access_key_id(), "guessed"), ("guessed", own.secret_access_key()), ("local", "local-secret")]
    {
        let error = push(Credentials::new(key_id, secret, None, None, "test")).await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
    }
    let path = format!("/dev/@connections/{id}");
    for (method, line) in
        [("POST", ""), ("DELETE", "X-Amz-Date: 20261127T080000Z"), ("GET", "Authorization: x")]
    {
        let lines: Vec<&str> = [line].into_iter().filter(|line| !line.is_empty()).collect();
        let answer = request(&format!("http://{}", running.address), method, &path, &lines).await;
        assert_eq!(answer.status, 403, "{method} {line}");
    }
    push(own).await.unwrap();
    assert_eq!(text(&mut client).await, "x", "and nothing came before");
}
