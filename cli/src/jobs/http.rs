//! A small HTTP client for `/_inklog` of a running stack: one connection a request, loopback, no TLS.

use std::future::poll_fn;
use std::pin::pin;

use hyper::body::{Body as _, Incoming};
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address.
    #[error("{0} is no address of a local stack, such as http://127.0.0.1:8080")]
    Address(String),
    /// Nobody there, or the connection broke.
    #[error("no stack answers at {url}: {reason}; start one with `inklog dev`, or name it with --url")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The stack says no.
    #[error("{0}")]
    Refused(String),
    /// The answer is no JSON of ours.
    #[error("{url} answers something else than a stack does: {reason}")]
    Odd {
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
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl HttpBase {
    /// Reads `http://host:port`.
    pub fn parse(url: &str) -> Result<HttpBase, HttpError> {
        let odd = || HttpError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| odd())?;
        let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or_else(odd)?;
        if uri.scheme_str() != Some("http") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(odd());
        }
        Ok(HttpBase {
            url: format!("http://{authority}"),
            authority: authority.to_string(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
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
        let (status, body) = self
            .exchange(method, path)
            .await
            .map_err(|reason| HttpError::Unreachable { url: self.url.clone(), reason: reason.to_string() })?;
        let odd = |reason: String| HttpError::Odd { url: self.url.clone(), reason };
        if status.is_success() {
            return serde_json::from_slice(&body).map(Some).map_err(|error| odd(error.to_string()));
        }
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(_) if status == StatusCode::NOT_FOUND => Ok(None),
            Ok(refusal) => Err(HttpError::Refused(refusal.error)),
            Err(_) => Err(odd(format!("status {status}"))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
    ) -> Result<(StatusCode, Vec<u8>), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request =
            Request::builder().method(method).uri(path).header(HOST, &self.authority).body(String::new())?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = read_whole(response.into_body()).await?;
            // The connection ends when its sender does.
            drop(sender);
            Ok::<_, hyper::Error>((status, body))
        };
        let (answer, closed) = tokio::join!(exchange, connection);
        let answer = answer?;
        if let Err(error) = closed {
            tracing::debug!(%error, "the connection did not end well");
        }
        Ok(answer)
    }
}

async fn read_whole(body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
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
        assert!(matches!(other, Err(HttpError::Odd { .. })));
    }

    #[tokio::test]
    async fn nobody_there_is_said_in_one_line() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = HttpBase::parse(&url).unwrap().get::<u32>("/x").await.unwrap_err();
        assert!(error.to_string().contains("no stack answers at") && !error.to_string().contains('\n'));
    }
}
