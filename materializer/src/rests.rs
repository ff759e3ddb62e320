//! Documents whose live state could not be built, and when to retry: reading a large document in vain for
//! each of its edits would slow down all the others.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use inklog_protocol::DocId;

/// The first pause; each failure doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// Maximum number of documents remembered; forgetting one costs an attempt.
const DOCS_MAX: usize = 10_000;

/// What a warm function remembers of documents that could not be kept.
#[derive(Debug, Default)]
pub(crate) struct Rests(Mutex<HashMap<DocId, Rest>>);

#[derive(Debug, Clone, Copy)]
struct Rest {
    until_ms: u64,
    pause: Duration,
}

impl Rests {
    /// Whether it is too early to retry.
    pub fn is_resting(&self, doc: &DocId, now_ms: u64) -> bool {
        let rests = self.0.lock().expect("no holder panics");
        rests.get(doc).is_some_and(|rest| now_ms < rest.until_ms)
    }

    /// Records a failure; returns how long to wait now.
    pub fn begin(&self, doc: &DocId, now_ms: u64) -> Duration {
        let mut rests = self.0.lock().expect("no holder panics");
        let pause = rests.get(doc).map_or(FIRST, |rest| (rest.pause * 2).min(LONGEST));
        if rests.len() >= DOCS_MAX {
            rests.clear();
        }
        rests.insert(doc.clone(), Rest { until_ms: now_ms + pause.as_millis() as u64, pause });
        pause
    }

    /// Records that the document is kept again.
    pub fn end(&self, doc: &DocId) {
        self.0.lock().expect("no holder panics").remove(doc);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_a_bound_and_end_with_a_success() {
        let (rests, doc) = (Rests::default(), DocId::new("d").unwrap());
        let (mut last, mut now_ms) = (Duration::ZERO, 0);
        for _ in 0..12 {
            let pause = rests.begin(&doc, now_ms);
            assert!(pause == (last * 2).clamp(FIRST, LONGEST), "{pause:?} after {last:?}");
            now_ms += pause.as_millis() as u64;
            assert!(rests.is_resting(&doc, now_ms - 1) && !rests.is_resting(&doc, now_ms));
            last = pause;
        }
        // Others rest for themselves.
        let other = DocId::new("e").unwrap();
        assert_eq!(rests.begin(&other, now_ms), FIRST);
        assert_eq!(rests.begin(&doc, now_ms), LONGEST);
        rests.end(&doc);
        assert!(rests.is_resting(&other, now_ms) && !rests.is_resting(&doc, now_ms));
        assert_eq!(rests.begin(&doc, now_ms), FIRST);
    }
}
