//! The broadcaster on a stand-in of `@connections`, with the SDK's own client in between: who is sent
//! what, who is passed over, and who is forgotten.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use inklog_broadcaster::Broadcaster;
use inklog_crdt::Event;
use inklog_protocol::limits::BROADCAST_CONCURRENCY;
use inklog_protocol::{DocId, ServerMessage};
use inklog_store::audience::Audience;
use inklog_store::config;
use inklog_store::connections::PresenceEntry;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::push::ApiGatewayPush;
use inklog_store::tap::{Call, Fault, Operation, Tap};
use inklog_store::{Clock as _, Connections as _, ManualClock, Presence as _};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::{agent, batch, doc, hanging, typed};

/// How the stand-in answers a post that is not taken.
#[derive(Clone, Copy)]
enum Refusal {
    /// None at all.
    Answer,
    Status(u16),
    /// 410 with the name of its error, as AWS gives it.
    Gone,
}

#[derive(Default)]
struct Gateway {
    /// What each connection answers first; after that it takes what comes.
    refusals: Mutex<HashMap<String, VecDeque<Refusal>>>,
    /// Answers that never change.
    always: Mutex<HashMap<String, Refusal>>,
    posts: Mutex<Vec<(String, Value)>>,
    taken: Mutex<Vec<(String, Value)>>,
    /// Holds every post until so many are under way.
    barrier: Option<Barrier>,
    under_way: AtomicUsize,
    under_way_max: AtomicUsize,
}

async fn take(State(gateway): State<Arc<Gateway>>, Path(connection): Path<String>, body: String) -> Response {
    let under_way = gateway.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    gateway.under_way_max.fetch_max(under_way, Ordering::SeqCst);
    if let Some(barrier) = &gateway.barrier {
        barrier.wait().await;
    }
    let message: Value = serde_json::from_str(&body).expect("messages are JSON");
    gateway.posts.lock().unwrap().push((connection.clone(), message.clone()));
    let refusal = gateway.always.lock().unwrap().get(&connection).copied();
    let refusal = refusal.or_else(|| gateway.refusals.lock().unwrap().get_mut(&connection)?.pop_front());
    gateway.under_way.fetch_sub(1, Ordering::SeqCst);
    match refusal {
        None => {
            gateway.taken.lock().unwrap().push((connection, message));
            StatusCode::OK.into_response()
        }
        Some(Refusal::Answer) => std::future::pending().await,
        Some(Refusal::Status(status)) => StatusCode::from_u16(status).expect("a status").into_response(),
        Some(Refusal::Gone) => (StatusCode::GONE, [("x-amzn-errortype", "GoneException")]).into_response(),
    }
}

/// The broadcaster, its connections, and the gateway that it posts to.
struct World {
    gateway: Arc<Gateway>,
    connections: Arc<MemoryConnections>,
    clock: Arc<ManualClock>,
    audience: Audience,
    broadcaster: Broadcaster,
}

impl World {
    async fn start(gateway: Gateway) -> World {
        let gateway = Arc::new(gateway);
        let router = Router::new().route("/dev/@connections/{id}", post(take)).with_state(gateway.clone());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let endpoint = format!("http://{}/dev", listener.local_addr().expect("it is bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let aws = config::fixed_credentials("us-east-1", "local", "local-secret");
        let connections = Arc::new(MemoryConnections::new());
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let audience = Audience {
            connections: connections.clone(),
            presence: connections.clone(),
            push: Arc::new(ApiGatewayPush::new(config::push_client(&aws, endpoint))),
            clock: clock.clone(),
        };
        World { gateway, connections, clock, broadcaster: Broadcaster::new(audience.clone()), audience }
    }

    async fn join(&self, doc: &DocId, connections: &[&str]) {
        for connection in connections {
            self.connections.register(doc, connection, None, self.clock.now_ms()).await.unwrap();
        }
    }

    async fn joined(&self, doc: &DocId) -> Vec<String> {
        let mut joined = self.connections.list(doc, self.clock.now_ms()).await.unwrap();
        joined.sort();
        joined
    }

    fn refuse(&self, connection: &str, refusals: impl IntoIterator<Item = Refusal>) {
        let refusals = refusals.into_iter().collect();
        self.gateway.refusals.lock().unwrap().insert(connection.to_owned(), refusals);
    }

    fn always(&self, connection: &str, refusal: Refusal) {
        self.gateway.always.lock().unwrap().insert(connection.to_owned(), refusal);
    }

    /// Handles a batch that must not come again.
    async fn broadcast(&self, events: StreamEvent) {
        let response = self.broadcaster.handle(events).await;
        assert!(response.batch_item_failures.is_empty(), "{response:?}");
    }

    fn posts_to(&self, connection: &str) -> usize {
        self.gateway.posts.lock().unwrap().iter().filter(|(to, _)| to == connection).count()
    }

    /// What a connection has taken: for each `REMOTE_OP` its document and its events' (agent, after),
    /// for each `REMOTE_PRESENCE` its agent.
    fn taken_by(&self, connection: &str) -> Vec<Taken> {
        let taken = self.gateway.taken.lock().unwrap();
        let mine = taken.iter().filter(|(to, _)| to == connection);
        mine.map(|(_, message)| match serde_json::from_value(message.clone()).expect("a message") {
            ServerMessage::RemoteOp { doc_id, events } => {
                Taken::Events(doc_id, events.into_iter().map(|event| (event.agent, event.after)).collect())
            }
            ServerMessage::RemotePresence { agent, state, .. } => Taken::Presence(agent, state),
            other => panic!("nobody expects {other:?}"),
        })
        .collect()
    }
}

#[derive(Debug, PartialEq)]
enum Taken {
    Events(String, Vec<(String, u64)>),
    Presence(String, Option<Value>),
}

fn events_of(doc: &str, events: &[(&str, u64)]) -> Taken {
    Taken::Events(doc.into(), events.iter().map(|&(agent, after)| (agent.to_owned(), after)).collect())
}

/// A batch of events, each with the connection that it came over.
fn sent(records: &[(&DocId, &Event, &str)]) -> StreamEvent {
    let names: Vec<String> = (1..=records.len()).map(|n| format!("{n:021}")).collect();
    let plain: Vec<_> = records
        .iter()
        .zip(&names)
        .map(|(&(doc, event, _), name)| (name.as_str(), doc, event.encode(), event))
        .collect();
    let mut batch = serde_json::to_value(batch(&plain)).expect("JSON");
    for (record, (_, _, connection)) in
        batch["Records"].as_array_mut().expect("records").iter_mut().zip(records)
    {
        record["dynamodb"]["NewImage"]["conn"] = json!({ "S": connection });
    }
    serde_json::from_value(batch).expect("a stream event")
}

#[tokio::test]
async fn a_documents_events_travel_in_one_message_and_not_to_their_senders() {
    let world = World::start(Gateway::default()).await;
    let (d, e) = (doc("d"), doc("e"));
    world.join(&d, &["c1", "c2", "c3"]).await;
    world.join(&e, &["c1", "c3"]).await;
    let (alice, bob) = (typed("alice", 0, "ab"), typed("bob", 0, "x"));
    let batch =
        sent(&[(&d, &alice[0], "c1"), (&e, &bob[0], "c1"), (&d, &bob[0], "c2"), (&d, &alice[1], "c1")]);
    world.broadcast(batch).await;
    assert_eq!(world.taken_by("c1"), [events_of("d", &[("bob", 0)])], "its own never come back");
    assert_eq!(world.taken_by("c2"), [events_of("d", &[("alice", 0), ("alice", 1)])]);
    let mut onlooker = world.taken_by("c3");
    onlooker.sort_by_key(|taken| format!("{taken:?}"));
    assert_eq!(
        onlooker,
        [events_of("d", &[("alice", 0), ("bob", 0), ("alice", 1)]), events_of("e", &[("bob", 0)])],
        "in the stream's order"
    );
}

#[tokio::test]
async fn what_outgrows_a_message_becomes_several_in_order() {
    let world = World::start(Gateway::default()).await;
    let d = doc("d");
    world.join(&d, &["c1"]).await;
    let long: Vec<Event> = (0..3_u64)
        .map(|n| {
            use inklog_crdt::{Op, Origin};
            let text = "x".repeat(70_000);
            let op = Op::Insert { seq: n * 70_000, text, origin: Origin::Left(None) };
            Event::new(agent("alice"), n * 70_000, vec![op]).unwrap()
        })
        .collect();
    let batch: Vec<_> = long.iter().map(|event| (&d, event, "other")).collect();
    world.broadcast(sent(&batch)).await;
    let one = |n: u64| events_of("d", &[("alice", n * 70_000)]);
    assert_eq!(world.taken_by("c1"), [one(0), one(1), one(2)]);
}

#[tokio::test]
async fn who_is_not_ready_is_passed_over_and_finds_the_gap_by_syncing() {
    let world = World::start(Gateway::default()).await;
    let (d, e) = (doc("d"), doc("e"));
    world.join(&d, &["slow", "good"]).await;
    world.join(&e, &["slow"]).await;
    world.refuse("slow", [Refusal::Status(429)]);
    let long = "x".repeat(70_000);
    let events: Vec<Event> = (0..2_u64).map(|n| hanging(&format!("a{n}"), 0, &long, "z-0")).collect();
    let batch: Vec<_> = events.iter().map(|event| (&d, event, "other")).collect();
    world.broadcast(sent(&batch)).await;
    assert_eq!(world.posts_to("slow"), 1, "once, and nothing after what it missed");
    assert_eq!(world.taken_by("good").len(), 2);
    assert_eq!(world.joined(&d).await, ["good"]);
    assert_eq!(world.joined(&e).await, ["slow"], "only where it missed something");
    world.join(&d, &["slow"]).await;
    world.broadcast(sent(&[(&d, &typed("alice", 0, "a")[0], "other")])).await;
    assert_eq!(world.taken_by("slow"), [events_of("d", &[("alice", 0)])], "syncing registers it again");
}

#[tokio::test]
async fn nobody_waits_for_a_connection_that_does_not_answer() {
    let world = World::start(Gateway::default()).await;
    let d = doc("d");
    world.join(&d, &["silent", "good"]).await;
    world.always("silent", Refusal::Answer);
    let started = Instant::now();
    world.broadcast(sent(&[(&d, &typed("alice", 0, "a")[0], "other")])).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(world.taken_by("good"), [events_of("d", &[("alice", 0)])]);
    assert_eq!(world.joined(&d).await, ["good"]);
}

#[tokio::test]
async fn a_failing_gateway_is_no_reason_to_forget_anybody() {
    let world = World::start(Gateway::default()).await;
    let d = doc("d");
    world.join(&d, &["c1", "c2"]).await;
    world.refuse("c1", [500, 503, 503, 500].map(Refusal::Status));
    for _ in 0..2 {
        world.broadcast(sent(&[(&d, &typed("alice", 0, "a")[0], "other")])).await;
        assert_eq!(world.joined(&d).await, ["c1", "c2"]);
    }
    assert_eq!((world.posts_to("c1"), world.taken_by("c2").len()), (4, 2), "each is offered twice");
}

#[tokio::test]
async fn a_post_that_fails_or_is_late_once_arrives() {
    for refusal in [Refusal::Status(500), Refusal::Answer] {
        let world = World::start(Gateway::default()).await;
        let d = doc("d");
        world.join(&d, &["c1"]).await;
        world.refuse("c1", [refusal]);
        world.broadcast(sent(&[(&d, &typed("alice", 0, "a")[0], "other")])).await;
        assert_eq!(world.taken_by("c1"), [events_of("d", &[("alice", 0)])]);
        assert_eq!(world.joined(&d).await, ["c1"]);
    }
}

/// The connections of these documents cannot be read.
struct Unreadable(&'static [&'static str]);

#[async_trait]
impl Tap for Unreadable {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        let is_meant = call.doc.is_some_and(|doc| self.0.contains(&doc.as_str()));
        match call.operation == Operation::ConnectionsList && is_meant {
            true => Err(call.unanswered("it was told to fail")),
            false => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_batch_comes_again_only_if_no_document_can_be_read() {
    let world = World::start(Gateway::default()).await;
    let (d, e) = (doc("d"), doc("e"));
    world.join(&d, &["c1"]).await;
    world.join(&e, &["c2"]).await;
    let alice = &typed("alice", 0, "a")[0];
    let unreadable: [(&'static [&'static str], bool); 3] =
        [(&["d"], false), (&["e"], false), (&["d", "e"], true)];
    for (docs, comes_again) in unreadable {
        let tap: Arc<dyn Tap> = Arc::new(Unreadable(docs));
        let broadcaster = Broadcaster::new(world.audience.tapped(&tap));
        let response = broadcaster.handle(sent(&[(&d, alice, "other"), (&e, alice, "other")])).await;
        let from: Vec<_> =
            response.batch_item_failures.into_iter().map(|item| item.item_identifier).collect();
        let first = Some(format!("{:021}", 1));
        assert_eq!(from, if comes_again { vec![first] } else { Vec::new() }, "{docs:?}");
    }
    assert_eq!(world.taken_by("c1"), [events_of("d", &[("alice", 0)])], "while only the other failed");
    assert_eq!(world.taken_by("c2"), [events_of("e", &[("alice", 0)])]);
}

#[tokio::test]
async fn what_will_never_be_taken_is_not_tried_again() {
    let world = World::start(Gateway::default()).await;
    let d = doc("d");
    world.join(&d, &["c1", "c2"]).await;
    world.always("c1", Refusal::Status(403));
    world.always("c2", Refusal::Status(413));
    world.broadcast(sent(&[(&d, &typed("alice", 0, "a")[0], "other")])).await;
    assert_eq!((world.posts_to("c1"), world.posts_to("c2")), (1, 1));
    assert_eq!(world.joined(&d).await, ["c1", "c2"]);
}

#[tokio::test]
async fn who_is_gone_is_forgotten_and_the_others_hear_that_its_presence_went() {
    let world = World::start(Gateway::default()).await;
    let d = doc("d");
    world.join(&d, &["bare", "named", "there"]).await;
    for (name, connection) in [("ann", "bare"), ("ben", "named")] {
        let entry = PresenceEntry {
            agent: agent(name),
            connection: connection.into(),
            state: "{}".into(),
            author: None,
        };
        assert!(world.connections.set(&d, &entry, None, world.clock.now_ms()).await.unwrap());
    }
    world.always("bare", Refusal::Status(410));
    world.always("named", Refusal::Gone);
    world.broadcast(sent(&[(&d, &typed("alice", 0, "a")[0], "other")])).await;
    assert_eq!(world.joined(&d).await, ["there"]);
    assert_eq!(world.connections.all(&d, world.clock.now_ms()).await.unwrap(), []);
    let mut heard = world.taken_by("there");
    heard.sort_by_key(|taken| format!("{taken:?}"));
    let gone = |name: &str| Taken::Presence(name.into(), None);
    assert_eq!(heard, [events_of("d", &[("alice", 0)]), gone("ann"), gone("ben")]);
}

#[tokio::test]
async fn all_connections_are_posted_to_at_once_up_to_a_bound() {
    // Nothing is taken before as many posts as may be are under way together.
    let gateway = Gateway { barrier: Some(Barrier::new(BROADCAST_CONCURRENCY)), ..Gateway::default() };
    let world = World::start(gateway).await;
    let d = doc("d");
    let names: Vec<String> = (0..2 * BROADCAST_CONCURRENCY).map(|n| format!("c{n}")).collect();
    world.join(&d, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.broadcast(sent(&[(&d, &typed("alice", 0, "a")[0], "other")])).await;
    assert_eq!(world.gateway.taken.lock().unwrap().len(), names.len());
    assert_eq!(world.gateway.under_way_max.load(Ordering::SeqCst), BROADCAST_CONCURRENCY);
}
