//! local: edits by position.

use std::hint::black_box;
use std::time::Instant;

use super::Results;
use crate::for_all;
use crate::measure::{Case, Effort, Patience, millis};
use crate::subjects::Subject;
use crate::trace::{Trace, in_unit};

pub fn run(trace: &Trace, effort: Effort, results: &mut Results) {
    let Some(edits) = trace.sequential() else { return };
    let mut cases = Vec::new();
    fn case<'a, S: Subject>(trace: &'a Trace, edits: &[crate::trace::Edit], cases: &mut Vec<Case<'a>>) {
        let edits = in_unit(edits, S::UNIT);
        let run = move || {
            let start = Instant::now();
            let mut replica = S::new(0);
            let mut patience = Patience::new();
            for edit in &edits {
                replica.edit(edit);
                patience.step()?;
            }
            let ms = millis(start);
            Ok((ms, black_box(replica.text()) == trace.end))
        };
        cases.push(Case { subject: S::NAME, run: Box::new(run) });
    }
    for_all!(case, trace, edits, &mut cases);
    case::<crate::subjects::Jumprope>(trace, edits, &mut cases);
    case::<crate::subjects::BufferedJumprope>(trace, edits, &mut cases);
    results.measure("local", &trace.name, "ms", cases, effort);
}
