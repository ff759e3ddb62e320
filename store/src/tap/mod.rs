//! The tap: one place through which every call of a store passes.
//!
//! [`Tapped`] wraps a store and tells a [`Tap`] before and after each of its calls. The tap may let it
//! pass, hold it up, answer in the store's place, or let it happen and say that it failed: as when an answer
//! is lost on its way. Whatever watches, counts, prices, disturbs or stops the stores is a tap.
//!
//! ```text
//! caller ── Tapped ── before ── store ── after ── caller
//!                       │                  │
//!                       └ the store        └ it has happened,
//!                         never hears        and the caller cannot know
//! ```
//!
//! A wrapper holds nothing between two steps. A future that is dropped leaves the store as it is at that
//! moment, and the tap is told nothing more of the call.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use inklog_protocol::DocId;

use crate::audience::Audience;
use crate::document::Documents;
use crate::{Clock, PushError, StoreError};

mod forward;
mod measure;
mod operation;

pub use operation::{Operation, Store};

use measure::Measured;

/// Told of every call of a store. Each method may wait, and an error becomes the call's answer.
#[async_trait]
pub trait Tap: Send + Sync {
    /// Before the store is asked. After an error it never is.
    async fn before(&self, _call: &Call<'_>) -> Result<(), Fault> {
        Ok(())
    }

    /// After the store has answered. An error takes the answer's place: the call has happened, if it has
    /// not failed by itself.
    async fn after(&self, _call: &Call<'_>, _done: &Done<'_>) -> Result<(), Fault> {
        Ok(())
    }
}

/// A call of a store.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Which.
    pub operation: Operation,
    /// The document that it is about, where it is about one.
    pub doc: Option<&'a DocId>,
    /// The object's key, the connection's name or the user's, where there is one; or empty.
    pub key: &'a str,
    /// Bytes of what is handed in: events as they are encoded, texts, names. Attributes' names and the like
    /// are not counted.
    pub bytes: usize,
}

impl Call<'_> {
    /// The fault of a store that does not answer.
    pub fn unanswered(&self, why: &'static str) -> Fault {
        StoreError::unavailable(self.operation.store().service(), why).into()
    }
}

/// How a call has ended.
#[derive(Debug, Clone, Copy)]
pub struct Done<'a> {
    /// Bytes that were handed back, counted as those of [`Call::bytes`]; or why it failed.
    pub outcome: Result<usize, &'a (dyn Error + Send + Sync + 'static)>,
    /// How long the store took, by the clock of the wrapper.
    pub took: Duration,
}

/// What a tap answers in a store's place.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// As a store does. A push calls it a gateway that fails ([`PushError::Retry`]).
    #[error(transparent)]
    Store(#[from] StoreError),
    /// As the push does. Other stores call it [`StoreError::Unavailable`].
    #[error(transparent)]
    Push(#[from] PushError),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> StoreError {
        match fault {
            Fault::Store(error) => error,
            Fault::Push(error) => StoreError::unavailable("the store", error),
        }
    }
}

impl From<Fault> for PushError {
    fn from(fault: Fault) -> PushError {
        match fault {
            Fault::Store(error) => PushError::Retry(error.to_string()),
            Fault::Push(error) => error,
        }
    }
}

/// A store, every call of which a tap is told of. It implements what the store does.
pub struct Tapped<S: ?Sized> {
    inner: Arc<S>,
    tap: Arc<dyn Tap>,
    clock: Arc<dyn Clock>,
}

impl<S: ?Sized> Tapped<S> {
    /// Puts `tap` before a store; `clock` measures how long the calls take.
    pub fn new(inner: Arc<S>, tap: Arc<dyn Tap>, clock: Arc<dyn Clock>) -> Arc<Tapped<S>> {
        Arc::new(Tapped { inner, tap, clock })
    }

    /// Every call goes this way. `asked` does nothing before it is awaited.
    async fn pass<T, E>(
        &self,
        call: Call<'_>,
        asked: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E>
    where
        T: Measured + Send + Sync,
        E: Error + From<Fault> + Send + Sync + 'static,
    {
        self.tap.before(&call).await?;
        let begun = self.clock.monotonic();
        let answer = asked.await;
        let took = self.clock.monotonic() - begun;
        let outcome = match &answer {
            Ok(value) => Ok(value.bytes()),
            Err(error) => Err(error as _),
        };
        self.tap.after(&call, &Done { outcome, took }).await?;
        answer
    }
}

impl Documents {
    /// The same, with a tap before every store.
    pub fn tapped(&self, tap: &Arc<dyn Tap>, clock: &Arc<dyn Clock>) -> Documents {
        Documents {
            log: Tapped::new(self.log.clone(), tap.clone(), clock.clone()),
            catalogue: Tapped::new(self.catalogue.clone(), tap.clone(), clock.clone()),
            objects: Tapped::new(self.objects.clone(), tap.clone(), clock.clone()),
            live: Tapped::new(self.live.clone(), tap.clone(), clock.clone()),
            entropy: self.entropy.clone(),
            doc_bytes_max: self.doc_bytes_max,
        }
    }
}

impl Audience {
    /// The same, with a tap before every store.
    pub fn tapped(&self, tap: &Arc<dyn Tap>) -> Audience {
        Audience {
            connections: Tapped::new(self.connections.clone(), tap.clone(), self.clock.clone()),
            presence: Tapped::new(self.presence.clone(), tap.clone(), self.clock.clone()),
            push: Tapped::new(self.push.clone(), tap.clone(), self.clock.clone()),
            clock: self.clock.clone(),
        }
    }
}
