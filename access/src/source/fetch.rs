//! Keys from an address.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;

use crate::KEYS_BYTES_MAX;

pub(super) struct Fetcher {
    uri: Uri,
    /// Instead of those of the system.
    #[cfg(test)]
    roots: Option<rustls::RootCertStore>,
}

impl Fetcher {
    /// Whoever can change the answer on its way lets in whom they like, so that it must be HTTPS.
    pub fn new(url: &str) -> Result<Fetcher, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "it is no URL")?;
        let authority = uri.authority().ok_or("it has no host")?;
        if authority.as_str().contains('@') {
            return Err("it must not hold a user or password, which logs would show");
        }
        let host = authority.host().trim_matches(['[', ']']);
        let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_local => {}
            _ => return Err("it must begin with https:// (http:// is allowed on this machine only)"),
        }
        Ok(Fetcher {
            uri,
            #[cfg(test)]
            roots: None,
        })
    }

    pub fn url(&self) -> &Uri {
        &self.uri
    }

    /// One request. No redirect is followed: it could lead anywhere.
    pub async fn fetch(&self) -> Result<Vec<u8>, String> {
        let request = Request::get(&self.uri)
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .header(USER_AGENT, "inklog")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        // A function that was frozen finds its old connections dead.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(self.connector()?);
        let answer = client.request(request).await.map_err(|error| cause(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => {
                return Err(format!(
                    "it answered {status}; redirects are not followed: name the address itself"
                ));
            }
            status => return Err(format!("it answered {status}")),
        }
        let body = Limited::new(answer.into_body(), KEYS_BYTES_MAX).collect().await;
        let body = body.map_err(|error| cause(&*error))?;
        Ok(body.to_bytes().to_vec())
    }

    fn connector(&self) -> Result<HttpsConnector<HttpConnector>, String> {
        let provider = Arc::new(ring::default_provider());
        #[cfg(test)]
        if let Some(roots) = &self.roots {
            let config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            return Ok(HttpsConnectorBuilder::new()
                .with_tls_config(config)
                .https_or_http()
                .enable_http1()
                .build());
        }
        let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
        Ok(builder.map_err(|error| error.to_string())?.https_or_http().enable_http1().build())
    }
}

/// The innermost cause: the outer ones say only that something failed.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    #[test]
    fn an_address_is_https_or_of_this_machine() {
        for good in [
            "https://a.example/.well-known/jwks.json",
            "https://a.example:8443/a?b=c",
            "https://10.0.0.1/x",
            "http://localhost:8080/x",
            "http://127.0.0.1/x",
            "http://127.9.9.9:1/x",
            "http://[::1]:1/x",
        ] {
            assert!(Fetcher::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/jwks",
            "http://localhost.a.example/jwks",
            "http://127.0.0.1.a.example/jwks",
            "http://10.0.0.1/x",
            "http://0.0.0.0/x",
            "ftp://a.example/x",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://user:password@a.example/x",
            "http://localhost@a.example/x",
            "//a.example/x",
            "https://a b/",
            "",
        ] {
            assert!(Fetcher::new(bad).is_err(), "{bad}");
        }
    }

    /// An HTTPS server with a certificate of its own for `localhost`, and that certificate.
    async fn https_server() -> (String, RootCertStore) {
        let own = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key.into())
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut socket) = acceptor.accept(socket).await else { continue };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(socket.read_u8().await.unwrap());
                }
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nkeys").await.unwrap();
                socket.shutdown().await.unwrap();
            }
        });
        (format!("https://localhost:{port}/"), roots)
    }

    #[tokio::test]
    async fn a_server_is_believed_if_its_certificate_is() {
        let (url, roots) = https_server().await;
        let mut fetcher = Fetcher::new(&url).unwrap();
        let error = fetcher.fetch().await.unwrap_err();
        assert!(error.contains("certificate"), "{error}");
        fetcher.roots = Some(roots.clone());
        assert_eq!(fetcher.fetch().await.as_deref(), Ok(b"keys".as_slice()));
        // Another name than its certificate has.
        let mut fetcher = Fetcher::new(&url.replace("localhost", "127.0.0.1")).unwrap();
        fetcher.roots = Some(roots);
        let error = fetcher.fetch().await.unwrap_err();
        assert!(error.contains("certificate"), "{error}");
    }
}
