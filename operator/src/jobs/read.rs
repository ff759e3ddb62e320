//! A document's text, from any of its stores.

use inklog_crdt::Doc;
use inklog_protocol::{DocId, VersionMap, version_to_wire};
use inklog_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::Operator;

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

impl Operator {
    /// A document's text; `None` when nothing was ever written there (or snapshotted).
    pub async fn read(&self, doc: &DocId, from: Source) -> Result<Option<Reading>, StoreError> {
        let state = match from {
            Source::Live => {
                let state = self.documents.read(doc).await?;
                Some(state).filter(|state| !is_untouched(state))
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
}

fn is_untouched(state: &Doc) -> bool {
    state.version().is_empty() && state.waiting().next().is_none()
}
