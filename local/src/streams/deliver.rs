//! Delivers one batch to the function: partial failures, bisecting, retries, and giving up.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use chrono::Utc;
use futures::future::join_all;

use super::dead_letters::{GivenUp, write_letter};
use super::progress::Progress;
use super::shared::Shared;

/// A record that was read, and its number in the shard's `Progress`.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub index: u64,
    pub record: EventRecord,
}

/// Records to be tried together, and how often the first of them has failed.
struct Attempt {
    records: Vec<Pending>,
    failures: u32,
}

/// The outcome of an invocation.
enum Outcome {
    Done,
    /// The records from here on failed; the ones before are done.
    FailedFrom(usize),
    /// The function failed as a whole, or answered what cannot be understood.
    Failed,
}

/// Delivers a batch, with the faults that a simulation asks for. Returns when each record is done or
/// given up, or when the mapping stops.
pub(super) async fn deliver(shared: &Shared, shard_id: &str, progress: &Progress, batch: Vec<Pending>) {
    let Some(faults) = &shared.faults else {
        return deliver_part(shared, shard_id, progress, batch).await;
    };
    let records: Vec<EventRecord> = batch.iter().map(|pending| pending.record.clone()).collect();
    let (beside, in_turn): (Vec<_>, Vec<_>) =
        super::faults::plan(faults.as_ref(), &records).into_iter().partition(|delivery| delivery.overlaps);
    let one = |delivery: super::FaultyDelivery| {
        let part: Vec<Pending> = delivery.records.iter().map(|&at| batch[at].clone()).collect();
        async move {
            tokio::time::sleep(delivery.delay).await;
            deliver_part(shared, shard_id, progress, part).await;
        }
    };
    let in_turn = async {
        for delivery in in_turn {
            one(delivery).await;
        }
    };
    tokio::join!(in_turn, join_all(beside.into_iter().map(&one)));
}

async fn deliver_part(shared: &Shared, shard_id: &str, progress: &Progress, records: Vec<Pending>) {
    let config = &shared.config;
    let mut attempts = VecDeque::from([Attempt { records, failures: 0 }]);
    let mut pause = config.retry_pause_min;
    while let Some(mut attempt) = attempts.pop_front() {
        let expired = expired(config.maximum_record_age, &attempt.records);
        if expired > 0 {
            let kept = attempt.records.split_off(expired);
            let old = std::mem::replace(&mut attempt.records, kept);
            give_up(shared, shard_id, progress, old, GivenUp::RecordAgeExceeded, attempt.failures).await;
        }
        if attempt.records.is_empty() {
            continue;
        }
        if shared.stop.is_cancelled() {
            return;
        }
        let failed_from = match invoke(shared, &attempt.records).await {
            Outcome::Done => attempt.records.len(),
            Outcome::FailedFrom(first) => first,
            Outcome::Failed => 0,
        };
        let rest = attempt.records.split_off(failed_from);
        progress.done(attempt.records.iter().map(|pending| pending.index));
        if rest.is_empty() {
            continue;
        }
        if failed_from > 0 {
            // Others succeeded meanwhile: what failed now has failed for the first time as the head.
            (attempt.failures, pause) = (0, config.retry_pause_min);
        }
        if failed_from == 0 && config.bisect_batch_on_function_error && rest.len() > 1 {
            // Splitting does not count as a retry.
            let mut first = rest;
            let second = first.split_off(first.len().div_ceil(2));
            attempts.push_front(Attempt { records: second, failures: attempt.failures });
            attempts.push_front(Attempt { records: first, failures: attempt.failures });
        } else {
            let failures = attempt.failures + 1;
            if config.maximum_retry_attempts.is_some_and(|max| failures > max) {
                let why = GivenUp::RetryAttemptsExhausted;
                give_up(shared, shard_id, progress, rest, why, failures).await;
                continue;
            }
            attempts.push_front(Attempt { records: rest, failures });
        }
        shared.pause(pause).await;
        pause = (pause * 2).min(config.retry_pause_max);
    }
}

/// How many records at the front exceed the maximum age.
fn expired(age_max: Option<Duration>, records: &[Pending]) -> usize {
    let Some(age_max) = age_max else { return 0 };
    let now = Utc::now();
    let too_old = |pending: &&Pending| {
        let age = now.signed_duration_since(pending.record.change.approximate_creation_date_time);
        age.to_std().is_ok_and(|age| age > age_max)
    };
    records.iter().take_while(too_old).count()
}

async fn invoke(shared: &Shared, records: &[Pending]) -> Outcome {
    let mut event = Event::default();
    event.records = records.iter().map(|pending| pending.record.clone()).collect();
    let function = shared.function.clone();
    // A task of its own, so that a panic is the function's error and not the mapping's end.
    let mut running = tokio::spawn(async move { function.invoke(event).await });
    shared.stats.invoked(records.len());
    let name = &shared.config.name;
    let response = match tokio::time::timeout(shared.config.function_timeout, &mut running).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(error))) => {
            tracing::warn!(mapping = name, error, "the function failed");
            shared.stats.failed();
            return Outcome::Failed;
        }
        Ok(Err(error)) => {
            tracing::error!(mapping = name, %error, "the function panicked");
            shared.stats.failed();
            return Outcome::Failed;
        }
        Err(_) => {
            // Lambda kills a function that takes too long.
            running.abort();
            tracing::error!(mapping = name, "the function timed out");
            shared.stats.failed();
            return Outcome::Failed;
        }
    };
    if !shared.config.report_batch_item_failures {
        return Outcome::Done;
    }
    let outcome = reported(&response, records);
    if !matches!(outcome, Outcome::Done) {
        tracing::warn!(mapping = name, "the function reported failed records");
        shared.stats.failed();
    }
    outcome
}

/// What a partial batch response says: everything from the lowest failed record on comes again, and
/// an identifier that names no record of the batch fails it whole.
fn reported(response: &DynamoDbEventResponse, records: &[Pending]) -> Outcome {
    let failures = &response.batch_item_failures;
    if failures.is_empty() {
        return Outcome::Done;
    }
    let sequence_number = |pending: &Pending| pending.record.change.sequence_number.clone();
    let known: HashSet<String> = records.iter().filter_map(sequence_number).collect();
    let failed: Option<HashSet<&str>> = failures
        .iter()
        .map(|failure| failure.item_identifier.as_deref().filter(|id| known.contains(*id)))
        .collect();
    let Some(failed) = failed else { return Outcome::Failed };
    let is_failed = |pending: &Pending| {
        pending.record.change.sequence_number.as_deref().is_some_and(|number| failed.contains(number))
    };
    records.iter().position(is_failed).map_or(Outcome::Done, Outcome::FailedFrom)
}

/// Sets records aside. They are done only once the dead letters have them; without a destination they
/// are dropped, as Lambda drops them.
async fn give_up(
    shared: &Shared,
    shard_id: &str,
    progress: &Progress,
    records: Vec<Pending>,
    why: GivenUp,
    invocations: u32,
) {
    let (indexes, records): (Vec<u64>, Vec<EventRecord>) =
        records.into_iter().map(|pending| (pending.index, pending.record)).unzip();
    let config = &shared.config;
    let count = records.len();
    tracing::error!(mapping = config.name, count, ?why, "setting records aside");
    if let Some(dead_letters) = &shared.dead_letters {
        let (key, letter) =
            write_letter(&config.name, &config.stream_arn, shard_id, records, why, invocations);
        while let Err(error) = dead_letters.put(&key, &letter).await {
            tracing::error!(mapping = config.name, error, "cannot store dead letters");
            shared.pause(config.retry_pause_max).await;
            if shared.stop.is_cancelled() {
                return;
            }
        }
    }
    shared.stats.set_aside(count);
    progress.done(indexes);
}
