//! The simulator's naive model: against vectors, against the CRDT, and with stores in which each kind of breach
//! is made.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::GzDecoder;
use inklog_crdt::{Agent, Doc, Draft, Event, Id, Op, Origin};
use inklog_operator::Operator;
use inklog_protocol::limits::{COMPACTION_GRACE, DOC_BYTES_MAX};
use inklog_protocol::{DocId, LoggedEvent, WireEvent};
use inklog_store::catalogue::Pointer;
use inklog_store::catalogue::memory::MemoryCatalogue;
use inklog_store::document::Documents;
use inklog_store::live::NewBase;
use inklog_store::live::memory::MemoryLiveState;
use inklog_store::log::memory::MemoryOpLog;
use inklog_store::objects::memory::MemoryObjects;
use inklog_store::objects::{Segment, Snapshot};
use inklog_store::{LogRecord, ManualClock, Objects, SystemEntropy};
use serde_json::{Value, json};

use naive::{Acknowledged, Checked, Expected, Place, Shown, check, place, replay, shown_by, state_bytes_max};

#[path = "sim/model.rs"]
mod naive;

const OWN_VECTORS: &str = include_str!("../crdt/tests/data/vectors.jsonl");

/// xorshift64*, as in the other tests.
struct Prng(u64);

impl Prng {
    fn new(seed: u64) -> Prng {
        Prng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let next = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        (((next >> 32) * end as u64) >> 32) as usize
    }

    /// The events in another order, some of them twice.
    fn shuffled(&mut self, events: &[Event]) -> Vec<Event> {
        let mut order = events.to_vec();
        for _ in 0..self.below(5) {
            order.push(events[self.below(events.len())].clone());
        }
        for at in (1..order.len()).rev() {
            order.swap(at, self.below(at + 1));
        }
        order
    }
}

fn agent(name: &str) -> Agent {
    Agent::new(name).unwrap()
}

fn insert(name: &str, after: u64, seq: u64, text: &str, origin: Origin) -> Event {
    Event::new(agent(name), after, vec![Op::Insert { seq, text: text.to_owned(), origin }]).unwrap()
}

fn after_id(name: &str, seq: u64) -> Origin {
    Origin::Left(Some(Id::new(agent(name), seq)))
}

/// What the CRDT makes of the events, in this order.
fn crdt(events: &[Event]) -> Shown {
    let mut doc = Doc::new();
    for event in events {
        doc.apply(event);
    }
    Shown { waiting: doc.waiting().map(place).collect(), ..shown_by(&doc) }
}

/// From the beginning of each agent's chain to its end.
fn assert_is_chained(shown: &Shown, events: &[Event]) {
    let ends: BTreeMap<Place, u64> = events.iter().map(|event| (place(event), event.end())).collect();
    let mut applied = shown.applied.clone();
    for (agent, end) in &shown.version {
        let mut at = (agent.clone(), 0);
        while at.1 < *end {
            assert!(applied.remove(&at), "{at:?} is not applied, but the chain ends at {end}");
            at.1 = ends[&at];
        }
        assert_eq!(at.1, *end);
    }
    assert_eq!(applied, BTreeSet::new(), "applied outside of a chain");
}

fn event(mut value: Value) -> Event {
    value["at"] = json!(0);
    serde_json::from_value::<WireEvent>(value).unwrap().into_event().unwrap().event
}

fn check_vectors(lines: &str, name: &str) {
    let prng = &mut Prng::new(1);
    for line in lines.lines() {
        let mut case: Value = serde_json::from_str(line).unwrap();
        let events: Vec<Event> = match case["events"].take() {
            Value::Array(events) => events.into_iter().map(event).collect(),
            _ => one_event_an_op(case["ops"].take()),
        };
        let shown = replay(&events);
        assert_eq!(shown.text, case["text"], "{line}");
        if case["version"].is_object() {
            assert_eq!(json!(shown.version), case["version"], "{line}");
        }
        assert_eq!(shown.applied.len(), events.len(), "{line}");
        assert_eq!(replay(&prng.shuffled(&events)), shown, "{line}");
    }
    println!("{name}: {} cases", lines.lines().count());
}

fn one_event_an_op(ops: Value) -> Vec<Event> {
    let Value::Array(ops) = ops else { panic!("neither events nor ops") };
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let chained = ops.into_iter().map(|op| {
        let (agent, _) = op["id"].as_str().unwrap().rsplit_once('-').unwrap();
        let after = ends.entry(agent.to_owned()).or_default();
        let event = event(json!({"agent": agent, "after": *after, "ops": [op]}));
        *after = event.end();
        event
    });
    chained.collect()
}

#[test]
fn vectors() {
    check_vectors(OWN_VECTORS, "own vectors");
    for name in ["vectors/events.jsonl.gz", "vectors/fugue.jsonl.gz"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
        let Ok(bytes) = std::fs::read(path) else {
            println!("skipped: ../shared/{name} is not there");
            continue;
        };
        let mut lines = String::new();
        GzDecoder::new(&bytes[..]).read_to_string(&mut lines).unwrap();
        check_vectors(&lines, name);
    }
}

/// Writers who type at the same time and hear of one another late; and events of a broken client, that
/// anchor anywhere and leave gaps.
fn history(prng: &mut Prng, steps: usize) -> Vec<Event> {
    let agents = ["b", "B~2", "a-1", "a"].map(agent);
    let mut replicas: Vec<Doc> = agents.iter().map(|_| Doc::new()).collect();
    let mut events: Vec<Event> = Vec::new();
    for _ in 0..steps {
        let who = prng.below(agents.len());
        if prng.below(3) == 0 {
            events.iter().for_each(|event| _ = replicas[who].apply(event));
        }
        let (agent, doc) = (&agents[who], &mut replicas[who]);
        let after = doc.version().get(agent);
        if prng.below(12) == 0 {
            let odd = odd_event(prng, agent, after, &agents);
            doc.apply(&odd);
            events.push(odd);
            // One that must wait ends this writer's turn: it is heard of by all.
            events.iter().for_each(|event| _ = doc.apply(event));
            continue;
        }
        let mut draft = Draft::new(agent.clone(), after);
        for _ in 0..=prng.below(3) {
            let at = prng.below(doc.len() + 1);
            let deleted = prng.below(6).min(doc.len() - at);
            let text = ["", "x", "😀", "abc", "one more line\n"][prng.below(5)];
            doc.edit(&mut draft, at, deleted, text).unwrap();
        }
        events.extend(draft.finish());
    }
    events
}

fn odd_event(prng: &mut Prng, own: &Agent, after: u64, agents: &[Agent]) -> Event {
    let seq = after + prng.below(3) as u64;
    let other = agents[prng.below(agents.len())].clone();
    let max = if other == *own { seq } else { 40 };
    let anchor = (max > 0).then(|| Id::new(other, prng.below(max as usize) as u64));
    let op = match (anchor, prng.below(3)) {
        (Some(target), 0) => Op::Delete { seq, target, len: 1 },
        (Some(right), 1) => Op::Insert { seq, text: "odd".into(), origin: Origin::Right(right) },
        (left, _) => Op::Insert { seq, text: "odd".into(), origin: Origin::Left(left) },
    };
    Event::new(own.clone(), after, vec![op]).unwrap()
}

#[test]
fn the_crdt_shows_the_same() {
    let (mut applied, mut waiting) = (0, 0);
    for seed in 1..=300 {
        let prng = &mut Prng::new(seed);
        let steps = 1 + prng.below(40);
        let events = unique(history(prng, steps));
        let some: Vec<Event> = events.iter().filter(|_| prng.below(8) > 0).cloned().collect();
        for events in [events, some].iter().filter(|events| !events.is_empty()) {
            let model = replay(events);
            assert_is_chained(&model, events);
            for _ in 0..3 {
                let order = prng.shuffled(events);
                assert_eq!(crdt(&order), Shown { applied: BTreeSet::new(), ..model.clone() }, "seed {seed}");
                assert_eq!(replay(&order), model, "seed {seed}");
            }
            (applied, waiting) = (applied + model.applied.len(), waiting + model.waiting.len());
        }
    }
    println!("{applied} events applied, {waiting} waiting");
    assert!(applied > 1000 && waiting > 100);
}

/// As the log admits them: one event at a place.
fn unique(events: Vec<Event>) -> Vec<Event> {
    let mut places = BTreeSet::new();
    events.into_iter().filter(|event| places.insert(place(event))).collect()
}

#[test]
fn a_long_run_is_a_deep_tree() {
    let text = "x".repeat(100_000);
    let shown = replay(&[insert("a", 0, 0, &text, Origin::Left(None))]);
    assert_eq!(shown.text.len(), text.len());
}

#[test]
fn a_place_is_acknowledged_once() {
    let mut acknowledged = Acknowledged::default();
    let doc = DocId::new("d").unwrap();
    let one = insert("a", 0, 0, "x", Origin::Left(None));
    for _ in 0..2 {
        acknowledged.note(&doc, &one).unwrap();
    }
    assert_eq!((acknowledged.of(&doc), acknowledged.len()), (&[one][..], 1));
    let other = acknowledged.note(&doc, &insert("a", 0, 0, "y", Origin::Left(None)));
    assert_eq!(other.unwrap_err(), "d: a after 0: two different events were acknowledged");
}

/// Stores in memory with a document that is partly compacted, partly in log and segments, partly in the
/// log alone; all of it live, and one event waiting.
struct Stores {
    documents: Documents,
    log: Arc<MemoryOpLog>,
    objects: Arc<MemoryObjects>,
    clock: Arc<ManualClock>,
    doc: DocId,
    acknowledged: Acknowledged,
}

impl Stores {
    async fn new() -> Stores {
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let log = Arc::new(MemoryOpLog::new(clock.clone()));
        let objects = Arc::new(MemoryObjects::new());
        let documents = Documents {
            log: log.clone(),
            catalogue: Arc::new(MemoryCatalogue::new()),
            objects: objects.clone(),
            live: Arc::new(MemoryLiveState::new(clock.clone())),
            entropy: Arc::new(SystemEntropy),
            doc_bytes_max: DOC_BYTES_MAX,
        };
        let doc = DocId::new("d").unwrap();
        let acknowledged = Acknowledged::default();
        let mut stores = Stores { documents, log, objects, clock, doc, acknowledged };
        let operator = Operator::new(stores.documents.clone(), stores.clock.clone());
        stores.write(insert("ann", 0, 0, "one ", Origin::Left(None))).await;
        for _ in 0..3 {
            operator.compact(&stores.doc).await.unwrap();
            stores.clock.pass_ms(COMPACTION_GRACE.as_millis() as u64);
        }
        stores.write(insert("ann", 4, 4, "two ", after_id("ann", 3))).await;
        operator.compact(&stores.doc).await.unwrap();
        stores.write(insert("bob", 0, 0, "three", after_id("ann", 7))).await;
        stores.write(insert("eve", 0, 0, "?", after_id("nobody", 0))).await;
        stores.documents.rebuild(&stores.doc).await.unwrap();
        stores
    }

    async fn write(&mut self, event: Event) {
        self.add(&event).await;
        self.acknowledged.note(&self.doc, &event).unwrap();
    }

    async fn add(&self, event: &Event) {
        let record = record(event);
        self.documents.log.append(&self.doc, &record).await.unwrap();
    }

    async fn remove(&self, name: &str, after: u64) {
        self.documents.log.delete(&self.doc, &[(agent(name), after)]).await.unwrap();
    }

    async fn pointer(&self) -> Pointer {
        self.documents.catalogue.entry(&self.doc).await.unwrap().unwrap().pointer.unwrap()
    }

    async fn replace(&self, key: &str, bytes: Vec<u8>) {
        self.objects.delete(key).await.unwrap();
        self.objects.put(key, bytes).await.unwrap();
    }

    async fn set_live(&self, state: &Doc) {
        let (doc, live) = (&self.doc, &self.documents.live);
        live.drop_doc(doc).await.unwrap();
        live.begin_rebuild(doc, "n").await.unwrap();
        let base =
            NewBase { generation: "g".into(), state: state.encode(), waiting: Vec::new(), aside_bytes: 0 };
        assert!(live.commit_rebuild(doc, "n", base).await.unwrap());
    }

    async fn check_with(&self, live_must_be_complete: bool) -> Result<Checked, String> {
        let keys = self.objects.keys();
        let expected = Expected { live_must_be_complete, keys: &keys, garbage_max: 0 };
        check(&self.documents, &self.doc, &self.acknowledged, expected).await
    }

    async fn breach(&self) -> String {
        self.check_with(true).await.expect_err("a breach")
    }
}

fn record(event: &Event) -> LogRecord {
    LogRecord { event: event.clone(), at: 1_700_000_000_000, author: None, connection: None }
}

#[tokio::test]
async fn sound_stores_pass() {
    let stores = Stores::new().await;
    let checked = stores.check_with(true).await.unwrap();
    assert_eq!(stores.documents.log.read(&stores.doc).await.unwrap().len(), 3, "one is compacted");
    assert_eq!((checked.text.as_str(), checked.events), ("one two three", 4));
    assert_eq!((checked.segments, checked.objects), (2, 4));
    let unwritten = Stores { doc: DocId::new("e").unwrap(), ..stores };
    assert_eq!(unwritten.check_with(true).await.unwrap().text, "");
}

#[tokio::test]
async fn an_acknowledged_event_that_is_gone_is_named() {
    let stores = Stores::new().await;
    stores.remove("bob", 0).await;
    assert_eq!(stores.breach().await, "d: bob after 0: acknowledged, and nowhere");
}

#[tokio::test]
async fn another_event_in_its_place_is_named() {
    let stores = Stores::new().await;
    stores.remove("bob", 0).await;
    stores.add(&insert("bob", 0, 0, "other", after_id("ann", 7))).await;
    assert_eq!(stores.breach().await, "d: bob after 0: another event than was acknowledged");
    let stores = Stores::new().await;
    stores.remove("ann", 4).await;
    stores.add(&insert("ann", 4, 4, "Two ", after_id("ann", 3))).await;
    assert_eq!(stores.breach().await, "d: ann after 4: one event in the log, another in a segment");
}

#[tokio::test]
async fn a_damaged_item_is_as_good_as_none() {
    let stores = Stores::new().await;
    stores.log.put_bytes(&stores.doc, &agent("bob"), 0, Vec::new());
    assert_eq!(stores.breach().await, "d: bob after 0: acknowledged, and nowhere");
}

#[tokio::test]
async fn bad_segments_are_named() {
    let stores = Stores::new().await;
    let key = stores.pointer().await.segment;
    let segment = stores.documents.segment(&key).await.unwrap();
    stores.replace(&key, b"damaged".to_vec()).await;
    let breach = stores.breach().await;
    assert!(breach.starts_with(&format!("d: segment {key}: ")), "{breach}");

    let mut doubled = segment.clone();
    doubled.records.insert(0, record(&insert("ann", 0, 0, "one ", Origin::Left(None))));
    stores.replace(&key, doubled.encode()).await;
    let breach = stores.breach().await;
    assert!(breach.starts_with("d: ann after 0: twice in the segments"), "{breach}");

    stores.replace(&key, Segment { records: Vec::new(), ..segment.clone() }.encode()).await;
    let breach = stores.breach().await;
    let expected = "d: ann after 4: the snapshot, by the segments, ends at 8, and should at 4";
    assert_eq!(breach, expected);

    let looped = Segment { earlier: vec![key.clone()], ..segment.clone() };
    stores.replace(&key, looped.encode()).await;
    assert_eq!(stores.breach().await, format!("d: segment {key} leads back to itself"));

    let mut odd = segment.clone();
    odd.earlier.push("docs/d/segments/none".into());
    stores.replace(&key, odd.encode()).await;
    let breach = stores.breach().await;
    assert!(breach.contains("names others"), "{breach}");

    stores.documents.objects.delete(&segment.earlier[0]).await.unwrap();
    stores.replace(&key, segment.encode()).await;
    let breach = stores.breach().await;
    assert_eq!(breach, format!("d: {} is missing, but the pointer leads to it", segment.earlier[0]));
}

#[tokio::test]
async fn another_snapshot_is_named() {
    let stores = Stores::new().await;
    let key = stores.pointer().await.snapshot;
    // The right version, and another text.
    let mut other = Doc::new();
    other.apply(&insert("ann", 0, 0, "one two!", Origin::Left(None)));
    stores.replace(&key, Snapshot::encode(&other)).await;
    let breach = stores.breach().await;
    assert!(breach.contains("another text from character 7 on"), "{breach}");
    stores.replace(&key, Vec::new()).await;
    let breach = stores.breach().await;
    assert!(breach.starts_with(&format!("d: snapshot {key}: ")), "{breach}");
}

#[tokio::test]
async fn a_live_state_may_be_behind_only_while_it_may() {
    let stores = Stores::new().await;
    let behind = stores.documents.snapshot(&stores.pointer().await).await.unwrap();
    stores.set_live(&behind).await;
    stores.check_with(false).await.unwrap();
    let expected = "d: bob after 0: the live state ends at 0, and should at 5";
    assert_eq!(stores.breach().await, expected);
    stores.documents.live.drop_doc(&stores.doc).await.unwrap();
    stores.check_with(true).await.unwrap();
}

#[tokio::test]
async fn a_live_state_that_never_was_is_named() {
    let stores = Stores::new().await;
    let mut other = Doc::new();
    other.apply(&insert("ann", 0, 0, "one two?", Origin::Left(None)));
    stores.set_live(&other).await;
    let breach = stores.check_with(false).await.unwrap_err();
    assert!(breach.contains("another text from character 7 on"), "{breach}");
    let unknown = insert("zoe", 0, 0, "z", Origin::Left(None));
    let logged = LoggedEvent { event: unknown, at: 0, author: None };
    stores.documents.rebuild(&stores.doc).await.unwrap();
    stores.documents.live.append(&stores.doc, &[logged], "t").await.unwrap();
    let breach = stores.check_with(false).await.unwrap_err();
    assert!(breach.starts_with("d: "), "{breach}");
}

#[tokio::test]
async fn garbage_is_counted() {
    let stores = Stores::new().await;
    stores.replace("docs/d/segments/none", Vec::new()).await;
    stores.replace("docs/other/segments/none", Vec::new()).await;
    let breach = stores.breach().await;
    assert!(breach.starts_with("d: 1 objects that no pointer names, at most 0 allowed"), "{breach}");
    let keys = stores.objects.keys();
    let expected = Expected { live_must_be_complete: true, keys: &keys, garbage_max: 1 };
    let checked = check(&stores.documents, &stores.doc, &stores.acknowledged, expected).await;
    assert_eq!(checked.unwrap().objects, 5);
}

#[test]
fn a_state_stays_within_its_bound() {
    for seed in 1..=100 {
        let prng = &mut Prng::new(seed);
        let steps = 1 + prng.below(200);
        let events = unique(history(prng, steps));
        let mut doc = Doc::new();
        events.iter().for_each(|event| _ = doc.apply(event));
        let (bytes, max) = (doc.encode().len(), state_bytes_max(&replay(&events), &events));
        assert!(bytes <= max, "seed {seed}: {bytes} bytes, more than {max}");
    }
}
