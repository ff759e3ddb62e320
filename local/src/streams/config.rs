//! The settings of a mapping.

use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;

/// How soon a function receives a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Immediately: the `WriteSignal` wakes the reader. The fallback poll finds a write without a signal,
    /// such as one of another process.
    Fast {
        /// How long a reader without a signal waits before it polls.
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

/// FilterCriteria on the event name. Records that do not pass count as done and never reach the function.
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
    /// The table's partition key, for the lanes: dynoxide's DescribeStream does not return it, AWS's does.
    pub partition_key: Option<String>,
    /// How soon the function receives a write.
    pub latency: Latency,
    /// With fast latency: how long after a write the reader waits before it reads, so that the writes
    /// right after it are in the same batch.
    pub settle: Duration,
    /// The maximum number of records in one invocation, at least 1.
    pub batch_size: usize,
    /// How long an incomplete batch waits for more records.
    pub batching_window: Duration,
    /// How many batches of a shard may be in progress at once, 1 to 10.
    pub parallelization_factor: u8,
    /// How often a failed batch is retried; `None`: without limit.
    pub maximum_retry_attempts: Option<u32>,
    /// How old a record may get before the mapping gives it up; `None`: any age.
    pub maximum_record_age: Option<Duration>,
    /// Whether a batch that fails as a whole is split in two.
    pub bisect_batch_on_function_error: bool,
    /// Whether the function's answer names failed records. Otherwise it is ignored.
    pub report_batch_item_failures: bool,
    /// Which records the function receives.
    pub filter: EventFilter,
    /// How long the function may run before it is killed.
    pub function_timeout: Duration,
    /// The pause before the first retry; it doubles with each.
    pub retry_pause_min: Duration,
    /// The longest pause between retries.
    pub retry_pause_max: Duration,
    /// How often to look for new shards, besides when one ends, which is when they appear.
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
