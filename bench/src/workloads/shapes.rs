//! shapes: documents made to be hard. Nothing may be quadratic: ten times the edits may take little
//! more than ten times as long; and no recursion may overflow the stack.

use std::time::{Duration, Instant};

use super::Results;
use crate::for_all;
use crate::measure::{Patience, Round, TooLong, millis};
use crate::subjects::{Inklog, Subject};
use crate::trace::Edit;

/// A subject that took longer than this for a tenth is not asked for the whole.
const PATIENCE: Duration = Duration::from_secs(4);

fn typed(at: usize, inserted: &str) -> Edit {
    Edit { at, deleted: 0, inserted: inserted.to_owned() }
}

/// Milliseconds, and whether the text was right.
type Outcome = Result<Round, TooLong>;

/// `count` characters, each typed before all others.
fn backwards<S: Subject>(count: usize) -> Outcome {
    let start = Instant::now();
    let mut replica = S::new(0);
    let mut patience = Patience::new();
    for _ in 0..count {
        replica.edit(&typed(0, "x"));
        patience.step()?;
    }
    Ok((millis(start), replica.text().len() == count))
}

/// `count` characters, of which every second one is deleted.
fn every_second<S: Subject>(count: usize) -> Outcome {
    let mut replica = S::new(0);
    replica.edit(&typed(0, &"ab".repeat(count / 2)));
    let start = Instant::now();
    let mut patience = Patience::new();
    for i in 0..count / 2 {
        replica.edit(&Edit { at: i, deleted: 1, inserted: String::new() });
        patience.step()?;
    }
    Ok((millis(start), replica.text() == "b".repeat(count / 2)))
}

/// Authors who type `each` characters at the same time into an empty document; one replica receives
/// them in turns.
fn at_once<S: Subject>(authors: usize, each: usize) -> Outcome {
    let mut patience = Patience::new();
    let mut sent: Vec<Vec<Vec<u8>>> = Vec::with_capacity(authors);
    for author in 0..authors {
        let mut replica = S::new(author + 1);
        sent.push((0..each).map(|at| replica.edit_and_send(&typed(at, "x"))).collect());
        patience.step()?;
    }
    let start = Instant::now();
    let mut patience = Patience::new();
    let mut replica = S::new(0);
    for i in 0..each {
        for messages in &sent {
            replica.receive(&messages[i]);
            patience.step()?;
        }
    }
    Ok((millis(start), replica.text().len() == authors * each))
}

fn subtrees<S: Subject>(count: usize) -> Outcome {
    at_once::<S>(count / 1000, 1000)
}

fn agents<S: Subject>(count: usize) -> Outcome {
    at_once::<S>(count, 1)
}

/// `count` events of a hundred agents, all at the start of the document.
fn same_origin(count: usize) -> Outcome {
    use inklog_crdt::{Agent, Doc, Event, Op, Origin};
    let event = |i: usize| {
        let agent = Agent::new(&format!("a{}", i % 100)).expect("the name is legal");
        let seq = (i / 100) as u64;
        let op = Op::Insert { seq, text: "x".to_owned(), origin: Origin::Left(None) };
        Event::new(agent, seq, vec![op]).expect("it is an event").encode()
    };
    let events: Vec<Vec<u8>> = (0..count).map(event).collect();
    let start = Instant::now();
    let mut doc = Doc::new();
    events.iter().for_each(|event| {
        doc.apply(&Event::decode(event).expect("it was encoded here"));
    });
    let ms = millis(start);
    let state = doc.encode();
    let again = Doc::decode(&state).expect("it was encoded here");
    Ok((ms, doc.len() == count && again.text() == doc.text() && again.encode() == state))
}

pub fn run(quick: bool, results: &mut Results) {
    let count = if quick { 10_000 } else { 1_000_000 };
    fn case<S: Subject>(count: usize, results: &mut Results) {
        let shapes: [(&str, fn(usize) -> Outcome, usize); 4] = [
            ("typed backwards", backwards::<S>, count),
            ("every second character deleted", every_second::<S>, count),
            ("siblings with long subtrees", subtrees::<S>, count),
            ("agents", agents::<S>, count / 100),
        ];
        for (name, shape, count) in shapes {
            ask(results, S::NAME, name, count, shape);
        }
    }
    for_all!(case, count, results);
    ask(results, Inklog::NAME, "inserts at the same origin", count, same_origin);
}

/// A tenth first, then the whole.
fn ask(results: &mut Results, subject: &'static str, name: &str, count: usize, shape: fn(usize) -> Outcome) {
    for count in [count / 10, count] {
        // Some peers panic at such things.
        let start = Instant::now();
        match std::panic::catch_unwind(|| shape(count)) {
            Ok(Ok((ms, ok))) => results.add("shapes", &format!("{count} {name}"), subject, ms, "ms", ok),
            Ok(Err(TooLong)) => return results.took_too_long("shapes", &format!("{count} {name}"), subject),
            Err(_) => return results.lacks("shapes", subject, format!("it panics at {count} {name}")),
        }
        if start.elapsed() > PATIENCE {
            return;
        }
    }
}
