//! Waking stream readers at a write, so that a fast stream needs no busy polling.

use std::sync::Arc;

use aws_sdk_dynamodb::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use tokio::sync::watch;

/// The operations after which a stream may have something new.
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

/// Says that something may have been written. Clones are handles on the same signal.
#[derive(Clone, Debug)]
pub struct WriteSignal(Arc<watch::Sender<u64>>);

impl WriteSignal {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// Wakes every reader. Many signals before a reader looks are one to it.
    pub fn notify(&self) {
        self.0.send_modify(|writes| *writes = writes.wrapping_add(1));
    }

    pub(super) fn listen(&self) -> WriteListener {
        WriteListener { seen: self.0.subscribe(), _signal: self.0.clone() }
    }
}

impl Default for WriteSignal {
    fn default() -> Self {
        Self::new()
    }
}

/// A reader's view of the signal: it remembers what it has seen, so a signal given while the reader
/// is busy is not lost.
#[derive(Debug)]
pub(super) struct WriteListener {
    seen: watch::Receiver<u64>,
    /// Keeps the channel open: a closed one would report changes for ever.
    _signal: Arc<watch::Sender<u64>>,
}

impl WriteListener {
    /// To be called *before* reading: what is written from here on counts as new.
    pub fn mark_seen(&mut self) {
        self.seen.mark_unchanged();
    }

    /// Waits for a signal after the last `mark_seen`.
    pub async fn changed(&mut self) {
        // Fails only once every sender is gone, and we hold one.
        let _ = self.seen.changed().await;
    }
}

/// Makes every write of the client that is built from `config` give the signal.
pub fn signal_on_write(config: Builder, signal: WriteSignal) -> Builder {
    config.interceptor(SignalOnWrite(signal))
}

#[derive(Debug)]
struct SignalOnWrite(WriteSignal);

#[dyn_dispatch_hint]
impl Intercept for SignalOnWrite {
    fn name(&self) -> &'static str {
        "SignalOnWrite"
    }

    /// After every attempt and not only after a success: one that failed may have committed.
    fn read_after_attempt(
        &self,
        _context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<Metadata>().is_some_and(|operation| WRITES.contains(&operation.name())) {
            self.0.notify();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_signal_given_between_looking_and_waiting_is_not_lost() {
        let signal = WriteSignal::new();
        let mut listener = signal.listen();
        signal.notify();
        listener.mark_seen();
        assert!(listener.changed().now_or_never().is_none());
        signal.notify();
        signal.notify();
        assert!(listener.changed().now_or_never().is_some());
        assert!(listener.changed().now_or_never().is_none());
    }
}
