//! The live state in memory, for `inklog dev` and for tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use inklog_crdt::planted::{Bug, planted};
use inklog_protocol::limits::{LIVE_STATE_TTL, TAIL_KEPT_BYTES};
use inklog_protocol::{DocId, LoggedEvent};

use super::waiting::bytes_of as waiting_bytes;
use super::{BaseTag, Cursor, LiveDoc, LiveState, NewBase, TailStatus};
use crate::{Clock, StoreError, logged_len};

/// The live state of all documents in this process. Expiry follows the given clock.
pub struct MemoryLiveState {
    clock: Arc<dyn Clock>,
    // No method awaits anything while it holds this: each is one atomic step.
    docs: Mutex<BTreeMap<DocId, Document>>,
    /// Which process this is, counted from 0.
    process: AtomicU64,
}

/// What a Redis had saved at a moment, and starts from again.
#[derive(Clone, Default)]
pub struct Dump(BTreeMap<DocId, Document>);

#[derive(Clone)]
struct Document {
    /// The process that wrote it: another one may lack what came later.
    process: u64,
    tail: String,
    /// Offset of the first of `events`.
    first: u64,
    events: VecDeque<Entry>,
    base: Option<NewBase>,
    /// Bytes of the base's waiting events, as stored in Redis.
    waiting_bytes: u64,
    /// Offset up to which the base has taken in the tail.
    folded: u64,
    /// Bytes of the events before and from `folded` on: together all of the tail.
    kept: u64,
    unfolded: u64,
    /// The rebuild under way.
    nonce: Option<String>,
    expires_ms: u64,
}

#[derive(Clone)]
struct Entry {
    event: LoggedEvent,
    /// As stored in Redis, so that both implementations fold and trim alike.
    bytes: u64,
}

impl Document {
    fn new(process: u64, tail: &str) -> Document {
        Document {
            process,
            tail: tail.to_owned(),
            first: 0,
            events: VecDeque::new(),
            base: None,
            waiting_bytes: 0,
            folded: 0,
            kept: 0,
            unfolded: 0,
            nonce: None,
            expires_ms: 0,
        }
    }

    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    fn cursor(&self, offset: u64) -> Cursor {
        Cursor { tail: self.tail.clone(), offset }
    }

    fn from(&self, offset: u64) -> impl Iterator<Item = &Entry> {
        self.events.range((offset - self.first) as usize..)
    }

    fn tag(&self) -> Option<BaseTag> {
        let base = self.base.as_ref()?;
        Some(BaseTag { generation: base.generation.clone(), folded: self.cursor(self.folded) })
    }

    fn live(&self) -> Option<LiveDoc> {
        let base = self.base.as_ref()?;
        let tail = self.from(self.folded).map(|entry| entry.event.clone());
        Some(LiveDoc {
            tag: self.tag()?,
            base: base.state.clone(),
            events: base.waiting.iter().cloned().chain(tail).collect(),
            aside_bytes: base.aside_bytes,
            cursor: self.cursor(self.next()),
        })
    }

    /// Puts in the base of the rebuild of this nonce, `over` one that is there or only where there is
    /// none.
    fn commit(&mut self, nonce: &str, base: NewBase, over: bool) -> Option<()> {
        if self.has(&base) {
            return Some(());
        }
        let stands = self.nonce.as_deref() == Some(nonce) || planted(Bug::RebuildNeedsNoNonce);
        if !stands || (self.base.is_some() && !over) {
            return None;
        }
        self.put(base);
        self.folded = if planted(Bug::RebuildTakesAllOfTail) { self.next() } else { self.first };
        self.unfolded += self.kept;
        self.kept = 0;
        self.nonce = None;
        Some(())
    }

    fn put(&mut self, base: NewBase) {
        self.waiting_bytes = waiting_bytes(&base.waiting);
        self.base = Some(base);
    }

    /// Whether the base is this very one, put in by a call whose answer was lost.
    fn has(&self, base: &NewBase) -> bool {
        self.base.as_ref().is_some_and(|current| current.generation == base.generation)
    }

    /// Removes folded events from the head until few enough are kept.
    fn trim(&mut self) {
        while self.kept > TAIL_KEPT_BYTES as u64 && self.first < self.folded {
            let Some(entry) = self.events.pop_front() else { break };
            self.first += 1;
            self.kept -= entry.bytes;
        }
    }
}

impl MemoryLiveState {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> MemoryLiveState {
        MemoryLiveState { clock, docs: Mutex::default(), process: AtomicU64::default() }
    }

    /// Forgets all documents, like a Redis that is flushed or lost.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What would be there after a crash.
    pub fn dump(&self) -> Dump {
        Dump(self.lock().clone())
    }

    /// Starts again as another process, with what a dump has.
    pub fn restart(&self, dump: Dump) {
        self.process.fetch_add(1, Ordering::Relaxed);
        *self.lock() = dump.0;
    }

    /// The end of a document's tail.
    pub fn tail_end(&self, doc: &DocId) -> Option<Cursor> {
        self.lock().get(doc).map(|document| document.cursor(document.next()))
    }

    /// Evicts a document's base, and keeps its tail.
    pub fn evict_base(&self, doc: &DocId) {
        if let Some(document) = self.lock().get_mut(doc) {
            document.base = None;
        }
    }

    /// Changes the bytes of a document's base; `false`: there is none.
    pub fn alter_base(&self, doc: &DocId, alter: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut docs = self.lock();
        let base = docs.get_mut(doc).and_then(|document| document.base.as_mut());
        base.map(|base| alter(&mut base.state)).is_some()
    }

    /// Bytes that are kept of a document: its base, what waits beside it, and its tail.
    pub fn bytes(&self, doc: &DocId) -> u64 {
        let base = |document: &Document| document.base.as_ref().map_or(0, |base| base.state.len() as u64);
        let all =
            |document: &Document| base(document) + document.waiting_bytes + document.kept + document.unfolded;
        self.lock().get(doc).map_or(0, all)
    }

    fn is_usable(&self, document: &Document, now_ms: u64) -> bool {
        let is_of_this_process = document.process == self.process.load(Ordering::Relaxed);
        (is_of_this_process || planted(Bug::BaseOutlivesItsRedis)) && now_ms < document.expires_ms
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DocId, Document>> {
        self.docs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a step on the document, which lives on if the step has used it.
    fn on<T>(&self, doc: &DocId, step: impl FnOnce(&mut Document) -> Option<T>) -> Option<T> {
        let now_ms = self.clock.now_ms();
        let mut docs = self.lock();
        let document = docs.get_mut(doc).filter(|document| self.is_usable(document, now_ms))?;
        let answer = step(document)?;
        document.expires_ms = now_ms + LIVE_STATE_TTL.as_millis() as u64;
        Some(answer)
    }

    /// [`MemoryLiveState::on`], after beginning the document if there is none.
    fn on_some<T>(&self, doc: &DocId, tail: &str, step: impl FnOnce(&mut Document) -> T) -> T {
        let now_ms = self.clock.now_ms();
        let mut docs = self.lock();
        if docs.get(doc).is_none_or(|document| !self.is_usable(document, now_ms)) {
            // Rare enough to look for others that have expired.
            docs.retain(|_, document| self.is_usable(document, now_ms));
            docs.insert(doc.clone(), Document::new(self.process.load(Ordering::Relaxed), tail));
        }
        let document = docs.get_mut(doc).expect("it was put there");
        document.expires_ms = now_ms + LIVE_STATE_TTL.as_millis() as u64;
        step(document)
    }
}

#[async_trait]
impl LiveState for MemoryLiveState {
    async fn append(
        &self,
        doc: &DocId,
        events: &[LoggedEvent],
        fresh_tail: &str,
    ) -> Result<TailStatus, StoreError> {
        let entry = |event: &LoggedEvent| {
            let bytes = logged_len(event) as u64;
            Entry { event: event.clone(), bytes }
        };
        let entries: Vec<Entry> = events.iter().map(entry).collect();
        Ok(self.on_some(doc, fresh_tail, |document| {
            if document.base.is_some() || !planted(Bug::AppendNeedsBase) {
                document.unfolded += entries.iter().map(|entry| entry.bytes).sum::<u64>();
                document.events.extend(entries);
            }
            TailStatus {
                has_base: document.base.is_some(),
                base_bytes: document.base.as_ref().map_or(0, |base| base.state.len() as u64),
                waiting_bytes: document.waiting_bytes,
                aside_bytes: document.base.as_ref().map_or(0, |base| base.aside_bytes),
                unfolded_bytes: document.unfolded,
            }
        }))
    }

    async fn read(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError> {
        Ok(self.on(doc, |document| document.live()))
    }

    async fn peek(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError> {
        let now_ms = self.clock.now_ms();
        let docs = self.lock();
        Ok(docs.get(doc).filter(|document| self.is_usable(document, now_ms)).and_then(Document::live))
    }

    async fn since(
        &self,
        doc: &DocId,
        cursor: &Cursor,
    ) -> Result<Option<(Vec<LoggedEvent>, Cursor)>, StoreError> {
        Ok(self.on(doc, |document| {
            let kept = document.first..=document.next();
            if cursor.tail != document.tail || !kept.contains(&cursor.offset) {
                return None;
            }
            let events = document.from(cursor.offset).map(|entry| entry.event.clone()).collect();
            Some((events, document.cursor(document.next())))
        }))
    }

    async fn fold(
        &self,
        doc: &DocId,
        read: &BaseTag,
        folded_to: &Cursor,
        base: NewBase,
    ) -> Result<bool, StoreError> {
        let folded = self.on(doc, |document| {
            if document.has(&base) {
                return Some(());
            }
            let takes_in = document.folded..=document.next();
            let current = document.tag().as_ref() == Some(read) && folded_to.tail == document.tail;
            if !current || !takes_in.contains(&folded_to.offset) {
                return planted(Bug::FoldIgnoresTag).then(|| {
                    document.put(base);
                    document.folded = document.next();
                });
            }
            let unfolded = document.from(folded_to.offset).map(|entry| entry.bytes).sum();
            document.kept += document.unfolded - unfolded;
            document.unfolded = unfolded;
            let takes_all = planted(Bug::FoldTakesAllOfTail);
            document.folded = if takes_all { document.next() } else { folded_to.offset };
            document.put(base);
            // A rebuild that reads the log now would miss what this fold trims.
            document.nonce = None;
            document.trim();
            Some(())
        });
        Ok(folded.is_some())
    }

    async fn begin_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError> {
        self.on_some(doc, nonce, |document| document.nonce = Some(nonce.to_owned()));
        Ok(())
    }

    async fn commit_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError> {
        Ok(self.on(doc, |document| document.commit(nonce, base, false)).is_some())
    }

    async fn swap_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError> {
        Ok(self.on(doc, |document| document.commit(nonce, base, true)).is_some())
    }

    async fn end_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError> {
        let mut docs = self.lock();
        if let Some(document) = docs.get_mut(doc)
            && document.nonce.as_deref() == Some(nonce)
        {
            document.nonce = None;
            if document.base.is_none() && document.events.is_empty() {
                docs.remove(doc);
            }
        }
        Ok(())
    }

    async fn drop_doc(&self, doc: &DocId) -> Result<(), StoreError> {
        self.lock().remove(doc);
        Ok(())
    }
}
