//! How connections begin and end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use futures::SinkExt;
use inklog_local::gateway::{AUTHORIZER_RESULT_BYTES_MAX, URL_CHARS_MAX};
use inklog_local::{Authorization, Authorizer, BoxError, Leave, Routes, WebSocketFunction};
use tokio::sync::{Semaphore, watch};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::within;

use super::{Answer, Event, Recorder, Running, answer, close_code};

#[tokio::test]
async fn shutting_down_says_goodbye_and_waits_for_disconnect() {
    for (leave, code) in [(Leave::GoingAway, 1001), (Leave::Restarting, 1012)] {
        let disconnect = Recorder::ok();
        let running = Running::with(Routes::new().route("$disconnect", disconnect.clone())).await;
        let mut client = running.connect().await;
        let gateway = running.gateway.clone();
        let leaving = tokio::spawn(async move { gateway.shutdown(leave).await });
        assert_eq!(close_code(&mut client).await, code);
        within("the shutdown", leaving).await.unwrap();
        assert_eq!(disconnect.events.borrow().len(), 1);
        assert_eq!(running.gateway.connection_count(), 0);
        assert_eq!(running.refusal(running.url("")).await, 503);
    }
}

#[tokio::test]
async fn disconnect_fires_for_a_close_frame_and_for_a_lost_socket() {
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;
    let disconnect = Recorder::ok();
    let running = Running::with(Routes::new().route("$disconnect", disconnect.clone())).await;
    let mut client = running.connect().await;
    client.close(Some(CloseFrame { code: 4001.into(), reason: "bye".into() })).await.unwrap();
    let context = disconnect.event(0).await.request_context;
    assert_eq!(context.disconnect_status_code, Some(4001));
    assert_eq!(context.disconnect_reason.as_deref(), Some("bye"));
    drop(running.connect().await);
    assert_eq!(disconnect.event(1).await.request_context.disconnect_status_code, Some(1006));
}

#[tokio::test]
async fn the_status_of_connect_becomes_the_status_of_the_upgrade() {
    let connect = Recorder::new(|event| match event.query_string_parameters.first("as") {
        Some("forbidden") => Ok(answer(403, None)),
        Some("full") => Ok(answer(429, None)),
        Some("protocol") => {
            let mut response = answer(200, None);
            response.headers.insert("Sec-WebSocket-Protocol", "chat".parse().unwrap());
            Ok(response)
        }
        Some("nonsense") => Ok(answer(0, None)),
        Some("error") => Err("broken".into()),
        _ => Ok(answer(200, None)),
    });
    let disconnect = Recorder::ok();
    let routes = Routes::new().route("$connect", connect).route("$disconnect", disconnect.clone());
    let running = Running::with(routes).await;
    for (how, status) in [("forbidden", 403), ("full", 429), ("nonsense", 502), ("error", 502)] {
        assert_eq!(running.refusal(running.url(&format!("?as={how}"))).await, status, "{how}");
    }
    let unknown = format!("ws://{}/prod", running.address);
    assert_eq!(running.refusal(unknown).await, 403);
    assert_eq!(running.gateway.connection_count(), 0);

    let mut request = running.url("/?as=protocol").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
    let (_client, response) = connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    let (_client, response) = connect_async(running.url("")).await.unwrap();
    assert!(
        !response.headers().contains_key("sec-websocket-protocol"),
        "echoed only if the function says so"
    );
    assert!(disconnect.events.borrow().is_empty());
}

#[tokio::test]
async fn the_upgrade_waits_for_connect_and_a_push_inside_it_finds_nobody() {
    struct Pushing {
        endpoint: watch::Receiver<Option<aws_sdk_apigatewaymanagement::Client>>,
        gone: Mutex<Option<bool>>,
        open: Semaphore,
    }
    #[async_trait]
    impl WebSocketFunction for Pushing {
        async fn invoke(&self, event: Event) -> Answer {
            let sdk = self.endpoint.clone().wait_for(Option::is_some).await?.clone().unwrap();
            let id = event.request_context.connection_id.unwrap();
            let error = sdk.post_to_connection().connection_id(id).data(Blob::new("x")).send().await;
            let gone = error.unwrap_err().into_service_error().is_gone_exception();
            *self.gone.lock().unwrap() = Some(gone);
            drop(self.open.acquire().await?);
            Ok(answer(200, None))
        }
    }
    let (endpoint, receiver) = watch::channel(None);
    let pushing = Arc::new(Pushing { endpoint: receiver, gone: Mutex::default(), open: Semaphore::new(0) });
    let running = Running::with(Routes::new().route("$connect", pushing.clone())).await;
    endpoint.send_replace(Some(running.sdk()));
    let url = running.url("");
    let connecting = tokio::spawn(async move { connect_async(url).await.unwrap().0 });
    within("the push", async {
        while pushing.gone.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!connecting.is_finished());
    assert_eq!(*pushing.gone.lock().unwrap(), Some(true));
    pushing.open.add_permits(1);
    within("the upgrade", connecting).await.unwrap();
}

#[tokio::test]
async fn a_client_that_gives_up_during_connect_gets_a_disconnect() {
    struct Slow(Semaphore, Semaphore);
    #[async_trait]
    impl WebSocketFunction for Slow {
        async fn invoke(&self, _: Event) -> Answer {
            self.0.add_permits(1);
            drop(self.1.acquire().await?);
            Ok(answer(200, None))
        }
    }
    let slow = Arc::new(Slow(Semaphore::new(0), Semaphore::new(0)));
    let disconnect = Recorder::ok();
    let routes = Routes::new().route("$connect", slow.clone()).route("$disconnect", disconnect.clone());
    let running = Running::with(routes).await;
    let connecting = tokio::spawn(connect_async(running.url("")));
    drop(within("$connect", slow.0.acquire()).await.unwrap());
    connecting.abort();
    assert!(connecting.await.is_err_and(|error| error.is_cancelled()));
    slow.1.add_permits(1);
    assert_eq!(disconnect.event(0).await.request_context.disconnect_status_code, Some(1006));
    assert_eq!(running.gateway.connection_count(), 0);
}

#[tokio::test]
async fn the_authorizer_decides_and_its_context_comes_with_every_event() {
    struct ByToken;
    #[async_trait]
    impl Authorizer for ByToken {
        async fn authorize(
            &self,
            request: ApiGatewayCustomAuthorizerRequestTypeRequest,
        ) -> Result<Authorization, BoxError> {
            assert!(request.method_arn.as_ref().is_some_and(|arn| arn.ends_with("/dev/$connect")));
            let read: ApiGatewayCustomAuthorizerRequestTypeRequest =
                serde_json::from_str(&serde_json::to_string(&request)?)?;
            Ok(match read.query_string_parameters.first("token") {
                Some("alice") => {
                    let context = HashMap::from([("user".to_owned(), "alice".to_owned())]);
                    Authorization::Allow { principal_id: "alice".to_owned(), context }
                }
                Some("mallory") => Authorization::Deny,
                Some("broken") => return Err("no keys".into()),
                _ => Authorization::Unauthorized,
            })
        }
    }
    let (message, disconnect) = (Recorder::ok(), Recorder::ok());
    let routes = Routes::new()
        .authorizer(Arc::new(ByToken), ["route.request.querystring.token"])
        .route("$default", message.clone())
        .route("$disconnect", disconnect.clone());
    let running = Running::with(routes).await;
    for (query, status) in
        [("", 401), ("?token=", 401), ("?token=x", 401), ("?token=mallory", 403), ("?token=broken", 500)]
    {
        assert_eq!(running.refusal(running.url(query)).await, status, "{query}");
    }
    let (mut client, _) = connect_async(running.url("?token=alice")).await.unwrap();
    client.send("x".into()).await.unwrap();
    let event = message.event(0).await;
    drop(client);
    for event in [event, disconnect.event(0).await] {
        let fields = &event.request_context.authorizer.fields;
        assert_eq!((&fields["user"], &fields["principalId"]), (&"alice".into(), &"alice".into()));
        let read: Event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        assert_eq!(read, event);
    }
}

#[tokio::test]
async fn an_authorizer_without_identity_sources_decides_on_every_request_within_a_size() {
    /// A context of as many bytes as the token says, and with no token none.
    struct BySize;
    #[async_trait]
    impl Authorizer for BySize {
        async fn authorize(
            &self,
            request: ApiGatewayCustomAuthorizerRequestTypeRequest,
        ) -> Result<Authorization, BoxError> {
            let Some(size) = request.query_string_parameters.first("size") else {
                return Ok(Authorization::Unauthorized);
            };
            let principal_id = "p".to_owned();
            let empty = serde_json::json!({ "principalId": principal_id, "x": "" }).to_string().len();
            let context = HashMap::from([("x".to_owned(), "x".repeat(size.parse::<usize>()? - empty))]);
            Ok(Authorization::Allow { principal_id, context })
        }
    }
    let routes = Routes::new().authorizer(Arc::new(BySize), [""; 0]);
    let running = Running::with(routes).await;
    assert_eq!(running.refusal(running.url("")).await, 401);
    connect_async(running.url(&format!("?size={AUTHORIZER_RESULT_BYTES_MAX}"))).await.unwrap();
    let over = format!("?size={}", AUTHORIZER_RESULT_BYTES_MAX + 1);
    assert_eq!(running.refusal(running.url(&over)).await, 500);

    let longest = format!("?size=100&pad={}", "x".repeat(URL_CHARS_MAX - "/dev?size=100&pad=".len()));
    connect_async(running.url(&longest)).await.unwrap();
    assert_eq!(running.refusal(running.url(&format!("{longest}x"))).await, 414);
}
