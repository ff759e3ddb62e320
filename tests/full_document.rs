//! A document that has come to its limit: what is refused, what still works, and how it gets smaller
//! (DESIGN §4, Redis is a cache: every cost has a bound).

use std::sync::Arc;
use std::time::Duration;

use inklog_crdt::Event;
use inklog_ingest::{Gate, SendOp};
use inklog_local::{Data, Stack, StackConfig};
use inklog_materializer::Materializer;
use inklog_operator::{Operator, Source};
use inklog_protocol::limits::{FOLD_BYTES_MIN, FULL_CACHE_TTL, SIZE_SHARE};
use inklog_protocol::{DocId, LoggedEvent, WireEvent};
use inklog_store::document::{Documents, Folded};
use inklog_store::live::{NewBase, TailStatus};
use inklog_store::{LiveState as _, ManualClock, logged_len};
use serde_json::{Value, json};

use crate::compaction::{compact_all, send};
use crate::harness::{Harness, doc, hanging, sound_batch};
use crate::socket::Socket;

const MAX: u64 = 80_000;
/// Characters of one event.
const EVENT_CHARS: usize = 500;

/// Ingest and materializer over documents of at most so many bytes.
struct World {
    harness: Harness,
    documents: Documents,
    send_op: SendOp,
    materializer: Materializer,
}

impl World {
    async fn start(max: u64) -> World {
        let harness = Harness::start().await;
        let documents = Documents { doc_bytes_max: max, ..harness.documents.clone() };
        let (log, catalogue) = (documents.log.clone(), documents.catalogue.clone());
        World {
            send_op: SendOp::new(Gate::open(), log, catalogue, harness.clock.clone()).with_doc_bytes_max(max),
            materializer: Materializer::new(documents.clone(), harness.clock.clone()),
            documents,
            harness,
        }
    }

    /// Sends an event, and has it materialized where it is taken.
    async fn send(&self, doc: &DocId, event: &Event) -> Value {
        let answer = send(&self.send_op, message(doc, event)).await;
        if answer["action"] == "OP_ACK" {
            let failed = self.materializer.handle(sound_batch(doc, std::slice::from_ref(event))).await;
            assert!(failed.batch_item_failures.is_empty());
        }
        answer
    }

    async fn bytes(&self, doc: &DocId) -> u64 {
        self.documents.replay(doc).await.unwrap().bytes
    }

    async fn compact(&self, doc: &DocId) {
        let operator = Operator::new(self.documents.clone(), self.harness.clock.clone());
        operator.compact(doc).await.unwrap().expect("it is there");
    }

    /// Types until the document is full; how many characters it has then.
    async fn fill(&self, doc: &DocId) -> u64 {
        let mut chars = 0;
        loop {
            let answer = self.send(doc, &text("alice", chars, EVENT_CHARS)).await;
            if answer["action"] != "OP_ACK" {
                assert_eq!((&answer["code"], &answer["retry"]), (&json!("too_large"), &json!(false)));
                return chars;
            }
            chars += EVENT_CHARS as u64;
            assert!(chars < 4 * MAX, "it is never full");
        }
    }
}

fn message(doc: &DocId, event: &Event) -> Value {
    let wire = WireEvent::new(&LoggedEvent { event: event.clone(), at: 0, author: None });
    let mut message = serde_json::to_value(wire).unwrap();
    message["action"] = json!("SEND_OP");
    message["docId"] = json!(doc.as_str());
    message
}

/// `chars` characters after what the agent has typed up to `seq`.
fn text(name: &str, seq: u64, chars: usize) -> Event {
    use inklog_crdt::{Id, Op, Origin};
    let agent = crate::harness::agent(name);
    let left = seq.checked_sub(1).map(|before| Id::new(agent.clone(), before));
    let op = Op::Insert { seq, text: "x".repeat(chars), origin: Origin::Left(left) };
    Event::new(agent, seq, vec![op]).unwrap()
}

/// Deletes `len` of alice's characters from `target` on.
fn delete(name: &str, seq: u64, target: u64, len: u64) -> Event {
    use inklog_crdt::{Id, Op};
    let op = Op::Delete { seq, target: Id::new(crate::harness::agent("alice"), target), len };
    Event::new(crate::harness::agent(name), seq, vec![op]).unwrap()
}

/// Near the limit a tail is folded at an eighth of the base, elsewhere once it is as large as the base.
#[test]
fn a_tail_is_folded_sooner_where_it_may_be_too_much() {
    const LIMIT: u64 = 1_000_000;
    let documents = Documents { doc_bytes_max: LIMIT, ..Harness::memory().documents };
    let minimum = FOLD_BYTES_MIN as u64;
    // Bytes of base, waiting and aside; from how many bytes in the tail on it is folded.
    for (base_bytes, waiting_bytes, aside_bytes, from) in [
        (0, 0, 0, minimum),
        (minimum, 1, 0, minimum + 1),
        (300_000, 0, 0, 300_000),
        (400_000, 100_000, 0, 500_000),
        // One byte over the limit is enough.
        (600_000, 200_000, 0, 200_001),
        (600_000, 0, 200_000, 200_001),
        (990_000, 0, 0, 990_000 / SIZE_SHARE),
        (500_000, 300_000, 200_000, 800_000 / SIZE_SHARE),
        // That it is too large is known: there is nothing to find out.
        (LIMIT + 1, 0, 0, LIMIT + 1),
        (400_000, 0, 600_001, 400_000),
    ] {
        let status = |unfolded_bytes, has_base| TailStatus {
            has_base,
            base_bytes,
            waiting_bytes,
            aside_bytes,
            unfolded_bytes,
        };
        let folds = |bytes, has_base| documents.should_fold(status(bytes, has_base));
        let what = (base_bytes, waiting_bytes, aside_bytes);
        assert!(folds(from, true) && !folds(from - 1, true), "{what:?}");
        assert!(!folds(from, false), "{what:?}: there is nothing to fold into");
    }
}

/// By which the catalogue is told that a document has come to its limit, or is below it again.
#[tokio::test]
async fn a_fold_tells_how_large_a_document_was_and_is() {
    let (harness, doc) = (Harness::memory(), doc("d"));
    let mut state = inklog_crdt::Doc::new();
    let [typed, deleted] = [text("alice", 0, 3_000), delete("bob", 0, 0, 2_999)];
    state.apply(&typed);
    let [waits, deleted] = [hanging("carol", 0, "!", "dave-7"), deleted].map(|event| harness.logged(event));
    let base = NewBase {
        generation: "g".into(),
        state: state.encode(),
        waiting: vec![waits.clone()],
        aside_bytes: 700,
    };
    let before = (base.state.len() + logged_len(&waits) + logged_len(&deleted)) as u64 + 700;
    harness.live.begin_rebuild(&doc, "n").await.unwrap();
    assert!(harness.live.commit_rebuild(&doc, "n", base).await.unwrap());
    harness.live.append(&doc, std::slice::from_ref(&deleted), "tail").await.unwrap();
    state.apply(&deleted.event);
    let bytes = (state.encode().len() + logged_len(&waits)) as u64 + 700;
    let folded = harness.documents.fold(&doc).await.unwrap();
    assert_eq!(folded, Some(Folded { before, bytes, aside_bytes: 700 }));
}

#[tokio::test]
async fn a_document_grows_to_its_limit_and_little_beyond() {
    let world = World::start(MAX).await;
    let doc = doc("d");
    world.fill(&doc).await;
    let bytes = world.bytes(&doc).await;
    // A tail that is not folded yet, and what one reading of the catalogue lets in.
    let known_to = (MAX / SIZE_SHARE).max(FOLD_BYTES_MIN as u64);
    let most = MAX + known_to + MAX / SIZE_SHARE + 2 * EVENT_CHARS as u64;
    println!("{bytes} bytes in a document of at most {MAX}");
    assert!((MAX..most).contains(&bytes), "{bytes} bytes, not between {MAX} and {most}");
    let other = world.send(&crate::harness::doc("other"), &text("alice", 0, 1)).await;
    assert_eq!(other["action"], "OP_ACK", "others are not concerned");
}

#[tokio::test]
async fn a_size_at_the_limit_passes_and_a_byte_more_is_full() {
    let measure = World::start(MAX).await;
    let (doc, events) = (doc("d"), [text("alice", 0, 3_000), text("alice", 3_000, 10)]);
    for event in &events {
        measure.send(&doc, event).await;
    }
    let bytes = measure.bytes(&doc).await;
    for (max, is_full) in [(bytes + 1, false), (bytes, false), (bytes - 1, true)] {
        let world = World::start(max).await;
        for event in &events {
            assert_eq!(world.send(&doc, event).await["action"], "OP_ACK");
        }
        world.compact(&doc).await;
        // Long enough that what was read before does not count.
        world.harness.clock.pass(Duration::from_secs(60));
        let answer = world.send(&doc, &text("bob", 0, 1)).await;
        assert_eq!(answer["code"] == "too_large", is_full, "{max}: {answer}");
    }
}

#[tokio::test]
async fn a_full_document_is_read_compacted_rebuilt_and_gets_smaller() {
    let world = World::start(MAX).await;
    let doc = doc("d");
    let chars = world.fill(&doc).await;

    let refused = world.send(&doc, &text("bob", 0, 1)).await;
    let told = refused["message"].as_str().unwrap();
    assert!(told.contains("document d is full") && told.contains("delete text"), "{told}");
    let lone = json!({"action": "SEND_OP", "docId": "d",
                      "op": {"type": "insert", "id": "bob-0", "char": "!", "left": null}});
    assert_eq!(send(&world.send_op, lone).await["code"], "too_large");
    let again = world.send(&doc, &text("alice", 0, EVENT_CHARS)).await;
    assert_eq!(again["action"], "OP_ACK", "what it has is acknowledged again");

    let joined = async || {
        let join = json!({"action": "JOIN_DOC", "docId": "d"});
        let state = world.harness.ask_sync(&world.documents, join).await;
        assert_eq!(state["action"], "DOC_STATE");
        world.documents.read(&doc).await.unwrap().len() as u64
    };
    assert_eq!(joined().await, chars);
    compact_all(&world.documents, &world.harness.clock, &doc).await;
    world.harness.live.clear();
    assert_eq!(joined().await, chars, "rebuilt from its snapshot");

    assert_eq!(world.send(&doc, &text("bob", 0, 1)).await["code"], "too_large");
    assert_eq!(world.send(&doc, &delete("bob", 0, 0, chars / 2)).await["action"], "OP_ACK");
    world.compact(&doc).await;
    world.harness.clock.pass(FULL_CACHE_TTL);
    assert_eq!(world.send(&doc, &text("carol", 0, 7)).await["action"], "OP_ACK", "there is room again");
    assert_eq!(joined().await, chars - chars / 2 + 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_types_into_a_full_document_is_told_and_can_make_room() {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let config = StackConfig { port: 0, data: Data::Memory, doc_bytes_max: 20_000, ..StackConfig::default() };
    let stack = Stack::start_with_clock(config, clock.clone()).await.expect("a stack in memory starts");
    let mut alice = Socket::connect(stack.ws_url()).await;
    let doc = doc("d");
    let mut chars = 0;
    let refused = loop {
        let answer = alice.ask(message(&doc, &text("alice", chars, EVENT_CHARS))).await;
        if answer["action"] == "ERROR" {
            break answer;
        }
        chars += EVENT_CHARS as u64;
        assert!(chars < 1_000_000, "it is never full");
        // What is noted meanwhile is looked at.
        clock.pass(Duration::from_secs(60));
    };
    assert_eq!((&refused["code"], &refused["docId"]), (&json!("too_large"), &json!("d")));

    let mut bob = Socket::connect(stack.ws_url()).await;
    bob.send(json!({"action": "JOIN_DOC", "docId": "d"})).await;
    assert_eq!(bob.next_of("DOC_STATE").await["docId"], "d");
    assert_eq!(bob.ask(message(&doc, &delete("bob", 0, 0, chars))).await["action"], "OP_ACK");
    // Until the delete has come through the stream, and a compaction has measured the document anew.
    let made_room = async {
        loop {
            clock.pass(FULL_CACHE_TTL);
            stack.operator().compact(&doc).await.unwrap();
            let answer = bob.ask(message(&doc, &text("carol", 0, 5))).await;
            if answer["action"] == "OP_ACK" {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), made_room).await.expect("there is room");
    let shown = async {
        for from in [Source::Log, Source::Live] {
            while stack.operator().read(&doc, from).await.unwrap().unwrap().text != "xxxxx" {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), shown).await.expect("log and live state agree");
    stack.stop().await;
}
