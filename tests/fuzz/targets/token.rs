//! What a token says, well signed: `TokenVerifier::verify` and `inspect`, given header and claims, a line each. Bad
//! signatures and broken shapes are in `access/tests/corpus`.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use inklog_access::signing::{Signer, SigningKeys};
use inklog_access::{Identity, Jwks, Rules, TokenVerifier, inspect};
use inklog_protocol::limits::{CLOCK_LEEWAY, GRANTS_MAX, TOKEN_BYTES_MAX, TOKEN_LIFETIME_MAX};
use serde_json::json;

use crate::driver::{Target, unsealed};
use crate::json::changed;
use crate::made::{number, rarely};
use crate::meter::{Bound, Meter};

/// When everything happens, in seconds since the epoch.
const NOW: u64 = 1_800_000_000;

pub const TARGET: Target = Target { name: "token", inputs: 8_000, make, check, seal: unsealed };
const BOUND: Bound = Bound { each: 128, base: 16 * 1024 };

static KEYS: LazyLock<(Signer, Jwks)> = LazyLock::new(|| {
    let secret = URL_SAFE_NO_PAD.encode([7; 32]);
    let set = json!({"keys": [{"kty": "oct", "kid": "k", "alg": "HS256", "k": secret}]}).to_string();
    let signing = SigningKeys::parse(set.as_bytes()).expect("a key");
    (signing.signer(None).expect("a secret"), signing.jwks().expect("a key"))
});

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let header = json!({"typ": "JWT", "alg": "HS256", "kid": "k"});
    let mut claims = json!({
        "sub": "alice", "name": "Alice", "aud": "inklog", "iat": NOW, "exp": NOW + 3_600, "iss": "x",
        "inklog": {"docs": {"notes": "write", "team-a.*": "read"}},
    });
    for name in ["iat", "exp", "nbf"] {
        if rarely(choices, 6)? {
            let near = [0, CLOCK_LEEWAY.as_secs(), TOKEN_LIFETIME_MAX.as_secs()];
            let away = choices.choose(&near)? + choices.int_in_range(0..=2)?;
            let at = if choices.arbitrary()? { NOW + away - 1 } else { NOW - away };
            claims[name] = json!(at);
        }
    }
    if rarely(choices, 20)? {
        let many = GRANTS_MAX - 1 + choices.int_in_range(0..=2)?;
        claims["inklog"]["docs"] = (0..many).map(|n| (n.to_string(), json!("read"))).collect();
    }
    if rarely(choices, 10)? {
        claims["exp"] = json!(number(choices)?);
    }
    let header =
        if rarely(choices, 4)? { changed(choices, header)? } else { header.to_string().into_bytes() };
    Ok([header, changed(choices, claims)?].join(&b'\n'))
}

fn check(input: &[u8], meter: &mut Meter) {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let (signer, keys) = &*KEYS;
    let signature = signer.sign(signed.as_bytes()).expect("a signature");
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let rules = Rules::default();
    let verifier = TokenVerifier::new(keys.clone(), rules.clone());
    let verified = meter.run(token.len(), BOUND, || verifier.verify(&token, NOW));
    let seen = meter.run(token.len(), BOUND, || inspect(&token, Some(keys), &rules, NOW));
    assert_eq!(
        verified.is_ok(),
        seen.problems.is_empty() && seen.identity.is_some(),
        "{verified:?}, {seen:?}"
    );
    let Ok(identity) = verified else { return };
    meter.read += 1;
    assert!(token.len() <= TOKEN_BYTES_MAX);
    let (leeway, life) = (CLOCK_LEEWAY.as_secs(), TOKEN_LIFETIME_MAX.as_secs());
    assert!(identity.issued_at <= NOW + leeway && NOW < identity.expires_at + leeway);
    assert!(identity.expires_at <= NOW + life + leeway && identity.issued_at < identity.expires_at);
    assert!(identity.grants.iter().count() <= GRANTS_MAX);
    let context = identity.to_context();
    let read = Identity::from_context(|name| context.get(name).map(String::as_str));
    assert_eq!(read.as_ref(), Ok(&identity), "the functions see another identity than the authorizer");
}
