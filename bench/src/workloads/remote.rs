//! remote: another replica's edits applied one event at a time, as they come over a network: encoded
//! bytes in, text out, once, at the end. Of a concurrent trace it is the server's side.

use std::hint::black_box;
use std::time::Instant;

use super::{Results, is_right, receive_all};
use crate::measure::{Case, Effort, millis};
use crate::subjects::{Jumprope, Subject};
use crate::trace::Trace;

pub fn name(trace: &Trace) -> &'static str {
    if trace.sequential().is_some() { "remote" } else { "server" }
}

pub fn case<S: Subject>(trace: &Trace, messages: Vec<Vec<u8>>) -> Case<'_> {
    let run = move || {
        let start = Instant::now();
        let text = black_box(receive_all::<S>(&messages)?.text());
        Ok((millis(start), is_right(trace, &text)))
    };
    Case { subject: S::NAME, run: Box::new(run) }
}

pub fn run(trace: &Trace, cases: Vec<Case>, effort: Effort, results: &mut Results) {
    let workload = name(trace);
    results.measure(workload, &trace.name, "ms", cases, effort);
    results.lacks(workload, Jumprope::NAME, Jumprope::ONLY_LOCAL.unwrap_or_default());
}
