//! A [`Core`] on a WebSocket and a store: sends and receives frames, writes batches, and reconnects.

mod store;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::{Sink as _, SinkExt as _, Stream as _};
use inklog_protocol::ErrorCode;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::{self, Message};

use self::store::Store;
use crate::core::{Core, Problem, Verdict};
use crate::options::{Options, jitter};
use crate::socket::{Address, ConnectError, Opened, Socket, connect};
use crate::tls::Tls;
use crate::{Backoff, ClientError, Jitter, Random};

/// Pauses between attempts to connect.
const RECONNECT_FIRST: Duration = Duration::from_millis(500);
const RECONNECT_LONGEST: Duration = Duration::from_secs(30);
/// API Gateway ends a connection after two hours: it is renewed within this and a quarter of an hour more.
const LIFETIME: Duration = Duration::from_secs(100 * 60);
const LIFETIME_JITTER: Duration = Duration::from_secs(15 * 60);
/// It is also renewed when its token has lived for this share of its life, and up to so much more.
const TOKEN_SHARE: f64 = 0.7;
const TOKEN_SHARE_JITTER: f64 = 0.1;
/// A server that ends a connection because of its token is asked again at once, but no more often than this.
const AT_ONCE_PAUSE: Duration = Duration::from_secs(15);
/// After that, the pauses grow to this: nothing gets better by itself.
const REFUSED_LONGEST: Duration = Duration::from_secs(5 * 60);
/// A network fails now and then. What never worked is worth a word after this many attempts, what did work after so
/// many.
const ATTEMPTS_BEFORE_TOLD: u32 = 2;
const ATTEMPTS_BEFORE_TOLD_AGAIN: u32 = 6;
/// Saying goodbye takes at most this.
const CLOSE_MAX: Duration = Duration::from_secs(2);

type Connecting = Pin<Box<dyn Future<Output = Result<Opened, ConnectError>> + Send>>;
type Closing = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Wire {
    Connecting(Connecting),
    Open(Box<Socket>),
}

/// The connection before, while another takes its place.
enum Former {
    None,
    /// It stays until the other one is up to date.
    Kept(Box<Socket>),
    Closing(Closing),
}

/// A client on a socket. It works only within [`Link::turn`].
pub struct Link {
    core: Core,
    address: Arc<Address>,
    patience: Option<Duration>,
    store: Store,
    wire: Wire,
    /// The connection that is to take the place of the open one,
    coming: Option<Connecting>,
    /// and the one whose place it took.
    former: Former,
    /// Frames are on their way through the socket's buffer.
    flushing: bool,
    timer: Pin<Box<Sleep>>,
    /// When another connection is made to take the place of this one.
    renews_at: Option<Instant>,
    renewals: Backoff,
    /// When a server that refused a token was last asked again at once.
    at_once: Option<Instant>,
    refusals: Backoff,
    /// Since when the server's version is not known; `None` while it is.
    lost_since: Option<Instant>,
    /// Whether this connection has learned the server's version, and any has.
    is_online: bool,
    was_online: bool,
    backoff: Backoff,
    jitter: Jitter,
    reconnects: usize,
    /// Why the first attempt failed.
    first_failure: Option<ConnectError>,
}

impl Link {
    /// Connects, and returns once the document's state is here. The first attempt must succeed: a wrong address is not
    /// worth patience.
    pub async fn open(options: Options) -> Result<Link, ClientError> {
        let mut link = Link::start(options).await?;
        while !link.core.is_synced() {
            link.turn().await?;
            if let Some(failure) = link.first_failure.take() {
                return Err(link.unreachable(&failure));
            }
        }
        Ok(link)
    }

    /// Starts from the store; [`Link::turn`] connects.
    pub async fn start(mut options: Options) -> Result<Link, ClientError> {
        let config = options.core()?;
        let mut random = Random::from_system();
        let (patience, url) = (options.patience, std::mem::take(&mut options.url));
        let (roots, token, storage) =
            (std::mem::take(&mut options.roots), options.token.take(), options.storage.take());
        let agents = options.agents(Random::new(random.next_u64()));
        let (core, store) = store::open(storage, config, agents, jitter(&mut random)).await?;
        let address = Arc::new(Address { url, token, tls: Tls::new(roots) });
        Ok(Link {
            core,
            wire: Wire::Connecting(Box::pin(connect(address.clone()))),
            coming: None,
            former: Former::None,
            address,
            patience,
            store,
            flushing: false,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            renews_at: None,
            renewals: Backoff::new(RECONNECT_FIRST, RECONNECT_LONGEST).at_least(0.5),
            at_once: None,
            refusals: Backoff::new(RECONNECT_FIRST, REFUSED_LONGEST),
            lost_since: Some(Instant::now()),
            is_online: false,
            was_online: false,
            backoff: Backoff::new(RECONNECT_FIRST, RECONNECT_LONGEST),
            jitter: jitter(&mut random),
            reconnects: 0,
            first_failure: None,
        })
    }

    /// The client's state.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The client's state, to type into.
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// How often the client reconnected after it lost a connection.
    pub fn reconnects(&self) -> usize {
        self.reconnects
    }

    /// Whether the client is connected and has synced on this connection.
    pub fn is_online(&self) -> bool {
        self.is_online
    }

    /// Sends and stores what is due, and waits until something happens: a frame was received, a batch was stored, a timer
    /// fired, or a connection was opened or lost. You can drop the future at any point; nothing is lost.
    pub async fn turn(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        self.core.tick(now);
        match self.core.take_verdict() {
            Some(Verdict::Dead) => return self.again("it stopped responding"),
            Some(Verdict::Refused) => return self.refused(now),
            None if self.coming.is_none() && self.renews_at.is_some_and(|at| at <= now) => {
                self.renews_at = None;
                self.coming = Some(Box::pin(connect(self.address.clone())));
            }
            None => {}
        }
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    /// Stores what is due, tells the others that this client leaves, and disconnects. The next client on the same store
    /// sends what is not saved yet; without a store, it is lost.
    pub async fn close(mut self) -> Result<(), ClientError> {
        self.core.hurry();
        self.store.flush(&mut self.core).await?;
        if let Wire::Open(socket) = &mut self.wire {
            let leave = self.core.leave();
            let goodbye = async {
                if let Some(frame) = leave {
                    socket.send(Message::text(frame)).await?;
                }
                socket.close().await
            };
            // Whatever it answers, the connection ends here.
            let _ = tokio::time::timeout(CLOSE_MAX, goodbye).await;
        }
        Ok(())
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        if let Poll::Ready(stored) = self.store.poll(&mut self.core, cx) {
            return Poll::Ready(stored.map_err(ClientError::from));
        }
        if let Former::Closing(closing) = &mut self.former
            && closing.as_mut().poll(cx).is_ready()
        {
            self.former = Former::None;
        }
        if let Some(coming) = &mut self.coming
            && let Poll::Ready(made) = coming.as_mut().poll(cx)
        {
            self.coming = None;
            self.take_place(made);
            return Poll::Ready(Ok(()));
        }
        let failure = match &mut self.wire {
            Wire::Connecting(connecting) => match connecting.as_mut().poll(cx) {
                Poll::Pending => return self.poll_timer(cx),
                Poll::Ready(Ok(opened)) => {
                    self.reconnects += usize::from(self.was_online);
                    self.connected(opened);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(failure)) => failure,
            },
            Wire::Open(socket) => match poll_socket(socket, &mut self.core, &mut self.flushing, cx) {
                Ok(Poll::Ready(text)) => {
                    self.heard(&text);
                    return Poll::Ready(Ok(()));
                }
                Ok(Poll::Pending) => return self.poll_timer(cx),
                Err(reason) => ConnectError::Unreachable(reason),
            },
        };
        let refused = matches!(failure, ConnectError::Refused(_));
        Poll::Ready(self.lost(&failure, refused))
    }

    /// Gives back the socket before.
    fn connected(&mut self, Opened { socket, lives }: Opened) -> Option<Box<Socket>> {
        let now = Instant::now();
        let ends_at = now + LIFETIME + LIFETIME_JITTER.mul_f64((self.jitter)());
        let share = TOKEN_SHARE + TOKEN_SHARE_JITTER * (self.jitter)();
        let token_ends_at = lives.and_then(|(since, life)| since.checked_add(life.mul_f64(share)));
        self.renews_at = Some(token_ends_at.map_or(ends_at, |at| at.min(ends_at)));
        self.flushing = false;
        self.core.connected(now);
        match std::mem::replace(&mut self.wire, Wire::Open(socket)) {
            Wire::Open(former) => Some(former),
            Wire::Connecting(_) => None,
        }
    }

    /// Another connection is there for the open one, which is closed when the other is up to date. What was on its
    /// way on the first may have arrived: joining on the second tells.
    fn take_place(&mut self, made: Result<Opened, ConnectError>) {
        match made {
            Ok(opened) => {
                self.core.disconnected();
                if let Some(former) = self.connected(opened) {
                    self.former = Former::Kept(former);
                }
            }
            // The open one goes on as long as it may.
            Err(failure) => {
                tracing::debug!(url = self.address.url, %failure, "the connection cannot be renewed yet");
                if let ConnectError::Token(reason) = failure {
                    self.core.meet(Problem::Token(reason));
                }
                self.renews_at = Some(Instant::now() + self.renewals.pause(&mut self.jitter));
            }
        }
    }

    fn heard(&mut self, text: &str) {
        self.core.received(text, Instant::now());
        // A server that takes connections and drops them is still away.
        if self.core.is_synced() {
            self.lost_since = None;
            self.is_online = true;
            self.was_online = true;
            self.refusals.reset();
            if let Former::Kept(_) = &self.former
                && let Former::Kept(mut socket) = std::mem::replace(&mut self.former, Former::None)
            {
                self.renewals.reset();
                self.former = Former::Closing(Box::pin(async move {
                    // Whatever it answers, the connection ends here.
                    let _ = tokio::time::timeout(CLOSE_MAX, socket.close()).await;
                }));
            }
        }
    }

    /// The server does not let this client go on: a token may have expired, and a fresh one helps.
    fn refused(&mut self, now: Instant) -> Result<(), ClientError> {
        let expired = self.core.shut_out().and_then(Problem::code) == Some(ErrorCode::Unauthorized);
        let was_asked = self.at_once.is_some_and(|at| now < at + AT_ONCE_PAUSE);
        if expired && self.is_online && !was_asked && self.address.token.is_some() {
            self.at_once = Some(now);
            return self.again("its token has expired");
        }
        self.lost(&ConnectError::Unreachable("the server refuses what is asked".into()), true)
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        let renews_at = self.renews_at.filter(|_| self.coming.is_none());
        let deadline = [self.core.deadline(), renews_at].into_iter().flatten().min();
        let Some(deadline) = deadline else { return Poll::Pending };
        let deadline = tokio::time::Instant::from_std(deadline);
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(Ok(()))
    }

    /// Another connection, now.
    fn again(&mut self, reason: &str) -> Result<(), ClientError> {
        tracing::debug!(url = self.address.url, reason, "the connection is made anew");
        self.disconnected();
        self.backoff.reset();
        let coming = self.coming.take();
        let coming = coming.unwrap_or_else(|| Box::pin(connect(self.address.clone())));
        self.wire = Wire::Connecting(coming);
        Ok(())
    }

    fn disconnected(&mut self) {
        self.core.disconnected();
        self.flushing = false;
        self.is_online = false;
        self.renews_at = None;
        self.former = Former::None;
        self.lost_since.get_or_insert_with(Instant::now);
    }

    /// The connection is gone, or was not made: tries again after a pause, as long as there is patience.
    fn lost(&mut self, failure: &ConnectError, refused: bool) -> Result<(), ClientError> {
        if self.is_online && !refused {
            self.backoff.reset();
        }
        let was_open = matches!(self.wire, Wire::Open(_));
        self.disconnected();
        self.coming = None;
        let waited = self.lost_since.map_or(Duration::ZERO, |since| since.elapsed());
        if self.patience.is_some_and(|patience| waited > patience) {
            return Err(self.unreachable(failure));
        }
        tracing::debug!(url = self.address.url, %failure, "lost the connection");
        // A token may have grown old; the next one is fresh.
        let may_pass = refused && self.address.token.is_some() && self.refusals.tries() == 0;
        if !self.was_online && !was_open && !may_pass {
            self.first_failure.get_or_insert_with(|| failure.clone());
        }
        self.tell(failure, was_open);
        let pauses = if refused { &mut self.refusals } else { &mut self.backoff };
        let (address, pause) = (self.address.clone(), pauses.pause(&mut self.jitter));
        self.wire = Wire::Connecting(Box::pin(async move {
            tokio::time::sleep(pause).await;
            connect(address).await
        }));
        Ok(())
    }

    /// What an attempt that failed, or a connection that ended, is worth telling.
    fn tell(&mut self, failure: &ConnectError, was_open: bool) {
        let attempts = if self.was_online { ATTEMPTS_BEFORE_TOLD_AGAIN } else { ATTEMPTS_BEFORE_TOLD };
        let problem = match failure {
            ConnectError::Token(reason) => Problem::Token(reason.clone()),
            ConnectError::Refused(status) => Problem::Refused {
                code: match status.as_u16() {
                    401 => ErrorCode::Unauthorized,
                    _ => ErrorCode::Forbidden,
                },
                message: failure.to_string(),
            },
            ConnectError::Unreachable(reason) if !was_open && self.backoff.tries() + 1 >= attempts => {
                Problem::Unreachable { url: self.shown_url(), reason: reason.clone() }
            }
            ConnectError::Unreachable(_) => return,
        };
        self.core.meet(problem);
    }

    fn unreachable(&self, failure: &ConnectError) -> ClientError {
        ClientError::Unreachable { url: self.shown_url(), reason: failure.to_string() }
    }

    /// The address without what may be secret.
    fn shown_url(&self) -> String {
        self.address.url.split(['?', '#']).next().unwrap_or_default().to_owned()
    }
}

/// Writes as much as the socket takes, then reads. `Err` says why the socket is no more.
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

/// The WebSocket address of a local stack, from its HTTP address.
pub fn ws_url_of(http_url: &str) -> String {
    let rest = http_url.strip_prefix("http://").unwrap_or(http_url);
    format!("ws://{}/dev", rest.trim_end_matches('/'))
}
