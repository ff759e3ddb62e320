//! An emulator of Lambda's event source mappings for DynamoDB Streams.
//!
//! A `Mapping` finds a stream's shards (`discovery`), reads each through the real Streams API (`shard`)
//! and delivers the records to a function (`lane`, `deliver`) with Lambda's rules for batches, retries,
//! partial failures and giving up. `progress` derives the checkpoint: records at or above it are read
//! again after a restart, so a function gets every record at least once. `signal` wakes the readers at a
//! write; `faults` lets a simulation inject the faults of a real stream.

use async_trait::async_trait;
use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::DynamoDbEventResponse;
use inklog_store::config::SdkConfig;

use crate::gateway::BoxError;

mod checkpoints;
mod config;
mod convert;
mod dead_letters;
mod deliver;
mod discovery;
mod faults;
mod lane;
mod mapping;
mod progress;
mod shard;
mod shared;
mod signal;
mod stats;

pub use checkpoints::{CheckpointError, Checkpoints, FileCheckpoints, MemoryCheckpoints, Shard};
pub use config::{EventFilter, Latency, MappingConfig};
pub use dead_letters::{
    BatchInfo, DeadLetter, DeadLetterFolder, DeadLetters, GivenUp, MemoryDeadLetters, RequestContext,
};
pub use faults::{BatchFaults, FaultyDelivery, RandomFaults};
pub use mapping::{Mapping, RunningMapping};
pub use signal::{WriteSignal, signal_on_write};
pub use stats::MappingStats;

/// The client that a mapping reads with. As with those of `inklog_store::config`, one without
/// credentials does not sign.
pub fn streams_client(aws: &SdkConfig, endpoint: Option<String>) -> aws_sdk_dynamodbstreams::Client {
    let mut config = aws_sdk_dynamodbstreams::config::Builder::from(aws);
    if aws.credentials_provider().is_none() {
        config.set_allow_no_auth();
    }
    if endpoint.is_some() {
        config.set_endpoint_url(endpoint);
    }
    aws_sdk_dynamodbstreams::Client::from_conf(config.build())
}

/// The Lambda at the end of a mapping.
#[async_trait]
pub trait StreamFunction: Send + Sync + 'static {
    /// Handles one batch. The answer names the records that failed; an error fails them all.
    async fn invoke(&self, event: Event) -> Result<DynamoDbEventResponse, BoxError>;
}
