//! What every answer tells a browser to refuse.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;

const ALWAYS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // An address may carry a token.
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds them to every answer of a router, errors included. Pages may ask `origins` besides their own server.
pub(super) fn secured(router: Router, origins: &[String]) -> Router {
    let origins: Arc<str> = origins.iter().map(|origin| format!(" {origin}")).collect::<String>().into();
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        answer(origins.clone(), request, next)
    }))
}

async fn answer(origins: Arc<str>, request: Request, next: Next) -> Response {
    let policy = content_security_policy(request.headers(), &origins);
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Scripts and styles from the stack's own files only, none written into a page. The WebSocket's address is
/// named as well: in older browsers `'self'` does not cover it.
fn content_security_policy(headers: &HeaderMap, origins: &str) -> HeaderValue {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| host.parse::<Authority>().is_ok() && !host.contains([';', ',', '\'', '@']));
    let sockets = host.map(|host| format!(" ws://{host} wss://{host}")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; \
         manifest-src 'self'; worker-src 'self'; connect-src 'self'{sockets}{origins}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("hosts and origins are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(host: &str) -> String {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_str(host).unwrap())]);
        content_security_policy(&headers, "").to_str().unwrap().to_owned()
    }

    #[test]
    fn a_host_adds_its_sockets_and_nothing_else() {
        assert!(
            policy("127.0.0.1:8080").contains("connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080;")
        );
        assert!(policy("[::1]:8080").contains(" ws://[::1]:8080 "));
        for host in ["a;script-src", "a, b", "a b", "'unsafe-inline'", "u@h", ""] {
            assert!(policy(host).contains("connect-src 'self';"), "{host}");
        }
    }
}
