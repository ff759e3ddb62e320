//! The operator's jobs: read a document from any of its stores, list its events, check that all
//! stores agree, rebuild, compact.
//!
//! The same jobs run against embedded stores, a running stack (through `/_inklog/…`, see
//! [`crate::admin`]) and AWS; what they return is plain data.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use inklog_crdt::{Agent, Doc};
use inklog_protocol::{DocId, LoggedEvent, VersionMap, WireEvent, version_to_wire};
use inklog_snapshotter::{Compacted, LIVE_LAG_MAX_MS, Snapshotter};
use inklog_store::document::{Documents, Replayed};
use inklog_store::{LogRecord, StoreError};
use serde::{Deserialize, Serialize};

mod status;

pub use status::{BaseStatus, SnapshotStatus, Status, TailStatus};

/// Documents of a page of the catalogue.
const PAGE: usize = 1_000;
/// How long `verify` waits for the live state to take in what the log held, and how often it looks.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where a document is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The live state, as it stands; a missing one is rebuilt.
    Live,
    /// The log on the newest snapshot.
    Log,
    /// The newest snapshot alone.
    Snapshot,
}

/// A document's text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Which document.
    pub doc: String,
    /// Where it was read from.
    pub from: Source,
    /// Its text.
    pub text: String,
    /// Its version.
    pub version: VersionMap,
    /// Events that wait for others.
    pub waiting: usize,
}

/// A document in the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Which document.
    pub doc: String,
    /// When it was first seen, ms since the epoch.
    pub created: u64,
    /// When it was last seen to change, ms since the epoch.
    pub last_edit: u64,
    /// Key of its newest snapshot.
    pub snapshot: Option<String>,
    /// Whether it has changed since.
    pub dirty: bool,
    /// What of its entry cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// One event and where it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedEvent {
    /// The event.
    #[serde(flatten)]
    pub event: WireEvent,
    /// Who sent it.
    pub user: Option<String>,
    /// Whether it is in the log still, or only in history.
    pub compacted: bool,
}

/// How the live state stands to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LiveCheck {
    /// The same state, byte for byte.
    Equal,
    /// There is none; the next reader rebuilds it.
    Missing,
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
    /// Log items, and a snapshot, that cannot be read.
    pub damaged: Vec<String>,
}

/// What `rebuild` did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rebuilt {
    /// Which document.
    pub doc: String,
    /// Events read from the log.
    pub events: usize,
    /// Characters of the text.
    pub chars: usize,
}

/// Does the jobs.
#[derive(Clone)]
pub struct Operator {
    documents: Documents,
    snapshotter: Arc<Snapshotter>,
}

impl Operator {
    /// Jobs over these stores.
    pub fn new(documents: Documents, snapshotter: Arc<Snapshotter>) -> Operator {
        Operator { documents, snapshotter }
    }

    /// All documents of the catalogue.
    pub async fn docs(&self) -> Result<Vec<Listed>, StoreError> {
        let mut docs = Vec::new();
        let mut start = None;
        loop {
            let (page, next) = self.documents.catalogue.docs(start.as_ref(), PAGE).await?;
            docs.extend(page.into_iter().map(|entry| Listed {
                doc: entry.doc.to_string(),
                created: entry.created,
                last_edit: entry.last_edit,
                snapshot: entry.pointer.map(|pointer| pointer.snapshot),
                dirty: entry.dirty.is_some(),
                damaged: entry.damaged,
            }));
            match next {
                Some(doc) => start = Some(doc),
                None => break,
            }
        }
        docs.sort_by(|a, b| a.doc.cmp(&b.doc));
        Ok(docs)
    }

    /// A document's text; `None` when nothing was ever written there (or snapshotted).
    pub async fn read(&self, doc: &DocId, from: Source) -> Result<Option<Reading>, StoreError> {
        let state = match from {
            Source::Live => {
                let opened = self.documents.open(doc).await?;
                Some(opened.into_doc()).filter(|state| !is_untouched(state))
            }
            Source::Log => {
                let replayed = self.documents.replay(doc).await?;
                Some(replayed.doc).filter(|state| !is_untouched(state))
            }
            Source::Snapshot => match self.documents.catalogue.entry(doc).await?.and_then(|e| e.pointer) {
                Some(pointer) => Some(self.documents.snapshot(&pointer).await?),
                None => None,
            },
        };
        Ok(state.map(|state| Reading {
            doc: doc.to_string(),
            from,
            text: state.text(),
            version: version_to_wire(state.version()),
            waiting: state.waiting().count(),
        }))
    }

    /// Every event of the document that is kept anywhere, in order of time.
    pub async fn events(&self, doc: &DocId) -> Result<Vec<ListedEvent>, StoreError> {
        let replayed = self.documents.replay(doc).await?;
        let history = self.documents.history(replayed.pointer.as_ref()).await?;
        let places: HashSet<(Agent, u64)> = replayed.records.iter().map(place).collect();
        let compacted = history.into_iter().filter(|record| !places.contains(&place(record)));
        let mut all: Vec<(LogRecord, bool)> = compacted.map(|record| (record, true)).collect();
        all.extend(replayed.records.into_iter().map(|record| (record, false)));
        all.sort_by_key(|(record, _)| (record.at, place(record)));
        Ok(all
            .into_iter()
            .map(|(record, compacted)| ListedEvent {
                user: record.user.clone(),
                event: WireEvent::new(&LoggedEvent { event: record.event, at: record.at }),
                compacted,
            })
            .collect())
    }

    /// Holds live state, snapshot, log and history against each other; `None` when there is no such
    /// document. Waits some seconds for a live state that is behind.
    pub async fn verify(&self, doc: &DocId) -> Result<Option<Verified>, StoreError> {
        // Live first: what it has, the log has, for nothing reaches it by another way.
        let live = self.documents.peek(doc).await?;
        let mut replayed = self.documents.replay(doc).await?;
        if replayed.is_new() && live.is_none() && self.documents.catalogue.entry(doc).await?.is_none() {
            return Ok(None);
        }
        let history = self.documents.history(replayed.pointer.as_ref()).await?;
        let records: Vec<&LogRecord> = history.iter().chain(&replayed.records).collect();
        let live = match live {
            None => LiveCheck::Missing,
            Some(live) => self.check_live(doc, &live.into_doc(), &replayed, &records).await?,
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
        let begin = tokio::time::Instant::now();
        let mut version = live.version().clone();
        while !version.includes(replayed.doc.version()) {
            if begin.elapsed() >= CATCH_UP_MAX {
                let now = self.snapshotter.clock().now_ms();
                let is_old = |record: &&&LogRecord| {
                    replayed.doc.version().covers(&record.event)
                        && !version.covers(&record.event)
                        && record.at.saturating_add(LIVE_LAG_MAX_MS) <= now
                };
                let lacks = records.iter().any(|record| is_old(&record));
                return Ok(if lacks { LiveCheck::Lacking } else { LiveCheck::Behind });
            }
            tokio::time::sleep(LOOK_EVERY).await;
            match self.documents.peek(doc).await? {
                Some(live) => version = live.into_doc().version().clone(),
                None => return Ok(LiveCheck::Missing),
            }
        }
        Ok(LiveCheck::Equal)
    }

    /// Makes the live state anew from the log; the one there is stays until the log is read. `None` when
    /// there is no such document.
    pub async fn rebuild(&self, doc: &DocId) -> Result<Option<Rebuilt>, StoreError> {
        if !self.is_there(doc).await? {
            return Ok(None);
        }
        Ok(self.documents.remake(doc).await?.map(|replayed| Rebuilt {
            doc: doc.to_string(),
            events: replayed.records.len(),
            chars: replayed.doc.len(),
        }))
    }

    /// Compacts the document now; `None` when there is no such document.
    pub async fn compact(&self, doc: &DocId) -> Result<Option<Compacted>, StoreError> {
        match self.is_there(doc).await? {
            true => self.snapshotter.compact(doc).await.map(Some),
            false => Ok(None),
        }
    }

    /// One that was written a moment ago may not be in the catalogue yet.
    async fn is_there(&self, doc: &DocId) -> Result<bool, StoreError> {
        let is_listed = self.documents.catalogue.entry(doc).await?.is_some();
        Ok(is_listed || !self.documents.log.read(doc).await?.is_empty())
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

fn is_untouched(state: &Doc) -> bool {
    state.version().is_empty() && state.waiting().next().is_none()
}

fn place(record: &LogRecord) -> (Agent, u64) {
    (record.event.agent().clone(), record.event.after())
}
