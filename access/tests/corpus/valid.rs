//! What is let in.

use inklog_access::{Algorithm, Grants, Identity, Jwks, Rules, TokenError, TokenVerifier, inspect};
use inklog_protocol::limits::TOKEN_BYTES_MAX;
use inklog_protocol::{DocId, Right};
use serde_json::{Value, json};

use crate::forge::{Forge, NOW, SIGNED, claims, node, nodes_token, with, without};
use crate::shapes;

fn right(identity: &Identity, doc: &str) -> Option<Right> {
    identity.right(&DocId::new(doc).expect("a name"))
}

#[test]
fn tokens_of_another_implementation_are_verified() {
    let jwks = Jwks::parse(node()["jwks"].to_string().as_bytes()).expect("a set");
    let rules = Rules { issuer: Some("https://issuer.example/".to_owned()), ..Rules::default() };
    let verifier = TokenVerifier::new(jwks, rules);
    for algorithm in ["RS256", "ES256", "EdDSA", "HS256"] {
        let identity = verifier.verify(&nodes_token(algorithm), NOW).expect(algorithm);
        assert_eq!((identity.user.as_str(), identity.name.as_deref()), ("alice", Some("Alice Ångström")));
        assert_eq!((identity.issued_at, identity.expires_at), (NOW, NOW + 3_600));
        assert_eq!(right(&identity, "notes"), Some(Right::Write));
        assert_eq!(right(&identity, "team-a.x"), Some(Right::Read));
        assert_eq!(right(&identity, "x"), None);
    }
}

#[test]
fn ordinary_tokens_are_let_in() {
    let forge = Forge::new();
    for algorithm in SIGNED {
        let header = forge.header(algorithm);
        let mut headers = vec![header.clone(), json!({"alg": algorithm.as_str(), "kid": header["kid"]})];
        for (name, value) in [
            ("typ", json!("at+jwt")),
            ("typ", json!("jwt")),
            ("typ", json!("application/at+JWT")),
            ("jku", json!("https://evil.example/jwks")),
            ("jwk", json!({"kty": "oct", "k": "AAAA"})),
            ("x5u", json!(1)),
            ("cty", json!("json")),
            ("odd", json!({"a": [1, {"b": null}]})),
        ] {
            let mut other = header.clone();
            other[name] = value;
            headers.push(other);
        }
        for header in headers {
            let token = forge.signed(algorithm, &header.to_string(), &claims().to_string());
            forge.verifier().verify(&token, NOW).unwrap_or_else(|error| panic!("{header}: {error}"));
        }
        for claims in [
            with("aud", json!(["other", "inklog"])),
            with("iss", json!("anybody")),
            with("name", json!(null)),
            with("nbf", json!(0)),
            with("scope", json!("openid")),
            with("address", json!({"street": [{"a": 1}, {"a": 1}]})),
        ] {
            let token = forge.claiming(algorithm, &claims);
            forge.verifier().verify(&token, NOW).unwrap_or_else(|error| panic!("{claims}: {error}"));
        }
    }
    let token = shapes::of_size(&forge, TOKEN_BYTES_MAX);
    assert_eq!(token.len(), TOKEN_BYTES_MAX);
    forge.verifier().verify(&token, NOW).expect("as long as allowed");
}

#[test]
fn times_have_their_edges() {
    let forge = Forge::new();
    let at = |iat: u64, exp: u64, now: u64| {
        let mut claims = with("iat", json!(iat));
        claims["exp"] = json!(exp);
        forge.verifier().verify(&forge.claiming(Algorithm::EdDsa, &claims), now).map(|_| ())
    };
    // 60 s of leeway, and over at `exp` itself.
    assert_eq!(at(NOW - 3_600, NOW, NOW + 59), Ok(()));
    assert_eq!(at(NOW - 3_600, NOW, NOW + 60), Err(TokenError::Expired));
    assert_eq!(at(NOW - 3_600, NOW, NOW + 61), Err(TokenError::Expired));
    assert_eq!(at(NOW, NOW + 100, NOW - 60), Ok(()));
    assert_eq!(at(NOW, NOW + 100, NOW - 61), Err(TokenError::IssuedInFuture));
    // A day, as two clocks see it.
    assert_eq!(at(NOW, NOW + 86_400, NOW), Ok(()));
    assert_eq!(at(NOW, NOW + 86_460, NOW), Ok(()));
    assert_eq!(at(NOW, NOW + 86_461, NOW + 50), Err(TokenError::LivesTooLong));
    assert_eq!(at(NOW, NOW + 86_460, NOW - 1), Err(TokenError::LivesTooLong));
    assert_eq!(at(NOW - 86_400, NOW + 60, NOW), Ok(()));
    assert_eq!(at(NOW - 86_401, NOW + 60, NOW), Err(TokenError::LivesTooLong));
    let nbf = |nbf: u64| {
        forge.verifier().verify(&forge.claiming(Algorithm::EdDsa, &with("nbf", json!(nbf))), NOW).map(|_| ())
    };
    assert_eq!(nbf(NOW + 60), Ok(()));
    assert_eq!(nbf(NOW + 61), Err(TokenError::NotYet));
    // A clock that is far off does not overflow.
    for now in [0, 1, u64::MAX - 1, u64::MAX] {
        at(NOW, NOW + 60, now).unwrap_err();
    }
}

#[test]
fn rules_are_kept() {
    let forge = Forge::new();
    let verify = |rules: Rules, claims: &Value| {
        TokenVerifier::new(forge.jwks.clone(), rules).verify(&forge.claiming(Algorithm::Es256, claims), NOW)
    };
    let audience = || Rules { audience: "client-id".to_owned(), ..Rules::default() };
    assert_eq!(verify(audience(), &claims()), Err(TokenError::Audience));
    verify(audience(), &with("aud", json!("client-id"))).expect("the configured one");
    let issuer = || Rules { issuer: Some("https://a.example".to_owned()), ..Rules::default() };
    assert_eq!(verify(issuer(), &claims()), Err(TokenError::Issuer));
    for other in
        [json!("https://a.example/"), json!(["https://a.example"]), json!("HTTPS://a.example"), json!(1)]
    {
        assert_eq!(verify(issuer(), &with("iss", other)), Err(TokenError::Issuer));
    }
    verify(issuer(), &with("iss", json!("https://a.example"))).expect("the configured one");

    // The default is for tokens without the claim, not for those that hold less.
    let default = |right| Rules { default_access: right, ..Rules::default() };
    let plain = without("inklog");
    assert_eq!(verify(default(None), &plain).expect("valid").grants, Grants::default());
    let identity = verify(default(Some(Right::Read)), &plain).expect("valid");
    assert_eq!(right(&identity, "anything"), Some(Right::Read));
    let nothing = with("inklog", json!({"docs": {}}));
    assert_eq!(right(&verify(default(Some(Right::Manage)), &nothing).expect("valid"), "notes"), None);
    let some = verify(default(Some(Right::Manage)), &claims()).expect("valid");
    assert_eq!((right(&some, "notes"), right(&some, "x")), (Some(Right::Write), None));
}

#[test]
fn an_inspection_tells_everything_that_is_wrong() {
    let forge = Forge::new();
    let mut wrong = with("aud", json!("other"));
    wrong["exp"] = json!(NOW - 60);
    wrong["iat"] = json!(NOW - 2 * 86_400);
    let token = forge.claiming(Algorithm::Es256, &wrong);
    let rules = Rules { issuer: Some("https://a.example".to_owned()), ..Rules::default() };
    let seen = inspect(&token, Some(&forge.jwks), &rules, NOW);
    assert_eq!(
        seen.problems,
        [TokenError::Expired, TokenError::LivesTooLong, TokenError::Audience, TokenError::Issuer]
    );
    assert_eq!((seen.is_signed, seen.algorithm.as_deref()), (Some(true), Some("ES256")));
    assert_eq!(seen.identity.expect("it can be told").user.as_str(), "alice");

    let valid = forge.claiming(Algorithm::Hs256, &claims());
    let seen = inspect(&valid, None, &Rules::default(), NOW);
    assert_eq!((seen.is_signed, seen.problems), (None, vec![]));
    let (signed, _) = valid.rsplit_once('.').expect("parts");
    let seen = inspect(&format!("{signed}.AAAA"), Some(&forge.jwks), &Rules::default(), NOW);
    assert_eq!((seen.is_signed, seen.problems), (Some(false), vec![TokenError::Signature]));
    let seen = inspect("x", Some(&forge.jwks), &Rules::default(), NOW);
    assert_eq!((seen.is_signed, seen.problems), (Some(false), vec![TokenError::Parts(1)]));
}
