//! The life of an accepted WebSocket: reading, writing, the timers, and the end.
//!
//! One task per connection reads and writes; every message is passed to its function in a task of its
//! own, so the messages of one connection overlap as they do on AWS.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Utf8Bytes};

use super::connection::{Connection, Outgoing, now_ms};
use super::ending::Ending;
use super::event;
use super::{FRAME_BYTES_MAX, Inner, MESSAGE_BYTES_MAX, activity::Activity};

/// How long a client has to answer a close frame.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// How many queued messages the writer takes at a time before it flushes.
const WRITE_BATCH: usize = 256;
/// Bytes read from a socket at once.
const READ_BUFFER_BYTES: usize = 8 * 1024;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A connection whose `$connect` has succeeded.
pub(super) struct OpenConnection {
    pub gateway: Arc<Inner>,
    pub connection: Arc<Connection>,
    pub outgoing: mpsc::UnboundedReceiver<Outgoing>,
    /// Keeps `Gateway::shutdown` waiting until `$disconnect` has run.
    pub _activity: Activity,
}

impl OpenConnection {
    /// Serves the connection until it ends, whatever ends it, and then calls `$disconnect`.
    pub async fn run(mut self, upgrade: OnUpgrade) {
        let unread = match upgrade.await {
            Ok(upgraded) => self.serve(upgraded).await,
            Err(error) => {
                tracing::debug!(%error, "a client left during the upgrade");
                None
            }
        };
        tokio::join!(self.finish(), async {
            if let Some(socket) = unread {
                linger(socket).await;
            }
        });
    }

    /// The end without a socket: the client was gone before `$connect` had answered.
    pub async fn abandon(self) {
        self.finish().await;
    }

    async fn finish(&self) {
        self.connection.close(Ending::abnormal());
        self.gateway.connections.remove(&self.connection.id);
        self.gateway.disconnect(&self.connection).await;
    }

    /// Returns the socket when the client may still be sending on it.
    async fn serve(&mut self, upgraded: Upgraded) -> Option<Socket> {
        // The buffer is cleared before each read: one as large as a frame would cost more than the reading.
        let mut limits = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        limits.max_frame_size = Some(FRAME_BYTES_MAX);
        limits.max_message_size = Some(MESSAGE_BYTES_MAX);
        let socket = Socket::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
        let (mut sink, mut stream) = socket.split();
        let connection = &self.connection;
        let mut written = false;
        let pump = async {
            tokio::join!(read(&self.gateway, connection, &mut stream), async {
                if let Err(error) = write(connection, &mut sink, &mut self.outgoing).await {
                    tracing::debug!(%error, id = connection.id, "writing to a client failed");
                    connection.close(Ending::abnormal());
                }
                written = true;
            });
        };
        tokio::select! {
            () = async { pump.await; } => {}
            // A client that does not answer the close frame is not waited for.
            () = async { connection.closed().await; tokio::time::sleep(CLOSE_GRACE).await } => {}
            () = expire(&self.gateway, connection) => {}
        }
        let by_us = connection.ending().is_some_and(|ending| ending.close_frame().is_some());
        if by_us && written { sink.reunite(stream).ok() } else { None }
    }
}

/// Reads until the socket ends or the client breaks a rule; either way, the connection then closes.
async fn read(gateway: &Arc<Inner>, connection: &Arc<Connection>, stream: &mut SplitStream<Socket>) {
    let permits = Arc::new(Semaphore::new(gateway.config.concurrent_messages_max));
    let mut throttle = Throttle::new(gateway.config.messages_per_second_max);
    loop {
        let ending = match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                if connection.ending().is_some() {
                    continue;
                }
                connection.touch();
                if throttle.admits() {
                    // With all permits taken the client waits: the socket is not read meanwhile.
                    let permit = permits.clone().acquire_owned().await.expect("it is never closed");
                    let (gateway, connection) = (gateway.clone(), connection.clone());
                    tokio::spawn(async move {
                        let _activity = gateway.activities.begin();
                        handle(&gateway, &connection, &text).await;
                        drop(permit);
                    });
                    continue;
                }
                Ending::throttled()
            }
            Some(Ok(Message::Binary(_))) => Ending::binary(),
            Some(Ok(Message::Close(frame))) => {
                // The next read sends the answer and ends the stream.
                connection.close(Ending::by_client(frame));
                continue;
            }
            // Protocol pings are answered by tungstenite. They do not count as activity.
            Some(Ok(_)) => continue,
            Some(Err(error)) => Ending::by_read_error(&error),
            None => Ending::abnormal(),
        };
        connection.close(ending);
        return;
    }
}

/// Writes the queue, with one flush for all available messages, up to the close frame.
async fn write(
    connection: &Connection,
    sink: &mut SplitSink<Socket, Message>,
    outgoing: &mut mpsc::UnboundedReceiver<Outgoing>,
) -> Result<(), WsError> {
    let mut taken = Vec::new();
    while outgoing.recv_many(&mut taken, WRITE_BATCH).await > 0 {
        let mut last = false;
        for item in taken.drain(..) {
            match item {
                Outgoing::Text(text) if !last => {
                    let bytes = text.as_str().len();
                    sink.feed(Message::Text(text)).await?;
                    // At once, and not after the batch: who waits for room sees a slow client read.
                    connection.sent(bytes);
                }
                Outgoing::Text(_) => {}
                Outgoing::Close => {
                    last = true;
                    if let Some(frame) = connection.ending().and_then(Ending::close_frame) {
                        sink.feed(Message::Close(Some(frame))).await?;
                    }
                }
            }
        }
        sink.flush().await?;
        if last {
            break;
        }
    }
    Ok(())
}

/// Closes the connection when it has been idle or open for too long. Never returns.
async fn expire(gateway: &Inner, connection: &Connection) {
    let lifetime_ends = Instant::now() + gateway.config.connection_lifetime;
    let idle_max = gateway.config.idle_timeout;
    loop {
        let idle_ms = u64::try_from(now_ms() - connection.last_active_ms()).unwrap_or(0);
        let idle_left = idle_max.saturating_sub(Duration::from_millis(idle_ms));
        if idle_left.is_zero() || Instant::now() >= lifetime_ends {
            break;
        }
        // The timer is not moved by messages: it looks, when it fires, whether there were any.
        tokio::time::sleep_until(lifetime_ends.min(Instant::now() + idle_left)).await;
    }
    connection.close(Ending::going_away());
    std::future::pending().await
}

/// Passes one message to its route's function and answers the client where AWS would.
async fn handle(gateway: &Inner, connection: &Connection, body: &Utf8Bytes) {
    let request_id = event::new_id();
    let answer = match gateway.routes.select(body) {
        None => Some(error_body("Forbidden", connection, &request_id)),
        Some((key, route)) => {
            let body = body.as_str().to_owned();
            let event = event::message_event(&gateway.config, connection, key, request_id.clone(), body);
            match gateway.invoke(key, &route.function, event).await {
                Ok(response) if route.has_response => text_of(response.body),
                Ok(_) => None,
                Err(_) => Some(error_body("Internal server error", connection, &request_id)),
            }
        }
    };
    if let Some(Err(error)) = answer.map(|text| connection.send(text)) {
        tracing::debug!(%error, id = connection.id, "an answer did not reach its client");
    }
}

fn text_of(body: Option<aws_lambda_events::encodings::Body>) -> Option<Utf8Bytes> {
    match body? {
        aws_lambda_events::encodings::Body::Text(text) if !text.is_empty() => Some(text.into()),
        _ => None,
    }
}

/// The JSON that API Gateway itself sends to a client when something goes wrong.
pub(super) fn error_body(message: &str, connection: &Connection, request_id: &str) -> Utf8Bytes {
    serde_json::json!({ "message": message, "connectionId": connection.id, "requestId": request_id })
        .to_string()
        .into()
}

/// Ends a socket whose client may still be sending. Closing it with bytes unread would reset it, and
/// the client might then never see the close frame.
async fn linger(socket: Socket) {
    let drain = async {
        let mut io = socket.into_inner();
        io.shutdown().await?;
        let mut sunk = [0_u8; 4096];
        while io.read(&mut sunk).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Errors and a client that never stops sending come to the same: the socket is dropped.
    let _ = tokio::time::timeout(CLOSE_GRACE, drain).await;
}

/// Counts messages in windows of a second.
struct Throttle {
    per_second_max: Option<u32>,
    window: Instant,
    count: u32,
}

impl Throttle {
    fn new(per_second_max: Option<u32>) -> Self {
        Self { per_second_max, window: Instant::now(), count: 0 }
    }

    fn admits(&mut self) -> bool {
        let Some(max) = self.per_second_max else { return true };
        if self.window.elapsed() >= Duration::from_secs(1) {
            (self.window, self.count) = (Instant::now(), 0);
        }
        self.count += 1;
        self.count <= max
    }
}
