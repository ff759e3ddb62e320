//! Adversarial documents and histories. None may take much longer than as many plain appends: what
//! is quadratic anywhere takes thousands of times longer at these sizes.

use std::time::{Duration, Instant};

use inklog_crdt::{Agent, Applied, Doc, Event, Id, Op, Origin};

use crate::json::agent;
use crate::prng::Prng;

const COUNT: u64 = 100_000;
/// How much longer than appending a shape may take; between 1 and 30 on a busy machine.
const RATIO: u32 = 150;

fn insert(seq: u64, text: &str, origin: Origin) -> Op {
    Op::Insert { seq, text: text.to_owned(), origin }
}

fn left(agent: &Agent, seq: u64) -> Origin {
    Origin::Left(Some(Id::new(agent.clone(), seq)))
}

fn right(agent: &Agent, seq: u64) -> Origin {
    Origin::Right(Id::new(agent.clone(), seq))
}

/// One-character inserts of one agent, one event each.
fn typing(agent: &Agent, origins: impl Iterator<Item = Origin>) -> Vec<Event> {
    let event = |(seq, origin)| Event::new(agent.clone(), seq, vec![insert(seq, "x", origin)]).unwrap();
    (0..).zip(origins).map(event).collect()
}

fn appends() -> Duration {
    let ann = agent("ann");
    let events =
        typing(&ann, (0..COUNT).map(|i| i.checked_sub(1).map_or(Origin::Left(None), |i| left(&ann, i))));
    let start = Instant::now();
    let mut doc = Doc::new();
    events.iter().for_each(|event| assert_eq!(doc.apply(event), Applied::Now));
    start.elapsed()
}

/// Applies all, compares the time with that of appending, and checks that the state survives.
fn check(name: &str, events: &[Event]) -> Doc {
    let start = Instant::now();
    let mut doc = Doc::new();
    events.iter().for_each(|event| {
        doc.apply(event);
    });
    check_time(name, start.elapsed(), events.len());
    assert_eq!(doc.waiting().count(), 0);
    check_state(name, &doc);
    doc
}

fn check_time(name: &str, took: Duration, count: usize) {
    let plain = appends() * count.div_ceil(COUNT as usize) as u32;
    println!("{name}: {count} in {took:?}; as many appends take {plain:?}");
    assert!(took < plain * RATIO + Duration::from_millis(200), "{name} took {took:?}, appends {plain:?}");
}

/// Encoding, decoding, taking apart and merging take no longer than that either.
fn check_state(name: &str, doc: &Doc) {
    doc.assert_invariants();
    let start = Instant::now();
    let state = doc.encode();
    let again = Doc::decode(&state).unwrap();
    assert!(again.encode() == state);
    let mut merged = Doc::new();
    merged.merge(&doc.spans(), doc.version()).unwrap();
    check_time(&format!("{name}, its state"), start.elapsed(), COUNT as usize);
    again.assert_invariants();
    assert!(merged.encode() == state);
}

#[test]
fn all_at_one_origin() {
    let ann = agent("ann");
    let doc = check("at the start", &typing(&ann, (0..COUNT).map(|_| Origin::Left(None))));
    assert_eq!(doc.len() as u64, COUNT);
    let first = std::iter::once(Origin::Left(None));
    check("right of one", &typing(&ann, first.clone().chain((1..COUNT).map(|_| left(&ann, 0)))));
    check("left of one", &typing(&ann, first.chain((1..COUNT).map(|_| right(&ann, 0)))));
}

#[test]
fn all_at_one_origin_by_many_agents() {
    let count = COUNT / 4;
    let mut events: Vec<Event> = (0..count)
        .map(|i| {
            Event::new(agent(&format!("agent{i}")), 0, vec![insert(0, "xy", Origin::Left(None))]).unwrap()
        })
        .collect();
    check("many agents, in order", &events);
    events.reverse();
    check("many agents, backwards", &events);
    Prng::new(1).shuffle(&mut events);
    check("many agents, in any order", &events);
}

#[test]
fn typed_backwards() {
    let ann = agent("ann");
    let origins = (0..COUNT).map(|i| i.checked_sub(1).map_or(Origin::Left(None), |i| right(&ann, i)));
    let doc = check("backwards", &typing(&ann, origins));
    let mut local = Doc::new();
    for _ in 0..COUNT {
        local.insert(&ann, 0, "x").unwrap();
    }
    assert!(local.encode() == doc.encode());
}

/// A deep chain, then a sibling beside every step of it, from the top down: each goes to the far end
/// of all that is below the step.
#[test]
fn staircases() {
    let (ann, zoe) = (agent("ann"), agent("zoe"));
    let down = |side: fn(&Agent, u64) -> Origin| {
        let (ann, zoe) = (ann.clone(), zoe.clone());
        let steps = (0..COUNT / 2).map(|i| i.checked_sub(1).map_or(Origin::Left(None), |i| side(&ann, i)));
        let mut events = typing(&ann, steps);
        events.extend(typing(&zoe, (0..COUNT / 2).map(|i| side(&ann, i))));
        events
    };
    check("stairs to the right", &down(left));
    check("stairs to the left", &down(right));
    let (abe, mut events) = (agent("abe"), down(right));
    events.extend(typing(&abe, (0..COUNT / 2).map(|i| right(&ann, i))));
    check("stairs to the left on both sides", &events);
}

#[test]
fn every_other_character_is_deleted() {
    let (ann, bob) = (agent("ann"), agent("bob"));
    let text = "x".repeat(COUNT as usize);
    let mut events = vec![Event::new(ann.clone(), 0, vec![insert(0, &text, Origin::Left(None))]).unwrap()];
    let targets = (0..COUNT).step_by(2).chain((1..COUNT).step_by(2));
    for (seq, target) in (0..).zip(targets) {
        let op = Op::Delete { seq, target: Id::new(ann.clone(), target), len: 1 };
        events.push(Event::new(bob.clone(), seq, vec![op]).unwrap());
    }
    let half = check("every other one", &events[..COUNT as usize / 2 + 1]);
    assert_eq!(half.len() as u64, COUNT / 2);
    assert!(check("and the others", &events).is_empty());
}

#[test]
fn edits_anywhere() {
    let (ann, prng) = (agent("ann"), &mut Prng::new(1));
    let mut doc = Doc::new();
    let start = Instant::now();
    for _ in 0..COUNT {
        doc.insert(&ann, prng.below(doc.len() + 1), "é").unwrap();
    }
    for _ in 0..COUNT / 2 {
        doc.delete(&ann, prng.below(doc.len()), 1).unwrap();
    }
    check_time("anywhere", start.elapsed(), COUNT as usize);
    check_state("anywhere", &doc);
}

#[test]
fn delivered_backwards() {
    let (ann, bob) = (agent("ann"), agent("bob"));
    let mut chain =
        typing(&ann, (0..COUNT).map(|i| i.checked_sub(1).map_or(Origin::Left(None), |i| left(&ann, i))));
    chain.reverse();
    check("a chain backwards", &chain);
    // Two chains, each event on the other's last.
    let mut events = Vec::new();
    for seq in 0..COUNT / 2 {
        let origin = seq.checked_sub(1).map_or(Origin::Left(None), |before| left(&bob, before));
        events.push(Event::new(ann.clone(), seq, vec![insert(seq, "x", origin)]).unwrap());
        events.push(Event::new(bob.clone(), seq, vec![insert(seq, "y", left(&ann, seq))]).unwrap());
    }
    events.reverse();
    check("two chains backwards", &events);
}

/// An event that needs many agents is not looked through again from its first op when one comes.
#[test]
fn one_event_waits_for_many_agents() {
    let count = COUNT / 4;
    let others: Vec<Agent> = (0..count).map(|i| agent(&format!("agent{i}"))).collect();
    let ops = (0..).zip(&others).map(|(seq, other)| insert(seq, "x", left(other, 0))).collect();
    let mut events = vec![Event::new(agent("ann"), 0, ops).unwrap()];
    events.extend(
        others
            .iter()
            .map(|other| Event::new(other.clone(), 0, vec![insert(0, "y", Origin::Left(None))]).unwrap()),
    );
    assert_eq!(check("waits for many", &events).len() as u64, 2 * count);
}

/// Much text at once, in characters of every width, cut up by later edits.
#[test]
fn long_pastes() {
    let (ann, prng) = (agent("ann"), &mut Prng::new(1));
    let (mut doc, mut chars) = (Doc::new(), Vec::new());
    for _ in 0..60 {
        let text = crate::random::random_text(prng, 20_000);
        let at = prng.below(chars.len() + 1);
        doc.insert(&ann, at, &text).unwrap();
        chars.splice(at..at, text.chars());
        let at = prng.below(chars.len());
        let len = prng.below((chars.len() - at).min(9000));
        doc.delete(&ann, at, len).unwrap();
        chars.drain(at..at + len);
    }
    assert_eq!(doc.text(), chars.iter().collect::<String>());
    check_state("pastes", &doc);
}

/// Half of a leaf's text can have nearly all of its runs.
#[test]
fn a_long_run_behind_many_short_ones() {
    let mut doc = Doc::new();
    let ann = agent("ann");
    doc.insert(&ann, 0, &"a".repeat(2010)).unwrap();
    for _ in 0..31 {
        doc.insert(&ann, 0, "b").unwrap();
    }
    doc.insert(&ann, 0, &"c".repeat(20)).unwrap();
    doc.assert_invariants();
    for _ in 0..40 {
        doc.insert(&ann, doc.len(), &"d".repeat(1024)).unwrap();
        doc.insert(&ann, 0, "e").unwrap();
        doc.assert_invariants();
    }
}

/// A paste with a single character that is not ASCII opens as fast as one without.
#[test]
fn a_paste_of_any_text_opens_at_once() {
    let mut doc = Doc::new();
    let text = "a".repeat(4_000_000) + "é";
    doc.insert(&agent("ann"), 0, &text).unwrap();
    let state = doc.encode();
    let start = std::time::Instant::now();
    let again = Doc::decode(&state).unwrap();
    // It takes milliseconds; looking through all that is left for every leaf took half a minute.
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    again.assert_invariants();
    assert_eq!(again.text(), text);
}

/// The place of text that begins anew, at the start of the document, is found by the least gap of whole branches of
/// the tree: it is the lowest there, beside a chain in which every node is deeper than the one before.
#[test]
fn who_begins_anew_comes_after_a_deep_chain() {
    let pair = [agent("ann"), agent("bob")];
    let mut doc = Doc::new();
    // They take turns, so that no two characters are one run.
    for step in 0..3000 {
        let this = &pair[step as usize % 2];
        let origin =
            if step == 0 { Origin::Left(None) } else { left(&pair[(step as usize + 1) % 2], (step - 1) / 2) };
        doc.apply(&Event::new(this.clone(), step / 2, vec![insert(step / 2, "x", origin)]).unwrap());
    }
    for name in ["mia", "zoe", "cat"] {
        let anew = insert(0, &name[..1], Origin::Left(None));
        doc.apply(&Event::new(agent(name), 0, vec![anew]).unwrap());
        doc.assert_invariants();
    }
    assert!(doc.text().ends_with("xcmz"), "{}", &doc.text()[2990..]);
}
