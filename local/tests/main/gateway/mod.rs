//! Upgrades, limits, close codes, concurrency and `@connections`, with a real WebSocket client.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::encodings::Body;
use aws_sdk_apigatewaymanagement::config::Credentials;
use futures::StreamExt;
use inklog_local::{BoxError, Gateway, GatewayConfig, Routes, WebSocketFunction, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{http_client, within};

mod connect;
mod limits;
mod push;
mod routes;

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
    credentials: Credentials,
    _stop: oneshot::Sender<()>,
}

impl Running {
    async fn start(config: GatewayConfig, routes: Routes) -> Self {
        let credentials = config.credentials.clone();
        let gateway = Gateway::new(config, routes);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, gateway.router(), async { drop(stopped.await) }));
        Self { gateway, address, credentials, _stop: stop }
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
        self.sdk_of(stage, self.credentials.clone())
    }

    fn sdk_of(&self, stage: &str, credentials: Credentials) -> aws_sdk_apigatewaymanagement::Client {
        use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region, retry::RetryConfig};
        let config = aws_sdk_apigatewaymanagement::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials)
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
