//! A small HTTP client for `/_inklog` of a running stack: one connection per request, loopback, no TLS.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// One attempt to connect takes at most this.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// The client gives up on a stack that sends nothing for this long: the longest job on the largest document
/// takes less.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// More than any answer of a stack needs, in bytes.
const ANSWER_MAX: usize = 512 * 1024 * 1024;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address.
    #[error("{0} is not the address of a local stack, such as http://127.0.0.1:8080")]
    Address(String),
    /// Nobody there, or the connection broke.
    #[error("no stack responds at {url}: {reason}; start one with `inklog dev`, or name it with --url")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The stack refused.
    #[error("{0}")]
    Refused(String),
    /// It accepted the request and then went silent, or sends without end.
    #[error("{url} {what}: is the stack still working?")]
    Stuck {
        /// Where.
        url: String,
        /// How it is stuck.
        what: String,
    },
    /// The answer is not the JSON of a stack.
    #[error("{url} does not answer like a stack: {reason}")]
    BadResponse {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
}

/// The address of a running stack.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpBase {
    url: String,
    authority: String,
    host: String,
    port: u16,
    limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Limits {
    connect: Duration,
    silence: Duration,
    answer: usize,
}

const LIMITS: Limits = Limits { connect: CONNECT_MAX, silence: SILENCE_MAX, answer: ANSWER_MAX };

/// How an exchange failed.
enum Failure {
    Unreachable(String),
    Stuck(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Unreachable(error.to_string())
    }
}

/// The outcome, if it arrives in time.
async fn within<T>(limit: Duration, outcome: impl Future<Output = T>) -> Result<T, Failure> {
    let silent = |_| Failure::Stuck(format!("has been silent for {} s", limit.as_secs_f32()));
    tokio::time::timeout(limit, outcome).await.map_err(silent)
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl HttpBase {
    /// Reads `http://host:port`.
    pub fn parse(url: &str) -> Result<HttpBase, HttpError> {
        let bad_address = || HttpError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad_address())?;
        let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or_else(bad_address)?;
        if uri.scheme_str() != Some("http") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad_address());
        }
        Ok(HttpBase {
            url: format!("http://{authority}"),
            authority: authority.to_string(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            limits: LIMITS,
        })
    }

    /// The address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks; `None` when there is no such document.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, HttpError> {
        self.request(Method::GET, path).await
    }

    /// Has something done; `None` when there is no such document.
    pub async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, HttpError> {
        self.request(Method::POST, path).await
    }

    async fn request<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<Option<T>, HttpError> {
        let (status, body) = self.exchange(method, path).await.map_err(|failure| match failure {
            Failure::Unreachable(reason) => HttpError::Unreachable { url: self.url.clone(), reason },
            Failure::Stuck(what) => HttpError::Stuck { url: self.url.clone(), what },
        })?;
        let bad = |reason: String| HttpError::BadResponse { url: self.url.clone(), reason };
        if status.is_success() {
            return serde_json::from_slice(&body).map(Some).map_err(|error| bad(error.to_string()));
        }
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(_) if status == StatusCode::NOT_FOUND => Ok(None),
            Ok(refusal) => Err(HttpError::Refused(refusal.error)),
            Err(_) => Err(bad(format!("status {status}"))),
        }
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<(StatusCode, Vec<u8>), Failure> {
        let Limits { connect, silence, answer } = self.limits;
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let no_answer = |_| Failure::Unreachable(format!("no answer within {} s", connect.as_secs_f32()));
        let stream = tokio::time::timeout(connect, connecting).await.map_err(no_answer)??;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request =
            Request::builder().method(method).uri(path).header(HOST, &self.authority).body(String::new())?;
        let exchange = async {
            let response = within(silence, sender.send_request(request)).await??;
            let status = response.status();
            let body = read_whole(response.into_body(), silence, answer).await?;
            Ok::<_, Failure>((status, body))
        };
        // The connection drives the exchange, and whatever it has to say after that is not waited for.
        let connection = async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection ended with an error");
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = exchange => answer,
            () = connection => unreachable!("it never ends"),
        }
    }
}

async fn read_whole(mut body: Incoming, silence: Duration, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = within(silence, body.frame()).await? {
        if let Ok(data) = frame?.into_data() {
            if bytes.len() + data.len() > most {
                return Err(Failure::Stuck(format!("sends more than {most} bytes")));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[test]
    fn only_addresses_of_a_local_stack_pass() {
        let base = HttpBase::parse("http://127.0.0.1:8080/").unwrap();
        assert_eq!((base.url(), base.port), ("http://127.0.0.1:8080", 8080));
        assert_eq!(HttpBase::parse("http://[::1]:1").unwrap().host, "::1");
        assert_eq!(HttpBase::parse("http://localhost").unwrap().port, 80);
        for bad in ["", "127.0.0.1:8080", "https://x", "http://x/path", "http://u@x", "ws://x"] {
            assert!(HttpBase::parse(bad).is_err(), "{bad}");
        }
    }

    /// Answers one request with a canned response.
    async fn answered(response: &'static str) -> Result<Option<u32>, HttpError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = HttpBase::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /x HTTP/1.1\r\nhost: 127.0.0.1:"));
            stream.write_all(response.as_bytes()).await.unwrap();
        };
        tokio::join!(base.get("/x"), server).0
    }

    #[tokio::test]
    async fn answers_and_refusals_are_told_apart() {
        let fine = answered("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n17").await;
        assert_eq!(fine.unwrap(), Some(17));
        let missing = r#"{"error":"there is no d there"}"#;
        assert_eq!(missing.len(), 31);
        let missing = answered(
            "HTTP/1.1 404 Not Found\r\ncontent-length: 31\r\n\r\n{\"error\":\"there is no d there\"}",
        );
        assert_eq!(missing.await.unwrap(), None);
        let broken = answered("HTTP/1.1 500 Oh\r\ncontent-length: 16\r\n\r\n{\"error\":\"boom\"}").await;
        assert!(matches!(broken, Err(HttpError::Refused(line)) if line == "boom"));
        let other = answered("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno").await;
        assert!(matches!(other, Err(HttpError::BadResponse { .. })));
    }

    /// A server that takes the request, sends `begin`, and `more` again and again, or nothing more.
    async fn stuck(begin: &'static str, more: &'static [u8]) -> HttpError {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut base = HttpBase::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        base.limits = Limits { silence: Duration::from_millis(100), answer: 100_000, ..LIMITS };
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 4_096]).await.unwrap(), 0, "a request comes first");
            let mut written = stream.write_all(begin.as_bytes()).await;
            while written.is_ok() && !more.is_empty() {
                written = stream.write_all(more).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = base.get::<u32>("/x") => answer.unwrap_err(),
            () = server => unreachable!("it never ends"),
        }
    }

    #[tokio::test]
    async fn a_stuck_server_is_left() {
        let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        for (begin, more, what) in [
            ("", &b""[..], "silent"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1", b"", "silent"),
            (endless, b"4\r\n1111\r\n", "more than 100000 bytes"),
        ] {
            let error = stuck(begin, more).await;
            assert!(matches!(error, HttpError::Stuck { .. }) && error.to_string().contains(what), "{error}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_said_in_one_line() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = HttpBase::parse(&url).unwrap().get::<u32>("/x").await.unwrap_err();
        assert!(error.to_string().contains("no stack responds at") && !error.to_string().contains('\n'));
    }
}
