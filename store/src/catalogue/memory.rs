//! The catalogue in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_crdt::planted::{Bug, planted};
use inklog_protocol::{DocId, UserName};

use super::{
    Catalogue, DirtyDoc, DirtyMark, DocEntry, DocSize, FLOORS_KEPT, Floor, Pointer, Revocation, Revocations,
};
use crate::StoreError;

/// The catalogue of all documents in this process.
#[derive(Default)]
pub struct MemoryCatalogue {
    // No method awaits anything while it holds this: each is one atomic step.
    state: Mutex<State>,
    /// What may lag is read from here while it does.
    behind: Mutex<Option<State>>,
}

/// A catalogue at a moment.
#[derive(Clone)]
pub struct Backup(State);

#[derive(Clone, Default)]
struct State {
    entries: BTreeMap<DocId, DocEntry>,
    /// Each agent's, ascending.
    floors: BTreeMap<DocId, BTreeMap<Agent, Vec<Floor>>>,
    sweep_after: Option<DocId>,
    /// When, by what.
    revocations: BTreeMap<UserName, BTreeMap<Option<DocId>, u64>>,
}

impl MemoryCatalogue {
    /// No documents yet.
    pub fn new() -> MemoryCatalogue {
        MemoryCatalogue::default()
    }

    /// A copy of the catalogue, as a backup has it.
    pub fn backup(&self) -> Backup {
        Backup(self.lock().clone())
    }

    /// Becomes one that was restored from a backup.
    pub fn restore(&self, backup: Backup) {
        self.lag(false);
        *self.lock() = backup.0;
    }

    /// From now on, what may lag ([`Catalogue`]) answers as of this moment, or up to date again.
    pub fn lag(&self, lags: bool) {
        let behind = lags.then(|| self.lock().clone());
        *self.behind.lock().unwrap_or_else(PoisonError::into_inner) = behind;
    }

    /// Reads what may lag.
    fn lagging<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        match &*self.behind.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(behind) => read(behind),
            None => read(&self.lock()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The document's entry, made at `at` if need be.
    fn entry(&mut self, doc: &DocId, at: u64) -> &mut DocEntry {
        self.entries.entry(doc.clone()).or_insert_with(|| DocEntry {
            doc: doc.clone(),
            created: at,
            last_edit: at,
            pointer: None,
            dirty: None,
            size: None,
            damaged: None,
        })
    }
}

#[async_trait]
impl Catalogue for MemoryCatalogue {
    async fn entry(&self, doc: &DocId) -> Result<Option<DocEntry>, StoreError> {
        Ok(self.lock().entries.get(doc).cloned())
    }

    async fn mark_dirty(&self, doc: &DocId, at: u64, nonce: &str) -> Result<(), StoreError> {
        let mut state = self.lock();
        let entry = state.entry(doc, at);
        entry.last_edit = at;
        let since = entry.dirty.as_ref().map_or(at, |mark| mark.since);
        entry.dirty = Some(DirtyMark { since, nonce: nonce.to_owned() });
        Ok(())
    }

    async fn clear_dirty(&self, doc: &DocId, nonce: &str) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let mark = state.entries.get_mut(doc).map(|entry| &mut entry.dirty);
        let goes = |mark: &mut DirtyMark| mark.nonce == nonce || planted(Bug::MarkGoesWithoutNonce);
        let cleared = mark.and_then(|dirty| dirty.take_if(goes));
        Ok(cleared.is_some())
    }

    async fn dirty_after(&self, start: Option<&DirtyDoc>, limit: usize) -> Result<Vec<DirtyDoc>, StoreError> {
        let of =
            |entry: &DocEntry| Some(DirtyDoc { doc: entry.doc.clone(), since: entry.dirty.as_ref()?.since });
        let mut dirty: Vec<DirtyDoc> = self.lagging(|state| state.entries.values().filter_map(of).collect());
        dirty.retain(|dirty| start.is_none_or(|start| (dirty.since, &dirty.doc) > (start.since, &start.doc)));
        dirty.sort_by(|a, b| (a.since, &a.doc).cmp(&(b.since, &b.doc)));
        dirty.truncate(limit.clamp(1, 1_000));
        Ok(dirty)
    }

    async fn move_back(&self, doc: &DocId, at: u64) -> Result<(), StoreError> {
        if let Some(mark) = self.lock().entries.get_mut(doc).and_then(|entry| entry.dirty.as_mut()) {
            mark.since = at;
        }
        Ok(())
    }

    async fn sweep_place(&self) -> Result<Option<DocId>, StoreError> {
        Ok(self.lock().sweep_after.clone())
    }

    async fn keep_sweep_place(&self, after: Option<&DocId>) -> Result<(), StoreError> {
        self.lock().sweep_after = after.cloned();
        Ok(())
    }

    async fn docs(
        &self,
        start: Option<&DocId>,
        limit: usize,
    ) -> Result<(Vec<DocEntry>, Option<DocId>), StoreError> {
        let from = start.map_or(Bound::Unbounded, Bound::Excluded);
        self.lagging(|state| {
            let mut rest = state.entries.range((from, Bound::Unbounded)).map(|(_, entry)| entry.clone());
            let page: Vec<DocEntry> = rest.by_ref().take(limit).collect();
            let next = rest.next().and(page.last()).map(|entry| entry.doc.clone());
            Ok((page, next))
        })
    }

    async fn size(&self, doc: &DocId) -> Result<Option<u64>, StoreError> {
        let of = |entry: &DocEntry| entry.size.map_or(0, |size| size.bytes);
        Ok(self.lagging(|state| state.entries.get(doc).map(of)))
    }

    async fn note_size(&self, doc: &DocId, size: DocSize) -> Result<(), StoreError> {
        let mut state = self.lock();
        let noted = &mut state.entry(doc, size.at).size;
        if noted.is_none_or(|noted| noted.at <= size.at) {
            *noted = Some(size);
        }
        Ok(())
    }

    async fn move_pointer(
        &self,
        doc: &DocId,
        old: Option<&Pointer>,
        new: &Pointer,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let current = state.entries.get(doc).and_then(|entry| entry.pointer.as_ref());
        if current != old && !planted(Bug::PointerMovesAnyway) {
            return Ok(false);
        }
        state.entry(doc, new.at).pointer = Some(new.clone());
        Ok(true)
    }

    async fn floor(&self, doc: &DocId, agent: &Agent) -> Result<Option<Floor>, StoreError> {
        let state = self.lock();
        let floors = state.floors.get(doc).and_then(|agents| agents.get(agent));
        Ok(floors.and_then(|floors| floors.last()).copied())
    }

    async fn floors(&self, doc: &DocId) -> Result<Vec<(Agent, Floor)>, StoreError> {
        let state = self.lock();
        let agents = state.floors.get(doc).into_iter().flatten();
        Ok(agents.flat_map(|(agent, floors)| floors.iter().map(|floor| (agent.clone(), *floor))).collect())
    }

    async fn publish_floor(&self, doc: &DocId, agent: &Agent, floor: Floor) -> Result<(), StoreError> {
        let mut state = self.lock();
        let floors = state.floors.entry(doc.clone()).or_default().entry(agent.clone()).or_default();
        if floors.last().is_none_or(|newest| newest.end < floor.end) {
            floors.push(floor);
            let surplus = floors.len().saturating_sub(FLOORS_KEPT + 1);
            floors.drain(..surplus);
        }
        Ok(())
    }
}

#[async_trait]
impl Revocations for MemoryCatalogue {
    async fn revoke(&self, user: &UserName, revocation: &Revocation, now_s: u64) -> Result<(), StoreError> {
        let mut state = self.lock();
        let of_user = state.revocations.entry(user.clone()).or_default();
        let at = of_user.entry(revocation.doc.clone()).or_default();
        *at = (*at).max(revocation.at);
        of_user.retain(|doc, at| Revocation { doc: doc.clone(), at: *at }.holds(now_s));
        Ok(())
    }

    async fn of(&self, user: &UserName, now_s: u64) -> Result<Vec<Revocation>, StoreError> {
        let state = self.lock();
        let of_user = state.revocations.get(user).into_iter().flatten();
        let all = of_user.map(|(doc, at)| Revocation { doc: doc.clone(), at: *at });
        Ok(all.filter(|revocation| revocation.holds(now_s)).collect())
    }
}
