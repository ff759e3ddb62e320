//! Whether a document has room for an event, by what the catalogue says of its size.
//!
//! The materializer and the snapshotter note there how large a document is that has come to its limit.
//! One reading serves for [`FLOOR_CACHE_TTL`], and for so many bytes let in on it as are a
//! [`SIZE_SHARE`]th of the limit: so a document outgrows its limit by that much for each function that
//! takes its events, and by what comes until it is folded. What is refused is looked at again after
//! [`FULL_CACHE_TTL`].
//!
//! An event that only deletes passes in a full document, so that it can get smaller. A delete of what is
//! not there also has its bytes: at [`DELETES_DOC_FACTOR`] times the limit nothing passes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use inklog_crdt::{Event, Op};
use inklog_protocol::limits::{DELETES_DOC_FACTOR, FLOOR_CACHE_TTL, FULL_CACHE_TTL, SIZE_SHARE};
use inklog_protocol::{DocId, ErrorCode, Refusal};

/// Documents remembered by a warm function at most.
const DOCS_MAX: usize = 10_000;

/// What a warm function knows of documents' sizes.
pub(crate) struct Sizes {
    max: u64,
    /// A std mutex: it is never held across an await.
    known: Mutex<HashMap<DocId, Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    /// What the catalogue said, 0 where nothing is noted.
    bytes: u64,
    read_at_ms: u64,
    /// Bytes of the events that have passed since.
    passed: u64,
}

impl Sizes {
    /// With documents of at most so many bytes.
    pub fn new(max: u64) -> Sizes {
        Sizes { max, known: Mutex::default() }
    }

    /// Why the document has no room for the event, if it has none. `look` asks the catalogue, where what
    /// is known is too old.
    pub async fn no_room(
        &self,
        doc: &DocId,
        event: &Event,
        now_ms: u64,
        look: impl AsyncFnOnce() -> Result<u64, Refusal>,
    ) -> Result<Option<Refusal>, Refusal> {
        let only_deletes = event.ops().iter().all(|op| matches!(op, Op::Delete { .. }));
        let limit = if only_deletes { self.max.saturating_mul(DELETES_DOC_FACTOR) } else { self.max };
        let bytes = event.encoded().len() as u64;
        if let Some(known) = self.take(doc, bytes, limit, now_ms) {
            return Ok(self.refusal(doc, known, limit));
        }
        let found = look().await?;
        let mut known = self.known.lock().expect("no holder panics");
        if known.len() >= DOCS_MAX {
            known.clear();
        }
        let passed = if found > limit { 0 } else { bytes };
        // `now_ms` is of before the reading, so that the entry is never younger than it says.
        known.insert(doc.clone(), Known { bytes: found, read_at_ms: now_ms, passed });
        Ok(self.refusal(doc, found, limit))
    }

    /// The size that is known, with the event counted where it passes; `None` where that must be read
    /// again.
    fn take(&self, doc: &DocId, bytes: u64, limit: u64, now_ms: u64) -> Option<u64> {
        let mut known = self.known.lock().expect("no holder panics");
        let known = known.get_mut(doc)?;
        let age = Duration::from_millis(now_ms.saturating_sub(known.read_at_ms));
        if known.bytes > limit {
            return (age < FULL_CACHE_TTL).then_some(known.bytes);
        }
        known.passed += bytes;
        let holds = age < FLOOR_CACHE_TTL && known.passed <= self.max / SIZE_SHARE;
        holds.then_some(known.bytes)
    }

    fn refusal(&self, doc: &DocId, bytes: u64, limit: u64) -> Option<Refusal> {
        if bytes <= limit {
            return None;
        }
        let max = self.max;
        let message = match limit == max {
            true => format!(
                "document {doc} is full, it takes {bytes} bytes of at most {max}: delete text, or go on in \
                 another document"
            ),
            false => format!(
                "document {doc} takes {bytes} bytes, over {DELETES_DOC_FACTOR} times the limit of {max}: \
                 go on in another document"
            ),
        };
        Some(Refusal::new(ErrorCode::TooLarge, message))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use inklog_crdt::{Agent, Origin};

    use super::*;

    const MAX: u64 = 8_000;

    fn event(op: Op) -> Event {
        Event::new(Agent::new("ann").unwrap(), 0, vec![op]).unwrap()
    }

    fn insert(len: usize) -> Event {
        event(Op::Insert { seq: 0, text: "x".repeat(len), origin: Origin::Left(None) })
    }

    fn delete() -> Event {
        event(Op::Delete { seq: 0, target: "bob-1".parse().unwrap(), len: 1 })
    }

    struct Asked {
        sizes: Sizes,
        /// What the catalogue says, and how often it was asked.
        says: Cell<Option<u64>>,
        reads: Cell<usize>,
    }

    impl Asked {
        fn new(says: Option<u64>) -> Asked {
            Asked { sizes: Sizes::new(MAX), says: Cell::new(says), reads: Cell::new(0) }
        }

        async fn passes(&self, event: &Event, now_ms: u64) -> bool {
            let look = async || {
                self.reads.set(self.reads.get() + 1);
                Ok(self.says.get().unwrap_or(0))
            };
            let refused = self.sizes.no_room(&DocId::new("d").unwrap(), event, now_ms, look).await.unwrap();
            assert!(refused.iter().all(|refusal| refusal.code == ErrorCode::TooLarge));
            refused.is_none()
        }
    }

    #[tokio::test]
    async fn a_size_at_the_limit_passes_and_deletes_pass_up_to_twice_that() {
        for (says, inserts, deletes) in [
            (None, true, true),
            (Some(MAX), true, true),
            (Some(MAX + 1), false, true),
            (Some(2 * MAX), false, true),
            (Some(2 * MAX + 1), false, false),
        ] {
            assert_eq!(Asked::new(says).passes(&insert(1), 0).await, inserts, "{says:?}");
            assert_eq!(Asked::new(says).passes(&delete(), 0).await, deletes, "{says:?}");
        }
        let both = vec![
            Op::Delete { seq: 0, target: "bob-1".parse().unwrap(), len: 9 },
            Op::Insert { seq: 9, text: "x".into(), origin: Origin::Left(None) },
        ];
        let both = Event::new(Agent::new("ann").unwrap(), 0, both).unwrap();
        assert!(!Asked::new(Some(MAX + 1)).passes(&both, 0).await, "it may be larger for it");
    }

    #[tokio::test]
    async fn one_reading_serves_for_a_while_and_for_a_share_of_the_limit() {
        let ttl = FLOOR_CACHE_TTL.as_millis() as u64;
        let asked = Asked::new(None);
        for now in [0, 1, ttl - 1] {
            assert!(asked.passes(&insert(1), now).await);
        }
        assert_eq!(asked.reads.get(), 1);
        assert!(asked.passes(&insert(1), ttl).await);
        assert_eq!(asked.reads.get(), 2);

        for says in [None, Some(MAX)] {
            let asked = Asked::new(says);
            let large = insert(300);
            let share = MAX / SIZE_SHARE;
            let fit = share / large.encode().len() as u64;
            for _ in 0..fit {
                assert!(asked.passes(&large, 0).await);
            }
            assert_eq!((asked.reads.get(), fit), (1, 3));
            asked.says.set(Some(MAX + 1));
            assert!(!asked.passes(&large, 0).await, "the share is used up, and it looks again");
            assert_eq!(asked.reads.get(), 2);
        }
    }

    #[tokio::test]
    async fn a_full_document_is_looked_at_again_soon() {
        let ttl = FULL_CACHE_TTL.as_millis() as u64;
        let asked = Asked::new(Some(MAX + 1));
        assert!(!asked.passes(&insert(1), 0).await);
        asked.says.set(Some(MAX));
        assert!(!asked.passes(&insert(1), ttl - 1).await);
        assert_eq!(asked.reads.get(), 1);
        assert!(asked.passes(&insert(1), ttl).await);
        assert_eq!(asked.reads.get(), 2);
    }
}
