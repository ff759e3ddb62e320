//! Recorded editing sessions, replayed, where they are there.

use std::time::Instant;

use inklog_crdt::{Agent, Applied, Doc, Event, EventDecoder, Op};
use serde_json::Value;

use crate::json::{agent, shared};

/// Replays a sequential trace by position; every op becomes an event.
fn replay(trace: &Value, agent: &Agent) -> (Doc, Vec<Event>) {
    let mut doc = Doc::new();
    let mut events = Vec::new();
    for txn in trace["txns"].as_array().unwrap() {
        for patch in txn["patches"].as_array().unwrap() {
            let (at, deleted) = (patch[0].as_u64().unwrap() as usize, patch[1].as_u64().unwrap() as usize);
            let inserted = patch[2].as_str().unwrap();
            let mut make =
                |after: u64, ops: Vec<Op>| events.push(Event::new(agent.clone(), after, ops).unwrap());
            if deleted > 0 {
                let after = doc.version().get(agent);
                make(after, doc.delete(agent, at, deleted).unwrap());
            }
            if !inserted.is_empty() {
                let after = doc.version().get(agent);
                make(after, vec![doc.insert(agent, at, inserted).unwrap()]);
            }
        }
    }
    (doc, events)
}

fn check_sequential(name: &str) {
    let Some(text) = shared(&format!("traces/{name}.json.gz")) else { return };
    let trace: Value = serde_json::from_str(&text).unwrap();
    let agent = agent("ann");
    let start = Instant::now();
    let (doc, events) = replay(&trace, &agent);
    let local = start.elapsed();
    assert_eq!(doc.text(), trace["endContent"].as_str().unwrap());
    doc.assert_invariants();

    let encoded: Vec<Vec<u8>> = events.iter().map(Event::encode).collect();
    let start = Instant::now();
    let mut remote = Doc::new();
    let mut decoder = EventDecoder::new();
    for bytes in &encoded {
        assert_eq!(remote.apply(&decoder.decode(bytes).unwrap()), Applied::Now);
    }
    let applied = start.elapsed();
    assert_eq!(remote.text(), doc.text());

    let start = Instant::now();
    let state = doc.encode();
    let encoding = start.elapsed();
    assert_eq!(remote.encode(), state);
    let start = Instant::now();
    let again = Doc::decode(&state).unwrap();
    let decoding = start.elapsed();
    again.assert_invariants();
    assert_eq!(again.text(), doc.text());
    let mut merged = Doc::new();
    merged.merge(&doc.spans(), doc.version()).unwrap();
    assert_eq!(merged.encode(), state);
    println!(
        "{name}: {} events; typed in {local:?}, received in {applied:?}, encoded in {encoding:?} to {} bytes \
         ({} spans), decoded in {decoding:?}",
        events.len(),
        state.len(),
        doc.spans().len(),
    );
}

#[test]
fn sequential_traces_end_as_recorded() {
    for name in ["automerge-paper", "rustcode", "seph-blog1", "sveltecomponent", "friendsforever_flat"] {
        check_sequential(name);
    }
}
