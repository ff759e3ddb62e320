//! Recorded editing sessions, replayed, where they are there.

use std::time::Instant;

use inklog_crdt::{Agent, Applied, Doc, Event, Op};
use serde_json::Value;

use crate::json::{agent, shared};
use crate::prng::Prng;

/// Types a transaction's patches, each op an event.
fn type_patches(doc: &mut Doc, txn: &Value, agent: &Agent, events: &mut Vec<Event>) {
    for patch in txn["patches"].as_array().unwrap() {
        let (at, deleted) = (patch[0].as_u64().unwrap() as usize, patch[1].as_u64().unwrap() as usize);
        let inserted = patch[2].as_str().unwrap();
        let mut make = |after: u64, ops: Vec<Op>| events.push(Event::new(agent.clone(), after, ops).unwrap());
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

/// Replays a sequential trace by position.
fn replay(trace: &Value, agent: &Agent) -> (Doc, Vec<Event>) {
    let (mut doc, mut events) = (Doc::new(), Vec::new());
    for txn in trace["txns"].as_array().unwrap() {
        type_patches(&mut doc, txn, agent, &mut events);
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
    for bytes in &encoded {
        assert_eq!(remote.apply(&Event::decode(bytes).unwrap()), Applied::Now);
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

/// Each writer types on the merge of a transaction's parents; then all get everything, in any order.
#[test]
fn a_concurrent_trace_converges() {
    let Some(text) = shared("traces/friendsforever.concurrent.json.gz") else { return };
    let trace: Value = serde_json::from_str(&text).unwrap();
    let txns = trace["txns"].as_array().unwrap();
    let writers = trace["numAgents"].as_u64().unwrap() as usize;
    let names: Vec<Agent> = (0..writers).map(|i| agent(&format!("writer{i}"))).collect();
    let mut docs = vec![Doc::new(); writers];
    let mut has = vec![vec![false; txns.len()]; writers];
    let mut made: Vec<Vec<Event>> = Vec::new();
    let parents = |txn: usize| {
        txns[txn]["parents"].as_array().unwrap().iter().map(|parent| parent.as_u64().unwrap() as usize)
    };
    for (i, txn) in txns.iter().enumerate() {
        let who = txn["agent"].as_u64().unwrap() as usize;
        let (mut lacking, mut todo) = (Vec::new(), Vec::from_iter(parents(i)));
        while let Some(txn) = todo.pop() {
            if !std::mem::replace(&mut has[who][txn], true) {
                lacking.push(txn);
                todo.extend(parents(txn));
            }
        }
        lacking.sort_unstable();
        for event in lacking.into_iter().flat_map(|txn| &made[txn]) {
            assert_eq!(docs[who].apply(event), Applied::Now);
        }
        let mut events = Vec::new();
        type_patches(&mut docs[who], txn, &names[who], &mut events);
        has[who][i] = true;
        made.push(events);
    }
    let mut events: Vec<&Event> = made.iter().flatten().collect();
    let mut all = Doc::new();
    events.iter().for_each(|event| assert_eq!(all.apply(event), Applied::Now));
    all.assert_invariants();
    let state = all.encode();
    let mut shuffled = Doc::new();
    Prng::new(1).shuffle(&mut events);
    events.iter().for_each(|event| {
        shuffled.apply(event);
    });
    assert!(shuffled.encode() == state);
    let mut merged = Doc::new();
    for doc in &docs {
        merged.merge(&doc.spans(), doc.version()).unwrap();
    }
    assert!(merged.encode() == state);
    // Ties may be broken in another order than by whoever recorded it, but not a character is lost.
    let sorted = |text: &str| {
        let mut chars: Vec<char> = text.chars().collect();
        chars.sort_unstable();
        chars
    };
    let recorded = trace["endContent"].as_str().unwrap();
    assert_eq!(sorted(&all.text()), sorted(recorded));
    println!(
        "friendsforever.concurrent: {} events, {} bytes; as recorded: {}",
        events.len(),
        state.len(),
        all.text() == recorded
    );
}
