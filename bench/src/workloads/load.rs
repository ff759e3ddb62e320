//! load: encoded state to a `String`, and one edit in its middle, so that what was put off shows; and
//! memory: the bytes allocated after it, counted by the allocator.

use std::hint::black_box;
use std::time::Instant;

use super::{Played, Results, is_right};
use crate::alloc::live_after;
use crate::measure::{Case, Effort, millis};
use crate::subjects::{Jumprope, Subject};
use crate::trace::Trace;

pub fn memory<S: Subject>(trace: &Trace, played: &Played, results: &mut Results) {
    // Nothing that was there before may be freed in it: that would be taken off.
    let load = || {
        let mut replica = S::load(0, &played.state);
        let ok = is_right(trace, &replica.text());
        replica.edit(&played.middle);
        (replica, ok)
    };
    let ((_replica, ok), bytes) = live_after(load);
    results.add("memory", &trace.name, S::NAME, bytes as f64 / 1024.0, "KiB", ok);
}

pub fn case<'a, S: Subject>(trace: &'a Trace, played: &Played) -> Case<'a> {
    let (state, edit) = (played.state.clone(), played.middle.clone());
    let run = move || {
        let start = Instant::now();
        let mut replica = S::load(0, &state);
        let text = black_box(replica.text());
        replica.edit(&edit);
        let ms = millis(start);
        Ok((ms, is_right(trace, &text) && replica.text().len() == text.len() + 1))
    };
    Case { subject: S::NAME, run: Box::new(run) }
}

pub fn run(trace: &Trace, cases: Vec<Case>, effort: Effort, results: &mut Results) {
    let effort = Effort { rounds: effort.rounds * 5, ..effort };
    results.measure("load", &trace.name, "ms", cases, effort);
    for workload in ["load", "memory", "size"] {
        results.lacks(workload, Jumprope::NAME, "it has no state of its own");
    }
}
