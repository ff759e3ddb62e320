//! Recorded cases: each in causal order and in shuffled orders with repeats.

use std::collections::BTreeMap;
use std::fmt::Write;

use inklog_crdt::{Agent, Applied, Doc, Event, Version};
use serde_json::{Value, json};

use crate::oracle::Oracle;
use crate::prng::Prng;
use crate::random::History;
use crate::{json, random};

const OWN: &str = include_str!("../data/vectors.jsonl");
const SHUFFLES: usize = 5;

fn check_case(events: &[Event], text: &str, version: Option<&Version>, prng: &mut Prng) {
    let mut doc = Doc::new();
    for event in events {
        assert_eq!(doc.apply(event), Applied::Now, "{event:?}");
        doc.assert_invariants();
    }
    assert_eq!(doc.text(), text);
    assert!(version.is_none_or(|version| version == doc.version()));
    let state = doc.encode();
    for _ in 0..SHUFFLES {
        let mut order: Vec<&Event> = events.iter().collect();
        for _ in 0..prng.below(5) {
            order.push(prng.pick(events));
        }
        prng.shuffle(&mut order);
        let mut doc = Doc::new();
        for event in order {
            doc.apply(event);
        }
        doc.assert_invariants();
        assert_eq!(doc.text(), text);
        assert_eq!(doc.waiting().count(), 0);
        assert_eq!(doc.encode(), state, "the encoding depends on the order of arrival");
    }
    let again = Doc::decode(&state).unwrap();
    again.assert_invariants();
    assert_eq!(again.text(), text);
    assert_eq!(again.encode(), state);
}

fn check_event_cases(lines: &str) -> usize {
    let prng = &mut Prng::new(1);
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let events: Vec<Event> = case["events"].as_array().unwrap().iter().map(json::event).collect();
        let version = json::version(&case["version"]);
        check_case(&events, case["text"].as_str().unwrap(), Some(&version), prng);
    }
    lines.lines().count()
}

#[test]
fn own_vectors() {
    println!("own vectors: {} cases", check_event_cases(OWN));
}

#[test]
fn shared_event_vectors() {
    if let Some(lines) = json::shared("vectors/events.jsonl.gz") {
        println!("event vectors: {} cases", check_event_cases(&lines));
    }
}

#[test]
fn shared_fugue_vectors() {
    let Some(lines) = json::shared("vectors/fugue.jsonl.gz") else { return };
    let prng = &mut Prng::new(1);
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let mut ends: BTreeMap<Agent, u64> = BTreeMap::new();
        let mut events = Vec::new();
        for op in case["ops"].as_array().unwrap() {
            let (agent, op) = json::op(op);
            let end = ends.entry(agent.clone()).or_default();
            let after = std::mem::replace(end, op.end());
            events.push(Event::new(agent, after, vec![op]).unwrap());
        }
        check_case(&events, case["text"].as_str().unwrap(), None, prng);
    }
    println!("fugue vectors: {} cases", lines.lines().count());
}

/// The own vectors are what the oracle makes of a few seeds. When this fails after a change of the
/// generator, write what it prints to `data/vectors.jsonl`.
#[test]
fn own_vectors_are_the_oracles() {
    let mut lines = String::new();
    for seed in 1..=16 {
        let prng = &mut Prng::new(seed);
        let events = History::random(prng, 12, random::Style::Odd).events;
        let mut oracle = Oracle::default();
        events.iter().for_each(|event| oracle.receive(event));
        let version: BTreeMap<_, _> =
            oracle.version().iter().map(|(agent, end)| (agent.to_string(), end)).collect();
        let events: Vec<Value> = events.iter().map(json::write_event).collect();
        let line = json!({"events": events, "text": oracle.text(), "version": version});
        writeln!(lines, "{line}").unwrap();
    }
    let values = |lines: &str| -> Vec<Value> {
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    if values(&lines) != values(OWN) {
        println!("{lines}");
        panic!("data/vectors.jsonl is not what the oracle says; see above");
    }
}
