//! The operator's jobs: read a document from any of its stores, list its events, check that all
//! stores agree, rebuild, compact.
//!
//! The same jobs run against embedded stores, a running stack (through `/_inklog/…`, see
//! [`crate::admin`]) and AWS; what they return is plain data.

use std::collections::HashSet;
use std::sync::Arc;

use inklog_crdt::{Agent, Doc};
use inklog_protocol::{DocId, LoggedEvent, VersionMap, WireEvent, version_to_wire};
use inklog_snapshotter::{Compacted, Snapshotter};
use inklog_store::document::{Documents, Replayed, assemble};
use inklog_store::{LogRecord, StoreError};
use serde::{Deserialize, Serialize};

mod status;

pub use status::{BaseStatus, SnapshotStatus, Status, TailStatus};

/// Documents of a page of the catalogue.
const PAGE: usize = 1_000;

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
    /// It lacks events that the log has.
    Behind,
    /// It has the same events and another state: a bug.
    Different,
}

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// Which document.
    pub doc: String,
    /// Whether nothing is wrong. A missing live state is not wrong.
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
    /// Log items that cannot be read.
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

    /// Holds live state, snapshot, log and history against each other.
    pub async fn verify(&self, doc: &DocId) -> Result<Verified, StoreError> {
        // Live first: what it has, the log has, for nothing reaches it by another way.
        let live = self.documents.live.read(doc).await?;
        let replayed = self.documents.replay(doc).await?;
        let history = self.documents.history(replayed.pointer.as_ref()).await?;
        let live = match live {
            None => LiveCheck::Missing,
            Some(live) => check_live(&assemble(doc, &live)?, &replayed),
        };
        let mut whole = Doc::new();
        for record in history.iter().chain(&replayed.records) {
            whole.apply(&record.event);
        }
        let history_equals_snapshot = whole.encode() == replayed.doc.encode();
        let ok = history_equals_snapshot
            && matches!(live, LiveCheck::Equal | LiveCheck::Missing)
            && replayed.damaged.is_empty();
        Ok(Verified {
            doc: doc.to_string(),
            ok,
            chars: replayed.doc.len(),
            events_in_log: replayed.records.len(),
            events_in_history: history.len(),
            waiting: replayed.doc.waiting().count(),
            live,
            history_equals_snapshot,
            damaged: replayed.damaged,
        })
    }

    /// Throws the live state away and makes it anew from the log.
    pub async fn rebuild(&self, doc: &DocId) -> Result<Rebuilt, StoreError> {
        self.documents.live.drop_doc(doc).await?;
        let (replayed, _) = self.documents.rebuild(doc).await?;
        Ok(Rebuilt { doc: doc.to_string(), events: replayed.records.len(), chars: replayed.doc.len() })
    }

    /// Compacts the document now.
    pub async fn compact(&self, doc: &DocId) -> Result<Compacted, StoreError> {
        self.snapshotter.compact(doc).await
    }
}

fn is_untouched(state: &Doc) -> bool {
    state.version().is_empty() && state.waiting().next().is_none()
}

fn place(record: &LogRecord) -> (Agent, u64) {
    (record.event.agent().clone(), record.event.after())
}

fn check_live(live: &Doc, replayed: &Replayed) -> LiveCheck {
    if live.version() == replayed.doc.version() {
        let equal = live.encode() == replayed.doc.encode();
        return if equal { LiveCheck::Equal } else { LiveCheck::Different };
    }
    if live.version().includes(replayed.doc.version()) {
        // It has events that the log lacks: nothing could have brought them there.
        return LiveCheck::Different;
    }
    LiveCheck::Behind
}
