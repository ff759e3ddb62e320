//! remote: another replica's edits applied one event at a time, as they come over a network: encoded
//! bytes in, text out, once, at the end. Of a concurrent trace it is the server's side.

use std::hint::black_box;
use std::time::Instant;

use super::{Results, is_right, play, receive_all};
use crate::for_all;
use crate::measure::{Case, Effort, millis};
use crate::subjects::Subject;
use crate::trace::Trace;

pub fn run(trace: &Trace, effort: Effort, results: &mut Results) {
    let workload = if trace.sequential().is_some() { "remote" } else { "server" };
    let mut cases = Vec::new();
    fn case<'a, S: Subject>(trace: &'a Trace, cases: &mut Vec<Case<'a>>) {
        let messages = play::<S>(trace).map(|session| session.messages);
        let run = move || {
            let messages = messages.as_ref().map_err(|too_long| *too_long)?;
            let start = Instant::now();
            let text = black_box(receive_all::<S>(messages)?.text());
            Ok((millis(start), is_right(trace, &text)))
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
