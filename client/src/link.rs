//! A [`Core`] on a WebSocket: sends and receives frames, and reconnects after a loss.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::{Sink as _, SinkExt as _, Stream as _};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{Backoff, ClientError, Core, CoreConfig, Random};

/// Pauses between attempts to connect.
const RECONNECT_FIRST: Duration = Duration::from_millis(50);
const RECONNECT_LONGEST: Duration = Duration::from_secs(2);
/// One attempt to connect takes at most this.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Bytes read from the socket at once.
const READ_BUFFER_BYTES: usize = 8 * 1024;

type Socket = WebSocketStream<TcpStream>;
type Connecting = Pin<Box<dyn Future<Output = Result<Socket, String>> + Send>>;

enum Wire {
    Connecting(Connecting),
    Open(Box<Socket>),
}

/// Where to, and for how long to try.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// `ws://host:port/stage`.
    pub url: String,
    /// How long the server may stay away before the client gives up.
    pub patience: Duration,
    /// Who the client is.
    pub core: CoreConfig,
}

/// A client on a socket.
pub struct Link {
    core: Core,
    url: String,
    patience: Duration,
    wire: Wire,
    /// Frames are on their way through the socket's buffer.
    flushing: bool,
    timer: Pin<Box<Sleep>>,
    /// Since when the server's version is not known; `None` while it is.
    lost_since: Option<Instant>,
    backoff: Backoff,
    reconnects: usize,
}

impl Link {
    /// Connects, and comes back when the document's state is here. The first attempt must succeed:
    /// a wrong address is not worth patience.
    pub async fn open(config: LinkConfig) -> Result<Link, ClientError> {
        let mut random = Random::from_system();
        let backoff = Backoff::new(RECONNECT_FIRST, RECONNECT_LONGEST, Random::new(random.next_u64()));
        let socket = connect(&config.url)
            .await
            .map_err(|reason| ClientError::Unreachable { url: config.url.clone(), reason })?;
        let mut link = Link {
            core: Core::new(config.core, random),
            url: config.url,
            patience: config.patience,
            wire: Wire::Open(Box::new(socket)),
            flushing: false,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            lost_since: Some(Instant::now()),
            backoff,
            reconnects: 0,
        };
        link.core.connected(Instant::now());
        while !link.core.is_synced() {
            link.turn().await?;
        }
        Ok(link)
    }

    /// The client's state.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The client's state, to type into.
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// How often the connection was lost and made anew.
    pub fn reconnects(&self) -> usize {
        self.reconnects
    }

    /// Sends what there is to send and waits until something happens: one frame received, a timer, a
    /// connection made. May be dropped at any point; nothing is lost by that.
    pub async fn turn(&mut self) -> Result<(), ClientError> {
        self.core.tick(Instant::now());
        if self.core.is_dead() {
            return self.lost("it stopped responding".to_owned());
        }
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        if let Wire::Open(socket) = &mut self.wire {
            // Whatever it answers, the connection ends here.
            let _ = socket.close().await;
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        let reason = match &mut self.wire {
            Wire::Connecting(connecting) => match ready!(connecting.as_mut().poll(cx)) {
                Ok(socket) => {
                    self.wire = Wire::Open(Box::new(socket));
                    self.reconnects += 1;
                    self.core.connected(Instant::now());
                    return Poll::Ready(Ok(()));
                }
                Err(reason) => reason,
            },
            Wire::Open(socket) => match poll_socket(socket, &mut self.core, &mut self.flushing, cx) {
                Ok(Poll::Ready(text)) => return Poll::Ready(self.heard(&text)),
                Ok(Poll::Pending) => return self.poll_timer(cx),
                Err(reason) => reason,
            },
        };
        Poll::Ready(self.lost(reason))
    }

    fn heard(&mut self, text: &str) -> Result<(), ClientError> {
        self.core.received(text, Instant::now())?;
        // A server that takes connections and drops them is still away.
        if self.core.is_synced() {
            self.lost_since = None;
            self.backoff.reset();
        }
        Ok(())
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        let Some(deadline) = self.core.deadline() else { return Poll::Pending };
        let deadline = tokio::time::Instant::from_std(deadline);
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx).map(Ok)
    }

    /// The connection is gone: tries again after a pause, as long as there is patience.
    fn lost(&mut self, reason: String) -> Result<(), ClientError> {
        self.core.disconnected();
        self.flushing = false;
        let since = *self.lost_since.get_or_insert_with(Instant::now);
        if since.elapsed() > self.patience {
            return Err(ClientError::Unreachable { url: self.url.clone(), reason });
        }
        tracing::debug!(url = self.url, reason, "lost the connection");
        let (url, pause) = (self.url.clone(), self.backoff.pause());
        self.wire = Wire::Connecting(Box::pin(async move {
            tokio::time::sleep(pause).await;
            connect(&url).await
        }));
        Ok(())
    }
}

/// Writes as much as the socket takes, then reads. `Err` says why the socket closed.
fn poll_socket(
    socket: &mut Socket,
    core: &mut Core,
    flushing: &mut bool,
    cx: &mut Context<'_>,
) -> Result<Poll<String>, String> {
    let mut socket = Pin::new(socket);
    let gone = |error: tungstenite::Error| error.to_string();
    while core.has_frame() && socket.as_mut().poll_ready(cx).map_err(gone)?.is_ready() {
        if let Some(frame) = core.next_frame() {
            socket.as_mut().start_send(Message::text(frame)).map_err(gone)?;
            *flushing = true;
        }
    }
    if *flushing {
        *flushing = socket.as_mut().poll_flush(cx).map_err(gone)?.is_pending();
    }
    loop {
        match socket.as_mut().poll_next(cx) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Some(Ok(Message::Text(text)))) => return Ok(Poll::Ready(text.to_string())),
            Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                return Err(frame.map_or("closed".into(), |frame| format!("closed: {frame}")));
            }
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(error))) => return Err(error.to_string()),
            Poll::Ready(None) => return Err("closed".into()),
        }
    }
}

async fn connect(url: &str) -> Result<Socket, String> {
    let attempt = async {
        let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
        let host = uri.host().ok_or("the address has no host")?.trim_matches(['[', ']']);
        let stream =
            TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await.map_err(|e| e.to_string())?;
        // Frames are small and wanted now.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        // The buffer is cleared before each read, and most frames are small.
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let (socket, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(config))
            .await
            .map_err(|error| error.to_string())?;
        Ok(socket)
    };
    match tokio::time::timeout(CONNECT_PATIENCE, attempt).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", CONNECT_PATIENCE.as_secs())),
    }
}

/// The WebSocket address of a local stack, from its HTTP address.
pub fn ws_url_of(http_url: &str) -> String {
    let rest = http_url.strip_prefix("http://").unwrap_or(http_url);
    format!("ws://{}/dev", rest.trim_end_matches('/'))
}
