//! size: the encoded state, and the whole history, raw and after zstd.

use super::{Played, Results};
use crate::trace::Trace;

/// The one level for all subjects: as Inklog's S3 objects are packed.
pub const ZSTD_LEVEL: i32 = 19;

pub fn add(trace: &Trace, subject: &'static str, played: &Played, results: &mut Results) {
    let mut add = |what: &str, forms: &[Vec<u8>]| {
        let raw = forms.iter().map(Vec::len).min().unwrap_or_default();
        let packed = forms.iter().map(|form| packed(form)).min().unwrap_or_default();
        results.add(what, &trace.name, subject, raw as f64, "bytes", played.ok);
        results.add(&format!("{what}, zstd"), &trace.name, subject, packed as f64, "bytes", played.ok);
    };
    add("state", &played.small_states);
    match &played.histories {
        Ok(forms) => add("history", forms),
        Err(why) => {
            results.lacks("history", subject, *why);
            results.lacks("history, zstd", subject, *why);
        }
    }
}

fn packed(bytes: &[u8]) -> usize {
    zstd::bulk::compress(bytes, ZSTD_LEVEL).expect("compressing in memory does not fail").len()
}
