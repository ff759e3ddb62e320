//! The push: to connections in this process, and through the SDK's client to those of a gateway.

mod posts;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use futures::StreamExt as _;
use inklog_local::{BoxError, Gateway, GatewayConfig, Routes, WebSocketFunction, serve};
use inklog_store::push::ApiGatewayPush;
use inklog_store::push::memory::MemoryPush;
use inklog_store::{Push, config};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a message is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

struct Harness {
    push: Arc<dyn Push>,
    backend: Backend,
}

enum Backend {
    Memory(Arc<MemoryPush>),
    Gateway { url: String, opened: Mutex<mpsc::UnboundedReceiver<String>>, _stop: oneshot::Sender<()> },
}

inklog_tests::conformance! {
    on memory tapped gateway;
    posts:
        posts_arrive_in_order
        who_is_not_there_is_gone
        a_message_has_a_greatest_size
        who_reads_nothing_is_busy_until_it_reads
        who_is_closed_is_gone_and_the_others_stay;
}

/// A connection, as its client holds it.
struct Client {
    name: String,
    end: End,
}

enum End {
    Memory(Arc<MemoryPush>),
    Socket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

/// Tells the names of connections as they are opened.
struct Connect(mpsc::UnboundedSender<String>);

#[async_trait]
impl WebSocketFunction for Connect {
    async fn invoke(
        &self,
        event: ApiGatewayWebsocketProxyRequest,
    ) -> Result<ApiGatewayProxyResponse, BoxError> {
        self.0.send(event.request_context.connection_id.expect("it has a name"))?;
        let mut response = ApiGatewayProxyResponse::default();
        response.status_code = 200;
        Ok(response)
    }
}

impl Harness {
    async fn memory() -> Harness {
        let push = Arc::new(MemoryPush::new());
        Harness { push: push.clone(), backend: Backend::Memory(push) }
    }

    async fn tapped() -> Harness {
        let Harness { push, backend } = Harness::memory().await;
        Harness { push: super::tapped(push), backend }
    }

    async fn gateway() -> Harness {
        let (tell, opened) = mpsc::unbounded_channel();
        let routes = Routes::new().route("$connect", Arc::new(Connect(tell)));
        let settings = GatewayConfig::default();
        let credentials = settings.credentials.clone();
        let gateway = Gateway::new(settings, routes);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, gateway.router(), async { drop(stopped.await) }));
        let aws = config::fixed_credentials(
            "us-east-1",
            credentials.access_key_id(),
            credentials.secret_access_key(),
        );
        let client = config::push_client(&aws, format!("http://{address}/dev"));
        let backend =
            Backend::Gateway { url: format!("ws://{address}/dev"), opened: Mutex::new(opened), _stop: stop };
        Harness { push: Arc::new(ApiGatewayPush::new(client)), backend }
    }

    async fn connect(&self, name: &str) -> Client {
        match &self.backend {
            Backend::Memory(push) => {
                push.open(name);
                Client { name: name.to_owned(), end: End::Memory(push.clone()) }
            }
            Backend::Gateway { url, opened, .. } => {
                let (socket, _) = tokio_tungstenite::connect_async(url).await.expect("it is accepted");
                let name = opened.lock().await.recv().await.expect("it was opened");
                Client { name, end: End::Socket(Box::new(socket)) }
            }
        }
    }
}

impl Client {
    /// The next messages, so many of them.
    async fn take(&mut self, count: usize) -> Vec<String> {
        match &mut self.end {
            End::Memory(push) => push.take(&self.name),
            End::Socket(socket) => {
                let mut taken = Vec::new();
                while taken.len() < count {
                    let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("it comes in time");
                    match next.expect("the socket is open").expect("the frame is sound") {
                        Message::Text(text) => taken.push(text.to_string()),
                        other => panic!("{other:?}"),
                    }
                }
                taken
            }
        }
    }

    /// Whether the other end has closed it; returns when this is known.
    async fn is_closed(&mut self) -> bool {
        match &mut self.end {
            // It tells nothing: to be posted to is to be open.
            End::Memory(push) => push.post(&self.name, "{}").await.is_err(),
            End::Socket(socket) => loop {
                let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("it is closed in time");
                match next {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return true,
                    Some(Ok(_)) => {}
                }
            },
        }
    }

    /// Closes it, and returns when the other end knows.
    async fn close(self) -> String {
        match self.end {
            End::Memory(push) => push.hang_up(&self.name),
            End::Socket(mut socket) => {
                socket.close(None).await.expect("it can be closed");
                while socket.next().await.is_some_and(|frame| frame.is_ok()) {}
            }
        }
        self.name
    }
}
