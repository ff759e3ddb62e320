//! Making a WebSocket: TCP, TLS where the address says so, and the upgrade.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::options::Token;
use crate::tls::Tls;
use crate::token::lifetime_of;

/// One attempt to connect takes at most this, the token's callback included.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// What is read from the socket at once.
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// The subprotocol, and what a token is put behind in another one: no access log keeps those.
const SUBPROTOCOL: &str = "inklog";
const TOKEN_SUBPROTOCOL: &str = "inklog.jwt.";

pub(crate) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The token's callback.
    #[error("the token callback failed: {0}")]
    Token(String),
    /// The server does not let this client in.
    #[error("the server does not let this client in (status {0})")]
    Refused(StatusCode),
    /// There is no such server, or not now.
    #[error("{0}")]
    Unreachable(String),
}

/// Where to, and how to get in.
pub(crate) struct Address {
    pub url: String,
    pub token: Option<Token>,
    pub tls: Tls,
}

/// A connection, and its token.
pub(crate) struct Opened {
    pub socket: Box<Socket>,
    /// When the token was got, and how long it lives, if it says so.
    pub lives: Option<(Instant, Duration)>,
}

/// Makes a connection, with a token that is asked for anew.
pub(crate) async fn connect(address: Arc<Address>) -> Result<Opened, ConnectError> {
    let attempt = async {
        let token = match &address.token {
            Some(token) => Some(token().await.map_err(ConnectError::Token)?),
            None => None,
        };
        let lifetime = token.as_deref().and_then(lifetime_of);
        let lives = lifetime.map(|lifetime| (Instant::now(), lifetime));
        let socket = Box::new(upgraded(&address, token.as_deref()).await?);
        Ok(Opened { socket, lives })
    };
    match tokio::time::timeout(CONNECT_MAX, attempt).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Unreachable(format!("no answer within {} s", CONNECT_MAX.as_secs()))),
    }
}

async fn upgraded(address: &Address, token: Option<&str>) -> Result<Socket, ConnectError> {
    let unreachable = |error: &dyn std::fmt::Display| ConnectError::Unreachable(error.to_string());
    let uri: Uri = address.url.parse().map_err(|error| unreachable(&error))?;
    let is_secure = match uri.scheme_str() {
        Some("wss") => true,
        Some("ws") => false,
        _ => return Err(unreachable(&"an address begins with wss:// or ws://")),
    };
    let host = uri.host().ok_or_else(|| unreachable(&"the address has no host"))?.trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await.map_err(|error| unreachable(&error))?;
    // Frames are small and wanted now.
    stream.set_nodelay(true).map_err(|error| unreachable(&error))?;
    if !is_secure {
        return handshake(stream, &uri, token).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| unreachable(&error))?;
    let config = address.tls.config().map_err(|error| unreachable(&error))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    handshake(stream.map_err(|error| unreachable(&error))?, &uri, token).await
}

/// The upgrade, by hand: a server that does not take up a subprotocol is none the worse for it, but
/// tungstenite's own handshake would end there.
async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    uri: &Uri,
    token: Option<&str>,
) -> Result<Socket, ConnectError> {
    let unreachable = |error: &dyn std::fmt::Display| ConnectError::Unreachable(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(&error))?;
    // It ends with the socket, and whatever it has to say is met there.
    tokio::spawn(connection.with_upgrades());
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| unreachable(&error))?;
    let key = STANDARD.encode(key);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::get(path)
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key);
    if let Some(token) = token {
        let mut protocols = SUBPROTOCOL.to_owned();
        // Writing to a string does not fail.
        let _ = write!(protocols, ", {TOKEN_SUBPROTOCOL}{token}");
        let mut protocols = HeaderValue::try_from(protocols)
            .map_err(|_| ConnectError::Token("it gave what is no token".to_owned()))?;
        protocols.set_sensitive(true);
        request = request.header(SEC_WEBSOCKET_PROTOCOL, protocols);
    }
    let request = request.body(String::new()).map_err(|error| unreachable(&error))?;
    let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => {}
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            return Err(ConnectError::Refused(status));
        }
        status => return Err(unreachable(&format!("it answers with status {status}"))),
    }
    let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    if accepted.is_none_or(|accepted| accepted.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(unreachable(&"what answers is no WebSocket"));
    }
    let stream = hyper::upgrade::on(response).await.map_err(|error| unreachable(&error))?;
    // The buffer is cleared before each read, and most frames are small.
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    Ok(WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Client, Some(config)).await)
}
