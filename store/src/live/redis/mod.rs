//! The live state in Redis. Every method is one script, which is Redis's atomic step; only the
//! pieces of a new base are written before that, under names of their own.
//!
//! The scripts and the fields of a document's record are explained in `scripts/prelude.lua`, the
//! keys in `keys/redis.rs`.

use std::sync::LazyLock;
use std::time::Duration;

use ::redis::{Script, ScriptInvocation};
use async_trait::async_trait;
use inklog_crdt::{DecodeError, MAX_SEQ};
use inklog_protocol::limits::{BASE_PIECE_BYTES_MAX, LIVE_STATE_TTL, TAIL_KEPT_BYTES};
use inklog_protocol::{DocId, LoggedEvent};

use super::{BaseTag, Cursor, LiveDoc, LiveState, NewBase, TailStatus, waiting};
use crate::keys::redis::{self as keys, Deployment};
use crate::{RedisClient, StoreError, decode_logged, encode_logged};

/// Pieces of a base that no swap has used expire after this, and so does the nonce of an unfinished
/// rebuild.
const LOOSE_PIECE_TTL: Duration = Duration::from_secs(10 * 60);

macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                include_str!("scripts/prelude.lua"),
                include_str!(concat!("scripts/", $name))
            ))
        })
    };
}

static APPEND: LazyLock<Script> = script!("append.lua");
static READ: LazyLock<Script> = script!("read.lua");
static SINCE: LazyLock<Script> = script!("since.lua");
static FOLD: LazyLock<Script> = script!("fold.lua");
static BEGIN_REBUILD: LazyLock<Script> = script!("begin_rebuild.lua");
static COMMIT_REBUILD: LazyLock<Script> = script!("commit_rebuild.lua");
static END_REBUILD: LazyLock<Script> = script!("end_rebuild.lua");
static DROP_DOC: LazyLock<Script> = script!("drop_doc.lua");

/// The answer of `read.lua`: generation, tail, folded, next, bytes of the state, bytes set aside, pieces,
/// events.
type ReadReply = (String, String, u64, u64, usize, u64, Vec<Vec<u8>>, Vec<Vec<u8>>);
/// The answer of `append.lua`: bytes not folded and, with a base, bytes of its state, of the
/// waiting events that it carries, and of those set aside.
type AppendReply = (u64, Option<(u64, u64, u64)>);

/// The live state in a Redis, derived from one log.
#[derive(Clone)]
pub struct RedisLiveState {
    client: RedisClient,
    log_name: String,
    deployment: Deployment,
}

impl RedisLiveState {
    /// Live state derived from the log of this name; what another log has left in the same Redis is never
    /// served.
    pub fn new(client: RedisClient, log_name: impl Into<String>) -> RedisLiveState {
        let log_name = log_name.into();
        let deployment = Deployment::new(&log_name);
        RedisLiveState { client, log_name, deployment }
    }

    /// [`RedisLiveState::new`] on a connection of its own; the server must respond.
    pub async fn connect(url: &str, log_name: impl Into<String>) -> Result<RedisLiveState, StoreError> {
        Ok(RedisLiveState::new(RedisClient::connect(url).await?, log_name))
    }

    fn call<'a>(&self, script: &'a Script, doc: &DocId) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(keys::record(&self.deployment, doc)).key(keys::tail(&self.deployment, doc));
        call.arg(&self.log_name).arg(LIVE_STATE_TTL.as_millis() as u64);
        call
    }

    /// Writes the new base's pieces and runs the script that swaps them in. If that fails, the pieces are
    /// deleted: they would take up others' room.
    async fn put_in(
        &self,
        doc: &DocId,
        mut call: ScriptInvocation<'_>,
        base: NewBase,
        name: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<bool, StoreError> {
        let mut bytes = base.state;
        let state_len = bytes.len();
        waiting::write(&base.waiting, &mut bytes);
        let pieces = bytes.chunks(BASE_PIECE_BYTES_MAX);
        let count = pieces.len();
        if count > 1 {
            self.client.check_room(bytes.len() as u64).await?;
        }
        call.arg(&base.generation).arg(count).arg(bytes.len()).arg(state_len).arg(base.aside_bytes);
        name(&mut call);
        let put = async {
            for (index, piece) in pieces.enumerate() {
                let mut set = ::redis::cmd("SET");
                set.arg(keys::piece(&self.deployment, doc, &base.generation, index)).arg(piece);
                set.arg("PX").arg(LOOSE_PIECE_TTL.as_millis() as u64);
                let () = self.client.query(&set).await?;
            }
            self.client.eval(&call).await
        };
        let answer = put.await;
        // Only after a refusal: without an answer, the swap may have happened.
        if let Err(StoreError::Refused { .. }) = answer {
            let mut unlink = ::redis::cmd("UNLINK");
            for index in 0..count {
                unlink.arg(keys::piece(&self.deployment, doc, &base.generation, index));
            }
            if let Err(error) = self.client.query::<()>(&unlink).await {
                tracing::warn!(%doc, %error, "pieces of a base stay until they expire");
            }
        }
        answer
    }

    /// Base and tail; `keep` extends the document's life.
    async fn look(&self, doc: &DocId, keep: bool) -> Result<Option<LiveDoc>, StoreError> {
        let mut call = self.call(&READ, doc);
        call.arg(u8::from(keep));
        let reply: Option<ReadReply> = self.client.eval(&call).await?;
        let Some((generation, tail, folded, next, state_len, aside_bytes, pieces, tail_events)) = reply
        else {
            return Ok(None);
        };
        let mut base = pieces.concat();
        let waiting = base.split_off(state_len.min(base.len()));
        let decoded = waiting::read(&waiting).and_then(|mut events| {
            events.extend(decode_all(&tail_events)?);
            Ok(events)
        });
        let live_doc = self.miss_if_damaged(doc, decoded).await?.map(|events| LiveDoc {
            tag: BaseTag { generation, folded: Cursor { tail: tail.clone(), offset: folded } },
            base,
            events,
            aside_bytes,
            cursor: Cursor { tail, offset: next },
        });
        Ok(live_doc)
    }

    async fn commit(&self, doc: &DocId, nonce: &str, base: NewBase, over: bool) -> Result<bool, StoreError> {
        let call = self.call(&COMMIT_REBUILD, doc);
        self.put_in(doc, call, base, |call| {
            call.arg(nonce).arg(u8::from(over));
        })
        .await
    }

    /// Treats an undecodable document as a miss, and drops it, so that it is rebuilt. What a newer Inklog
    /// wrote stays.
    async fn miss_if_damaged<T>(
        &self,
        doc: &DocId,
        decoded: Result<T, DecodeError>,
    ) -> Result<Option<T>, StoreError> {
        match decoded.map_err(|error| StoreError::undecodable(format!("live state of {doc}"), error)) {
            Ok(decoded) => Ok(Some(decoded)),
            Err(StoreError::Damaged { what, reason }) => {
                tracing::warn!(%doc, reason, "{what} is damaged: dropping it");
                self.drop_doc(doc).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl LiveState for RedisLiveState {
    async fn append(
        &self,
        doc: &DocId,
        events: &[LoggedEvent],
        fresh_tail: &str,
    ) -> Result<TailStatus, StoreError> {
        let mut call = self.call(&APPEND, doc);
        call.arg(fresh_tail);
        for event in events {
            call.arg(encode_logged(event));
        }
        let (unfolded_bytes, base): AppendReply = self.client.eval(&call).await?;
        let (base_bytes, waiting_bytes, aside_bytes) = base.unwrap_or_default();
        Ok(TailStatus { has_base: base.is_some(), base_bytes, waiting_bytes, aside_bytes, unfolded_bytes })
    }

    async fn read(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError> {
        self.look(doc, true).await
    }

    async fn peek(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError> {
        self.look(doc, false).await
    }

    async fn since(
        &self,
        doc: &DocId,
        cursor: &Cursor,
    ) -> Result<Option<(Vec<LoggedEvent>, Cursor)>, StoreError> {
        // Scripts count in doubles, which are exact up to this number; no tail is that long.
        if cursor.offset > MAX_SEQ {
            return Ok(None);
        }
        let mut call = self.call(&SINCE, doc);
        call.arg(&cursor.tail).arg(cursor.offset);
        let reply: Option<(u64, Vec<Vec<u8>>)> = self.client.eval(&call).await?;
        let Some((next, events)) = reply else { return Ok(None) };
        let events = self.miss_if_damaged(doc, decode_all(&events)).await?;
        Ok(events.map(|events| (events, Cursor { tail: cursor.tail.clone(), offset: next })))
    }

    async fn fold(
        &self,
        doc: &DocId,
        read: &BaseTag,
        folded_to: &Cursor,
        base: NewBase,
    ) -> Result<bool, StoreError> {
        if folded_to.tail != read.folded.tail {
            return Ok(false);
        }
        let call = self.call(&FOLD, doc);
        self.put_in(doc, call, base, |call| {
            call.arg(&read.generation).arg(&read.folded.tail).arg(read.folded.offset);
            call.arg(folded_to.offset).arg(TAIL_KEPT_BYTES);
        })
        .await
    }

    async fn begin_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError> {
        let mut call = self.call(&BEGIN_REBUILD, doc);
        call.arg(nonce).arg(LOOSE_PIECE_TTL.as_millis() as u64);
        self.client.eval(&call).await
    }

    async fn commit_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError> {
        self.commit(doc, nonce, base, false).await
    }

    async fn swap_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError> {
        self.commit(doc, nonce, base, true).await
    }

    async fn end_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError> {
        let mut call = self.call(&END_REBUILD, doc);
        call.arg(nonce);
        self.client.eval(&call).await
    }

    async fn drop_doc(&self, doc: &DocId) -> Result<(), StoreError> {
        self.client.eval(&self.call(&DROP_DOC, doc)).await
    }
}

fn decode_all(events: &[Vec<u8>]) -> Result<Vec<LoggedEvent>, DecodeError> {
    events.iter().map(|bytes| decode_logged(bytes)).collect()
}
