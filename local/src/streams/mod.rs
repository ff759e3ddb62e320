//! An emulator of Lambda's event source mappings for DynamoDB Streams.
//!
//! A `Mapping` reads a stream through the real Streams API, shard by shard (`shard`), and brings the
//! records to a function (`deliver`) with Lambda's rules for batches, retries, partial failures and
//! giving up. `progress` derives the checkpoint: what is not below it comes again after a restart, so
//! a function gets every record at least once. `signal` wakes the readers at a write; `faults` lets a
//! simulation do what a real stream may do.

use async_trait::async_trait;
use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::DynamoDbEventResponse;

use crate::gateway::BoxError;

mod checkpoints;
mod convert;
mod dead_letters;
mod deliver;
mod faults;
mod mapping;
mod progress;
mod shard;
mod signal;

pub use checkpoints::{CheckpointError, Checkpoints, FileCheckpoints, MemoryCheckpoints, Shard};
pub use dead_letters::{
    BatchInfo, DeadLetter, DeadLetterFolder, DeadLetters, GivenUp, MemoryDeadLetters, RequestContext,
};
pub use faults::{BatchFaults, FaultyDelivery, RandomFaults};
pub use mapping::{EventFilter, Latency, Mapping, MappingConfig, MappingStats, RunningMapping};
pub use signal::{WriteSignal, signal_on_write};

/// The Lambda at the end of a mapping.
#[async_trait]
pub trait StreamFunction: Send + Sync + 'static {
    /// Handles one batch. The answer names the records that failed; an error fails them all.
    async fn invoke(&self, event: Event) -> Result<DynamoDbEventResponse, BoxError>;
}
