//! Which requests reach what, by where they come from. A browser sends its pages' requests whoever wrote the page,
//! so that being on this machine is not enough.
//!
//! | what | machine | page |
//! |---|---|---|
//! | everything | any; by an IP address, `localhost`, or the name of an allowed origin | any |
//! | `/dev` | any | none, the stack's own, or one of an allowed origin |
//! | `/_inklog` | this one, by a loopback name, past no proxy | none, or the stack's own |
//! | `/dev/@connections` | this one, past no proxy | none; and signed (`gateway::Gateway::management`) |

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::IntoResponse as _;
use axum::{Json, Router};
use serde_json::json;

/// Set by proxies: the peer's address is the proxy's, and says nothing of who asks.
const FORWARDED: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

/// Who the stack is, and whom it lets in.
#[derive(Debug)]
pub(super) struct Guard {
    /// The address that the stack listens on.
    host: IpAddr,
    /// Origins of other sites' pages that may connect, such as `https://notes.example.org`.
    allowed: Vec<String>,
}

/// Why a request is refused, in words for whoever made it.
type Rule = fn(&Guard, &Request) -> Option<&'static str>;

impl Guard {
    pub fn new(host: IpAddr, allowed: &[String]) -> Arc<Guard> {
        let allowed = allowed.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
        Arc::new(Guard { host, allowed: allowed.collect() })
    }

    /// For everything that is served: no name of another site leads here. Otherwise a page of that site,
    /// whose name now resolves to this machine, would be of the same origin as the stack.
    pub fn everything(self: &Arc<Guard>, router: Router) -> Router {
        self.layer(router, "message", |guard, request| {
            let host = header(request.headers(), "host")?;
            let is_own = host_of(host).is_some_and(|host| guard.is_own_name(&host));
            (!is_own).then_some("the stack does not know itself by this name: use --allow-origin")
        })
    }

    /// For where clients connect: pages of other sites do so only if they are allowed to.
    pub fn clients(self: &Arc<Guard>, router: Router) -> Router {
        self.layer(router, "message", |guard, request| {
            let origin = header(request.headers(), "origin")?.to_ascii_lowercase();
            let is_welcome = is_own_origin(request.headers(), &origin) || guard.allowed.contains(&origin);
            (!is_welcome).then_some("pages of this origin may not connect: use --allow-origin")
        })
    }

    /// For the operator: programs of this machine, and the stack's own pages on it.
    pub fn operators(self: &Arc<Guard>, router: Router) -> Router {
        self.layer(router, "error", |_, request| {
            let headers = request.headers();
            let is_local = peer(request).is_some_and(|ip| ip.is_loopback())
                && !is_forwarded(headers)
                && header(headers, "host").is_none_or(|host| host_of(host).is_some_and(is_loopback_name));
            if !is_local {
                return Some("/_inklog is for this machine only");
            }
            let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
            let is_own_page = header(headers, "origin").is_none_or(|origin| is_own_origin(headers, origin))
                && match header(headers, "sec-fetch-site") {
                    None | Some("same-origin") => true,
                    // Typed into the address bar: no page made it, and none can read the answer.
                    Some("none") => is_safe,
                    Some(_) => false,
                };
            (!is_own_page).then_some("/_inklog is not for pages of other sites")
        })
    }

    /// For `@connections`: programs of this machine. A browser is none, whatever page it shows.
    pub fn programs(self: &Arc<Guard>, router: Router) -> Router {
        self.layer(router, "message", |guard, request| {
            let headers = request.headers();
            let is_here = |ip: IpAddr| ip.is_loopback() || ip == guard.host;
            if !peer(request).is_some_and(is_here) || is_forwarded(headers) {
                return Some("@connections is for this machine only");
            }
            let is_page = ["origin", "sec-fetch-site"].iter().any(|name| headers.contains_key(*name));
            is_page.then_some("@connections is not for browsers")
        })
    }

    fn layer(self: &Arc<Guard>, router: Router, field: &'static str, rule: Rule) -> Router {
        let guard = self.clone();
        router.layer(middleware::from_fn(move |request: Request, next: Next| {
            let reason = rule(&guard, &request);
            async move {
                match reason {
                    Some(reason) => (StatusCode::FORBIDDEN, Json(json!({ field: reason }))).into_response(),
                    None => next.run(request).await,
                }
            }
        }))
    }

    /// An address is always the stack's own: only a name can be made to lead elsewhere than it says.
    fn is_own_name(&self, host: &str) -> bool {
        let of_origin = |origin: &String| origin.split_once("://").and_then(|(_, rest)| host_of(rest));
        host == "localhost"
            || host.parse::<IpAddr>().is_ok()
            || self.allowed.iter().any(|origin| of_origin(origin).as_deref() == Some(host))
    }
}

/// A header's value; what is not text is none that a rule knows.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// The name or address without its port, in lower case.
fn host_of(authority: &str) -> Option<String> {
    let parsed = authority.parse::<Authority>().ok().filter(|_| !authority.contains('@'))?;
    Some(parsed.host().trim_matches(['[', ']']).to_ascii_lowercase())
}

fn is_loopback_name(host: String) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a page came from where it asks.
fn is_own_origin(headers: &HeaderMap, origin: &str) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| {
        header(headers, "host").is_some_and(|host| host.eq_ignore_ascii_case(authority))
    })
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDED.iter().any(|name| headers.contains_key(*name))
}

fn peer(request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(address)| address.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::any;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    const HERE: &str = "127.0.0.1";
    const ELSEWHERE: &str = "10.0.0.2";

    /// Whether a request passes, from this peer, with these header lines.
    async fn passes(
        rule: fn(&Arc<Guard>, Router) -> Router,
        method: &str,
        peer: &str,
        lines: &[(&str, &str)],
    ) -> bool {
        let guard = Guard::new("10.0.0.1".parse().unwrap(), &["https://Notes.example/".to_owned()]);
        let router = rule(&guard, Router::new().route("/", any(async || "in")));
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let answer = TowerToHyperService::new(router).call(request).await.unwrap();
        assert!([200, 403].contains(&answer.status().as_u16()));
        answer.status() == 200
    }

    #[tokio::test]
    async fn a_name_of_another_site_leads_nowhere() {
        for (host, is_own) in [
            ("127.0.0.1:8080", true),
            ("10.0.0.1", true),
            ("[::1]:8080", true),
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("notes.example", true),
            ("notes.example:8443", true),
            ("rebound.example:8080", false),
            ("localhost.rebound.example", false),
            ("127.0.0.1.rebound.example", false),
            ("localhost@rebound.example", false),
            ("rebound.example@localhost", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(passes(Guard::everything, "GET", HERE, &[("host", host)]).await, is_own, "{host:?}");
        }
        assert!(passes(Guard::everything, "GET", ELSEWHERE, &[]).await, "programs may leave it out");
    }

    #[tokio::test]
    async fn pages_of_other_sites_do_not_connect() {
        for (origin, is_welcome) in [
            ("http://10.0.0.1:8080", true),
            ("https://notes.example", true),
            ("https://evil.example", false),
            ("http://notes.example", false),
            ("http://10.0.0.1:8081", false),
            ("10.0.0.1:8080", false),
            ("null", false),
            ("", false),
        ] {
            let lines = [("host", "10.0.0.1:8080"), ("origin", origin)];
            assert_eq!(passes(Guard::clients, "GET", ELSEWHERE, &lines).await, is_welcome, "{origin:?}");
        }
        assert!(passes(Guard::clients, "GET", ELSEWHERE, &[("host", "10.0.0.1:8080")]).await);
        assert!(!passes(Guard::clients, "GET", HERE, &[("origin", "http://localhost")]).await);
    }

    #[tokio::test]
    async fn the_operator_answers_to_this_machine_and_its_own_pages() {
        let own = ("host", "127.0.0.1:8080");
        for (method, peer, lines, is_let_in) in [
            ("POST", HERE, &[own][..], true),
            ("POST", HERE, &[], true),
            ("POST", "::ffff:127.0.0.1", &[], true),
            ("GET", ELSEWHERE, &[own], false),
            // On the stack's address by another of its names: pages reach it by that name from elsewhere as well.
            ("GET", HERE, &[("host", "10.0.0.1:8080")], false),
            ("GET", HERE, &[("host", "notes.example")], false),
            ("GET", HERE, &[own, ("x-forwarded-for", "127.0.0.1")], false),
            ("GET", HERE, &[own, ("forwarded", "for=10.0.0.2")], false),
            ("GET", HERE, &[own, ("sec-fetch-site", "same-origin")], true),
            ("GET", HERE, &[own, ("sec-fetch-site", "same-site")], false),
            ("GET", HERE, &[own, ("sec-fetch-site", "cross-site")], false),
            ("GET", HERE, &[own, ("sec-fetch-site", "none")], true),
            ("POST", HERE, &[own, ("sec-fetch-site", "none")], false),
            (
                "POST",
                HERE,
                &[own, ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            ("POST", HERE, &[own, ("origin", "http://127.0.0.1:3000")], false),
            ("POST", HERE, &[own, ("origin", "https://notes.example")], false),
            ("POST", HERE, &[own, ("origin", "null")], false),
        ] {
            let passed = passes(Guard::operators, method, peer, lines).await;
            assert_eq!(passed, is_let_in, "{method} from {peer}: {lines:?}");
        }
    }

    #[tokio::test]
    async fn connections_are_posted_to_by_programs_of_this_machine() {
        let own = ("host", "10.0.0.1:8080");
        for (peer, lines, is_let_in) in [
            (HERE, &[own][..], true),
            ("10.0.0.1", &[own], true),
            (ELSEWHERE, &[own], false),
            (HERE, &[own, ("via", "1.1 proxy")], false),
            (HERE, &[own, ("origin", "http://10.0.0.1:8080")], false),
            (HERE, &[own, ("sec-fetch-site", "same-origin")], false),
        ] {
            assert_eq!(passes(Guard::programs, "POST", peer, lines).await, is_let_in, "{peer}: {lines:?}");
        }
    }
}
