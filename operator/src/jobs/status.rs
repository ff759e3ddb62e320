//! How a document stands in its stores at this moment; looking changes nothing.

use inklog_crdt::Doc;
use inklog_protocol::{DocId, VersionMap, version_to_wire};
use inklog_store::document::Peeked;
use inklog_store::live::LiveDoc;
use inklog_store::{StoreError, logged_len};
use serde::{Deserialize, Serialize};

use crate::Operator;

/// How a document stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Which document.
    pub doc: String,
    /// Characters (code points) of the text, as the live state has it; of the log where there is none.
    pub chars: usize,
    /// Its version.
    pub version: VersionMap,
    /// Events that wait for others.
    pub waiting: usize,
    /// The live state's base; `None` until a reader or an edit has it made.
    pub base: Option<BaseStatus>,
    /// What is wrong with a base that cannot be read; the next reader makes another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
    /// What came since the base.
    pub tail: TailStatus,
    /// The newest snapshot.
    pub snapshot: Option<SnapshotStatus>,
    /// Whether the document has changed since that, or the log still holds what could be compacted.
    pub dirty: bool,
}

/// A base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaseStatus {
    /// Bytes of the encoded state.
    pub bytes: usize,
    /// Its random name: another fold, another name.
    pub generation: String,
}

/// A tail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailStatus {
    /// Events beyond the base, waiting ones among them.
    pub events: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotStatus {
    /// Its key in the bucket.
    pub key: String,
    /// When it was made, ms since the epoch.
    pub at: u64,
    /// Its version.
    pub version: VersionMap,
}

impl Operator {
    /// How the document stands. One that was never written stands at nothing.
    pub async fn status(&self, doc: &DocId) -> Result<Status, StoreError> {
        let (live, damaged) = match self.documents.peek(doc).await? {
            Peeked::Missing => (None, None),
            Peeked::Damaged(what) => (None, Some(what)),
            Peeked::Sound { live, state } => (Some((live, *state)), None),
        };
        let (base, tail) = live.as_ref().map_or_else(Default::default, |(live, _)| in_live_state(live));
        let state = match live {
            Some((_, state)) => state,
            None => self.documents.replay(doc).await?.doc,
        };
        let entry = self.documents.catalogue.entry(doc).await?;
        let snapshot = match entry.as_ref().and_then(|entry| entry.pointer.as_ref()) {
            Some(pointer) => {
                let snapshot: Doc = self.documents.snapshot(pointer).await?;
                let version = version_to_wire(snapshot.version());
                Some(SnapshotStatus { key: pointer.snapshot.clone(), at: pointer.at, version })
            }
            None => None,
        };
        Ok(Status {
            doc: doc.to_string(),
            chars: state.len(),
            version: version_to_wire(state.version()),
            waiting: state.waiting().count(),
            base,
            damaged,
            tail,
            snapshot,
            dirty: entry.is_some_and(|entry| entry.dirty.is_some()),
        })
    }
}

/// Base and tail of a live state.
fn in_live_state(live: &LiveDoc) -> (Option<BaseStatus>, TailStatus) {
    let bytes = live.events.iter().map(logged_len).sum();
    let base = BaseStatus { bytes: live.base.len(), generation: live.tag.generation.clone() };
    (Some(base), TailStatus { events: live.events.len(), bytes })
}
