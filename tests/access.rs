//! Who may do what: every action of the wire, by every role, through the functions themselves. Whoever is
//! refused has read, written and registered nothing. And what an operator does about it: who is there, and who
//! is shown out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use inklog_access::{AuthMode, Grants, Identity};
use inklog_broadcaster::Broadcaster;
use inklog_ingest::{Connection, Fallback, Gate, PresenceUpdate, SendOp, Sync};
use inklog_local::stack::ROUTES;
use inklog_materializer::Materializer;
use inklog_operator::{AccessOperator, Present};
use inklog_protocol::limits::REVOCATION_CACHE_TTL;
use inklog_protocol::{Author, ClientMessage, DocId, Request, Right, UserName};
use inklog_store::audience::Audience;
use inklog_store::catalogue::Revocation;
use inklog_store::catalogue::memory::MemoryCatalogue;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::connections::{Holder, PresenceEntry};
use inklog_store::document::Documents;
use inklog_store::live::Cursor;
use inklog_store::log::memory::MemoryOpLog;
use inklog_store::push::memory::MemoryPush;
use inklog_store::tap::{Call, Fault, Operation, Store, Tap, Tapped};
use inklog_store::{Clock, Connections as _, ManualClock, Push as _, PushError, Revocations as _};
use serde_json::{Value, json};

use crate::harness::{Harness, agent, doc};
use crate::taps::Failing;

const NOW_S: u64 = 1_700_000_000;
const EXPIRES_S: u64 = NOW_S + 3_600;

/// The operations that stores were asked for.
#[derive(Default)]
struct Asked(Mutex<Vec<Operation>>);

#[async_trait]
impl Tap for Asked {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        self.0.lock().unwrap().push(call.operation);
        Ok(())
    }
}

impl Asked {
    fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The functions behind the API, over stores that are watched.
struct World {
    clock: Arc<ManualClock>,
    asked: Arc<Asked>,
    log: Arc<MemoryOpLog>,
    documents: Documents,
    audience: Audience,
    push: Arc<MemoryPush>,
    revocations: Arc<MemoryCatalogue>,
    connections: Arc<MemoryConnections>,
    connection: Connection,
    sync: Sync,
    send_op: SendOp,
    presence: PresenceUpdate,
    fallback: Fallback,
}

impl World {
    /// `c` is in `notes`, where it may show presence.
    async fn new(mode: AuthMode) -> World {
        let mut harness = Harness::memory();
        let log = Arc::new(MemoryOpLog::new(harness.clock.clone()));
        harness.documents.log = log.clone();
        let (connections, push) = (Arc::new(MemoryConnections::new()), Arc::new(MemoryPush::new()));
        push.open("c");
        let asked = Arc::new(Asked::default());
        let tap: Arc<dyn Tap> = asked.clone();
        let clock: Arc<dyn Clock> = harness.clock.clone();
        let audience = Audience {
            presence: connections.clone(),
            connections: connections.clone(),
            push: push.clone(),
            clock: clock.clone(),
        };
        let (documents, audience) = (harness.tapped(tap.clone()), audience.tapped(&tap));
        let revocations = Arc::new(MemoryCatalogue::new());
        let gate = Gate::new(mode, Tapped::new(revocations.clone(), tap, clock.clone()), clock.clone());
        let (op_log, catalogue) = (documents.log.clone(), documents.catalogue.clone());
        let world = World {
            clock: harness.clock.clone(),
            asked,
            log,
            documents: documents.clone(),
            audience: audience.clone(),
            push,
            revocations,
            connections,
            connection: Connection::new(gate.clone(), audience.clone()),
            sync: Sync::new(gate.clone(), documents, audience.clone(), "log".to_owned()),
            send_op: SendOp::new(gate.clone(), op_log, catalogue, clock),
            presence: PresenceUpdate::new(gate.clone(), audience),
            fallback: Fallback::new(gate),
        };
        let join = world.event(Some(&alice(Right::Read)), &json!({"action": "JOIN_DOC", "docId": "notes"}));
        world.sync.handle(join).await;
        world.asked.take();
        world
    }

    fn event(
        &self,
        context: Option<&HashMap<String, String>>,
        frame: &Value,
    ) -> ApiGatewayWebsocketProxyRequest {
        let mut event = ApiGatewayWebsocketProxyRequest::default();
        event.request_context.connection_id = Some("c".to_owned());
        event.body = Some(frame.as_str().map_or_else(|| frame.to_string(), str::to_owned));
        for (name, value) in context.into_iter().flatten() {
            event.request_context.authorizer.fields.insert(name.clone(), json!(value));
        }
        event
    }

    /// What the function answers to which the API routes a frame: the action or, of an error, the code.
    async fn ask(&self, context: Option<&HashMap<String, String>>, frame: &Value) -> (String, Value) {
        let event = self.event(context, frame);
        let routed = ROUTES.iter().find(|(key, _)| frame["action"] == *key);
        let response = match routed.map_or("default", |(_, binary)| binary) {
            "sync" => self.sync.handle(event).await,
            "send_op" => self.send_op.handle(event).await,
            "presence" => self.presence.handle(event).await,
            "default" => self.fallback.handle(event).await,
            other => panic!("{other} takes no messages"),
        };
        answered(response)
    }

    /// Who is registered with `notes`.
    async fn registered(&self) -> Vec<String> {
        self.connections.list(&doc("notes"), self.clock.now_ms()).await.unwrap()
    }

    async fn revoke(&self, doc: Option<DocId>) {
        let alice = UserName::new("alice").unwrap();
        let revocation = Revocation { doc, at: NOW_S };
        self.revocations.revoke(&alice, &revocation, NOW_S).await.unwrap();
        // What was read when it joined is old by then.
        self.clock.pass(REVOCATION_CACHE_TTL);
    }
}

fn answered(response: ApiGatewayProxyResponse) -> (String, Value) {
    let Some(Body::Text(text)) = response.body else { return ("nothing".to_owned(), Value::Null) };
    let frame: Value = serde_json::from_str(&text).expect("JSON");
    let name = if frame["action"] == "ERROR" { &frame["code"] } else { &frame["action"] };
    (name.as_str().expect("a name").to_owned(), frame)
}

fn identity(grants: &str) -> Identity {
    Identity {
        user: UserName::new("alice").unwrap(),
        name: Some("Alice".to_owned()),
        grants: serde_json::from_str::<Grants>(grants).unwrap(),
        issued_at: NOW_S - 10,
        expires_at: EXPIRES_S,
    }
}

fn alice(right: Right) -> HashMap<String, String> {
    identity(&format!(r#"{{"notes":"{right}"}}"#)).to_context()
}

/// Every action, each with a sound frame of Alice's.
fn actions() -> Vec<(&'static str, Value)> {
    let op = json!({"type": "insert", "id": "alice~1-0", "text": "x", "left": null});
    let actions = vec![
        ("join", json!({"action": "JOIN_DOC", "docId": "notes", "ref": 1})),
        ("sync", json!({"action": "SYNC_STATE", "docId": "notes", "version": {}, "ref": 1})),
        (
            "presence",
            json!({"action": "PRESENCE", "docId": "notes", "agent": "alice~1", "state": {}, "ref": 1}),
        ),
        (
            "event",
            json!({"action": "SEND_OP", "docId": "notes", "agent": "alice~1", "after": 0, "ops": [op], "ref": 1}),
        ),
        ("op", json!({"action": "SEND_OP", "docId": "notes", "op": op, "ref": 1})),
        ("leave", json!({"action": "LEAVE_DOC", "docId": "notes", "ref": 1})),
        ("ping", json!({"action": "PING", "ref": 1})),
    ];
    // A new action does not compile until it is here, and fails until it is above.
    let name = |message: &ClientMessage| match message {
        ClientMessage::JoinDoc { .. } => "join",
        ClientMessage::SyncState { .. } => "sync",
        ClientMessage::Presence { .. } => "presence",
        ClientMessage::SendEvent { .. } => "event",
        ClientMessage::SendOp { .. } => "op",
        ClientMessage::LeaveDoc { .. } => "leave",
        ClientMessage::Ping => "ping",
    };
    for (named, frame) in &actions {
        let request = Request::parse(&frame.to_string()).expect("a sound frame");
        assert_eq!(name(&request.message), *named);
    }
    let routed: Vec<&str> = ROUTES.iter().map(|(key, _)| *key).filter(|key| !key.starts_with('$')).collect();
    for key in routed {
        assert!(actions.iter().any(|(_, frame)| frame["action"] == key), "{key} is not asked for");
    }
    actions
}

/// What is not among the actions, and still needs an identity.
fn nonsense() -> Vec<(&'static str, Value)> {
    vec![("unknown", json!({"action": "DANCE", "docId": "notes", "ref": 1})), ("unreadable", json!("{"))]
}

/// What an action is answered with where it is allowed, and what it then asks of the stores.
fn allowed(action: &str) -> (&'static str, Option<Operation>) {
    match action {
        "join" => ("DOC_STATE", Some(Operation::ConnectionsRegister)),
        // Whoever names all of an empty document lacks nothing.
        "sync" => ("OP_REPLAY", Some(Operation::ConnectionsRegister)),
        "presence" => ("nothing", Some(Operation::PresenceSet)),
        "event" | "op" => ("OP_ACK", Some(Operation::LogAppend)),
        "leave" => ("nothing", Some(Operation::ConnectionsRemove)),
        "ping" => ("PONG", None),
        "unknown" => ("unknown_action", None),
        "unreadable" => ("bad_json", None),
        other => panic!("{other}"),
    }
}

/// Asks for everything, and holds it against what is expected; `None` is what is allowed.
async fn walk(
    role: &str,
    mode: AuthMode,
    prepare: impl AsyncFn(&World),
    context: Option<&HashMap<String, String>>,
    refused: impl Fn(&str) -> Option<(&'static str, &'static str)>,
) {
    for (action, frame) in actions().into_iter().chain(nonsense()) {
        let world = World::new(mode).await;
        prepare(&world).await;
        let before = world.registered().await;
        let (got, answer) = world.ask(context, &frame).await;
        let asked = world.asked.take();
        match refused(action) {
            Some((code, message)) => {
                assert_eq!(got, code, "{role} asks for {action}: {answer}");
                assert_eq!(answer["message"], message, "{role} asks for {action}");
                assert_eq!((&answer["retry"], &answer["ref"]), (&json!(false), &frame["ref"]), "{action}");
                assert!(
                    asked.iter().all(|one| *one == Operation::RevocationsOf),
                    "{role} asks for {action}, is refused, and this has happened: {asked:?}"
                );
                assert_eq!(world.registered().await, before, "{role}: {action}");
            }
            None => {
                let (expected, operation) = allowed(action);
                assert_eq!(got, expected, "{role} asks for {action}: {answer}");
                assert!(operation.is_none_or(|one| asked.contains(&one)), "{role}, {action}: {asked:?}");
            }
        }
    }
}

const NO_IDENTITY: (&str, &str) = ("unauthorized", "there is no identity; connect with a token");
const EXPIRED: (&str, &str) = ("unauthorized", "the token has expired; connect again with a fresh one");
const REVOKED: (&str, &str) = ("unauthorized", "access was revoked");
const NO_ACCESS: (&str, &str) = ("forbidden", "you have no access to this document");
const READ_ONLY: (&str, &str) = ("forbidden", "you can read this document, but not change it");

fn needs_a_right(action: &str) -> bool {
    ["join", "sync", "presence", "event", "op"].contains(&action)
}

fn changes(action: &str) -> bool {
    ["event", "op"].contains(&action)
}

async fn nothing(_: &World) {}

#[tokio::test]
async fn every_role_gets_what_its_rights_give_and_no_more() {
    let none = identity("{}").to_context();
    walk("none", AuthMode::Jwt, nothing, Some(&none), |action| needs_a_right(action).then_some(NO_ACCESS))
        .await;
    let other = identity(r#"{"notes2":"manage","note":"manage","x*":"read"}"#).to_context();
    walk("elsewhere", AuthMode::Jwt, nothing, Some(&other), |action| {
        needs_a_right(action).then_some(NO_ACCESS)
    })
    .await;
    walk("read", AuthMode::Jwt, nothing, Some(&alice(Right::Read)), |action| {
        changes(action).then_some(READ_ONLY)
    })
    .await;
    walk("write", AuthMode::Jwt, nothing, Some(&alice(Right::Write)), |_| None).await;
    walk("manage", AuthMode::Jwt, nothing, Some(&alice(Right::Manage)), |_| None).await;
    walk("anybody, where access is open", AuthMode::Open, nothing, None, |_| None).await;
}

#[tokio::test]
async fn without_a_whole_context_there_is_no_identity() {
    walk("nobody", AuthMode::Jwt, nothing, None, |_| Some(NO_IDENTITY)).await;
    for lacking in ["user", "docs", "iat", "exp"] {
        let mut context = alice(Right::Manage);
        context.remove(lacking);
        walk(lacking, AuthMode::Jwt, nothing, Some(&context), |_| Some(NO_IDENTITY)).await;
        context.insert(lacking.to_owned(), "~".to_owned());
        walk(lacking, AuthMode::Jwt, nothing, Some(&context), |_| Some(NO_IDENTITY)).await;
    }
}

#[tokio::test]
async fn from_its_last_second_on_a_token_gives_nothing() {
    let write = alice(Right::Write);
    for (now_ms, is_over) in
        [(EXPIRES_S * 1_000 - 1, false), (EXPIRES_S * 1_000, true), (EXPIRES_S * 1_000 + 1, true)]
    {
        let at = async |world: &World| {
            world.clock.pass_ms(now_ms - NOW_S * 1_000);
            world.connections.register(&doc("notes"), "c", None, now_ms).await.unwrap();
        };
        walk("late", AuthMode::Jwt, at, Some(&write), |_| is_over.then_some(EXPIRED)).await;
    }
}

#[tokio::test]
async fn what_was_revoked_is_void_for_all_documents_or_for_one() {
    let manage = alice(Right::Manage);
    let all = async |world: &World| world.revoke(None).await;
    walk("revoked", AuthMode::Jwt, all, Some(&manage), |_| Some(REVOKED)).await;
    let here = async |world: &World| world.revoke(Some(doc("notes"))).await;
    walk("revoked here", AuthMode::Jwt, here, Some(&manage), |action| {
        needs_a_right(action).then_some(REVOKED)
    })
    .await;
    let elsewhere = async |world: &World| world.revoke(Some(doc("other"))).await;
    walk("revoked elsewhere", AuthMode::Jwt, elsewhere, Some(&manage), |_| None).await;
    // A token of later is none of those.
    let later = Identity { issued_at: NOW_S + 1, ..identity(r#"{"notes":"write"}"#) }.to_context();
    walk("let in again", AuthMode::Jwt, all, Some(&later), |_| None).await;
}

#[tokio::test]
async fn an_agent_is_its_users() {
    let world = World::new(AuthMode::Jwt).await;
    let write = alice(Right::Write);
    for foreign in ["bob", "alice-2", "alice~", "bob~alice"] {
        let op = json!({"type": "insert", "id": format!("{foreign}-0"), "text": "x", "left": null});
        for frame in [
            json!({"action": "SEND_OP", "docId": "notes", "agent": foreign, "after": 0, "ops": [op]}),
            json!({"action": "SEND_OP", "docId": "notes", "op": op}),
            json!({"action": "PRESENCE", "docId": "notes", "agent": foreign, "state": {}}),
        ] {
            let (got, answer) = world.ask(Some(&write), &frame).await;
            assert_eq!(got, "forbidden", "{frame}: {answer}");
            assert!(answer["message"].as_str().unwrap().contains("does not belong to alice"), "{answer}");
            assert!(world.asked.take().iter().all(|one| *one == Operation::RevocationsOf));
        }
    }
}

#[tokio::test]
async fn whether_a_document_exists_is_not_told() {
    let world = World::new(AuthMode::Jwt).await;
    let op = json!({"type": "insert", "id": "alice-0", "text": "x", "left": null});
    let send = json!({"action": "SEND_OP", "docId": "notes", "op": op});
    assert_eq!(world.ask(Some(&alice(Right::Write)), &send).await.0, "OP_ACK");
    let none = identity("{}").to_context();
    let join = |doc: &str| json!({"action": "JOIN_DOC", "docId": doc});
    let (_, mut there) = world.ask(Some(&none), &join("notes")).await;
    let (_, not_there) = world.ask(Some(&none), &join("nowhere")).await;
    there["docId"] = json!("nowhere");
    assert_eq!(there, not_there);
}

#[tokio::test]
async fn revocations_are_read_once_a_minute_and_by_whoever_registers() {
    let world = World::new(AuthMode::Jwt).await;
    let write = alice(Right::Write);
    let ttl_ms = REVOCATION_CACHE_TTL.as_millis() as u64;
    let reads = async |frame: &Value| {
        let (got, _) = world.ask(Some(&write), frame).await;
        assert!(["OP_ACK", "PONG", "OP_REPLAY"].contains(&got.as_str()), "{got}");
        world.asked.take().iter().filter(|one| **one == Operation::RevocationsOf).count()
    };
    let op = json!({"type": "insert", "id": "alice-0", "text": "x", "left": null});
    let send = json!({"action": "SEND_OP", "docId": "notes", "op": op});
    assert_eq!(reads(&send).await, 0, "it was read by joining");
    world.clock.pass_ms(ttl_ms - 1);
    assert_eq!(reads(&send).await, 0);
    world.clock.pass_ms(1);
    assert_eq!(reads(&send).await, 1);
    assert_eq!(reads(&json!({"action": "PING"})).await, 0);
    let sync = json!({"action": "SYNC_STATE", "docId": "notes", "version": {"alice": 1}});
    assert_eq!(reads(&sync).await, 1, "what is cached is not enough to register on");
}

#[tokio::test]
async fn whoever_registers_while_access_is_revoked_is_not_left_registered() {
    let world = World::new(AuthMode::Jwt).await;
    let alice_name = UserName::new("alice").unwrap();
    // After the function has read what was revoked: it still lets the message pass.
    let revocation = Revocation { doc: Some(doc("notes")), at: NOW_S };
    world.revocations.revoke(&alice_name, &revocation, NOW_S).await.unwrap();
    for action in ["JOIN_DOC", "SYNC_STATE"] {
        let frame = json!({"action": action, "docId": "notes", "ref": 1});
        let (got, answer) = world.ask(Some(&alice(Right::Write)), &frame).await;
        assert_eq!((got.as_str(), &answer["message"]), ("unauthorized", &json!(REVOKED.1)), "{action}");
        assert_eq!(world.registered().await, [""; 0], "{action}");
        world.clock.pass_ms(1);
    }
}

#[tokio::test]
async fn a_registration_names_its_user_and_ends_with_the_token() {
    for action in ["JOIN_DOC", "SYNC_STATE"] {
        let world = World::new(AuthMode::Jwt).await;
        let (notes, frame) = (doc("notes"), json!({"action": action, "docId": "notes"}));
        // By syncing it stays registered, up to the token's last second.
        while world.clock.now_ms() < (EXPIRES_S - 60) * 1_000 {
            world.clock.pass(Duration::from_secs(60));
            world.ask(Some(&alice(Right::Write)), &frame).await;
        }
        let author = Author { user: "alice".to_owned(), name: Some("Alice".to_owned()) };
        let holder = Holder { author, right: Right::Write, expires_at: EXPIRES_S };
        let registered = world.connections.registrations(&notes, world.clock.now_ms()).await.unwrap();
        let holders: Vec<_> = registered.into_iter().map(|one| one.holder).collect();
        assert_eq!(holders, [Some(holder)], "{action}");
        world.clock.pass_ms(EXPIRES_S * 1_000 - 1 - world.clock.now_ms());
        assert_eq!(world.registered().await, ["c"], "{action}");
        world.clock.pass_ms(1);
        assert_eq!(world.registered().await, [""; 0], "{action}");
    }
}

#[tokio::test]
async fn nobody_is_called_unauthorized_while_revocations_cannot_be_read() {
    let world = World::new(AuthMode::Jwt).await;
    let clock: Arc<dyn Clock> = world.clock.clone();
    let revocations = Tapped::new(world.revocations.clone(), Failing::new(Store::Revocations), clock.clone());
    let connection = Connection::new(Gate::new(AuthMode::Jwt, revocations, clock), world.audience.clone());
    let mut event = world.event(Some(&alice(Right::Read)), &Value::Null);
    event.request_context.event_type = Some("CONNECT".to_owned());
    assert_eq!(connection.handle(event).await.status_code, 500);
}

#[tokio::test]
async fn a_connection_without_an_identity_is_not_let_in() {
    let world = World::new(AuthMode::Jwt).await;
    let mut expired = alice(Right::Manage);
    expired.insert("exp".to_owned(), NOW_S.to_string());
    for (context, status) in [(None, 401), (Some(&expired), 401), (Some(&alice(Right::Read)), 200)] {
        let mut event = world.event(context, &Value::Null);
        event.request_context.event_type = Some("CONNECT".to_owned());
        assert_eq!(world.connection.handle(event).await.status_code, status);
    }
    // Whoever leaves is cleaned up after, also without one.
    let mut event = world.event(None, &Value::Null);
    event.request_context.event_type = Some("DISCONNECT".to_owned());
    assert_eq!(world.connection.handle(event).await.status_code, 200);
    assert_eq!(world.registered().await, [""; 0]);
}

#[tokio::test]
async fn an_answer_says_what_the_connection_may_do_and_as_whom() {
    for frame in [
        json!({"action": "JOIN_DOC", "docId": "notes"}),
        json!({"action": "SYNC_STATE", "docId": "notes", "version": {}}),
    ] {
        for right in [Right::Read, Right::Write, Right::Manage] {
            let world = World::new(AuthMode::Jwt).await;
            let (_, answer) = world.ask(Some(&alice(right)), &frame).await;
            assert_eq!((&answer["access"], &answer["user"]), (&json!(right), &json!("alice")), "{frame}");
        }
        let (_, answer) = World::new(AuthMode::Open).await.ask(None, &frame).await;
        assert_eq!((&answer["access"], answer.get("user")), (&json!("manage"), None), "{frame}");
    }
}

#[tokio::test]
async fn who_wrote_and_who_is_where_is_what_the_server_knows() {
    let world = World::new(AuthMode::Jwt).await;
    let notes = doc("notes");
    world.push.open("d");
    world.connections.register(&notes, "d", None, world.clock.now_ms()).await.unwrap();
    let by_alice = |frame: &Value| {
        assert_eq!((&frame["user"], &frame["name"]), (&json!("alice"), &json!("Alice")), "{frame}");
    };
    let of = |frame: String| serde_json::from_str::<Value>(&frame).expect("JSON");

    // Whatever a message says of it.
    let presence = json!({
        "action": "PRESENCE", "docId": "notes", "agent": "alice~1", "user": "eve", "name": "Eve",
        "state": {"name": "Eve"},
    });
    world.ask(Some(&alice(Right::Read)), &presence).await;
    by_alice(&of(world.push.take("d").remove(0)));
    let join = json!({"action": "JOIN_DOC", "docId": "notes"});
    let mut event = world.event(Some(&alice(Right::Read)), &join);
    event.request_context.connection_id = Some("d".to_owned());
    world.sync.handle(event).await;
    by_alice(&of(world.push.take("d").remove(0)));

    let op = json!({"type": "insert", "id": "alice-0", "text": "x", "left": null});
    let send = json!({"action": "SEND_OP", "docId": "notes", "op": op, "user": "eve", "name": "Eve"});
    assert_eq!(world.ask(Some(&alice(Right::Write)), &send).await.0, "OP_ACK");
    let mut batch = StreamEvent::default();
    batch.records = world.log.stream(0, 10).0;
    Broadcaster::new(world.audience.clone()).handle(batch.clone()).await;
    by_alice(&of(world.push.take("d").remove(0))["events"][0]);
    Materializer::new(world.documents.clone(), world.clock.clone()).handle(batch).await;
    let cursor = world.documents.live.read(&notes).await.unwrap().expect("it is there").cursor;
    let cursor = Cursor { offset: 0, ..cursor }.to_wire();
    let sync = json!({"action": "SYNC_STATE", "docId": "notes", "version": {}, "cursor": cursor});
    let (got, replay) = world.ask(Some(&alice(Right::Read)), &sync).await;
    assert_eq!(got, "OP_REPLAY", "{replay}");
    by_alice(&replay["events"][0]);
}

/// A connection fails to close, and the others do not.
struct Sticks;

#[async_trait]
impl Tap for Sticks {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        match call.operation == Operation::PushClose && call.key == "sticks" {
            true => Err(PushError::Retry("status 500".to_owned()).into()),
            false => Ok(()),
        }
    }
}

/// An operator, and what it works on: Alice is in `notes` twice and in `plan`, Bob in `notes`.
struct Room {
    operator: AccessOperator,
    audience: Audience,
    push: Arc<MemoryPush>,
    revocations: Arc<MemoryCatalogue>,
}

impl Room {
    async fn new() -> Room {
        let clock = Arc::new(ManualClock::new(NOW_S * 1_000));
        let (connections, push) = (Arc::new(MemoryConnections::new()), Arc::new(MemoryPush::new()));
        let audience = Audience { presence: connections.clone(), connections, push: push.clone(), clock };
        for (name, connection, user) in [
            ("notes", "a1", "alice"),
            ("notes", "sticks", "alice"),
            ("plan", "a1", "alice"),
            ("notes", "b", "bob"),
        ] {
            push.open(connection);
            let author = Author { user: user.to_owned(), name: Some(user.to_uppercase()) };
            let holder = Holder { author: author.clone(), right: Right::Write, expires_at: EXPIRES_S };
            let now_ms = audience.clock.now_ms();
            audience.connections.register(&doc(name), connection, Some(&holder), now_ms).await.unwrap();
            let (agent, state) = (agent(&format!("{user}~{connection}")), "{}".to_owned());
            let entry =
                PresenceEntry { agent, connection: connection.to_owned(), state, author: Some(author) };
            assert!(audience.presence.set(&doc(name), &entry, Some(EXPIRES_S), now_ms).await.unwrap());
        }
        let revocations = Arc::new(MemoryCatalogue::new());
        let tap: Arc<dyn Tap> = Arc::new(Sticks);
        let operator = AccessOperator::new(revocations.clone(), audience.tapped(&tap));
        Room { operator, audience, push, revocations }
    }

    async fn registered(&self, name: &str) -> Vec<String> {
        let now_ms = self.audience.clock.now_ms();
        let mut all = self.audience.connections.list(&doc(name), now_ms).await.unwrap();
        all.sort();
        all
    }

    async fn shown(&self, name: &str) -> Vec<String> {
        let now_ms = self.audience.clock.now_ms();
        let all = self.audience.presence.all(&doc(name), now_ms).await.unwrap();
        all.into_iter().map(|entry| entry.agent.to_string()).collect()
    }

    async fn is_open(&self, connection: &str) -> bool {
        self.push.post(connection, "{}").await.is_ok()
    }
}

#[tokio::test]
async fn an_operator_sees_who_is_there() {
    let room = Room::new().await;
    let present = room.operator.who(&doc("plan")).await.unwrap();
    let alice = Present {
        connection: "a1".into(),
        user: Some("alice".into()),
        name: Some("ALICE".into()),
        right: Right::Write,
        expires_in: Some(EXPIRES_S - NOW_S),
    };
    assert_eq!(present, [alice]);
    let users = room.operator.who(&doc("notes")).await.unwrap();
    let users: Vec<_> =
        users.into_iter().map(|present| (present.user.unwrap(), present.connection)).collect();
    let of = |user: &str, connection: &str| (user.to_owned(), connection.to_owned());
    assert_eq!(users, [of("alice", "a1"), of("alice", "sticks"), of("bob", "b")]);
    assert_eq!(room.operator.who(&doc("nowhere")).await.unwrap(), []);
}

#[tokio::test]
async fn whose_access_is_revoked_is_shown_out_though_one_connection_fails() {
    let room = Room::new().await;
    let alice = UserName::new("alice").unwrap();
    let revoked = room.operator.revoke(&alice, None).await.unwrap();
    assert_eq!((revoked.at, revoked.closed, revoked.failed.len()), (NOW_S, 1, 1), "{revoked:?}");
    assert!(revoked.failed[0].contains("connection sticks is not closed"), "{revoked:?}");
    let kept = room.revocations.of(&alice, NOW_S).await.unwrap();
    assert_eq!(kept, [Revocation { doc: None, at: NOW_S }]);
    assert_eq!(
        (room.registered("notes").await, room.registered("plan").await),
        (vec!["b".to_owned()], vec![])
    );
    assert_eq!((room.shown("notes").await, room.shown("plan").await), (vec!["bob~b".to_owned()], vec![]));
    let told: Vec<Value> =
        room.push.take("b").iter().map(|json| serde_json::from_str(json).unwrap()).collect();
    let mut gone: Vec<_> =
        told.iter().map(|frame| (frame["agent"].as_str().unwrap(), &frame["state"])).collect();
    gone.sort_by_key(|(agent, _)| agent.to_string());
    assert_eq!(gone, [("alice~a1", &Value::Null), ("alice~sticks", &Value::Null)]);
    assert!(!room.is_open("a1").await && room.is_open("b").await);
}

#[tokio::test]
async fn access_to_one_document_is_revoked_there_only() {
    let room = Room::new().await;
    let alice = UserName::new("alice").unwrap();
    let revoked = room.operator.revoke(&alice, Some(&doc("plan"))).await.unwrap();
    assert_eq!((revoked.closed, revoked.failed.as_slice()), (1, &[][..]), "{revoked:?}");
    assert_eq!(room.registered("plan").await, [""; 0]);
    assert_eq!(room.registered("notes").await, ["a1", "b", "sticks"]);
    assert!(!room.is_open("a1").await && room.is_open("sticks").await);
    // Again, when there is nobody left.
    let again = room.operator.revoke(&alice, Some(&doc("plan"))).await.unwrap();
    assert_eq!((again.closed, again.failed.len()), (0, 0));
}
