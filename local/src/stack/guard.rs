//! Protects a stack that others can reach: only this machine may post to connections, and only pages of
//! the stack's own address and of the allowed origins may open the WebSocket.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Who may connect.
#[derive(Debug)]
pub(super) struct Guard {
    /// The stack's own address: its functions post to connections from there.
    pub host: IpAddr,
    /// Origins of pages that may connect, such as `https://notes.example.org`.
    pub allowed: Vec<String>,
}

impl Guard {
    fn refusal(&self, request: &Request) -> Option<&'static str> {
        if request.uri().path().contains("/@connections/") {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let is_own = |ip: IpAddr| ip.is_loopback() || ip == self.host;
            let from_here = peer.is_some_and(|ConnectInfo(address)| is_own(address.ip()));
            return (!from_here).then_some("@connections is for this machine only");
        }
        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
        // Programs send no origin; a browser always does.
        let origin = header("origin")?;
        let is_own = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == header("host"));
        let is_allowed = self.allowed.iter().any(|allowed| allowed.trim_end_matches('/') == origin);
        (!is_own && !is_allowed).then_some("pages of this origin may not connect: use --allow-origin")
    }
}

/// Refuses requests that the guard does not allow.
pub(super) async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.refusal(&request) {
        Some(reason) => (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn refused(path: &str, peer: &str, origin: Option<&str>) -> bool {
        let guard =
            Guard { host: "10.0.0.1".parse().unwrap(), allowed: vec!["https://notes.example/".into()] };
        let mut request = Request::builder().uri(path).header("host", "10.0.0.1:8080");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        request.extensions_mut().insert(ConnectInfo(peer));
        guard.refusal(&request).is_some()
    }

    #[test]
    fn strangers_post_to_no_connection() {
        for (peer, is_refused) in [("127.0.0.1", false), ("10.0.0.1", false), ("10.0.0.2", true)] {
            assert_eq!(refused("/dev/@connections/c", peer, None), is_refused, "{peer}");
        }
    }

    #[test]
    fn pages_of_other_sites_do_not_connect() {
        for (origin, is_refused) in [
            (None, false),
            (Some("http://10.0.0.1:8080"), false),
            (Some("https://notes.example"), false),
            (Some("https://evil.example"), true),
            (Some("http://10.0.0.1:8081"), true),
            (Some("null"), true),
        ] {
            assert_eq!(refused("/dev", "10.0.0.2", origin), is_refused, "{origin:?}");
        }
    }
}
