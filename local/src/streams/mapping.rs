//! A mapping as a whole: its settings, the shards it discovers, and how it stops.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::error::DisplayErrorContext;
use aws_sdk_dynamodbstreams::types::KeyType;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::shard::{SHARD_END, ShardEnd, ShardReader};
use super::{BatchFaults, Checkpoints, DeadLetters, Shard, StreamFunction, WriteSignal};

/// How soon a function learns of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// At once: reading is woken by the `WriteSignal`. A write that nobody signalled, such as one of
    /// another process, is found by the fallback poll.
    Fast {
        /// How long a reader without a signal waits until it looks by itself.
        fallback_poll: Duration,
    },
    /// As on AWS: each shard is polled four times a second.
    Aws,
}

impl Latency {
    /// `Fast` with its usual fallback of half a second.
    pub fn fast() -> Self {
        Self::Fast { fallback_poll: Duration::from_millis(500) }
    }
}

/// FilterCriteria on the event name. Records that do not pass are done with, unseen by the function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    names: Option<Vec<String>>,
}

impl EventFilter {
    /// Lets every record pass.
    pub fn all() -> Self {
        Self::default()
    }

    /// Lets records with one of these names pass: `INSERT`, `MODIFY`, `REMOVE`.
    pub fn event_names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { names: Some(names.into_iter().map(Into::into).collect()) }
    }

    pub(super) fn admits(&self, record: &EventRecord) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(&record.event_name))
    }
}

/// The settings of a mapping, named as in AWS's API where AWS has them.
#[derive(Clone, Debug)]
pub struct MappingConfig {
    /// Names the mapping in checkpoints, dead letters and logs.
    pub name: String,
    /// The stream.
    pub stream_arn: String,
    /// The table's partition key, for the lanes: dynoxide's DescribeStream does not tell it, AWS's does.
    pub partition_key: Option<String>,
    /// How soon the function learns of a write.
    pub latency: Latency,
    /// With fast latency: how long after a write the reader waits before it reads, so that the writes
    /// right after it come in the same batch.
    pub settle: Duration,
    /// The most records in one invocation, at least 1.
    pub batch_size: usize,
    /// How long a batch that is not full waits for more.
    pub batching_window: Duration,
    /// How many batches of a shard may be under way at once, 1 to 10.
    pub parallelization_factor: u8,
    /// How often a failed batch is tried again; `None`: for ever.
    pub maximum_retry_attempts: Option<u32>,
    /// How old a record may be before it is given up; `None`: any age.
    pub maximum_record_age: Option<Duration>,
    /// Whether a batch that fails as a whole is split in two.
    pub bisect_batch_on_function_error: bool,
    /// Whether the function's answer names failed records. Otherwise it is ignored.
    pub report_batch_item_failures: bool,
    /// Which records the function gets.
    pub filter: EventFilter,
    /// How long the function may run before it is killed.
    pub function_timeout: Duration,
    /// The pause before the first retry; it doubles with each.
    pub retry_pause_min: Duration,
    /// The longest pause between retries.
    pub retry_pause_max: Duration,
    /// How often new shards are looked for, apart from when one ends, which is when they appear.
    pub shard_refresh: Duration,
}

impl MappingConfig {
    /// AWS's defaults, but with partial batch responses on and the latency fast.
    pub fn new(name: impl Into<String>, stream_arn: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            stream_arn: stream_arn.into(),
            partition_key: None,
            latency: Latency::fast(),
            settle: Duration::ZERO,
            batch_size: 100,
            batching_window: Duration::ZERO,
            parallelization_factor: 1,
            maximum_retry_attempts: None,
            maximum_record_age: None,
            bisect_batch_on_function_error: false,
            report_batch_item_failures: true,
            filter: EventFilter::all(),
            function_timeout: Duration::from_secs(60),
            retry_pause_min: Duration::from_millis(100),
            retry_pause_max: Duration::from_secs(10),
            shard_refresh: Duration::from_secs(5 * 60),
        }
    }
}

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

/// Sees the records of each read of the stream, before any filter, and must not block.
pub(super) type OnRead = Box<dyn Fn(&[EventRecord]) + Send + Sync>;

/// What the parts of a running mapping share.
pub(super) struct Shared {
    pub config: MappingConfig,
    pub client: Client,
    pub function: Arc<dyn StreamFunction>,
    pub checkpoints: Arc<dyn Checkpoints>,
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    pub faults: Option<Arc<dyn BatchFaults>>,
    pub on_read: Option<OnRead>,
    pub signal: WriteSignal,
    pub stop: Stop,
    pub stats: Stats,
}

impl Mapping {
    /// A mapping from a stream to a function. It starts at the oldest record where `checkpoints` has
    /// nothing else.
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

    /// Keeps what the mapping gives up on. Without this it is dropped, as Lambda drops it.
    pub fn dead_letters(mut self, dead_letters: Arc<dyn DeadLetters>) -> Self {
        self.dead_letters = Some(dead_letters);
        self
    }

    /// Wakes the mapping at writes; see `signal_on_write`.
    pub fn signal(mut self, signal: WriteSignal) -> Self {
        self.signal = signal;
        self
    }

    /// Shows `see` the records of each read of the stream.
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
            stop: Stop::new(),
            stats: Stats::default(),
        });
        let task = tokio::spawn(run(shared.clone()));
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

    /// Stops: a batch with the function is finished, no retry is started, and the checkpoint is saved.
    pub async fn stop(mut self) {
        self.shared.stop.request();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(mapping = self.shared.config.name, %error, "the mapping had panicked");
        }
    }
}

impl Drop for RunningMapping {
    fn drop(&mut self) {
        self.shared.stop.request();
    }
}

/// What a mapping has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingStats {
    /// Records read that passed the filter.
    pub read: u64,
    /// Invocations of the function.
    pub invocations: u64,
    /// Records in those invocations; repeats count again.
    pub delivered: u64,
    /// Invocations that failed in whole or in part.
    pub failures: u64,
    /// Records given up.
    pub set_aside: u64,
}

#[derive(Debug, Default)]
pub(super) struct Stats {
    read: AtomicU64,
    invocations: AtomicU64,
    delivered: AtomicU64,
    failures: AtomicU64,
    set_aside: AtomicU64,
}

impl Stats {
    pub fn read(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    pub fn invoked(&self, records: usize) {
        self.invocations.fetch_add(1, Ordering::Relaxed);
        self.delivered.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub fn set_aside(&self, records: usize) {
        self.set_aside.fetch_add(records as u64, Ordering::Relaxed);
    }

    fn snapshot(&self) -> MappingStats {
        MappingStats {
            read: self.read.load(Ordering::Relaxed),
            invocations: self.invocations.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            set_aside: self.set_aside.load(Ordering::Relaxed),
        }
    }
}

/// Asks the parts of a mapping to stop.
#[derive(Debug)]
pub(super) struct Stop(watch::Sender<bool>);

impl Stop {
    fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    fn request(&self) {
        self.0.send_replace(true);
    }

    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    pub async fn wait(&self) {
        // The sender lives in `self`, so this cannot fail while we wait.
        let _ = self.0.subscribe().wait_for(|stop| *stop).await;
    }

    /// Waits for that long, or until asked to stop; whether it was the latter.
    pub async fn or_after(&self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.wait() => true,
            () = tokio::time::sleep(pause) => false,
        }
    }
}

/// A shard as the stream describes it.
struct Described {
    shards: Vec<(String, Option<String>)>,
    partition_key: Option<String>,
}

/// Finds shards and runs a reader for each, parents before their children.
async fn run(shared: Arc<Shared>) {
    let mut readers = JoinSet::new();
    let mut running: HashSet<String> = HashSet::new();
    let mut finished: HashSet<String> = HashSet::new();
    let mut pause = shared.config.retry_pause_min;
    while !shared.stop.requested() {
        match start_ready_shards(&shared, &mut readers, &mut running, &mut finished).await {
            Ok(()) => pause = shared.config.retry_pause_min,
            Err(error) => {
                tracing::warn!(mapping = shared.config.name, error, "could not find the stream's shards");
                shared.stop.or_after(pause).await;
                pause = (pause * 2).min(shared.config.retry_pause_max);
                continue;
            }
        }
        tokio::select! {
            Some(ended) = readers.join_next() => note_end(&shared, ended, &mut running, &mut finished),
            _ = shared.stop.or_after(shared.config.shard_refresh) => {}
        }
    }
    while readers.join_next().await.is_some() {}
}

type Ended = Result<(String, ShardEnd), tokio::task::JoinError>;

fn note_end(shared: &Shared, ended: Ended, running: &mut HashSet<String>, finished: &mut HashSet<String>) {
    match ended {
        Ok((shard, end)) => {
            running.remove(&shard);
            if end == ShardEnd::Finished {
                finished.insert(shard);
            }
        }
        // Functions run in tasks of their own, so this is a mistake in the emulator.
        Err(error) => tracing::error!(mapping = shared.config.name, %error, "a shard's reader panicked"),
    }
}

async fn start_ready_shards(
    shared: &Arc<Shared>,
    readers: &mut JoinSet<(String, ShardEnd)>,
    running: &mut HashSet<String>,
    finished: &mut HashSet<String>,
) -> Result<(), String> {
    let described = describe(shared).await?;
    let mut checkpoints: HashMap<&str, Option<String>> = HashMap::new();
    for (shard, _) in &described.shards {
        if running.contains(shard) || finished.contains(shard) {
            continue;
        }
        let place = Shard { stream: &shared.config.stream_arn, id: shard };
        let checkpoint = shared.checkpoints.load(&shared.config.name, place).await;
        match checkpoint.map_err(|error| error.to_string())? {
            Some(end) if end == SHARD_END => {
                finished.insert(shard.clone());
            }
            checkpoint => {
                checkpoints.insert(shard, checkpoint);
            }
        }
    }
    let known: HashSet<&str> = described.shards.iter().map(|(shard, _)| shard.as_str()).collect();
    for (shard, parent) in &described.shards {
        // A parent that the stream no longer lists was trimmed, and has nothing left to wait for.
        let ready = parent.as_deref().is_none_or(|p| finished.contains(p) || !known.contains(p));
        if let Some(checkpoint) = checkpoints.remove(shard.as_str())
            && ready
        {
            running.insert(shard.clone());
            let reader = ShardReader {
                shared: shared.clone(),
                shard_id: shard.clone(),
                partition_key: described.partition_key.clone(),
                checkpoint,
            };
            let shard = shard.clone();
            readers.spawn(async move { (shard, reader.run().await) });
        }
    }
    Ok(())
}

async fn describe(shared: &Shared) -> Result<Described, String> {
    let mut described = Described { shards: Vec::new(), partition_key: shared.config.partition_key.clone() };
    let mut start = None;
    loop {
        let request = shared
            .client
            .describe_stream()
            .stream_arn(&shared.config.stream_arn)
            .set_exclusive_start_shard_id(start.take());
        let answer = request.send().await.map_err(|error| DisplayErrorContext(&error).to_string())?;
        let Some(stream) = answer.stream_description else { return Ok(described) };
        if described.partition_key.is_none() {
            let hash = stream.key_schema().iter().find(|key| key.key_type == KeyType::Hash);
            described.partition_key = hash.map(|key| key.attribute_name.clone());
        }
        for shard in stream.shards.unwrap_or_default() {
            if let Some(id) = shard.shard_id {
                described.shards.push((id, shard.parent_shard_id));
            }
        }
        match stream.last_evaluated_shard_id {
            Some(last) => start = Some(last),
            None => return Ok(described),
        }
    }
}
