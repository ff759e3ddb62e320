//! load: encoded state to a `String`, and one edit in its middle, so that what was put off shows; and
//! memory: the bytes allocated after it, counted by the allocator.

use std::hint::black_box;
use std::time::Instant;

use super::{Results, Session, edit_in_the_middle, is_right, play};
use crate::alloc::live_after;
use crate::for_all;
use crate::measure::{Case, Effort, millis};
use crate::subjects::Subject;
use crate::trace::Trace;

pub fn run(trace: &Trace, effort: Effort, results: &mut Results) {
    let mut cases = Vec::new();
    fn case<'a, S: Subject>(trace: &'a Trace, cases: &mut Vec<Case<'a>>, results: &mut Results) {
        let Ok(Session { replica, .. }) = play::<S>(trace) else {
            for workload in ["load", "memory"] {
                results.took_too_long(workload, &trace.name, S::NAME);
            }
            return;
        };
        let state = replica.state();
        let edit = edit_in_the_middle(&replica.text(), S::UNIT);
        drop(replica);
        let load = {
            let (state, edit) = (state.clone(), edit.clone());
            move || {
                let mut replica = S::load(0, &state);
                let ok = is_right(trace, &replica.text());
                replica.edit(&edit);
                (replica, ok)
            }
        };
        let ((_replica, ok), bytes) = live_after(load);
        results.add("memory", &trace.name, S::NAME, bytes as f64 / 1024.0, "KiB", ok);
        let run = move || {
            let start = Instant::now();
            let mut replica = S::load(0, &state);
            let text = black_box(replica.text());
            replica.edit(&edit);
            let ms = millis(start);
            Ok((ms, is_right(trace, &text) && replica.text().len() == text.len() + 1))
        };
        cases.push(Case { subject: S::NAME, run: Box::new(run) });
    }
    for_all!(case, trace, &mut cases, results);
    let effort = Effort { rounds: effort.rounds * 5, ..effort };
    results.measure("load", &trace.name, "ms", cases, effort);
    for workload in ["load", "memory", "size"] {
        results.lacks(workload, crate::subjects::Jumprope::NAME, "it has no state of its own");
    }
}
