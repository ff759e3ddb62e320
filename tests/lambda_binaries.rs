//! Each Lambda's binary, started as Lambda starts it: the events are AWS's JSON, the stores are
//! reached over their protocols, and the environment is what `template.yaml` gives the function.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_access::Algorithm;
use inklog_access::signing::SigningKeys;
use inklog_crdt::Event;
use inklog_protocol::{DocId, UserName};
use inklog_store::catalogue::Revocation;
use inklog_store::connections::PresenceEntry;
use inklog_store::objects::Snapshot;
use inklog_store::{Connections as _, Presence as _, Revocations as _};
use serde_json::{Value, json};

use crate::harness::{agent, doc, token, typed};
use crate::sam::Template;

pub mod process;
mod runtime_api;
pub mod world;

use process::{Lambda, run_to_end};
use runtime_api::Answer;
use world::{GONE, World, on_loopback};

/// The connection of `events/*.json`.
const ALICE: &str = "S7fV1dGcoAMCJfg=";
const BOB: &str = "T8gW2eHdpBNDKgh=";

fn connect() -> Value {
    serde_json::from_str(include_str!("events/connect.json")).expect("an event")
}

fn disconnect() -> Value {
    serde_json::from_str(include_str!("events/disconnect.json")).expect("an event")
}

fn scheduled() -> Value {
    serde_json::from_str(include_str!("events/scheduled.json")).expect("an event")
}

/// A frame of Alice's, on the route that API Gateway chooses for it.
fn frame(route: &str, body: &str) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("events/message.json")).expect("an event");
    event["requestContext"]["routeKey"] = json!(route);
    event["body"] = json!(body);
    event
}

fn message(message: Value) -> Value {
    frame(message["action"].as_str().expect("an action"), &message.to_string())
}

/// A batch of these items of the log, their sequence numbers counted from 1.
fn batch(items: impl IntoIterator<Item = Value>) -> Value {
    let records = items.into_iter().zip(1..).map(|(item, number)| {
        let record = serde_json::from_str(include_str!("events/stream_record.json"));
        let mut record: Value = record.expect("a record");
        record["eventID"] = json!(format!("{number:032x}"));
        record["dynamodb"]["SequenceNumber"] = json!(number.to_string());
        record["dynamodb"]["Keys"] = json!({"doc": item["doc"], "sk": item["sk"]});
        record["dynamodb"]["NewImage"] = item;
        record
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// The frame that a function's answer becomes.
fn body(answer: &Value) -> Value {
    assert_eq!(answer["statusCode"], 200, "{answer}");
    serde_json::from_str(answer["body"].as_str().expect("a body")).expect("frames are JSON")
}

/// Puts a text into the log, an event a character; the items.
async fn write(world: &World, doc: &DocId, events: &[Event]) -> Vec<Value> {
    let mut items = Vec::new();
    for event in events {
        world.append(doc, event, ALICE).await;
        items.push(world.item(doc, event).await.expect("what was appended is there"));
    }
    items
}

#[tokio::test]
async fn connection_lets_in_and_cleans_up() {
    let mut world = World::start().await;
    let mut connection = Lambda::start(&world, "connection").await;
    let welcome = connection.invoke(&connect()).await;
    assert_eq!(welcome["statusCode"], 200);
    let headers = welcome["headers"].as_object().expect("headers");
    let echoed = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"));
    assert_eq!(echoed.map(|(_, value)| value), Some(&json!("inklog")));

    let (paper, now) = (doc("paper"), world.now());
    for id in [ALICE, BOB] {
        world.connections.register(&paper, id, None, now).await.expect("Redis answers");
    }
    let state = r#"{"cursor":3}"#.to_owned();
    let presence = PresenceEntry { agent: agent("alice"), connection: ALICE.to_owned(), state, author: None };
    assert!(world.connections.set(&paper, &presence, None, now).await.expect("Redis answers"));
    assert_eq!(connection.invoke(&disconnect()).await["statusCode"], 200);
    let left = world.connections.list(&paper, now).await.expect("Redis answers");
    assert_eq!(left, [BOB]);
    let gone = json!({"action": "REMOTE_PRESENCE", "docId": "paper", "agent": "alice", "state": null});
    assert_eq!(world.next_post().await, (BOB.to_owned(), gone));
}

/// An attempt to connect with this token.
fn attempt(token: Option<&str>) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("events/authorizer.json")).expect("an event");
    if let Some(token) = token {
        let offered = format!("inklog, inklog.jwt.{token}");
        event["headers"]["Sec-WebSocket-Protocol"] = json!(offered);
        event["multiValueHeaders"]["Sec-WebSocket-Protocol"] = json!([offered]);
    }
    event
}

/// API Gateway answers 401 to this error, and to no other.
fn unauthorized(answer: &Answer) -> bool {
    answer.as_ref().is_err_and(|error| error["errorMessage"] == "Unauthorized")
}

#[tokio::test]
async fn authorizer_lets_in_whoever_has_a_token() {
    let world = World::start().await;
    let mut authorizer = Lambda::start(&world, "authorizer").await;
    let now_s = world.now() / 1000;
    let token = token(&world.keys, "alice", r#"{"paper":"write"}"#, now_s);
    let allowed = authorizer.invoke(&attempt(Some(&token))).await;
    assert_eq!(allowed["principalId"], "alice");
    let statement = &allowed["policyDocument"]["Statement"][0];
    assert_eq!(
        (&statement["Effect"], &statement["Resource"][0]),
        (&json!("Allow"), &attempt(None)["methodArn"])
    );
    let (iat, exp) = (now_s.to_string(), (now_s + 600).to_string());
    let context = json!({"user": "alice", "docs": r#"{"paper":"write"}"#, "iat": iat, "exp": exp});
    assert_eq!(allowed["context"], context, "strings only");

    let expired = self::token(&world.keys, "alice", "{}", now_s - 3_600);
    let stranger = self::token(&SigningKeys::generate(Algorithm::Es256).unwrap(), "alice", "{}", now_s);
    for token in [None, Some(expired.as_str()), Some(&stranger), Some("nonsense")] {
        assert!(unauthorized(&authorizer.answer(&attempt(token)).await), "{token:?}");
    }
    let alice = UserName::new("alice").unwrap();
    world
        .revocations
        .revoke(&alice, &Revocation { doc: None, at: now_s }, now_s)
        .await
        .expect("DynamoDB answers");
    assert!(unauthorized(&authorizer.answer(&attempt(Some(&token))).await), "revoked");
    let log = authorizer.log();
    assert!(log.contains("revoked") && log.contains("expired"), "{log}");
    for token in [&token, &expired, &stranger] {
        assert!(!log.contains(token.as_str()), "a token is in the log: {log}");
    }
}

#[tokio::test]
async fn authorizer_reads_its_keys_from_a_secret() {
    let world = World::start().await;
    let secret = json!({"Name": "keys", "SecretString": world.keys.to_json()});
    let store = async move |headers: HeaderMap, body: String| {
        assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
        assert!(body.contains("arn:aws:secretsmanager:us-east-1:1:secret:keys"), "{body}");
        secret.to_string()
    };
    let mut environment = world.environment("authorizer");
    environment.insert("INKLOG_JWKS_URL".into(), String::new());
    environment
        .insert("INKLOG_JWKS_SECRET_ARN".into(), "arn:aws:secretsmanager:us-east-1:1:secret:keys".into());
    let endpoint = on_loopback(Router::new().route("/", post(store))).await;
    environment.insert("AWS_ENDPOINT_URL_SECRETS_MANAGER".into(), endpoint);
    let mut authorizer = Lambda::start_in(environment, "authorizer").await;
    let token = token(&world.keys, "bob", "{}", world.now() / 1000);
    assert_eq!(authorizer.invoke(&attempt(Some(&token))).await["principalId"], "bob");
    assert!(unauthorized(&authorizer.answer(&attempt(None)).await));
}

#[tokio::test]
async fn without_keys_the_authorizer_does_not_start() {
    let world = World::start().await;
    for (name, value, said) in [
        ("INKLOG_JWKS_URL", "", "INKLOG_JWKS_SECRET_ARN"),
        ("INKLOG_JWKS_URL", "http://127.0.0.1:9/", "cannot load the keys"),
        ("INKLOG_DEFAULT_ACCESS", "all", "none, read, write or manage"),
    ] {
        let mut environment = world.environment("authorizer");
        environment.insert(name.into(), value.into());
        let ended = run_to_end("authorizer", environment).await;
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{name}={value}: {stderr}");
        assert!(stderr.contains(said), "{name}={value}: {stderr}");
    }
}

#[tokio::test]
async fn functions_start_without_redis_and_do_what_they_can() {
    let mut world = World::start().await;
    let paper = doc("paper");
    write(&world, &paper, &typed("alice", 0, "text")).await;
    world.stop_redis();
    let mut connection = Lambda::start(&world, "connection").await;
    assert_eq!(connection.invoke(&connect()).await["statusCode"], 200);
    let mut sync = Lambda::start(&world, "sync").await;
    let state = body(&sync.invoke(&message(json!({"action": "JOIN_DOC", "docId": "paper"}))).await);
    assert_eq!((&state["action"], &state["ops"][0]["text"]), (&json!("DOC_STATE"), &json!("text")));
}

#[tokio::test]
async fn default_answers_what_fits_nowhere() {
    let world = World::start().await;
    let mut default = Lambda::start(&world, "default").await;
    let pong = body(&default.invoke(&message(json!({"action": "PING", "ref": 7}))).await);
    assert_eq!(pong, json!({"action": "PONG", "ref": 7}));
    let error = body(&default.invoke(&frame("$default", "{not json")).await);
    assert_eq!((&error["action"], &error["code"]), (&json!("ERROR"), &json!("bad_json")));
    let error = body(&default.invoke(&frame("$default", r#"{"action":"DANCE"}"#)).await);
    assert_eq!(error["code"], "unknown_action");
}

#[tokio::test]
async fn send_op_appends_and_acknowledges() {
    let world = World::start().await;
    let mut send_op = Lambda::start(&world, "send_op").await;
    let op = json!({"type": "insert", "id": "alice-0", "text": "Hi", "left": null});
    let send = json!({
        "action": "SEND_OP", "docId": "paper", "agent": "alice", "after": 0, "ops": [op], "ref": "a",
    });
    let ack = json!({
        "action": "OP_ACK", "docId": "paper", "agent": "alice", "after": 0, "end": 2, "ref": "a",
    });
    // The second is a repeat: the same answer, and nothing more in the log.
    for _ in 0..2 {
        assert_eq!(body(&send_op.invoke(&message(send.clone())).await), ack);
    }
    let items = world.documents.log.read(&doc("paper")).await.expect("DynamoDB answers");
    let [inklog_store::log::LogItem::Record(record)] = &items[..] else { panic!("{items:?}") };
    let item = world.item(&doc("paper"), &record.event).await.expect("the item has its key");
    assert_eq!(item["conn"], json!({"S": ALICE}));
    assert_eq!(item["ops"], json!({"B": STANDARD.encode(record.event.encode())}));

    let other = json!({"type": "insert", "id": "alice-0", "text": "Ho", "left": null});
    let send = json!({"action": "SEND_OP", "docId": "paper", "agent": "alice", "after": 0, "ops": [other]});
    assert_eq!(body(&send_op.invoke(&message(send)).await)["code"], "conflict");
}

#[tokio::test]
async fn sync_shows_a_document_that_is_only_in_the_log() {
    let world = World::start().await;
    let (paper, events) = (doc("paper"), typed("bob", 0, "Hello"));
    write(&world, &paper, &events).await;
    let mut sync = Lambda::start(&world, "sync").await;
    let join = json!({"action": "JOIN_DOC", "docId": "paper", "ref": 1});
    let state = body(&sync.invoke(&message(join)).await);
    assert_eq!((&state["action"], &state["ref"]), (&json!("DOC_STATE"), &json!(1)));
    let texts = state["ops"].as_array().expect("ops").iter().map(|op| op["text"].as_str().expect("text"));
    assert_eq!(texts.collect::<String>(), "Hello");
    assert_eq!(state["version"], json!({"bob": 5}));
    assert_eq!(world.live_text(&paper).await.as_deref(), Some("Hello"), "the miss was repaired");
    let joined = world.connections.list(&paper, world.now()).await.expect("Redis answers");
    assert_eq!(joined, [ALICE]);

    let again = json!({"action": "SYNC_STATE", "docId": "paper", "cursor": state["cursor"]});
    let replay = body(&sync.invoke(&message(again)).await);
    assert_eq!((&replay["action"], &replay["events"]), (&json!("OP_REPLAY"), &json!([])));
    let leave = sync.invoke(&message(json!({"action": "LEAVE_DOC", "docId": "paper"}))).await;
    assert_eq!((&leave["statusCode"], leave["body"].as_str()), (&json!(200), None));
    assert!(world.connections.list(&paper, world.now()).await.expect("Redis answers").is_empty());
}

#[tokio::test]
async fn presence_tells_the_others() {
    let mut world = World::start().await;
    let mut presence = Lambda::start(&world, "presence").await;
    let paper = doc("paper");
    let show = json!({"action": "PRESENCE", "docId": "paper", "agent": "alice", "state": {"cursor": 3}});
    assert_eq!(body(&presence.invoke(&message(show.clone())).await)["code"], "not_joined");
    for id in [ALICE, BOB] {
        world.connections.register(&paper, id, None, world.now()).await.expect("Redis answers");
    }
    assert_eq!(presence.invoke(&message(show)).await["body"].as_str(), None);
    let shown =
        json!({"action": "REMOTE_PRESENCE", "docId": "paper", "agent": "alice", "state": {"cursor": 3}});
    assert_eq!(world.next_post().await, (BOB.to_owned(), shown));
    let kept = world.connections.all(&paper, world.now()).await.expect("Redis answers");
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn materializer_applies_a_batch_and_holds_what_is_newer() {
    let world = World::start().await;
    let mut materializer = Lambda::start(&world, "materializer").await;
    let (paper, other) = (doc("paper"), doc("other"));
    let mut items = write(&world, &paper, &typed("alice", 0, "Hey")).await;
    items.extend(write(&world, &other, &typed("bob", 0, "Yo")).await);
    // Repeats are no news.
    for _ in 0..2 {
        let answer = materializer.invoke(&batch(items.clone())).await;
        assert_eq!(answer, json!({"batchItemFailures": []}));
        assert_eq!(world.live_text(&paper).await.as_deref(), Some("Hey"));
        assert_eq!(world.live_text(&other).await.as_deref(), Some("Yo"));
    }
    let dirty = world.documents.catalogue.dirty(10).await.expect("DynamoDB answers");
    assert_eq!(dirty.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([paper.clone(), other]));

    let mut items = write(&world, &paper, &typed("alice", 3, " you")).await;
    let ops = items[2]["ops"]["B"].as_str().expect("bytes");
    let mut ops = STANDARD.decode(ops).expect("base64");
    ops[0] += 1;
    items[2]["ops"]["B"] = json!(STANDARD.encode(ops));
    let answer = materializer.invoke(&batch(items)).await;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "3"}]}));
    assert_eq!(world.live_text(&paper).await.as_deref(), Some("Hey y"));
}

#[tokio::test]
async fn broadcaster_posts_to_all_but_the_sender() {
    let mut world = World::start().await;
    let mut broadcaster = Lambda::start(&world, "broadcaster").await;
    let (paper, gone) = (doc("paper"), format!("{GONE}="));
    for id in [ALICE, BOB, &gone] {
        world.connections.register(&paper, id, None, world.now()).await.expect("Redis answers");
    }
    let items = write(&world, &paper, &typed("alice", 0, "Hey")).await;
    let answer = broadcaster.invoke(&batch(items)).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let (to, remote) = world.next_post().await;
    assert_eq!((to.as_str(), &remote["action"]), (BOB, &json!("REMOTE_OP")));
    let texts = remote["events"].as_array().expect("events").iter().map(|event| &event["ops"][0]["text"]);
    assert_eq!(texts.collect::<Vec<_>>(), ["H", "e", "y"], "one message for all three");
    assert_eq!(world.more_posts(), [], "no echo to the sender");
    let left = world.connections.list(&paper, world.now()).await.expect("Redis answers");
    assert_eq!(left.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([ALICE.into(), BOB.into()]));
}

#[tokio::test]
async fn snapshotter_compacts_on_its_schedules() {
    let world = World::start().await;
    let mut snapshotter = Lambda::start(&world, "snapshotter").await;
    let (dirty, forgotten) = (doc("dirty"), doc("forgotten"));
    let catalogue = &world.documents.catalogue;
    for (doc, text) in [(&dirty, "Hey"), (&forgotten, "Yo")] {
        write(&world, doc, &typed("alice", 0, text)).await;
        catalogue.mark_dirty(doc, world.now(), "nonce").await.expect("DynamoDB answers");
    }
    assert!(catalogue.clear_dirty(&forgotten, "nonce").await.expect("DynamoDB answers"));

    let run = snapshotter.invoke(&scheduled()).await;
    assert_eq!((&run["docs"], &run["snapshots"], &run["failed"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(snapshot(&world, &dirty).await.as_deref(), Some("Hey"));
    assert_eq!(snapshot(&world, &forgotten).await, None);

    // The template's own input of the daily schedule.
    let events = &Template::read().functions()["snapshotter"].properties["Events"];
    let sweep = events["Sweep"]["Properties"]["Input"].as_str().expect("the sweep has an input");
    let run = snapshotter.invoke(&serde_json::from_str(sweep).expect("the input is JSON")).await;
    assert_eq!((&run["docs"], &run["snapshots"], &run["failed"]), (&json!(2), &json!(1), &json!(0)));
    assert_eq!(snapshot(&world, &forgotten).await.as_deref(), Some("Yo"));
}

/// The text of the snapshot that the catalogue points to.
async fn snapshot(world: &World, doc: &DocId) -> Option<String> {
    let entry = world.documents.catalogue.entry(doc).await.expect("DynamoDB answers");
    let pointer = entry.and_then(|entry| entry.pointer)?;
    let object = world.documents.objects.get(&pointer.snapshot).await.expect("S3 answers");
    Some(Snapshot::decode(&object.expect("the object is there")).expect("it is sound").doc.text())
}

/// As the authorizer lets them in: the context that it made, with what API Gateway adds.
fn by_alice(mut event: Value, right: &str) -> Value {
    event["requestContext"]["authorizer"] = json!({
        "principalId": "alice", "integrationLatency": 7,
        "user": "alice", "name": "Alice", "docs": format!(r#"{{"paper":"{right}"}}"#),
        "iat": "1700000000", "exp": "99999999999",
    });
    event
}

#[tokio::test]
async fn where_access_is_controlled_each_function_demands_an_identity() {
    let world = World::start().await;
    let op = json!({"type": "insert", "id": "alice-0", "text": "Hi", "left": null});
    for (binary, event, answered) in [
        ("sync", message(json!({"action": "JOIN_DOC", "docId": "paper"})), "DOC_STATE"),
        ("send_op", message(json!({"action": "SEND_OP", "docId": "paper", "op": op})), "ERROR"),
        // The function before has registered it.
        (
            "presence",
            message(json!({"action": "PRESENCE", "docId": "paper", "agent": "alice", "state": {}})),
            "",
        ),
        ("default", message(json!({"action": "PING"})), "PONG"),
    ] {
        let mut environment = world.environment(binary);
        environment.insert("INKLOG_AUTH_MODE".to_owned(), "jwt".to_owned());
        let mut function = Lambda::start_in(environment, binary).await;
        assert_eq!(body(&function.invoke(&event).await)["code"], "unauthorized", "{binary}");
        let answer = function.invoke(&by_alice(event, "read")).await;
        match answered {
            "" => assert_eq!(answer["body"].as_str(), None, "{binary}: {answer}"),
            "ERROR" => assert_eq!(body(&answer)["code"], "forbidden", "{binary}"),
            answered => assert_eq!(body(&answer)["action"], answered, "{binary}"),
        }
    }
    let mut environment = world.environment("connection");
    environment.insert("INKLOG_AUTH_MODE".to_owned(), "jwt".to_owned());
    let mut connection = Lambda::start_in(environment, "connection").await;
    assert_eq!(connection.invoke(&connect()).await["statusCode"], 401);
    assert_eq!(connection.invoke(&by_alice(connect(), "read")).await["statusCode"], 200);
}

#[tokio::test]
async fn a_function_does_not_start_in_a_mode_that_it_does_not_know() {
    let world = World::start().await;
    for binary in ["connection", "sync", "send_op", "presence", "default"] {
        let mut environment = world.environment(binary);
        environment.insert("INKLOG_AUTH_MODE".to_owned(), "off".to_owned());
        let ended = run_to_end(binary, environment).await;
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{binary}: {said}");
        assert!(said.contains("INKLOG_AUTH_MODE must be jwt"), "{binary}: {said}");
    }
}

/// With the tests above, which run on the template's variables and no others: each function is given
/// what it needs, and needs what it is given.
#[tokio::test]
async fn without_one_of_its_variables_a_function_says_which() {
    let world = World::start().await;
    for function in Template::read().functions().values() {
        for missing in function.variables() {
            let mut environment = world.environment(function.binary);
            environment.remove(missing);
            let ended = run_to_end(function.binary, environment).await;
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(1), "{} without {missing}: {said}", function.binary);
            assert!(said.contains(missing), "{} without {missing}: {said}", function.binary);
        }
    }
}
