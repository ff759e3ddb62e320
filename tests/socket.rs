//! A WebSocket client that speaks raw JSON.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a frame that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn connect(url: &str) -> Socket {
        let request = url.into_client_request().expect("a URL");
        Socket::open(request).await.expect("the upgrade is accepted").0
    }

    /// Opens one as the request says, with the answer to it; or why it does not open.
    pub async fn open(request: Request) -> Result<(Socket, Response), Error> {
        let (socket, answer) = tokio_tungstenite::connect_async(request).await?;
        Ok((Socket(socket), answer))
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("the socket takes a message");
    }

    /// The next frame, which must come.
    pub async fn next(&mut self) -> Value {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame comes in time");
            match frame.expect("the socket is open").expect("the frame is sound") {
                Message::Text(text) => return serde_json::from_str(&text).expect("frames are JSON"),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next frame with this action; others are passed over.
    pub async fn next_of(&mut self, action: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["action"] == action {
                return frame;
            }
        }
    }

    /// Sends, and gives the next frame.
    pub async fn ask(&mut self, message: Value) -> Value {
        self.send(message).await;
        self.next().await
    }
}
