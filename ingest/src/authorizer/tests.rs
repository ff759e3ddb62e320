use super::*;

use std::collections::BTreeMap;

use inklog_access::signing::{Claims, Rights, SigningKeys};
use inklog_access::{Algorithm, Grants, KeySource, Rules};
use inklog_protocol::limits::{DISPLAY_NAME_CHARS_MAX, TOKEN_BYTES_MAX};
use inklog_protocol::{DocId, Right};
use inklog_store::ManualClock;
use inklog_store::catalogue::Revocation;
use inklog_store::catalogue::memory::MemoryCatalogue;
use serde_json::{Value, json};

const NOW_S: u64 = 1_800_000_000;
/// What API Gateway takes of an authorizer of a WebSocket API, in bytes.
const RESULT_BYTES_MAX: usize = 8 * 1024;

struct World {
    keys: SigningKeys,
    catalogue: Arc<MemoryCatalogue>,
    authorizer: Authorizer,
}

impl World {
    fn new() -> World {
        let keys = SigningKeys::generate(Algorithm::Es256).unwrap();
        let catalogue = Arc::new(MemoryCatalogue::new());
        let verifier = LiveVerifier::new(KeySource::text(keys.to_json()), Rules::default());
        let clock = Arc::new(ManualClock::new(NOW_S * 1000));
        World { keys, authorizer: Authorizer::new(verifier, catalogue.clone(), clock), catalogue }
    }

    fn token(&self, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = Claims {
            sub: "alice".into(),
            name: Some("Alice".into()),
            aud: "inklog".into(),
            iss: None,
            iat: NOW_S - 10,
            exp: NOW_S + 600,
            rights: Some(Rights { docs: Grants::everything(Right::Write) }),
        };
        change(&mut claims);
        self.keys.signer(None).unwrap().token(&claims).unwrap()
    }

    async fn ask(&self, request: Value) -> Result<Value, NotAllowed> {
        let request = serde_json::from_value(request).expect("an event of API Gateway");
        let allowed = self.authorizer.handle(request).await?;
        Ok(serde_json::to_value(allowed).expect("JSON"))
    }
}

/// An event with these subprotocols, a header line each, and this query string.
fn request(protocols: &[&str], tokens: &[&str]) -> Value {
    let mut event = json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/$connect",
        "headers": {"Host": "abcdef123.execute-api.us-east-1.amazonaws.com", "Upgrade": "websocket"},
        "multiValueHeaders": {"Upgrade": ["websocket"]},
        "queryStringParameters": {}, "multiValueQueryStringParameters": {},
        "stageVariables": {},
        "requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "stage": "prod",
            "identity": {"sourceIp": "10.0.0.1"}, "requestId": "id", "apiId": "abcdef123"},
    });
    if let Some(last) = protocols.last() {
        event["headers"]["Sec-WebSocket-Protocol"] = json!(last);
        event["multiValueHeaders"]["Sec-WebSocket-Protocol"] = json!(protocols);
    }
    if let Some(last) = tokens.last() {
        event["queryStringParameters"]["token"] = json!(last);
        event["multiValueQueryStringParameters"]["token"] = json!(tokens);
    }
    event
}

#[tokio::test]
async fn a_good_token_lets_in_by_either_way_with_who_it_is() {
    let world = World::new();
    let token = world.token(|_| ());
    let protocol = format!("inklog, inklog.jwt.{token}");
    for event in [
        request(&[&protocol], &[]),
        request(&["inklog", &format!("inklog.jwt.{token}")], &[]),
        request(&[], &[&token]),
        request(&["inklog"], &[&token]),
        request(&[&protocol], &["a-bad-one"]),
    ] {
        let allowed = world.ask(event.clone()).await.unwrap_or_else(|error| panic!("{error}: {event}"));
        assert_eq!(allowed["principalId"], "alice");
        assert_eq!(
            allowed["policyDocument"],
            json!({"Version": "2012-10-17", "Statement": [{
                "Action": ["execute-api:Invoke"], "Effect": "Allow", "Resource": [event["methodArn"]],
            }]})
        );
        let context: BTreeMap<String, String> = serde_json::from_value(allowed["context"].clone()).unwrap();
        let identity = Identity::from_context(|name| context.get(name).map(String::as_str)).unwrap();
        assert_eq!((identity.user.as_str(), identity.name.as_deref()), ("alice", Some("Alice")));
        assert_eq!((identity.issued_at, identity.expires_at), (NOW_S - 10, NOW_S + 600));
        assert_eq!(identity.right(&DocId::new("d").unwrap()), Some(Right::Write));
    }
    let without_rights = world.token(|claims| claims.rights = None);
    assert!(world.ask(request(&[], &[&without_rights])).await.is_ok(), "documents refuse it, not the API");
}

#[tokio::test]
async fn no_token_a_bad_one_and_two_are_unauthorized() {
    let world = World::new();
    let token = world.token(|_| ());
    let protocol = format!("inklog.jwt.{token}");
    let expired = world.token(|claims| claims.exp = NOW_S - 61);
    let stranger = World::new().token(|_| ());
    for event in [
        request(&[], &[]),
        request(&[], &[""]),
        request(&["inklog"], &[]),
        request(&["inklog, inklog.jwt."], &[]),
        request(&[&token], &[]),
        request(&[&expired], &[]),
        request(&[], &[&expired]),
        request(&[], &[&stranger]),
        request(&[], &[&token[..token.len() - 1]]),
        // The subprotocol wins, also when it is the worse.
        request(&["inklog, inklog.jwt.x.y.z"], &[&token]),
        request(&["inklog, inklog.jwt."], &[&token]),
        request(&[&format!("{protocol}, {protocol}")], &[]),
        request(&[&protocol, &protocol], &[]),
        request(&[], &[&token, &token]),
        json!({"type": "REQUEST", "requestContext": {}}),
    ] {
        assert_eq!(world.ask(event.clone()).await, Err(NotAllowed::Unauthorized), "{event}");
    }
    let reported = Diagnostic::from(NotAllowed::Unauthorized);
    assert_eq!(reported.error_message, "Unauthorized", "the one message that API Gateway answers with 401");
}

#[tokio::test]
async fn a_token_that_was_revoked_is_unauthorized_and_a_newer_one_is_not() {
    let world = World::new();
    let token = |iat| world.token(|claims| claims.iat = iat);
    let alice = inklog_protocol::UserName::new("alice").unwrap();
    let here = Revocation { doc: Some(DocId::new("d").unwrap()), at: NOW_S };
    world.catalogue.revoke(&alice, &here, NOW_S).await.unwrap();
    assert!(world.ask(request(&[], &[&token(NOW_S - 10)])).await.is_ok(), "other documents are left");
    world.catalogue.revoke(&alice, &Revocation { doc: None, at: NOW_S - 5 }, NOW_S).await.unwrap();
    for (iat, is_void) in [(NOW_S - 6, true), (NOW_S - 5, true), (NOW_S - 4, false)] {
        let answer = world.ask(request(&[], &[&token(iat)])).await;
        assert_eq!(answer.err(), is_void.then_some(NotAllowed::Unauthorized), "{iat}");
    }
}

#[tokio::test]
async fn without_keys_nobody_is_let_in_and_it_is_not_the_tokens_fault() {
    let world = World::new();
    let verifier = LiveVerifier::new(KeySource::file("/nowhere/keys.json"), Rules::default());
    let clock = Arc::new(ManualClock::new(NOW_S * 1000));
    let authorizer = Authorizer::new(verifier, world.catalogue.clone(), clock);
    let event = serde_json::from_value(request(&[], &[&world.token(|_| ())])).unwrap();
    assert_eq!(authorizer.handle(event).await.err(), Some(NotAllowed::Unavailable));
}

/// What the largest token says, as API Gateway gets it: within what it takes.
#[tokio::test]
async fn the_largest_token_has_an_answer_that_fits() {
    let world = World::new();
    let mut largest = 0;
    for name_len in [1, 2, 3, 12, 40, 128] {
        let token = |count: usize| {
            let grants = (0..count).map(|i| (format!("{i:0name_len$}*"), Right::Manage));
            let Ok(docs) = Grants::try_from(grants.collect::<BTreeMap<_, _>>()) else { return None };
            let token = world.token(|claims| {
                claims.sub = "é".repeat(64);
                claims.name = Some("\u{2028}\"".repeat(DISPLAY_NAME_CHARS_MAX / 2));
                claims.rights = Some(Rights { docs });
            });
            (token.len() <= TOKEN_BYTES_MAX).then_some(token)
        };
        let token = (1..=100).rev().find_map(token).expect("one fits");
        let allowed = world.ask(request(&[], &[&token])).await.expect("it is good");
        largest = largest.max(allowed.to_string().len());
    }
    println!("the largest answer: {largest} bytes");
    assert!((2_000..RESULT_BYTES_MAX).contains(&largest), "{largest}");
}
