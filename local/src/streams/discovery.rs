//! Finds a stream's shards and runs a reader for each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodbstreams::error::DisplayErrorContext;
use aws_sdk_dynamodbstreams::types::KeyType;
use tokio::task::JoinSet;

use super::Shard;
use super::shard::{SHARD_END, ShardEnd, ShardReader};
use super::shared::Shared;

/// A shard as the stream describes it.
struct Described {
    shards: Vec<(String, Option<String>)>,
    partition_key: Option<String>,
}

/// Finds shards and runs a reader for each, parents before their children.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut readers = JoinSet::new();
    let mut running: HashSet<String> = HashSet::new();
    let mut finished: HashSet<String> = HashSet::new();
    let mut pause = shared.config.retry_pause_min;
    while !shared.stop.is_cancelled() {
        match start_ready_shards(&shared, &mut readers, &mut running, &mut finished).await {
            Ok(()) => pause = shared.config.retry_pause_min,
            Err(error) => {
                tracing::warn!(mapping = shared.config.name, error, "could not list the stream's shards");
                shared.pause(pause).await;
                pause = (pause * 2).min(shared.config.retry_pause_max);
                continue;
            }
        }
        tokio::select! {
            Some(ended) = readers.join_next() => note_end(&shared, ended, &mut running, &mut finished),
            _ = shared.pause(shared.config.shard_refresh) => {}
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
