//! A mapping as a whole: how it is configured, started and stopped.

use std::sync::Arc;

use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodbstreams::Client;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::discovery;
use super::shared::{OnRead, Shared};
use super::stats::Stats;
use super::{
    BatchFaults, Checkpoints, DeadLetters, MappingConfig, MappingStats, StreamFunction, WriteSignal,
};

/// An event source mapping, not yet running.
pub struct Mapping {
    config: MappingConfig,
    client: Client,
    function: Arc<dyn StreamFunction>,
    checkpoints: Arc<dyn Checkpoints>,
    dead_letters: Option<Arc<dyn DeadLetters>>,
    faults: Option<Arc<dyn BatchFaults>>,
    on_read: Option<OnRead>,
    signal: WriteSignal,
}

impl Mapping {
    /// A mapping from a stream to a function. Without a checkpoint in `checkpoints`, it starts at the
    /// oldest record.
    pub fn new(
        config: MappingConfig,
        client: Client,
        function: Arc<dyn StreamFunction>,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> Self {
        let signal = WriteSignal::new();
        let (dead_letters, faults, on_read) = (None, None, None);
        Self { config, client, function, checkpoints, dead_letters, faults, on_read, signal }
    }

    /// Stores the batches that the mapping gives up on. Without this they are dropped, as Lambda does.
    pub fn dead_letters(mut self, dead_letters: Arc<dyn DeadLetters>) -> Self {
        self.dead_letters = Some(dead_letters);
        self
    }

    /// Wakes the mapping at writes; see `signal_on_write`.
    pub fn signal(mut self, signal: WriteSignal) -> Self {
        self.signal = signal;
        self
    }

    /// Calls `see` with the records of each read of the stream.
    pub fn on_read(mut self, see: impl Fn(&[EventRecord]) + Send + Sync + 'static) -> Self {
        self.on_read = Some(Box::new(see));
        self
    }

    /// Lets a simulation repeat, split, reorder and delay batches.
    pub fn faults(mut self, faults: Arc<dyn BatchFaults>) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Starts the mapping on the current runtime.
    pub fn start(self) -> RunningMapping {
        let shared = Arc::new(Shared {
            config: MappingConfig {
                batch_size: self.config.batch_size.max(1),
                parallelization_factor: self.config.parallelization_factor.clamp(1, 10),
                ..self.config
            },
            client: self.client,
            function: self.function,
            checkpoints: self.checkpoints,
            dead_letters: self.dead_letters,
            faults: self.faults,
            on_read: self.on_read,
            signal: self.signal,
            stop: CancellationToken::new(),
            stats: Stats::default(),
        });
        let task = tokio::spawn(discovery::run(shared.clone()));
        RunningMapping { shared, task: Some(task) }
    }
}

/// A running mapping. Dropping it asks it to stop without waiting.
pub struct RunningMapping {
    shared: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

impl RunningMapping {
    /// What the mapping has done since it started.
    pub fn stats(&self) -> MappingStats {
        self.shared.stats.snapshot()
    }

    /// Stops: finishes the function's current batch, starts no retry, and saves the checkpoint.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(mapping = self.shared.config.name, %error, "the mapping panicked");
        }
    }
}

impl Drop for RunningMapping {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}
