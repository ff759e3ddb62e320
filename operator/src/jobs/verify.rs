//! All stores of a document, held against each other.

use std::time::Duration;

use inklog_crdt::Doc;
use inklog_protocol::DocId;
use inklog_store::document::{Peeked, Replayed};
use inklog_store::{LogRecord, StoreError};
use serde::{Deserialize, Serialize};

use super::LIVE_LAG_MAX_MS;
use crate::Operator;

/// How long `verify` waits for the live state to take in what the log held, and how often it looks.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How the live state stands to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LiveCheck {
    /// The same state, byte for byte.
    Equal,
    /// There is none; the next reader rebuilds it.
    Missing,
    /// Its base cannot be read; the next reader, a compaction or a rebuild makes another.
    Damaged,
    /// It lacks events of the last minute that the log has: they are on their way.
    Behind,
    /// It lacks older events that the log has.
    Lacking,
    /// It has the same events and another state: a bug.
    Different,
}

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// Which document.
    pub doc: String,
    /// Whether nothing is wrong. A live state that is missing, or behind, is not wrong.
    pub ok: bool,
    /// Characters of the text.
    pub chars: usize,
    /// Events in the log.
    pub events_in_log: usize,
    /// Events in history segments.
    pub events_in_history: usize,
    /// Events that wait for others.
    pub waiting: usize,
    /// The live state against the log.
    pub live: LiveCheck,
    /// Whether the snapshot plus the rest of the log equals a replay of the whole history.
    pub history_equals_snapshot: bool,
    /// Log items, a snapshot, and a live base, that cannot be read.
    pub damaged: Vec<String>,
}

impl Operator {
    /// Holds live state, snapshot, log and history against each other; `None` when there is no such
    /// document. Changes nothing, so that what it finds is found again. Waits some seconds for a live state
    /// that is behind.
    pub async fn verify(&self, doc: &DocId) -> Result<Option<Verified>, StoreError> {
        // Live first: what it has, the log has, for nothing reaches it by another way.
        let live = self.documents.peek(doc).await?;
        let mut replayed = self.documents.replay(doc).await?;
        if replayed.is_new()
            && matches!(live, Peeked::Missing)
            && self.documents.catalogue.entry(doc).await?.is_none()
        {
            return Ok(None);
        }
        let history = self.documents.history(replayed.pointer.as_ref()).await?;
        let records: Vec<&LogRecord> = history.iter().chain(&replayed.records).collect();
        let live = match live {
            Peeked::Missing => LiveCheck::Missing,
            Peeked::Damaged(what) => {
                replayed.damaged.push(what);
                LiveCheck::Damaged
            }
            Peeked::Sound { state, .. } => self.check_live(doc, &state, &replayed, &records).await?,
        };
        let history_equals_snapshot = replay_of(&records).encode() == replayed.doc.encode();
        replayed.damaged.extend(replayed.snapshot_lost.take());
        let ok = history_equals_snapshot
            && matches!(live, LiveCheck::Equal | LiveCheck::Missing | LiveCheck::Behind)
            && replayed.damaged.is_empty();
        Ok(Some(Verified {
            doc: doc.to_string(),
            ok,
            chars: replayed.doc.len(),
            events_in_log: replayed.records.len(),
            events_in_history: history.len(),
            waiting: replayed.doc.waiting().count(),
            live,
            history_equals_snapshot,
            damaged: replayed.damaged,
        }))
    }

    /// The live state as it was read just before the log, against all that log and history hold.
    async fn check_live(
        &self,
        doc: &DocId,
        live: &Doc,
        replayed: &Replayed,
        records: &[&LogRecord],
    ) -> Result<LiveCheck, StoreError> {
        if live.version() == replayed.doc.version() {
            let equal = live.encode() == replayed.doc.encode();
            return Ok(if equal { LiveCheck::Equal } else { LiveCheck::Different });
        }
        // It must be what the log was at some moment.
        let then: Vec<_> =
            records.iter().filter(|record| live.version().covers(&record.event)).copied().collect();
        if replay_of(&then).encode() != live.encode() {
            return Ok(LiveCheck::Different);
        }
        let begin = self.clock.monotonic();
        let mut version = live.version().clone();
        while !version.includes(replayed.doc.version()) {
            if self.clock.monotonic() - begin >= CATCH_UP_MAX {
                let now = self.clock.now_ms();
                let is_old = |record: &&&LogRecord| {
                    replayed.doc.version().covers(&record.event)
                        && !version.covers(&record.event)
                        && record.at.saturating_add(LIVE_LAG_MAX_MS) <= now
                };
                let lacks = records.iter().any(|record| is_old(&record));
                return Ok(if lacks { LiveCheck::Lacking } else { LiveCheck::Behind });
            }
            self.clock.sleep(LOOK_EVERY).await;
            match self.documents.peek(doc).await? {
                Peeked::Sound { state, .. } => version = state.version().clone(),
                Peeked::Missing => return Ok(LiveCheck::Missing),
                Peeked::Damaged(_) => return Ok(LiveCheck::Damaged),
            }
        }
        Ok(LiveCheck::Equal)
    }
}

/// The document of these records alone.
fn replay_of(records: &[&LogRecord]) -> Doc {
    let mut doc = Doc::new();
    for record in records {
        doc.apply(&record.event);
    }
    doc
}
