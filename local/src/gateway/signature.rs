//! Signature Version 4 on `@connections`, as AWS checks it: who posts to connections knows the stack's secret.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::NaiveDateTime;
use subtle::ConstantTimeEq as _;

use super::management::Refusal;
use super::{Inner, MESSAGE_BYTES_MAX};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "execute-api";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// How far the signer's clock may be off, either way.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5 * 60);

/// Credentials that nobody knows yet.
pub fn new_credentials() -> Credentials {
    let mut bytes = [0_u8; 45];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    let (id, secret) = bytes.split_at(15);
    let id = format!("INKLOG{}", URL_SAFE_NO_PAD.encode(id));
    Credentials::new(id, URL_SAFE_NO_PAD.encode(secret), None, None, "inklog")
}

/// Passes on what is signed with the gateway's credentials.
pub(super) async fn signed(State(gateway): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // Before the body, which a stranger could send slowly.
    let claim = match Claim::of(&parts) {
        Ok(claim) => claim,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(body) = axum::body::to_bytes(body, MESSAGE_BYTES_MAX).await else {
        return Refusal::PayloadTooLarge.into_response();
    };
    match claim.verify(&parts, &body, &gateway.config.credentials, SystemTime::now()) {
        Ok(()) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// What the `Authorization` header says.
struct Claim {
    access_key_id: String,
    region: String,
    /// Lower case, as the signer sorted them.
    signed_headers: Vec<String>,
    signature: String,
    at: SystemTime,
}

impl Claim {
    fn of(parts: &Parts) -> Result<Claim, Refusal> {
        let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = text(header::AUTHORIZATION).ok_or(Refusal::Unsigned)?;
        let date = text(DATE).ok_or(Refusal::Unsigned)?;
        Claim::read(authorization, date).ok_or(Refusal::BadSignature)
    }

    /// `AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/execute-api/aws4_request, SignedHeaders=a;b, Signature=HEX`
    fn read(authorization: &str, date: &str) -> Option<Claim> {
        let fields = authorization.strip_prefix(ALGORITHM)?;
        let field = |name: &str| {
            let mut fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
            fields.find(|(other, _)| *other == name).map(|(_, value)| value)
        };
        let scope: Vec<&str> = field("Credential")?.split('/').collect();
        let [access_key_id, day, region, SERVICE, "aws4_request"] = scope[..] else { return None };
        if day != date.split('T').next()? {
            return None;
        }
        let signed_headers: Vec<String> = field("SignedHeaders")?.split(';').map(str::to_owned).collect();
        // Otherwise the signature would hold for another host, and for ever.
        let is_bound = |name: HeaderName| signed_headers.iter().any(|signed| *signed == name.as_str());
        if !is_bound(header::HOST) || !is_bound(DATE) {
            return None;
        }
        let at = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").ok()?.and_utc();
        Some(Claim {
            access_key_id: access_key_id.to_owned(),
            region: region.to_owned(),
            signed_headers,
            signature: field("Signature")?.to_owned(),
            at: at.into(),
        })
    }

    fn verify(
        &self,
        parts: &Parts,
        body: &[u8],
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let off = now.duration_since(self.at).unwrap_or_else(|ahead| ahead.duration());
        if self.access_key_id != credentials.access_key_id() || off > CLOCK_SKEW_MAX {
            return Err(Refusal::BadSignature);
        }
        let expected = self.expected(parts, body, credentials).ok_or(Refusal::BadSignature)?;
        let is_equal = expected.as_bytes().ct_eq(self.signature.as_bytes());
        if bool::from(is_equal) { Ok(()) } else { Err(Refusal::BadSignature) }
    }

    /// The signature that the request has if the stack's secret made it.
    fn expected(&self, parts: &Parts, body: &[u8], credentials: &Credentials) -> Option<String> {
        let mut settings = SigningSettings::default();
        // What the signer has signed, it says itself.
        settings.excluded_headers = None;
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(self.at)
            .settings(settings)
            .build()
            .ok()?
            .into();
        let mut headers = Vec::new();
        for name in self.signed_headers.iter().filter(|name| *name != DATE.as_str()) {
            let mut values = parts.headers.get_all(name.as_str()).iter().peekable();
            values.peek()?;
            for value in values {
                headers.push((name.as_str(), value.to_str().ok()?));
            }
        }
        let (method, uri) = (parts.method.as_str(), parts.uri.to_string());
        let request =
            SignableRequest::new(method, uri, headers.into_iter(), SignableBody::Bytes(body)).ok()?;
        Some(sign(request, &params).ok()?.signature().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const PATH: &str = "/dev/@connections/S7fV1dGcoAMCJfg%3D";
    const BODY: &[u8] = b"{\"action\":\"PONG\"}";

    fn stack() -> Credentials {
        Credentials::new("INKLOGid", "secret", None, None, "test")
    }

    /// A post as the SDK signs it.
    fn post(credentials: &Credentials, service: &str, at: SystemTime) -> Parts {
        let mut parts =
            Request::builder().method("POST").uri(PATH).header("host", "h:1").header("x-extra", "a");
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name(service)
            .time(at)
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let headers = [("host", "h:1"), ("x-extra", "a")].into_iter();
        let request = SignableRequest::new("POST", PATH, headers, SignableBody::Bytes(BODY)).unwrap();
        let (instructions, _) = sign(request, &params.into()).unwrap().into_parts();
        for (name, value) in instructions.headers() {
            parts = parts.header(name.to_owned(), value.to_owned());
        }
        parts.body(()).unwrap().into_parts().0
    }

    fn passes(parts: &Parts, body: &[u8]) -> bool {
        let claim = Claim::of(parts);
        claim.is_ok_and(|claim| claim.verify(parts, body, &stack(), SystemTime::now()).is_ok())
    }

    #[test]
    fn what_the_stack_signed_passes_as_it_was_signed() {
        let now = SystemTime::now();
        let signed = post(&stack(), SERVICE, now);
        assert!(passes(&signed, BODY));
        assert!(!passes(&signed, b"{}"));
        let changes: [fn(&mut Parts); 8] = [
            |parts| parts.method = "DELETE".parse().unwrap(),
            |parts| parts.uri = "/dev/@connections/another".parse().unwrap(),
            |parts| parts.uri = format!("{PATH}?x=1").parse().unwrap(),
            |parts| _ = parts.headers.insert("host", HeaderValue::from_static("h:2")),
            |parts| _ = parts.headers.insert("x-extra", HeaderValue::from_static("b")),
            |parts| _ = parts.headers.append("x-extra", HeaderValue::from_static("a")),
            |parts| _ = parts.headers.remove("x-extra"),
            |parts| _ = parts.headers.remove("x-amz-date"),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = post(&stack(), SERVICE, now);
            change(&mut changed);
            assert!(!passes(&changed, BODY), "change {number}");
        }
    }

    #[test]
    fn others_signatures_and_old_ones_do_not_pass() {
        let now = SystemTime::now();
        let other = |id: &str, secret: &str| Credentials::new(id, secret, None, None, "test");
        assert!(!passes(&post(&other("INKLOGid", "another"), SERVICE, now), BODY));
        assert!(!passes(&post(&other("another", "secret"), SERVICE, now), BODY));
        assert!(!passes(&post(&stack(), "s3", now), BODY));
        let nearly = CLOCK_SKEW_MAX - Duration::from_secs(5);
        let over = CLOCK_SKEW_MAX + Duration::from_secs(5);
        for (at, is_fresh) in
            [(now - nearly, true), (now + nearly, true), (now - over, false), (now + over, false)]
        {
            assert_eq!(passes(&post(&stack(), SERVICE, at), BODY), is_fresh);
        }
    }

    #[test]
    fn a_signature_binds_host_and_date() {
        let signature = "Signature=00";
        let read = |scope: &str, headers: &str| {
            let fields = format!("{ALGORITHM} Credential={scope}, SignedHeaders={headers}, {signature}");
            Claim::read(&fields, "20261127T080000Z").is_some()
        };
        let scope = "id/20261127/us-east-1/execute-api/aws4_request";
        assert!(read(scope, "host;x-amz-date"));
        assert!(!read(scope, "x-amz-date"));
        assert!(!read(scope, "host"));
        for scope in
            ["", "id", "id/20261126/us-east-1/execute-api/aws4_request", "id/20261127/us-east-1/execute-api"]
        {
            assert!(!read(scope, "host;x-amz-date"), "{scope}");
        }
        for fields in ["", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential"] {
            assert!(Claim::read(fields, "20261127T080000Z").is_none(), "{fields}");
        }
    }
}
