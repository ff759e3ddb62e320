//! A document assembled from the stores: replayed from the log, read from the live state, rebuilt
//! if that is lost, folded once its tail has grown.
//!
//! Every reader of log and catalogue reads the whole log first and *then* the pointer: whatever a
//! compaction removes from the log in between, the newer pointer leads to.
//!
//! The live state is a cache. To read a document, call [`Documents::read`], or [`Documents::open`] where not
//! all of it is needed: both fall back to log and snapshot if the live state is full, unreachable, foreign or damaged.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Agent, DecodeError, Doc};
use inklog_protocol::limits::{FOLD_BYTES_MIN, SIZE_SHARE};
use inklog_protocol::{DocId, LoggedEvent};

use crate::catalogue::{DocSize, Pointer};
use crate::keys::objects as keys;
use crate::live::{LiveDoc, NewBase, TailStatus};
use crate::log::LogItem;
use crate::objects::{Segment, Snapshot};
use crate::{Catalogue, Entropy, LiveState, LogRecord, Objects, OpLog, StoreError};

mod heavy;
mod opened;
mod waiting;

pub use heavy::heavy;
pub use opened::{Base, Beyond, Opened, Peeked};

/// Earlier segments that a segment names, so that they can be read in parallel.
pub const SEGMENTS_AHEAD: usize = 16;
/// How often reading starts over if the base is dropped, replaced or evicted during it.
const OPEN_TRIES: usize = 4;

/// The stores that a document is made of.
#[derive(Clone)]
pub struct Documents {
    /// The op log.
    pub log: Arc<dyn OpLog>,
    /// The catalogue.
    pub catalogue: Arc<dyn Catalogue>,
    /// Snapshots and history.
    pub objects: Arc<dyn Objects>,
    /// The live state.
    pub live: Arc<dyn LiveState>,
    /// Nonces.
    pub entropy: Arc<dyn Entropy>,
    /// How large a document may be, in bytes: [`inklog_protocol::limits::DOC_BYTES_MAX`] but in tests.
    pub doc_bytes_max: u64,
}

/// A document replayed from log and snapshot.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Everything that can be applied, and the waiting events.
    pub doc: Doc,
    /// Every sound item of the log, by agent and `after`.
    pub records: Vec<LogRecord>,
    /// The snapshot that the replay started from.
    pub pointer: Option<Pointer>,
    /// That snapshot's content (an empty document without one).
    pub snapshot: Doc,
    /// Why the snapshot cannot be read, if so: `snapshot` was then rebuilt from an older one and the
    /// history.
    pub snapshot_lost: Option<String>,
    /// Keys of log items that cannot be read.
    pub damaged: Vec<String>,
    /// How large the document is: bytes of its encoded state and of all that waits in it.
    pub bytes: u64,
    /// How large the catalogue says that it is.
    pub noted: Option<DocSize>,
}

/// What a fold has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    /// How large the document was at most before, in bytes: with all of the tail.
    pub before: u64,
    /// How large it is in the new one.
    pub bytes: u64,
    /// How much of that waits in the log only. It is summed up from fold to fold: what the stream has
    /// repeated counts twice, until a rebuild.
    pub aside_bytes: u64,
}

impl Replayed {
    /// The events that wait for others, with their times and authors.
    pub fn waiting(&self) -> Vec<LoggedEvent> {
        let known = self.records.iter().map(|record| (&record.event, record.at, &record.author));
        waiting::logged(&self.doc, known)
    }

    /// Whether nothing was ever written.
    pub fn is_new(&self) -> bool {
        self.records.is_empty() && self.pointer.is_none()
    }

    /// Whether the log holds nothing at all, not even what cannot be read.
    pub fn is_unknown(&self) -> bool {
        self.is_new() && self.damaged.is_empty()
    }
}

impl Documents {
    /// Whether the tail has outgrown the base, so that folding adds a constant amortized cost per edit. If
    /// the document may just have exceeded its limit, a smaller tail is enough, because only a fold
    /// measures it; one that is known to exceed it is folded like any other.
    pub fn should_fold(&self, status: TailStatus) -> bool {
        let base = status.base_bytes + status.waiting_bytes;
        let known = base + status.aside_bytes;
        let may_be_full = known <= self.doc_bytes_max && known + status.unfolded_bytes > self.doc_bytes_max;
        let share = if may_be_full { base / SIZE_SHARE } else { base };
        status.has_base && status.unfolded_bytes >= share.max(FOLD_BYTES_MIN as u64)
    }

    /// Notes the document's size in the catalogue if ingest needs it: it exceeds the limit, or may be noted
    /// as such (`known`: its size until now). `read_at`: when the read began, in ms since the epoch.
    pub async fn note_size(
        &self,
        doc: &DocId,
        known: Option<u64>,
        bytes: u64,
        read_at: u64,
    ) -> Result<(), StoreError> {
        if bytes <= self.doc_bytes_max && known.is_none_or(|known| known <= self.doc_bytes_max) {
            return Ok(());
        }
        self.catalogue.note_size(doc, DocSize { bytes, at: read_at }).await
    }

    /// Replays the log on the newest snapshot.
    pub async fn replay(&self, doc: &DocId) -> Result<Replayed, StoreError> {
        let empty = |error| planted(Bug::ErrorReadsAsEmpty).then(Vec::new).ok_or(error);
        let mut items = self.log.read(doc).await.or_else(empty)?;
        let entry = self.catalogue.entry(doc).await?;
        if planted(Bug::PointerBeforeLog) {
            items = self.log.read(doc).await?;
        }
        let (pointer, noted) = entry.map_or((None, None), |entry| (entry.pointer, entry.size));
        let (snapshot, snapshot_lost) = match &pointer {
            Some(pointer) => self.snapshot_or_history(doc, pointer).await?,
            None => (Doc::new(), None),
        };
        let mut replayed = Replayed {
            doc: Doc::new(),
            records: Vec::new(),
            pointer,
            snapshot,
            snapshot_lost,
            damaged: Vec::new(),
            bytes: 0,
            noted,
        };
        for item in items {
            match item {
                LogItem::Record(record) => replayed.records.push(record),
                LogItem::Damaged { key, error } => {
                    tracing::error!(%doc, key, %error, "skipped a damaged log item");
                    replayed.damaged.push(key);
                }
            }
        }
        Ok(heavy(move || {
            replayed.doc = replayed.snapshot.clone();
            for record in &replayed.records {
                replayed.doc.apply(&record.event);
            }
            replayed.bytes = replayed.doc.encode().len() as u64 + waiting::bytes_of(&replayed.waiting());
            replayed
        })
        .await)
    }

    /// The content of the snapshot that a pointer names; if that object is lost or damaged, the same from
    /// an older snapshot and the segments since, or from all segments, and what is wrong.
    async fn snapshot_or_history(
        &self,
        doc: &DocId,
        pointer: &Pointer,
    ) -> Result<(Doc, Option<String>), StoreError> {
        let lost = match self.snapshot(pointer).await {
            Ok(snapshot) => return Ok((snapshot, None)),
            Err(error @ StoreError::Damaged { .. }) => error.to_string(),
            Err(error) => return Err(error),
        };
        tracing::error!(%doc, lost, "cannot read a snapshot: reading the history instead");
        let (mut key, mut segments) = (Some(pointer.segment.clone()), Vec::new());
        let mut state = Doc::new();
        while let Some(at) = key {
            // A segment and the snapshot at its end were named alike.
            let older = pointer
                .superseded
                .iter()
                .find(|older| !segments.is_empty() && keys::is_pair(&older.snapshot, &at));
            if let Some(older) = older
                && let Ok(found) = self.snapshot_at(&older.snapshot).await
            {
                state = found;
                break;
            }
            let segment = self.segment(&at).await?;
            key = segment.earlier.into_iter().next();
            segments.push(segment.records);
        }
        let state = heavy(move || {
            for record in segments.into_iter().rev().flatten() {
                state.apply(&record.event);
            }
            state
        })
        .await;
        Ok((state, Some(lost)))
    }

    /// Reads the snapshot that a pointer names.
    pub async fn snapshot(&self, pointer: &Pointer) -> Result<Doc, StoreError> {
        self.snapshot_at(&pointer.snapshot).await
    }

    async fn snapshot_at(&self, key: &str) -> Result<Doc, StoreError> {
        let bytes = self.object(key).await?;
        let decoded = heavy(move || Snapshot::decode(&bytes)).await;
        let snapshot = decoded.map_err(|error| StoreError::undecodable(key, error))?;
        Ok(snapshot.doc)
    }

    /// Reads the history segment under a key.
    pub async fn segment(&self, key: &str) -> Result<Segment, StoreError> {
        let bytes = self.object(key).await?;
        let decoded = heavy(move || Segment::decode(&bytes)).await;
        decoded.map_err(|error| StoreError::undecodable(key, error))
    }

    /// An object that a pointer or segment names, so that it must exist.
    async fn object(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.objects.get(key).await?.ok_or_else(|| StoreError::Damaged {
            what: key.to_owned(),
            reason: "the object is missing, but the catalogue leads to it".to_owned(),
        })
    }

    /// All compacted records up to `pointer`, oldest segment first.
    pub async fn history(&self, pointer: Option<&Pointer>) -> Result<Vec<LogRecord>, StoreError> {
        let mut segments = Vec::new();
        let mut next: Vec<String> = pointer.into_iter().map(|pointer| pointer.segment.clone()).collect();
        while !next.is_empty() {
            // Each names so many before it that a store far away is waited for once, and not for each.
            let reads = next.into_iter().map(|key| async move { self.segment(&key).await }.boxed());
            let read: Vec<Segment> = stream::iter(reads).buffered(SEGMENTS_AHEAD).try_collect().await?;
            next = read.last().map(|oldest| oldest.earlier.clone()).unwrap_or_default();
            segments.extend(read.into_iter().map(|segment| segment.records));
        }
        Ok(segments.into_iter().rev().flatten().collect())
    }

    /// Where the agent's chain ends in the log: after its last event there or, when all of them are
    /// compacted, at its floor. 0 for an agent that never wrote.
    pub async fn chain_end(&self, doc: &DocId, agent: &Agent) -> Result<u64, StoreError> {
        // In this order: what a compaction removes in between lies below a floor published before.
        let last = self.log.last_of(doc, agent, None).await?.map_or(0, |record| record.event.end());
        let floor = self.catalogue.floor(doc, agent).await?.map_or(0, |floor| floor.end);
        Ok(last.max(floor))
    }

    /// Builds the live state's base from the log, unless there is one. Returns what the log held, and
    /// whether the base was stored; `false` also for a document that was never written.
    pub async fn rebuild(&self, doc: &DocId) -> Result<(Replayed, bool), StoreError> {
        let (replayed, kept) = self.replay_and_keep(doc).await?;
        Ok((replayed, kept?))
    }

    /// Rebuilds the live state from the log, whatever it is now. The existing one stays until log and
    /// snapshot are read. `None`, and nothing changes, for a document that was never written.
    pub async fn remake(&self, doc: &DocId) -> Result<Option<Replayed>, StoreError> {
        for _ in 0..OPEN_TRIES {
            let nonce = self.entropy.nonce();
            self.live.begin_rebuild(doc, &nonce).await?;
            let replayed = self.replay_or_end(doc, &nonce).await?;
            if replayed.is_new() {
                return Ok(None);
            }
            let (replayed, base) = self.base_of(replayed).await;
            if self.live.swap_rebuild(doc, &nonce, base).await? {
                return Ok(Some(replayed));
            }
        }
        Err(StoreError::unavailable("the live state", "others keep changing it; try again"))
    }

    /// Replays the log, and tries to store the result as the live state's base: returns whether it was
    /// stored, or why it cannot be kept.
    async fn replay_and_keep(&self, doc: &DocId) -> Result<(Replayed, Result<bool, StoreError>), StoreError> {
        let nonce = self.entropy.nonce();
        if let Err(error) = self.live.begin_rebuild(doc, &nonce).await {
            return Ok((self.replay(doc).await?, Err(error)));
        }
        let replayed = self.replay_or_end(doc, &nonce).await?;
        if replayed.is_new() {
            return Ok((replayed, Ok(false)));
        }
        let (replayed, base) = self.base_of(replayed).await;
        let kept = self.live.commit_rebuild(doc, &nonce, base).await;
        tracing::debug!(%doc, ?kept, events = replayed.records.len(), "rebuilt the live state");
        Ok((replayed, kept))
    }

    /// Replays the log for the rebuild of this nonce, and cancels the rebuild if there is nothing to store.
    async fn replay_or_end(&self, doc: &DocId, nonce: &str) -> Result<Replayed, StoreError> {
        let replayed = self.replay(doc).await;
        // Nothing is left where nothing was: else asking for names would fill the cache.
        if !replayed.as_ref().is_ok_and(|replayed| !replayed.is_new())
            && let Err(error) = self.live.end_rebuild(doc, nonce).await
        {
            tracing::warn!(%doc, %error, "a rebuild's nonce stays until it expires");
        }
        replayed
    }

    /// The base for a replayed log.
    async fn base_of(&self, replayed: Replayed) -> (Replayed, NewBase) {
        let generation = self.entropy.nonce();
        heavy(move || {
            let (waiting, aside_bytes) = waiting::newest(replayed.waiting());
            let state = replayed.doc.encode();
            (replayed, NewBase { generation, state, waiting, aside_bytes })
        })
        .await
    }

    /// Opens a document: from the live state, rebuilt on a miss, or from log and snapshot if the live state
    /// cannot be read or kept. A document that was never written reads as empty, and stays unwritten.
    pub async fn open(&self, doc: &DocId) -> Result<Opened, StoreError> {
        let mut tries = 0;
        loop {
            match self.base(doc).await {
                Ok(Some(opened)) => return Ok(opened),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%doc, %error, "cannot read the live state: reading the log");
                    return Ok(Opened::replayed(self.replay(doc).await?));
                }
            }
            let (replayed, kept) = self.replay_and_keep(doc).await?;
            tries += 1;
            match kept {
                Err(error) => tracing::warn!(%doc, %error, "cannot keep a live state: read the log"),
                Ok(_) if !replayed.is_new() && tries < OPEN_TRIES => continue,
                Ok(_) => {}
            }
            return Ok(Opened::replayed(replayed));
        }
    }

    /// A whole document, opened like that: with all events beyond its base.
    pub async fn read(&self, doc: &DocId) -> Result<Doc, StoreError> {
        let Opened { base, beyond, .. } = self.open(doc).await?;
        let Some(mut state) = self.decode(doc, base).await? else {
            return Ok(self.replay(doc).await?.doc);
        };
        Ok(heavy(move || {
            apply_all(&mut state, &beyond.events);
            state
        })
        .await)
    }

    /// The live state; `None` is a miss. Of its base, the checksum is verified and the version read, which
    /// is all that most answers need ([`Documents::decode`] for the rest).
    pub async fn base(&self, doc: &DocId) -> Result<Option<Opened>, StoreError> {
        let Some(mut live) = self.live.read(doc).await? else { return Ok(None) };
        if planted(Bug::BaseAndTailInTwoSteps)
            && let Some(later) = self.live.read(doc).await?
        {
            live = LiveDoc { base: live.base, ..later };
        }
        self.sound(doc, heavy(move || Opened::live(live)).await).await
    }

    /// Decodes a base. `None`: it was damaged, is dropped, and the next reader rebuilds it.
    pub async fn decode(&self, doc: &DocId, base: Base) -> Result<Option<Doc>, StoreError> {
        self.sound(doc, heavy(move || base.decode()).await).await
    }

    /// What was read of a live base. Of those who use a document, this alone decides what a base is worth: a
    /// damaged one is dropped, whoever met it, and a rebuild makes another.
    async fn sound<T>(&self, doc: &DocId, read: Result<T, DecodeError>) -> Result<Option<T>, StoreError> {
        match read.map_err(|error| undecodable(doc, error)) {
            Ok(read) => Ok(Some(read)),
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(%doc, "{error}: dropping it");
                self.live.drop_doc(doc).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The whole live state, for those who look after documents and do not use them: this changes nothing,
    /// neither an idle document's life nor a damaged base.
    pub async fn peek(&self, doc: &DocId) -> Result<Peeked, StoreError> {
        let Some(live) = self.live.peek(doc).await? else { return Ok(Peeked::Missing) };
        let name = doc.clone();
        let peeked = heavy(move || {
            let state = assemble(&name, &live)?;
            Ok(Peeked::Sound { live: Box::new(live), state: Box::new(state) })
        });
        match peeked.await {
            Err(error @ StoreError::Damaged { .. }) => Ok(Peeked::Damaged(error.to_string())),
            peeked => peeked,
        }
    }

    /// Folds the tail into the base; `None` if somebody else does it first, or the base is damaged, and is
    /// dropped for that.
    pub async fn fold(&self, doc: &DocId) -> Result<Option<Folded>, StoreError> {
        let Some(live) = self.live.read(doc).await? else { return Ok(None) };
        let generation = self.entropy.nonce();
        let (tag, cursor) = (live.tag.clone(), live.cursor.clone());
        let folded = heavy(move || {
            let LiveDoc { base, events, aside_bytes, .. } = live;
            let before = base.len() as u64 + waiting::bytes_of(&events) + aside_bytes;
            let mut state = Doc::decode(&base)?;
            drop(base);
            apply_all(&mut state, &events);
            let known = events.iter().map(|logged| (&logged.event, logged.at, &logged.author));
            let (waiting, newly_aside) = waiting::newest(waiting::logged(&state, known));
            let (state, aside_bytes) = (state.encode(), aside_bytes + newly_aside);
            let bytes = state.len() as u64 + waiting::bytes_of(&waiting) + aside_bytes;
            let base = NewBase { generation, state, waiting, aside_bytes };
            Ok((base, Folded { before, bytes, aside_bytes }))
        });
        let Some((base, folded)) = self.sound(doc, folded.await).await? else { return Ok(None) };
        let swapped = self.live.fold(doc, &tag, &cursor, base).await?;
        tracing::debug!(%doc, swapped, ?folded, "folded the tail");
        Ok(swapped.then_some(folded))
    }
}

/// The document of a live state: its base with all events beyond it.
pub fn assemble(doc: &DocId, live: &LiveDoc) -> Result<Doc, StoreError> {
    let mut state = Doc::decode(&live.base).map_err(|error| undecodable(doc, error))?;
    apply_all(&mut state, &live.events);
    Ok(state)
}

fn apply_all(state: &mut Doc, events: &[LoggedEvent]) {
    for logged in events {
        state.apply(&logged.event);
    }
}

fn undecodable(doc: &DocId, error: DecodeError) -> StoreError {
    StoreError::undecodable(format!("the live base of {doc}"), error)
}
