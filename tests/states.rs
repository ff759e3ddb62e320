//! Whole states on their way to clients: shared, bounded, at the reader's pace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::encodings::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use inklog_crdt::Doc;
use inklog_ingest::{Gate, Sync};
use inklog_protocol::{DocId, ServerMessage};
use inklog_store::audience::Audience;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::document::Documents;
use inklog_store::live::NewBase;
use inklog_store::push::memory::MemoryPush;
use inklog_store::tap::{Call, Done, Fault, Operation, Tap};
use inklog_store::{Clock as _, Connections as _, LiveState as _, ManualClock, PushError};
use serde_json::{Value, json};

use crate::full_redis::long;
use crate::harness::{Harness, doc, typed};
use crate::taps::{Counting, SteppingIn};

/// A document of some twenty parts.
const CHARS: usize = 2_000_000;

/// Connections that take a message every so often, or none, before a push that keeps what was posted.
struct Readers {
    pause: Option<Duration>,
    clock: Arc<ManualClock>,
    push: Arc<MemoryPush>,
    last: Mutex<HashMap<String, Duration>>,
    taken: Mutex<HashMap<String, Vec<String>>>,
}

#[async_trait]
impl Tap for Readers {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        if call.operation != Operation::PushPost {
            return Ok(());
        }
        tokio::task::yield_now().await;
        if let Some(pause) = self.pause {
            let now = self.clock.monotonic();
            let mut last = self.last.lock().unwrap();
            let last = last.entry(call.key.to_owned()).or_insert(now);
            if now - *last < pause {
                return Err(PushError::Busy("it was told to be slow".into()).into());
            }
            *last = now;
        }
        self.push.open(call.key);
        Ok(())
    }

    async fn after(&self, call: &Call<'_>, _: &Done<'_>) -> Result<(), Fault> {
        if call.operation == Operation::PushPost {
            let posted = self.push.take(call.key);
            self.taken.lock().unwrap().entry(call.key.to_owned()).or_default().extend(posted);
        }
        Ok(())
    }
}

struct World {
    sync: Sync,
    readers: Arc<Readers>,
    connections: Arc<MemoryConnections>,
}

fn world(harness: &Harness, documents: Documents, pause: Option<Duration>) -> World {
    let connections = Arc::new(MemoryConnections::new());
    let push = Arc::new(MemoryPush::new());
    let audience = Audience {
        presence: connections.clone(),
        connections: connections.clone(),
        push: push.clone(),
        clock: harness.clock.clone(),
    };
    let (last, taken) = (Mutex::default(), Mutex::default());
    let readers = Arc::new(Readers { pause, clock: harness.clock.clone(), push, last, taken });
    let tap: Arc<dyn Tap> = readers.clone();
    let sync = Sync::new(Gate::open(), documents, audience.tapped(&tap), "log".to_owned());
    World { sync, readers, connections }
}

/// A live state whose base has the right version and checksum over a body that no document has.
async fn with_a_body_that_cannot_be_decoded(harness: &Harness, doc: &DocId) {
    let mut of_bob = Doc::new();
    of_bob.apply(&typed("bob", 0, "x")[0]);
    let mut state = of_bob.encode();
    let (magic_and_format, sum) = (5, 4);
    state.truncate(state.len() - 1);
    let crc = crc32fast::hash(&state[magic_and_format + sum..]);
    state[magic_and_format..magic_and_format + sum].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(Doc::decode_version(&state).as_ref(), Ok(of_bob.version()));
    assert!(Doc::decode(&state).is_err());
    let base = NewBase { generation: "forged".into(), state, waiting: Vec::new(), aside_bytes: 0 };
    harness.live.begin_rebuild(doc, "n").await.unwrap();
    assert!(harness.live.swap_rebuild(doc, "n", base).await.unwrap());
}

impl World {
    async fn join(&self, connection: &str, doc: &DocId) -> Option<Value> {
        let mut event = ApiGatewayWebsocketProxyRequest::default();
        event.request_context.connection_id = Some(connection.to_owned());
        event.body =
            Some(json!({"action": "JOIN_DOC", "docId": doc.as_str(), "ref": connection}).to_string());
        match self.sync.handle(event).await.body {
            Some(Body::Text(answer)) => Some(serde_json::from_str(&answer).expect("JSON")),
            _ => None,
        }
    }

    /// The text of the parts that a connection was sent, with the last one.
    fn text(&self, connection: &str, last: &Value) -> String {
        let mut parts = self.readers.taken.lock().unwrap().remove(connection).unwrap_or_default();
        parts.push(last.to_string());
        let mut doc = Doc::new();
        let (mut spans, mut version, mut late) = (Vec::new(), inklog_crdt::Version::new(), Vec::new());
        let count = parts.len();
        for part in parts {
            let named: Value = serde_json::from_str(&part).unwrap();
            assert_eq!(named["ref"], connection, "each answer has its own ref");
            let ServerMessage::DocState { ops, version: slice, events, parts, .. } =
                ServerMessage::parse(&part).unwrap()
            else {
                panic!("not a DOC_STATE")
            };
            assert_eq!(parts as usize, count);
            spans.extend(ops.into_iter().map(|op| op.into_span().unwrap()));
            version.unite(&inklog_protocol::version_from_wire(&slice).unwrap());
            late.extend(events);
        }
        doc.merge(&spans, &version).unwrap();
        for event in late {
            doc.apply(&event.into_event().unwrap().event);
        }
        doc.text()
    }
}

/// A harness with a document of many parts, its live state kept, and reads of that counted.
/// Readings that dozens share who join at once. More than two, since one is over before all have asked.
const FEW: usize = 8;

async fn with_long() -> (Harness, Documents, Arc<Counting>) {
    let harness = Harness::memory();
    harness.append(&doc("long"), long(CHARS)).await;
    harness.documents.rebuild(&doc("long")).await.unwrap();
    let counting = Arc::new(Counting::default());
    let documents = harness.tapped(counting.clone());
    (harness, documents, counting)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_join_at_once_share_one_state_and_a_connection_has_one_under_way() {
    let (harness, documents, counting) = with_long().await;
    let states_read = || counting.of(Operation::LiveRead).calls;
    let world = world(&harness, documents, None);
    let long = doc("long");
    let answers = join_all((0..64).map(|_| world.join("greedy", &long))).await;
    let states: Vec<Value> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
    let (sent, refused): (Vec<&Value>, Vec<&Value>) =
        states.iter().partition(|answer| answer["action"] == "DOC_STATE");
    assert!((1..=FEW).contains(&states_read()), "{} states were read", states_read());
    for answer in &refused {
        assert_eq!((&answer["code"], &answer["retry"]), (&json!("rate_limited"), &json!(true)), "{answer}");
    }
    assert!(!sent.is_empty() && sent.len() <= FEW, "{} states were sent", sent.len());

    let names: Vec<String> = (0..32).map(|n| format!("c{n}")).collect();
    let before = states_read();
    let answers = join_all(names.iter().map(|name| world.join(name, &long))).await;
    assert!(states_read() - before <= FEW, "{} states were read", states_read() - before);
    for (name, last) in names.iter().zip(answers) {
        assert_eq!(world.text(name, &last.expect("the last part")).len(), CHARS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_while_a_state_is_read_gets_one_that_was_read_later() {
    let harness = Harness::start().await;
    let d = doc("d");
    harness.append(&d, typed("alice", 0, "a")).await;
    harness.documents.rebuild(&d).await.unwrap();
    let late = Arc::new(Mutex::new(None));
    let (inside, joined) = tokio::sync::oneshot::channel::<Arc<World>>();
    let (joining, of, below) = (late.clone(), d.clone(), harness.live.clone());
    let event = harness.logged(typed("bob", 0, "b").remove(0));
    // The first one has read: what comes now it does not have, and the second must.
    let documents = harness.tapped(SteppingIn::after(Operation::LiveRead, async move {
        let world = joined.await.expect("the world is there");
        below.append(&of, &[event], "tail").await.unwrap();
        let (joiner, doc) = (world.clone(), of.clone());
        let second = tokio::spawn(async move { joiner.join("second", &doc).await });
        while world.connections.list(&of, 1_700_000_000_000).await.unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        *joining.lock().unwrap() = Some(second);
    }));
    let world = Arc::new(world(&harness, documents, None));
    assert!(inside.send(world.clone()).is_ok());
    let first = world.join("first", &d).await.expect("an answer");
    assert_eq!(world.text("first", &first).len(), 1, "something is tested");
    let second = late.lock().unwrap().take().expect("it joined meanwhile");
    let second = second.await.unwrap().expect("an answer");
    assert_eq!(world.text("second", &second).len(), 2, "{second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_that_reads_on_gets_all_with_one_join() {
    let (harness, documents, _) = with_long().await;
    let mut world = world(&harness, documents, Some(Duration::from_millis(150)));
    let patience = Duration::from_secs(1);
    world.sync = world.sync.with_patience(patience);
    let last = harness.clock.run(world.join("slow", &doc("long"))).await.expect("the last part");
    assert!(harness.clock.monotonic() > 2 * patience, "longer than patience lasts without progress");
    assert_eq!(world.text("slow", &last).len(), CHARS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_reads_nothing_is_given_up_and_may_come_again() {
    let (harness, documents, _) = with_long().await;
    let mut world = world(&harness, documents, Some(Duration::from_secs(3600)));
    let patience = Duration::from_millis(500);
    world.sync = world.sync.with_patience(patience);
    for _ in 0..2 {
        let joined = harness.clock.run(world.join("stuck", &doc("long"))).await;
        assert!(joined.is_none(), "it is given up, not refused");
    }
    assert!(harness.clock.monotonic() <= 2 * patience, "{:?}", harness.clock.monotonic());
}

#[tokio::test]
async fn the_last_part_is_posted_when_the_gateway_waits_no_longer() {
    const CHARS: usize = 300_000;
    let limit = Duration::from_secs(25);
    for (took, is_posted) in [(limit - Duration::from_nanos(1), false), (limit, true)] {
        let harness = Harness::memory();
        harness.append(&doc("long"), long(CHARS)).await;
        harness.documents.rebuild(&doc("long")).await.unwrap();
        let clock = harness.clock.clone();
        let reading = SteppingIn::after(Operation::LiveRead, async move { clock.pass(took) });
        let world = world(&harness, harness.tapped(reading), None);
        // The function has been there for a while.
        harness.clock.pass(limit);
        let answer = world.join("late", &doc("long")).await;
        assert_eq!(answer.is_none(), is_posted, "after {took:?}");
        let posted = || world.readers.taken.lock().unwrap().get_mut("late")?.pop();
        let last = answer.unwrap_or_else(|| serde_json::from_str(&posted().expect("it is posted")).unwrap());
        assert_eq!(world.text("late", &last).len(), CHARS);
    }
}

#[tokio::test]
async fn a_sync_that_needs_events_alone_decodes_no_base() {
    let harness = Harness::memory();
    let d = doc("d");
    let events = typed("bob", 0, "xy");
    harness.append(&d, events.clone()).await;
    with_a_body_that_cannot_be_decoded(&harness, &d).await;
    let late = harness.logged(events[1].clone());
    harness.live.append(&d, &[late], "tail").await.unwrap();
    let generation = async || Some(harness.live.read(&d).await.unwrap()?.tag.generation);

    // Whoever decoded the base would drop it.
    for format in ["binary", "ops"] {
        let sync = json!({"action": "SYNC_STATE", "docId": "d", "format": format, "version": {"bob": 1}});
        let answer = harness.ask_sync(&harness.documents, sync).await;
        assert_eq!((&answer["action"], answer["events"].as_array().unwrap().len()), (&json!("OP_REPLAY"), 1));
        assert_eq!(generation().await.as_deref(), Some("forged"));
    }
    // Who needs the document finds the damage; the next one gets a base that was made anew.
    let join = || json!({"action": "JOIN_DOC", "docId": "d", "format": "ops"});
    let refused = harness.ask_sync(&harness.documents, join()).await;
    assert_eq!((&refused["code"], &refused["retry"]), (&json!("unavailable"), &json!(true)), "{refused}");
    assert_eq!(generation().await, None, "it is dropped");
    let state = harness.ask_sync(&harness.documents, join()).await;
    assert_eq!(state["ops"][0]["text"], "xy", "{state}");
    assert!(generation().await.is_some_and(|generation| generation != "forged"));
}

#[tokio::test]
async fn whoever_meets_a_damaged_base_has_it_dropped() {
    let harness = Harness::memory();
    let d = doc("d");
    harness.append(&d, typed("bob", 0, "xy")).await;
    let folded = async || harness.documents.fold(&d).await.map(|folded| folded.is_some());
    with_a_body_that_cannot_be_decoded(&harness, &d).await;
    assert!(!folded().await.unwrap());
    assert!(harness.live.read(&d).await.unwrap().is_none(), "the fold dropped it");
    with_a_body_that_cannot_be_decoded(&harness, &d).await;
    assert_eq!(harness.documents.read(&d).await.unwrap().text(), "xy", "read from the log");
    assert!(harness.live.read(&d).await.unwrap().is_none(), "the reader dropped it");

    // One byte is enough, wherever it is: a state in binary, which is passed on as it is kept, is checked.
    harness.documents.rebuild(&d).await.unwrap();
    let sound = harness.live.read(&d).await.unwrap().expect("it is kept").base;
    for at in 0..sound.len() {
        let mut state = sound.clone();
        state[at] ^= 1;
        let base = NewBase { generation: "damaged".into(), state, waiting: Vec::new(), aside_bytes: 0 };
        harness.live.begin_rebuild(&d, "n").await.unwrap();
        assert!(harness.live.swap_rebuild(&d, "n", base).await.unwrap());
        let join = json!({"action": "JOIN_DOC", "docId": "d", "format": "binary"});
        let answer = harness.ask_sync(&harness.documents, join).await;
        let bytes = STANDARD.decode(answer["state"].as_str().expect("a state")).unwrap();
        assert_eq!(bytes, sound, "byte {at}");
    }
}
