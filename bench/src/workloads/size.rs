//! size: the encoded state, and the whole history, raw and after zstd.

use super::{Results, Session, is_right, play};
use crate::for_all;
use crate::subjects::Subject;
use crate::trace::Trace;

/// The one level for all subjects: as Inklog's S3 objects are packed.
pub const ZSTD_LEVEL: i32 = 19;

pub fn run(trace: &Trace, results: &mut Results) {
    fn case<S: Subject>(trace: &Trace, results: &mut Results) {
        let Ok(Session { messages, replica }) = play::<S>(trace) else {
            for workload in ["state", "state, zstd", "history", "history, zstd"] {
                results.took_too_long(workload, &trace.name, S::NAME);
            }
            return;
        };
        let ok = is_right(trace, &replica.text());
        let mut add = |what: &str, forms: Vec<Vec<u8>>| {
            let raw = forms.iter().map(Vec::len).min().unwrap_or_default();
            let packed = forms.iter().map(|form| packed(form)).min().unwrap_or_default();
            results.add(what, &trace.name, S::NAME, raw as f64, "bytes", ok);
            results.add(&format!("{what}, zstd"), &trace.name, S::NAME, packed as f64, "bytes", ok);
        };
        add("state", replica.small_states());
        match replica.histories(&messages) {
            Ok(forms) => add("history", forms),
            Err(why) => {
                results.lacks("history", S::NAME, why);
                results.lacks("history, zstd", S::NAME, why);
            }
        }
    }
    for_all!(case, trace, results);
}

fn packed(bytes: &[u8]) -> usize {
    zstd::bulk::compress(bytes, ZSTD_LEVEL).expect("compressing in memory does not fail").len()
}
