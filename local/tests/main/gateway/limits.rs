//! Limits of frames, messages and connections, and the codes that they close with.

use std::time::{Duration, Instant};

use futures::SinkExt;
use inklog_local::gateway::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};
use inklog_local::{GatewayConfig, Routes};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::{Recorder, Running, answer, close_code, text};

fn fragments(sizes: &[usize]) -> Vec<Message> {
    let last = sizes.len() - 1;
    let fragment = |(at, &size): (usize, &usize)| {
        let code = OpCode::Data(if at == 0 { Data::Text } else { Data::Continue });
        Message::Frame(Frame::message("x".repeat(size), code, at == last))
    };
    sizes.iter().enumerate().map(fragment).collect()
}

#[tokio::test]
async fn a_frame_and_a_message_of_exactly_the_limit_pass() {
    let length =
        Recorder::new(|event| Ok(answer(200, Some(&event.body.as_ref().map_or(0, String::len).to_string()))));
    let running = Running::with(Routes::new().route_with_response("$default", length)).await;
    let mut client = running.connect().await;
    for sizes in [&[FRAME_BYTES_MAX][..], &[FRAME_BYTES_MAX; MESSAGE_BYTES_MAX / FRAME_BYTES_MAX]] {
        for frame in fragments(sizes) {
            client.send(frame).await.unwrap();
        }
        assert_eq!(text(&mut client).await, sizes.iter().sum::<usize>().to_string());
    }
}

#[tokio::test]
async fn one_byte_over_a_limit_closes_with_1009() {
    let disconnect = Recorder::ok();
    let routes = Routes::new().route("$default", Recorder::ok()).route("$disconnect", disconnect.clone());
    let running = Running::with(routes).await;
    let mut over = vec![FRAME_BYTES_MAX; MESSAGE_BYTES_MAX / FRAME_BYTES_MAX];
    over.push(1);
    for (number, sizes) in [&[FRAME_BYTES_MAX + 1][..], &over, &[4 << 20]].into_iter().enumerate() {
        let mut client = running.connect().await;
        for frame in fragments(sizes) {
            // A client may learn of the end while it still sends.
            let _ = client.send(frame).await;
        }
        assert_eq!(close_code(&mut client).await, 1009);
        assert_eq!(disconnect.event(number).await.request_context.disconnect_status_code, Some(1009));
    }
}

#[tokio::test]
async fn binary_closes_with_1003_and_too_many_messages_with_1008() {
    let config = GatewayConfig { messages_per_second_max: Some(5), ..GatewayConfig::default() };
    let running = Running::start(config, Routes::new().route("$default", Recorder::ok())).await;
    let mut client = running.connect().await;
    client.send(Message::Binary("x".into())).await.unwrap();
    assert_eq!(close_code(&mut client).await, 1003);
    let mut client = running.connect().await;
    for _ in 0..20 {
        let _ = client.send("x".into()).await;
    }
    assert_eq!(close_code(&mut client).await, 1008);
}

#[tokio::test]
async fn idle_and_old_connections_are_closed_with_1001() {
    let disconnect = Recorder::ok();
    let routes = Routes::new().route("$default", Recorder::ok()).route("$disconnect", disconnect.clone());
    let config = GatewayConfig { idle_timeout: Duration::from_millis(80), ..GatewayConfig::default() };
    let idle = Running::start(config, routes.clone()).await;
    let mut client = idle.connect().await;
    let started = Instant::now();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        client.send("x".into()).await.unwrap();
    }
    assert_eq!(close_code(&mut client).await, 1001);
    assert!(
        started.elapsed() >= Duration::from_millis(230),
        "messages keep it open: {:?}",
        started.elapsed()
    );
    assert_eq!(disconnect.event(0).await.request_context.disconnect_status_code, Some(1001));

    let config = GatewayConfig { connection_lifetime: Duration::from_millis(80), ..GatewayConfig::default() };
    let old = Running::start(config, routes).await;
    assert_eq!(close_code(&mut old.connect().await).await, 1001);
}
