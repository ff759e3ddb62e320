//! Reading one shard, and spreading its records over lanes.
//!
//! A record's lane follows from its partition key, so the records of an item stay in order while
//! `parallelization_factor` batches are under way. The reader reads only while some lane is free:
//! what is written while all are busy comes in one larger read, and so in larger batches.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodbstreams::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::Latency;
use super::Shard;
use super::convert::event_record;
use super::deliver::Pending;
use super::lane::{Lane, lane_of};
use super::progress::Progress;
use super::shared::Shared;
use super::signal::WriteListener;

/// The checkpoint of a shard that was read to its end.
pub(super) const SHARD_END: &str = "SHARD_END";
/// The most records that one GetRecords call returns.
const READ_MAX: i32 = 1000;
/// A read of this many bytes may have been cut short by the API's 1 MB limit.
const READ_BYTES_FULL: i64 = 512 * 1024;
/// How many records may wait for their lanes before the reader pauses.
const OUTSTANDING_MAX: usize = 10_000;
/// How often AWS polls a shard.
const AWS_POLL: Duration = Duration::from_millis(250);

/// How the reading of a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShardEnd {
    /// Every record of the closed shard is done.
    Finished,
    Stopped,
}

/// Where the next read starts.
enum Position {
    TrimHorizon,
    After(String),
}

pub(super) struct ShardReader {
    pub shared: Arc<Shared>,
    pub shard_id: String,
    pub partition_key: Option<String>,
    pub checkpoint: Option<String>,
}

impl ShardReader {
    /// Reads and delivers until the shard ends or the mapping stops.
    pub async fn run(self) -> ShardEnd {
        let progress = Arc::new(Progress::new());
        let lanes = usize::from(self.shared.config.parallelization_factor);
        let idle = Arc::new(Semaphore::new(lanes));
        let mut tasks = tokio::task::JoinSet::new();
        let mut senders = Vec::new();
        for _ in 0..lanes {
            let (sender, receiver) = mpsc::unbounded_channel();
            senders.push(sender);
            let lane = Lane {
                shared: self.shared.clone(),
                shard_id: self.shard_id.clone(),
                progress: progress.clone(),
                idle: idle.clone(),
                receiver,
                carried: None,
            };
            tasks.spawn(lane.run());
        }
        let (reading_ends, read_to_end) = oneshot::channel::<()>();
        let reading = async {
            let closed = self.read(&progress, &idle, &senders).await;
            drop(senders);
            while tasks.join_next().await.is_some() {}
            drop(reading_ends);
            closed
        };
        let (closed, ()) = tokio::join!(reading, self.save_checkpoints(&progress, read_to_end));
        let state = progress.watch().borrow().clone();
        let finished = closed && state.outstanding == 0;
        let position = if finished { Some(SHARD_END.to_owned()) } else { state.checkpoint };
        if let Some(position) = position {
            self.save(&position).await;
        }
        if finished { ShardEnd::Finished } else { ShardEnd::Stopped }
    }

    /// Whether the shard was read to its end.
    async fn read(
        &self,
        progress: &Progress,
        idle: &Semaphore,
        lanes: &[mpsc::UnboundedSender<Pending>],
    ) -> bool {
        let shared = &self.shared;
        let mut listener = shared.signal.listen();
        let mut room = progress.watch();
        let mut position = self.checkpoint.clone().map_or(Position::TrimHorizon, Position::After);
        let mut iterator = None;
        let mut pause = shared.config.retry_pause_min;
        loop {
            let ready = async {
                // Neither can fail while we hold the progress and the semaphore.
                let _ = idle.acquire().await;
                let _ = room.wait_for(|state| state.outstanding < OUTSTANDING_MAX).await;
            };
            tokio::select! { biased; () = shared.stop.cancelled() => return false, () = ready => {} }
            listener.mark_seen();
            let started = Instant::now();
            let read = match iterator.take() {
                Some(iterator) => self.get_records(iterator).await,
                None => match self.get_iterator(&position).await {
                    Ok(Some(fresh)) => self.get_records(fresh).await,
                    Ok(None) => return true,
                    Err(trouble) => Err(trouble),
                },
            };
            match read {
                Ok(read) => {
                    pause = shared.config.retry_pause_min;
                    let full = read.records.len() >= READ_MAX as usize
                        || read.records.iter().map(|r| r.change.size_bytes).sum::<i64>() >= READ_BYTES_FULL;
                    if let Some(last) = read.records.last().and_then(|r| r.change.sequence_number.clone()) {
                        position = Position::After(last);
                    }
                    if let Some(see) = &shared.on_read {
                        see(&read.records);
                    }
                    self.spread(read.records, progress, lanes);
                    match read.next {
                        Some(next) => iterator = Some(next),
                        None => return true,
                    }
                    if !full {
                        self.await_more(&mut listener, started).await;
                    }
                }
                // A new iterator is made from the position.
                Err(Trouble::Expired) => {}
                Err(Trouble::Trimmed) => position = Position::TrimHorizon,
                Err(Trouble::Other(error)) => {
                    tracing::warn!(mapping = shared.config.name, error, "could not read the stream");
                    shared.pause(pause).await;
                    pause = (pause * 2).min(shared.config.retry_pause_max);
                }
            }
        }
    }

    /// Waits until there may be more to read.
    async fn await_more(&self, listener: &mut WriteListener, read_started: Instant) {
        match self.shared.config.latency {
            Latency::Aws => {
                self.shared.pause(AWS_POLL.saturating_sub(read_started.elapsed())).await;
            }
            Latency::Fast { fallback_poll } => {
                tokio::select! {
                    () = listener.changed() => {
                        if !self.shared.config.settle.is_zero() {
                            self.shared.pause(self.shared.config.settle).await;
                        }
                    }
                    _ = self.shared.pause(fallback_poll) => {}
                }
            }
        }
    }

    /// Hands records to their lanes; filtered ones are done at once.
    fn spread(
        &self,
        records: Vec<EventRecord>,
        progress: &Progress,
        lanes: &[mpsc::UnboundedSender<Pending>],
    ) {
        for record in records {
            let index = progress.admit(record.change.sequence_number.clone().unwrap_or_default());
            if self.shared.config.filter.admits(&record) {
                self.shared.stats.read();
                let lane = lane_of(&record.change.keys, self.partition_key.as_deref(), lanes.len());
                // A lane that has stopped leaves its records undone, to come again.
                let _ = lanes[lane].send(Pending { index, record });
            } else {
                progress.done([index]);
            }
        }
    }

    async fn get_iterator(&self, position: &Position) -> Result<Option<String>, Trouble> {
        let config = &self.shared.config;
        let request =
            self.shared.client.get_shard_iterator().stream_arn(&config.stream_arn).shard_id(&self.shard_id);
        let request = match position {
            Position::TrimHorizon => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Position::After(sequence_number) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .sequence_number(sequence_number),
        };
        match request.send().await {
            Ok(answer) => Ok(answer.shard_iterator),
            // A position that the stream no longer has, or never had: after a trim, or when a
            // checkpoint outlived its stream. The oldest record is the only safe place to go on.
            Err(error)
                if matches!(position, Position::After(_))
                    && matches!(error.code(), Some("TrimmedDataAccessException" | "ValidationException")) =>
            {
                tracing::warn!(
                    mapping = config.name,
                    "the checkpoint is no longer in the stream: reading all of it"
                );
                Err(Trouble::Trimmed)
            }
            Err(error) => Err(Trouble::Other(DisplayErrorContext(&error).to_string())),
        }
    }

    async fn get_records(&self, iterator: String) -> Result<Read, Trouble> {
        match self.shared.client.get_records().shard_iterator(iterator).limit(READ_MAX).send().await {
            Ok(answer) => {
                let arn = &self.shared.config.stream_arn;
                let records = answer.records.unwrap_or_default();
                let records = records.into_iter().map(|record| event_record(record, arn)).collect();
                Ok(Read { records, next: answer.next_shard_iterator })
            }
            Err(error) => Err(match error.code() {
                Some("ExpiredIteratorException") => Trouble::Expired,
                Some("TrimmedDataAccessException") => Trouble::Trimmed,
                _ => Trouble::Other(DisplayErrorContext(&error).to_string()),
            }),
        }
    }

    /// Saves the checkpoint whenever it has moved, apart from the deliveries, until `stop`. A started save
    /// is finished: two at once could leave the older one.
    async fn save_checkpoints(&self, progress: &Progress, mut stop: oneshot::Receiver<()>) {
        let mut state = progress.watch();
        let mut saved = None;
        loop {
            let checkpoint = tokio::select! {
                biased;
                _ = &mut stop => return,
                moved = state.wait_for(|state| state.checkpoint != saved) => {
                    moved.expect("the progress outlives its watcher").checkpoint.clone()
                }
            };
            if let Some(position) = &checkpoint {
                self.save(position).await;
            }
            saved = checkpoint;
        }
    }

    async fn save(&self, position: &str) {
        let (name, stream) = (&self.shared.config.name, &self.shared.config.stream_arn);
        let shard = Shard { stream, id: &self.shard_id };
        if let Err(error) = self.shared.checkpoints.save(name, shard, position).await {
            // The price is records that come again after a restart.
            tracing::error!(mapping = name, %error, "could not save a checkpoint");
        }
    }
}

struct Read {
    records: Vec<EventRecord>,
    next: Option<String>,
}

enum Trouble {
    /// The iterator is older than 15 minutes.
    Expired,
    /// The position is older than the stream.
    Trimmed,
    Other(String),
}
