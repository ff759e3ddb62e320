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
