//! What the parts of a running mapping share.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodbstreams::Client;
use tokio_util::sync::CancellationToken;

use super::stats::Stats;
use super::{BatchFaults, Checkpoints, DeadLetters, MappingConfig, StreamFunction, WriteSignal};

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
    pub stop: CancellationToken,
    pub stats: Stats,
}

impl Shared {
    /// Waits for that long, or until the mapping stops.
    pub async fn pause(&self, pause: Duration) {
        self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}
