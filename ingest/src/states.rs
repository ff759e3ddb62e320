//! Sending whole states to clients, and bounding what that costs.
//!
//! - Clients that ask for a document at the same time get one state, read once and encoded once. A client
//!   that asks during a read waits for the next: its connection was registered after that read began, and
//!   events in between would not reach it either way.
//! - A base stays as it was found until the answer is known: events alone, or the encoded state, need no
//!   decoded document.
//! - Decoding and encoding run off the runtime's threads, large ones one after the other.
//! - The total of encoded states is bounded; beyond it, a request waits a little and is then refused.
//! - A connection receives one state of a document at a time, as fast as it reads.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Either, Shared, select};
use inklog_crdt::Doc;
use inklog_protocol::limits::{STATES_BYTES_MAX, STATES_OPENED_AT_ONCE};
use inklog_protocol::parts::{self, Answer, StateBody};
use inklog_protocol::{DocId, ErrorCode, LoggedEvent, Refusal, StateFormat};
use inklog_store::Clock;
use inklog_store::document::{Base, Beyond, Documents, Opened, heavy};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::request::refuse_store;

/// A state of at least this many bytes, as it is sent, is large.
const LARGE_BYTES: usize = 1_000_000;
/// How long a request waits for room among the encoded states.
const ROOM_PATIENCE: Duration = Duration::from_secs(5);
/// The unit in which that room is counted.
const ROOM_UNIT_BYTES: usize = 1024;

type Key = (DocId, StateFormat);
type Read = Result<Arc<State>, Refusal>;

/// The states of all documents.
pub(crate) struct States {
    documents: Documents,
    log_name: String,
    clock: Arc<dyn Clock>,
    // No holder of these locks awaits anything.
    asked: Mutex<HashMap<Key, Asked>>,
    sending: Mutex<HashSet<(String, DocId)>>,
    opening: Semaphore,
    large: Semaphore,
    room: Arc<Semaphore>,
}

/// The requests for one document.
#[derive(Default)]
struct Asked {
    /// Held by the reading that is under way.
    read_lock: Arc<tokio::sync::Mutex<()>>,
    /// The reading after it, which has not begun.
    next: Option<Shared<BoxFuture<'static, Read>>>,
}

/// A document's state, shared by all who asked for it at the same time.
pub(crate) struct State {
    pub beyond: Beyond,
    /// What the parts are made of; taken by who makes them.
    body: Mutex<Option<Base>>,
    encoded: OnceCell<Encoded>,
}

struct Encoded {
    parts: Arc<[String]>,
    /// Given back when the last reader has its last part.
    _room: OwnedSemaphorePermit,
}

/// Reserves a connection while a state is sent to it.
pub(crate) struct Sending<'a> {
    states: &'a States,
    key: (String, DocId),
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        lock(&self.states.sending).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl States {
    pub fn new(documents: Documents, log_name: String, clock: Arc<dyn Clock>) -> Arc<States> {
        Arc::new(States {
            documents,
            log_name,
            clock,
            asked: Mutex::default(),
            sending: Mutex::default(),
            opening: Semaphore::new(STATES_OPENED_AT_ONCE),
            large: Semaphore::new(1),
            room: Arc::new(Semaphore::new(STATES_BYTES_MAX / ROOM_UNIT_BYTES)),
        })
    }

    /// The document as it is, read after this call.
    pub async fn state(self: &Arc<Self>, doc: &DocId, format: StateFormat) -> Read {
        let key = (doc.clone(), format);
        let next = {
            let mut asked = lock(&self.asked);
            let asked = asked.entry(key.clone()).or_default();
            let read_lock = asked.read_lock.clone();
            asked.next.get_or_insert_with(|| self.clone().read(key, read_lock).boxed().shared()).clone()
        };
        next.await
    }

    async fn read(self: Arc<Self>, key: Key, read_lock: Arc<tokio::sync::Mutex<()>>) -> Read {
        let _reading = read_lock.lock().await;
        let _opening = self.opening.acquire().await.expect("it is never closed");
        // Who asks from here on gets the next one.
        if let Some(asked) = lock(&self.asked).get_mut(&key) {
            asked.next = None;
        }
        let opened = self.documents.open(&key.0).await;
        {
            let mut asked = lock(&self.asked);
            if asked.get(&key).is_some_and(|asked| asked.next.is_none()) {
                asked.remove(&key);
            }
        }
        let Opened { base, beyond, .. } = opened.map_err(refuse_store)?;
        let body = Mutex::new(Some(base));
        Ok(Arc::new(State { beyond, body, encoded: OnceCell::new() }))
    }

    /// The parts of a `DOC_STATE`, without what is one client's own.
    pub async fn parts(
        &self,
        doc: &DocId,
        format: StateFormat,
        state: &State,
    ) -> Result<Arc<[String]>, Refusal> {
        let encoded = state.encoded.get_or_try_init(|| self.encode(doc, format, state)).await?;
        Ok(encoded.parts.clone())
    }

    async fn encode(&self, doc: &DocId, format: StateFormat, state: &State) -> Result<Encoded, Refusal> {
        let busy = || Refusal::new(ErrorCode::Unavailable, "too many states are being sent; try again");
        let base = lock(&state.body).take().ok_or_else(busy)?;
        let bytes = bytes_as_sent(&base);
        let room = pin!(self.room.clone().acquire_many_owned(room_for(bytes)));
        let room = match select(room, self.clock.sleep(ROOM_PATIENCE)).await {
            Either::Left((room, _)) => room.expect("it is never closed"),
            Either::Right(_) => return Err(busy()),
        };
        let _large = match bytes >= LARGE_BYTES {
            true => Some(self.large.acquire().await.expect("it is never closed")),
            false => None,
        };
        let Beyond { base: version, events, cursor, .. } = &state.beyond;
        let lacks = |logged: &&LoggedEvent| !version.covers(&logged.event);
        let events: Vec<LoggedEvent> = events.iter().filter(lacks).cloned().collect();
        let (name, log, state_id) = (doc.clone(), self.log_name.clone(), self.documents.entropy.nonce());
        let cursor = cursor.as_ref().map(inklog_store::live::Cursor::to_wire);
        let of = move |body: StateBody<'_>| {
            let answer =
                Answer { doc: &name, log: &log, cursor: cursor.as_deref(), own: None, reference: None };
            parts::doc_state(answer, &state_id, body, &events)
        };
        let parts = match format {
            StateFormat::Ops => {
                let base = self.decoded(doc, base).await?;
                heavy(move || of(StateBody::Ops(&base))).await
            }
            StateFormat::Binary => heavy(move || of(StateBody::Binary(&base.encode()))).await,
        };
        Ok(Encoded { parts: parts.into(), _room: room })
    }

    async fn decoded(&self, doc: &DocId, base: Base) -> Result<Doc, Refusal> {
        let decoded = self.documents.decode(doc, base).await.map_err(refuse_store)?;
        let rebuilt = "the document's live state was damaged and is being rebuilt; try again";
        decoded.ok_or_else(|| Refusal::new(ErrorCode::Unavailable, rebuilt))
    }

    /// Takes the connection's place for the document's parts; `None` while others are on their way.
    pub fn sending(&self, connection: &str, doc: &DocId) -> Option<Sending<'_>> {
        let key = (connection.to_owned(), doc.clone());
        // Only then: dropping one gives the place back.
        let taken = lock(&self.sending).insert(key.clone());
        taken.then(|| Sending { states: self, key })
    }
}

/// About how many bytes a state has once it is encoded: base64, or text of several bytes a character.
fn bytes_as_sent(base: &Base) -> usize {
    match base {
        Base::Encoded(bytes) => bytes.len() * 4 / 3,
        Base::Decoded(doc) => 2 * doc.len(),
    }
}

/// The units of room that an encoded state takes. The largest one takes all: it is sent when no other is.
fn room_for(bytes: usize) -> u32 {
    (bytes / ROOM_UNIT_BYTES).clamp(1, STATES_BYTES_MAX / ROOM_UNIT_BYTES) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use inklog_crdt::Agent;

    #[test]
    fn encoded_states_take_room_by_their_size() {
        let mut doc = Doc::new();
        doc.insert(&Agent::new("ann").unwrap(), 0, &"é".repeat(5_000)).unwrap();
        assert_eq!(bytes_as_sent(&Base::Decoded(Box::new(doc))), 10_000);
        assert_eq!(bytes_as_sent(&Base::Encoded(vec![0; 3_000])), 4_000);
        let all = STATES_BYTES_MAX / ROOM_UNIT_BYTES;
        for (bytes, units) in [
            (0, 1),
            (1, 1),
            (2 * ROOM_UNIT_BYTES - 1, 1),
            (2 * ROOM_UNIT_BYTES, 2),
            (STATES_BYTES_MAX - ROOM_UNIT_BYTES, all - 1),
            (STATES_BYTES_MAX, all),
            (STATES_BYTES_MAX + ROOM_UNIT_BYTES, all),
        ] {
            assert_eq!(room_for(bytes) as usize, units, "{bytes} bytes");
        }
    }
}
