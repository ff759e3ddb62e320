//! Each store's methods, handed on through [`Tapped::pass`].

use async_trait::async_trait;
use inklog_crdt::Agent;
use inklog_protocol::{DocId, LoggedEvent, UserName};

use super::Operation::{self, *};
use super::measure::Measured;
use super::{Call, Tapped};
use crate::catalogue::{DirtyDoc, DocEntry, DocSize, Floor, Pointer, Revocation};
use crate::connections::{Holder, PresenceEntry, Registration};
use crate::keys::objects::doc_of;
use crate::live::{BaseTag, Cursor, LiveDoc, NewBase, TailStatus};
use crate::log::{Appended, LogItem};
use crate::{
    Catalogue, ConnectionId, Connections, LiveState, LogRecord, Objects, OpLog, Presence, Push, PushError,
    Revocations, StoreError,
};

/// A call about a document.
fn on(operation: Operation, doc: &DocId) -> Call<'_> {
    Call { operation, doc: Some(doc), key: "", bytes: 0 }
}

/// A call about an object, a connection, a user, or all documents.
fn about(operation: Operation, key: &str) -> Call<'_> {
    Call { operation, doc: None, key, bytes: 0 }
}

impl<'a> Call<'a> {
    fn key(self, key: &'a str) -> Call<'a> {
        Call { key, ..self }
    }

    fn with(self, handed_in: &(impl Measured + ?Sized)) -> Call<'a> {
        Call { bytes: self.bytes + handed_in.bytes(), ..self }
    }
}

#[async_trait]
impl<S: OpLog + ?Sized> OpLog for Tapped<S> {
    async fn append(&self, doc: &DocId, record: &LogRecord) -> Result<Appended, StoreError> {
        self.pass(on(LogAppend, doc).with(record), self.inner.append(doc, record)).await
    }

    async fn last_of(
        &self,
        doc: &DocId,
        agent: &Agent,
        at_most: Option<u64>,
    ) -> Result<Option<LogRecord>, StoreError> {
        self.pass(on(LogLastOf, doc).with(agent), self.inner.last_of(doc, agent, at_most)).await
    }

    async fn read(&self, doc: &DocId) -> Result<Vec<LogItem>, StoreError> {
        self.pass(on(LogRead, doc), self.inner.read(doc)).await
    }

    async fn delete(&self, doc: &DocId, places: &[(Agent, u64)]) -> Result<(), StoreError> {
        self.pass(on(LogDelete, doc).with(places), self.inner.delete(doc, places)).await
    }
}

#[async_trait]
impl<S: Catalogue + ?Sized> Catalogue for Tapped<S> {
    async fn entry(&self, doc: &DocId) -> Result<Option<DocEntry>, StoreError> {
        self.pass(on(CatalogueEntry, doc), self.inner.entry(doc)).await
    }

    async fn mark_dirty(&self, doc: &DocId, at: u64, nonce: &str) -> Result<(), StoreError> {
        let call = on(CatalogueMarkDirty, doc).with(&at).with(nonce);
        self.pass(call, self.inner.mark_dirty(doc, at, nonce)).await
    }

    async fn clear_dirty(&self, doc: &DocId, nonce: &str) -> Result<bool, StoreError> {
        self.pass(on(CatalogueClearDirty, doc).with(nonce), self.inner.clear_dirty(doc, nonce)).await
    }

    async fn dirty_after(&self, start: Option<&DirtyDoc>, limit: usize) -> Result<Vec<DirtyDoc>, StoreError> {
        self.pass(about(CatalogueDirtyAfter, ""), self.inner.dirty_after(start, limit)).await
    }

    async fn move_back(&self, doc: &DocId, at: u64) -> Result<(), StoreError> {
        self.pass(on(CatalogueMoveBack, doc).with(&at), self.inner.move_back(doc, at)).await
    }

    async fn sweep_place(&self) -> Result<Option<DocId>, StoreError> {
        self.pass(about(CatalogueSweepPlace, ""), self.inner.sweep_place()).await
    }

    async fn keep_sweep_place(&self, after: Option<&DocId>) -> Result<(), StoreError> {
        let call = about(CatalogueKeepSweepPlace, "").with(after.map_or("", DocId::as_str));
        self.pass(call, self.inner.keep_sweep_place(after)).await
    }

    async fn docs(
        &self,
        start: Option<&DocId>,
        limit: usize,
    ) -> Result<(Vec<DocEntry>, Option<DocId>), StoreError> {
        self.pass(about(CatalogueDocs, ""), self.inner.docs(start, limit)).await
    }

    async fn size(&self, doc: &DocId) -> Result<Option<u64>, StoreError> {
        self.pass(on(CatalogueSize, doc), self.inner.size(doc)).await
    }

    async fn note_size(&self, doc: &DocId, size: DocSize) -> Result<(), StoreError> {
        self.pass(on(CatalogueNoteSize, doc).with(&size), self.inner.note_size(doc, size)).await
    }

    async fn move_pointer(
        &self,
        doc: &DocId,
        old: Option<&Pointer>,
        new: &Pointer,
    ) -> Result<bool, StoreError> {
        self.pass(on(CatalogueMovePointer, doc).with(new), self.inner.move_pointer(doc, old, new)).await
    }

    async fn floor(&self, doc: &DocId, agent: &Agent) -> Result<Option<Floor>, StoreError> {
        self.pass(on(CatalogueFloor, doc).with(agent), self.inner.floor(doc, agent)).await
    }

    async fn floors(&self, doc: &DocId) -> Result<Vec<(Agent, Floor)>, StoreError> {
        self.pass(on(CatalogueFloors, doc), self.inner.floors(doc)).await
    }

    async fn publish_floor(&self, doc: &DocId, agent: &Agent, floor: Floor) -> Result<(), StoreError> {
        let call = on(CataloguePublishFloor, doc).with(agent).with(&floor);
        self.pass(call, self.inner.publish_floor(doc, agent, floor)).await
    }
}

#[async_trait]
impl<S: Revocations + ?Sized> Revocations for Tapped<S> {
    async fn revoke(&self, user: &UserName, revocation: &Revocation, now_s: u64) -> Result<(), StoreError> {
        let call = about(RevocationsRevoke, user.as_str()).with(user).with(revocation);
        let call = Call { doc: revocation.doc.as_ref(), ..call };
        self.pass(call, self.inner.revoke(user, revocation, now_s)).await
    }

    async fn of(&self, user: &UserName, now_s: u64) -> Result<Vec<Revocation>, StoreError> {
        let call = about(RevocationsOf, user.as_str()).with(user);
        self.pass(call, self.inner.of(user, now_s)).await
    }
}

#[async_trait]
impl<S: Objects + ?Sized> Objects for Tapped<S> {
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let doc = doc_of(key);
        let call = Call { doc: doc.as_ref(), ..about(ObjectsPut, key).with(&bytes) };
        self.pass(call, self.inner.put(key, bytes)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let doc = doc_of(key);
        let call = Call { doc: doc.as_ref(), ..about(ObjectsGet, key) };
        self.pass(call, self.inner.get(key)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let doc = doc_of(key);
        let call = Call { doc: doc.as_ref(), ..about(ObjectsDelete, key) };
        self.pass(call, self.inner.delete(key)).await
    }
}

#[async_trait]
impl<S: LiveState + ?Sized> LiveState for Tapped<S> {
    async fn append(
        &self,
        doc: &DocId,
        events: &[LoggedEvent],
        fresh_tail: &str,
    ) -> Result<TailStatus, StoreError> {
        self.pass(on(LiveAppend, doc).with(events), self.inner.append(doc, events, fresh_tail)).await
    }

    async fn read(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError> {
        self.pass(on(LiveRead, doc), self.inner.read(doc)).await
    }

    async fn peek(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError> {
        self.pass(on(LivePeek, doc), self.inner.peek(doc)).await
    }

    async fn since(
        &self,
        doc: &DocId,
        cursor: &Cursor,
    ) -> Result<Option<(Vec<LoggedEvent>, Cursor)>, StoreError> {
        self.pass(on(LiveSince, doc).with(cursor), self.inner.since(doc, cursor)).await
    }

    async fn fold(
        &self,
        doc: &DocId,
        read: &BaseTag,
        folded_to: &Cursor,
        base: NewBase,
    ) -> Result<bool, StoreError> {
        let call = on(LiveFold, doc).with(read).with(folded_to).with(&base);
        self.pass(call, self.inner.fold(doc, read, folded_to, base)).await
    }

    async fn begin_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError> {
        self.pass(on(LiveBeginRebuild, doc).with(nonce), self.inner.begin_rebuild(doc, nonce)).await
    }

    async fn commit_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError> {
        let call = on(LiveCommitRebuild, doc).with(nonce).with(&base);
        self.pass(call, self.inner.commit_rebuild(doc, nonce, base)).await
    }

    async fn swap_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError> {
        let call = on(LiveSwapRebuild, doc).with(nonce).with(&base);
        self.pass(call, self.inner.swap_rebuild(doc, nonce, base)).await
    }

    async fn end_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError> {
        self.pass(on(LiveEndRebuild, doc).with(nonce), self.inner.end_rebuild(doc, nonce)).await
    }

    async fn drop_doc(&self, doc: &DocId) -> Result<(), StoreError> {
        self.pass(on(LiveDropDoc, doc), self.inner.drop_doc(doc)).await
    }
}

#[async_trait]
impl<S: Connections + ?Sized> Connections for Tapped<S> {
    async fn register(
        &self,
        doc: &DocId,
        connection: &str,
        holder: Option<&Holder>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let call = on(ConnectionsRegister, doc).key(connection).with(connection);
        let call = holder.map_or(call, |holder| call.with(holder));
        self.pass(call, self.inner.register(doc, connection, holder, now_ms)).await
    }

    async fn list(&self, doc: &DocId, now_ms: u64) -> Result<Vec<ConnectionId>, StoreError> {
        self.pass(on(ConnectionsList, doc), self.inner.list(doc, now_ms)).await
    }

    async fn registrations(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Registration>, StoreError> {
        self.pass(on(ConnectionsRegistrations, doc), self.inner.registrations(doc, now_ms)).await
    }

    async fn of_user(&self, user: &UserName, now_ms: u64) -> Result<Vec<(DocId, ConnectionId)>, StoreError> {
        let call = about(ConnectionsOfUser, user.as_str()).with(user);
        self.pass(call, self.inner.of_user(user, now_ms)).await
    }

    async fn is_registered(&self, doc: &DocId, connection: &str, now_ms: u64) -> Result<bool, StoreError> {
        let call = on(ConnectionsIsRegistered, doc).key(connection).with(connection);
        self.pass(call, self.inner.is_registered(doc, connection, now_ms)).await
    }

    async fn remove(&self, doc: &DocId, connection: &str) -> Result<(), StoreError> {
        let call = on(ConnectionsRemove, doc).key(connection).with(connection);
        self.pass(call, self.inner.remove(doc, connection)).await
    }

    async fn docs_of(&self, connection: &str) -> Result<Vec<DocId>, StoreError> {
        let call = about(ConnectionsDocsOf, connection).with(connection);
        self.pass(call, self.inner.docs_of(connection)).await
    }
}

#[async_trait]
impl<S: Presence + ?Sized> Presence for Tapped<S> {
    async fn set(
        &self,
        doc: &DocId,
        entry: &PresenceEntry,
        token_ends: Option<u64>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let call = on(PresenceSet, doc).key(&entry.connection).with(entry);
        self.pass(call, self.inner.set(doc, entry, token_ends, now_ms)).await
    }

    async fn clear(
        &self,
        doc: &DocId,
        connection: &str,
        agent: Option<&Agent>,
    ) -> Result<Vec<Agent>, StoreError> {
        let call = on(PresenceClear, doc).key(connection).with(connection);
        self.pass(call, self.inner.clear(doc, connection, agent)).await
    }

    async fn all(&self, doc: &DocId, now_ms: u64) -> Result<Vec<PresenceEntry>, StoreError> {
        self.pass(on(PresenceAll, doc), self.inner.all(doc, now_ms)).await
    }

    async fn take_expired(&self, doc: &DocId, now_ms: u64) -> Result<Vec<Agent>, StoreError> {
        self.pass(on(PresenceTakeExpired, doc), self.inner.take_expired(doc, now_ms)).await
    }
}

#[async_trait]
impl<S: Push + ?Sized> Push for Tapped<S> {
    async fn post(&self, connection: &str, message: &str) -> Result<(), PushError> {
        self.pass(about(PushPost, connection).with(message), self.inner.post(connection, message)).await
    }

    async fn close(&self, connection: &str) -> Result<(), PushError> {
        self.pass(about(PushClose, connection), self.inner.close(connection)).await
    }
}
