//! remote: another replica's edits applied one event at a time, as they come over a network: encoded
//! bytes in, text out, once, at the end. Of a concurrent trace it is the server's side.

use std::hint::black_box;
use std::time::Instant;

use super::{Results, is_right, merge, play};
use crate::for_all;
use crate::measure::{Case, Effort, millis};
use crate::subjects::Subject;
use crate::trace::Trace;

pub fn run(trace: &Trace, effort: Effort, results: &mut Results) {
    let workload = if trace.sequential().is_some() { "remote" } else { "server" };
    let mut cases = Vec::new();
    fn case<'a, S: Subject>(trace: &'a Trace, cases: &mut Vec<Case<'a>>) {
        let messages = play::<S>(trace).messages;
        let run = move || {
            let start = Instant::now();
            let mut replica = S::new(merge::SERVER);
            messages.iter().for_each(|message| replica.receive(message));
            let text = black_box(replica.text());
            (millis(start), is_right(trace, &text))
        };
        cases.push(Case { subject: S::NAME, run: Box::new(run) });
    }
    for_all!(case, trace, &mut cases);
    results.measure(workload, &trace.name, "ms", cases, effort);
    results.lacks(
        workload,
        crate::subjects::Jumprope::NAME,
        crate::subjects::Jumprope::ONLY_LOCAL.unwrap_or_default(),
    );
}
