//! A lane: the part of a shard's records that is delivered in order.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_dynamo::AttributeValue;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::deliver::{Pending, deliver};
use super::progress::Progress;
use super::shared::Shared;

/// A Lambda event is at most 6 MB.
const BATCH_BYTES_MAX: i64 = 6 * 1024 * 1024;

/// Delivers some of a shard's records, batch by batch, in order.
pub(super) struct Lane {
    pub shared: Arc<Shared>,
    pub shard_id: String,
    pub progress: Arc<Progress>,
    pub idle: Arc<Semaphore>,
    pub receiver: mpsc::UnboundedReceiver<Pending>,
    /// A record that the last batch had no room for.
    pub carried: Option<Pending>,
}

impl Lane {
    /// Delivers until the reader has ended or the mapping stops.
    pub async fn run(mut self) {
        loop {
            let first = match self.carried.take() {
                Some(carried) => Some(carried),
                None => tokio::select! {
                    biased;
                    () = self.shared.stop.cancelled() => None,
                    first = self.receiver.recv() => first,
                },
            };
            let Some(first) = first else { return };
            let batch = self.gather(first).await;
            // Not before: while a batch gathers, the reader has to read on.
            let idle = self.idle.clone();
            let _busy = idle.acquire().await.expect("it is never closed");
            deliver(&self.shared, &self.shard_id, &self.progress, batch).await;
            if self.shared.stop.is_cancelled() {
                return;
            }
        }
    }

    /// The batch that starts with `first`: the available records, and those that arrive within the batching window.
    async fn gather(&mut self, first: Pending) -> Vec<Pending> {
        let window_ends = Instant::now() + self.shared.config.batching_window;
        let mut bytes = first.record.change.size_bytes;
        let mut batch = vec![first];
        while batch.len() < self.shared.config.batch_size {
            let next = match self.receiver.try_recv() {
                Ok(next) => next,
                Err(_) if self.shared.config.batching_window.is_zero() => break,
                Err(_) => {
                    tokio::select! {
                        next = self.receiver.recv() => match next { Some(next) => next, None => break },
                        () = tokio::time::sleep_until(window_ends) => break,
                        () = self.shared.stop.cancelled() => break,
                    }
                }
            };
            bytes += next.record.change.size_bytes;
            if bytes > BATCH_BYTES_MAX {
                self.carried = Some(next);
                break;
            }
            batch.push(next);
        }
        batch
    }
}

/// The lane of a record. Without a known partition key the whole key decides, which still keeps the
/// order per item, which is all that DynamoDB promises.
pub(super) fn lane_of(
    keys: &HashMap<String, AttributeValue>,
    partition_key: Option<&str>,
    lanes: usize,
) -> usize {
    let mut hasher = DefaultHasher::new();
    match partition_key.and_then(|name| keys.get(name)) {
        Some(value) => hash_key(value, &mut hasher),
        None => {
            let mut names: Vec<&String> = keys.keys().collect();
            names.sort();
            for name in names {
                hash_key(&keys[name], &mut hasher);
            }
        }
    }
    (hasher.finish() % lanes.max(1) as u64) as usize
}

/// A key is a string, a number or bytes.
fn hash_key(value: &AttributeValue, hasher: &mut DefaultHasher) {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.hash(hasher),
        AttributeValue::B(bytes) => bytes.hash(hasher),
        _ => {}
    }
}
