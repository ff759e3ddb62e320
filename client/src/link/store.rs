//! The store of a link: one batch is written at a time, on a thread that may block.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use std::time::Instant;
use tokio::task::{JoinError, JoinHandle};

use crate::core::{Agents, Batch, Core, CoreConfig};
use crate::{Jitter, Storage, StorageError};

type Written = (Box<dyn Storage>, Result<(), StorageError>);

pub(super) enum Store {
    /// There is none, or it failed.
    None,
    Idle(Box<dyn Storage>),
    Writing {
        number: u64,
        writing: JoinHandle<Written>,
    },
}

/// A core that goes on with what the store has.
pub(super) async fn open(
    storage: Option<Box<dyn Storage>>,
    config: CoreConfig,
    agents: Agents,
    jitter: Jitter,
) -> Result<(Core, Store), StorageError> {
    let Some(mut storage) = storage else { return Ok((Core::new(config, agents, jitter), Store::None)) };
    let loading = tokio::task::spawn_blocking(move || storage.load().map(|batches| (storage, batches)));
    let (storage, batches) = loading.await.map_err(panicked)??;
    let core = Core::load(config, &batches, agents, jitter)?;
    Ok((core, Store::Idle(storage)))
}

fn panicked(error: JoinError) -> StorageError {
    StorageError::Other(format!("its thread ended: {error}"))
}

impl Store {
    /// Writes what there is to write; ready when something was written.
    pub fn poll(&mut self, core: &mut Core, cx: &mut Context<'_>) -> Poll<Result<(), StorageError>> {
        if let Store::Idle(_) = self
            && let Some(batch) = core.take_batch()
            && let Store::Idle(storage) = std::mem::replace(self, Store::None)
        {
            *self = write(storage, batch);
        }
        let Store::Writing { number, writing } = self else { return Poll::Pending };
        let number = *number;
        let written = ready!(Pin::new(writing).poll(cx));
        *self = Store::None;
        let (storage, written) = written.map_err(panicked)?;
        written?;
        *self = Store::Idle(storage);
        core.stored(number);
        core.tick(Instant::now());
        Poll::Ready(Ok(()))
    }

    /// Writes until there is nothing more to write.
    pub async fn flush(&mut self, core: &mut Core) -> Result<(), StorageError> {
        loop {
            let poll = std::future::poll_fn(|cx| match self.poll(core, cx) {
                Poll::Pending if matches!(self, Store::Writing { .. }) => Poll::Pending,
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(written) => Poll::Ready(Some(written)),
            });
            match poll.await {
                None => return Ok(()),
                Some(written) => written?,
            }
        }
    }
}

fn write(mut storage: Box<dyn Storage>, Batch { number, bytes, replaces }: Batch) -> Store {
    let writing = tokio::task::spawn_blocking(move || {
        let written = match replaces {
            true => storage.replace(&bytes),
            false => storage.append(&bytes),
        };
        (storage, written)
    });
    Store::Writing { number, writing }
}
