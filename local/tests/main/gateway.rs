//! Upgrades, limits, close codes, concurrency and `@connections`, with a real WebSocket client.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest,
};
use aws_lambda_events::encodings::Body;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use futures::{SinkExt, StreamExt};
use inklog_local::gateway::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};
use inklog_local::{
    Authorization, Authorizer, BoxError, Gateway, GatewayConfig, Leave, Routes, WebSocketFunction, serve,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{credentials, http_client, percentiles, within};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Event = ApiGatewayWebsocketProxyRequest;
type Answer = Result<ApiGatewayProxyResponse, BoxError>;

fn answer(status: i64, body: Option<&str>) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status;
    response.body = body.map(|body| Body::Text(body.to_owned()));
    response
}

/// A function that records its events and answers as the test decides.
struct Recorder {
    events: watch::Sender<Vec<Event>>,
    decide: Box<dyn Fn(&Event) -> Answer + Send + Sync>,
}

impl Recorder {
    fn new(decide: impl Fn(&Event) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { events: watch::Sender::default(), decide: Box::new(decide) })
    }

    fn ok() -> Arc<Self> {
        Self::new(|_| Ok(answer(200, None)))
    }

    async fn event(&self, number: usize) -> Event {
        let mut events = self.events.subscribe();
        let events = within("an event", events.wait_for(|events| events.len() > number)).await.unwrap();
        events[number].clone()
    }
}

#[async_trait]
impl WebSocketFunction for Recorder {
    async fn invoke(&self, event: Event) -> Answer {
        let answer = (self.decide)(&event);
        self.events.send_modify(|events| events.push(event));
        answer
    }
}

/// A gateway on a port of its own.
struct Running {
    gateway: Gateway,
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Running {
    async fn start(config: GatewayConfig, routes: Routes) -> Self {
        let gateway = Gateway::new(config, routes);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, gateway.standalone_router(), async { drop(stopped.await) }));
        Self { gateway, address, _stop: stop }
    }

    async fn with(routes: Routes) -> Self {
        Self::start(GatewayConfig::default(), routes).await
    }

    fn url(&self, rest: &str) -> String {
        format!("ws://{}/dev{rest}", self.address)
    }

    async fn connect(&self) -> Client {
        connect_async(self.url("")).await.unwrap().0
    }

    /// The status that refuses an upgrade.
    async fn refusal(&self, request: impl IntoClientRequest + Unpin) -> u16 {
        match connect_async(request).await {
            Err(WsError::Http(response)) => response.status().as_u16(),
            other => panic!("not refused: {other:?}"),
        }
    }

    fn sdk(&self) -> aws_sdk_apigatewaymanagement::Client {
        self.sdk_for("dev")
    }

    fn sdk_for(&self, stage: &str) -> aws_sdk_apigatewaymanagement::Client {
        use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region, retry::RetryConfig};
        let config = aws_sdk_apigatewaymanagement::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials())
            .http_client(http_client())
            .retry_config(RetryConfig::disabled())
            .endpoint_url(format!("http://{}/{stage}", self.address));
        aws_sdk_apigatewaymanagement::Client::from_conf(config.build())
    }
}

async fn text(client: &mut Client) -> String {
    match within("a message", client.next()).await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn json(client: &mut Client) -> serde_json::Value {
    serde_json::from_str(&text(client).await).unwrap()
}

/// The close code that the client gets, with whatever comes before it.
async fn close_code(client: &mut Client) -> u16 {
    loop {
        match within("a close frame", client.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(Message::Text(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn id_of(event: &Event) -> String {
    event.request_context.connection_id.clone().unwrap()
}

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
