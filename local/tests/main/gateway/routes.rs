//! Which function gets a message, what it is given, and who is answered.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{SinkExt, StreamExt};
use inklog_local::{GatewayConfig, Routes, WebSocketFunction};
use tokio::sync::Semaphore;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::within;

use super::{Answer, Event, Recorder, Running, answer, json, text};

#[tokio::test]
async fn events_carry_every_field_and_round_trip_through_lambdas_json() {
    let (connect, message, disconnect) = (Recorder::ok(), Recorder::ok(), Recorder::ok());
    let routes = Routes::new()
        .route("$connect", connect.clone())
        .route("SEND_OP", message.clone())
        .route("$disconnect", disconnect.clone());
    let running = Running::with(routes).await;
    let mut request = running.url("?token=a%20b").into_client_request().unwrap();
    request.headers_mut().insert("user-agent", "tests/1".parse().unwrap());
    let (mut client, _) = connect_async(request).await.unwrap();
    let body = r#"{"action":"SEND_OP","x":"ä"}"#;
    client.send(body.into()).await.unwrap();

    let event = connect.event(0).await;
    let context = &event.request_context;
    assert_eq!(context.event_type.as_deref(), Some("CONNECT"));
    assert_eq!(context.route_key.as_deref(), Some("$connect"));
    assert_eq!(event.query_string_parameters.first("token"), Some("a b"));
    assert_eq!(event.headers["user-agent"], "tests/1");
    assert_eq!(event.multi_value_headers["user-agent"], "tests/1");
    assert_eq!(event.body, None);

    let event = message.event(0).await;
    let context = &event.request_context;
    assert_eq!(context.event_type.as_deref(), Some("MESSAGE"));
    assert_eq!(context.route_key.as_deref(), Some("SEND_OP"));
    assert_eq!(context.message_direction.as_deref(), Some("IN"));
    assert!(context.message_id.is_some());
    assert_eq!(context.request_id, context.extended_request_id);
    assert_eq!(context.connection_id, connect.event(0).await.request_context.connection_id);
    assert_eq!(context.stage.as_deref(), Some("dev"));
    assert_eq!(context.apiid.as_deref(), Some("local00000"));
    assert_eq!(context.identity.source_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(context.identity.user_agent.as_deref(), Some("tests/1"));
    assert!(context.request_time_epoch >= context.connected_at && context.connected_at > 1_700_000_000_000);
    assert_eq!(event.body.as_deref(), Some(body));
    assert!(event.headers.is_empty() && !event.is_base64_encoded);

    client.close(None).await.unwrap();
    let event = disconnect.event(0).await;
    assert_eq!(event.request_context.event_type.as_deref(), Some("DISCONNECT"));
    assert_eq!(event.request_context.disconnect_status_code, Some(1005));
    for event in [connect.event(0).await, message.event(0).await, event] {
        let read: Event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        assert_eq!(read, event);
    }
}

#[tokio::test]
async fn routes_are_selected_by_action_and_only_route_responses_answer() {
    let echo = |name: &'static str| Recorder::new(move |_| Ok(answer(200, Some(name))));
    let routes = Routes::new()
        .route_with_response("PING", echo("ping"))
        .route("SILENT", echo("silent"))
        .route_with_response("$default", echo("default"));
    let running = Running::with(routes).await;
    let mut client = running.connect().await;
    for (body, expected) in [
        (r#"{"action":"PING"}"#, "ping"),
        (r#"{"action":"ping"}"#, "default"),
        (r#"{"action":"$connect"}"#, "default"),
        (r#"{"action":7}"#, "default"),
        ("not JSON", "default"),
        ("", "default"),
    ] {
        client.send(body.into()).await.unwrap();
        assert_eq!(text(&mut client).await, expected, "{body}");
    }
    client.send(r#"{"action":"SILENT"}"#.into()).await.unwrap();
    client.send(Message::Ping("x".into())).await.unwrap();
    assert_eq!(within("a pong", client.next()).await.unwrap().unwrap(), Message::Pong("x".into()));
}

#[tokio::test]
async fn a_route_that_is_missing_is_forbidden() {
    let running = Running::with(Routes::new()).await;
    let mut client = running.connect().await;
    client.send("x".into()).await.unwrap();
    assert_eq!(json(&mut client).await["message"], "Forbidden");
}

#[tokio::test]
async fn errors_panics_and_time_outs_leave_the_socket_open() {
    struct Failing;
    #[async_trait]
    impl WebSocketFunction for Failing {
        async fn invoke(&self, event: Event) -> Answer {
            match event.body.as_deref() {
                Some("error") => Err("a reason that stays inside".into()),
                Some("panic") => panic!("a function that panics"),
                _ => std::future::pending().await,
            }
        }
    }
    let config = GatewayConfig { integration_timeout: Duration::from_millis(50), ..GatewayConfig::default() };
    let running = Running::start(config, Routes::new().route("$default", Arc::new(Failing))).await;
    let mut client = running.connect().await;
    for body in ["error", "panic", "hang"] {
        client.send(body.into()).await.unwrap();
        let answer = json(&mut client).await;
        assert_eq!(answer["message"], "Internal server error", "{body}");
        assert!(answer["connectionId"].is_string() && answer["requestId"].is_string());
        assert_eq!(answer.as_object().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn messages_of_one_connection_overlap() {
    struct Meeting(Semaphore);
    #[async_trait]
    impl WebSocketFunction for Meeting {
        async fn invoke(&self, event: Event) -> Answer {
            match event.body.as_deref() {
                Some("wait") => drop(self.0.acquire().await?),
                _ => self.0.add_permits(1),
            }
            Ok(answer(200, event.body.as_deref()))
        }
    }
    let meeting = Arc::new(Meeting(Semaphore::new(0)));
    let running = Running::with(Routes::new().route_with_response("$default", meeting)).await;
    let mut client = running.connect().await;
    client.send("wait".into()).await.unwrap();
    client.send("go".into()).await.unwrap();
    let answers = [text(&mut client).await, text(&mut client).await];
    assert!(answers.contains(&"wait".to_owned()), "the first ended only because the second ran: {answers:?}");
}
