//! pipeline: what Inklog's own functions do with a session's events, each step named after the function that
//! takes it. They call these functions and no others of the CRDT.

use std::hint::black_box;
use std::time::Instant;

use inklog_crdt::{Doc, Event, Version};

use super::{Results, is_right, play};
use crate::measure::{Case, Effort, Round, millis};
use crate::subjects::{Inklog, Subject};
use crate::trace::Trace;

pub fn run(trace: &Trace, effort: Effort, results: &mut Results) {
    let Ok((messages, replica)) = play::<Inklog>(trace) else {
        return results.took_too_long("pipeline", &trace.name, Inklog::NAME);
    };
    let state = replica.state();
    let version = Doc::decode(&state).expect("it was encoded here").version().clone();
    let (base, tail) = base_and_tail(&messages);
    let right = |doc: &Doc| is_right(trace, &doc.text());
    let mut measure = |step: &str, run: &dyn Fn() -> (f64, bool)| {
        let case = Case { subject: Inklog::NAME, run: Box::new(|| Ok(micros(run()))) };
        results.measure("pipeline", &format!("{step}, {}", trace.name), "µs", vec![case], effort);
    };
    measure("append", &|| append(&messages));
    measure("fold", &|| fold(&base, tail));
    measure("replay", &|| {
        let (ms, doc) = replay(&messages);
        (ms, right(&doc))
    });
    measure("sync", &|| sync(&state, &version));
}

/// A sync takes so little that milliseconds would not show it.
fn micros((ms, ok): Round) -> Round {
    (1000.0 * ms, ok)
}

/// The materializer's append: from the stream's record to the bytes of the tail.
fn append(messages: &[Vec<u8>]) -> (f64, bool) {
    let start = Instant::now();
    let mut is_same = true;
    for message in messages {
        let event = Event::decode(message).expect("it was encoded here");
        is_same &= black_box(event.encoded()) == message;
    }
    (millis(start), is_same)
}

/// `Documents::fold`: a tail that has grown as large as its base goes into it.
fn fold(base: &[u8], tail: &[Vec<u8>]) -> (f64, bool) {
    let start = Instant::now();
    let mut doc = Doc::decode(base).expect("it was encoded here");
    receive(&mut doc, tail);
    let state = black_box(doc.encode());
    (millis(start), Doc::decode(&state).is_ok_and(|again| again.text() == doc.text()))
}

/// `Documents::replay`: the whole log, and the state that a rebuild stores.
fn replay(messages: &[Vec<u8>]) -> (f64, Doc) {
    let start = Instant::now();
    let mut doc = Doc::new();
    receive(&mut doc, messages);
    black_box(doc.encode());
    (millis(start), doc)
}

/// `Documents::base`: all that a sync reads of a base.
fn sync(state: &[u8], version: &Version) -> (f64, bool) {
    let start = Instant::now();
    let read = black_box(Doc::decode_version(state).expect("it was encoded here"));
    (millis(start), read == *version)
}

fn receive(doc: &mut Doc, messages: &[Vec<u8>]) {
    for message in messages {
        doc.apply(&Event::decode(message).expect("it was encoded here"));
    }
}

/// The state after the first half of the events, and as many bytes of events after it as it has.
fn base_and_tail(messages: &[Vec<u8>]) -> (Vec<u8>, &[Vec<u8>]) {
    let (before, after) = messages.split_at(messages.len() / 2);
    let mut doc = Doc::new();
    receive(&mut doc, before);
    let base = doc.encode();
    let mut bytes = 0;
    let grown = after.iter().position(|message| {
        bytes += message.len();
        bytes >= base.len()
    });
    (base, &after[..grown.map_or(after.len(), |last| last + 1)])
}
