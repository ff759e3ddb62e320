//! Event source mappings on an embedded DynamoDB.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use inklog_local::streams::{DeadLetterFolder, GivenUp, MemoryCheckpoints, MemoryDeadLetters, RandomFaults};
use inklog_local::{
    BoxError, EmbeddedDynamoDb, EventFilter, FileCheckpoints, Latency, Mapping, MappingConfig, StreamFunction,
};
use tokio::sync::watch;

use crate::support::{Dynamo, percentiles, within};

const TABLE: &str = "oplog";

type Answer = Result<DynamoDbEventResponse, BoxError>;
type Decide = dyn Fn(usize, &[EventRecord]) -> Answer + Send + Sync;

/// A function that records its batches, and answers as the test decides.
struct Recorder {
    batches: Mutex<Vec<Vec<EventRecord>>>,
    count: watch::Sender<usize>,
    pause: Duration,
    decide: Box<Decide>,
}

impl Recorder {
    fn new(decide: impl Fn(usize, &[EventRecord]) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Self::slow(Duration::ZERO, decide)
    }

    fn slow(
        pause: Duration,
        decide: impl Fn(usize, &[EventRecord]) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (batches, count) = (Mutex::default(), watch::Sender::new(0));
        Arc::new(Self { batches, count, pause, decide: Box::new(decide) })
    }

    /// The sort keys of each batch so far.
    fn batches(&self) -> Vec<Vec<String>> {
        let batches = self.batches.lock().unwrap();
        batches.iter().map(|batch| batch.iter().map(sk).collect()).collect()
    }

    async fn until(&self, what: &str, fact: impl Fn(&[Vec<String>]) -> bool) {
        let mut count = self.count.subscribe();
        within(what, async {
            while !fact(&self.batches()) {
                count.changed().await.unwrap();
            }
        })
        .await;
    }

    async fn until_seen(&self, keys: &[&str]) {
        self.until(&format!("{keys:?}"), |batches| {
            let seen: HashSet<&str> = batches.iter().flatten().map(String::as_str).collect();
            keys.iter().all(|key| seen.contains(key))
        })
        .await;
    }
}

#[async_trait]
impl StreamFunction for Recorder {
    async fn invoke(&self, event: Event) -> Answer {
        let number = {
            let mut batches = self.batches.lock().unwrap();
            batches.push(event.records.clone());
            batches.len()
        };
        tokio::time::sleep(self.pause).await;
        let answer = (self.decide)(number, &event.records);
        self.count.send_replace(number);
        answer
    }
}

fn text(record: &EventRecord, name: &str) -> String {
    match &record.change.keys[name] {
        serde_dynamo::AttributeValue::S(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn sk(record: &EventRecord) -> String {
    text(record, "sk")
}

fn ok() -> Answer {
    Ok(DynamoDbEventResponse::default())
}

fn failed(identifiers: impl IntoIterator<Item = String>) -> Answer {
    let mut response = DynamoDbEventResponse::default();
    for identifier in identifiers {
        let mut failure = aws_lambda_events::streams::DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(identifier);
        response.batch_item_failures.push(failure);
    }
    Ok(response)
}

fn sequence_of(records: &[EventRecord], key: &str) -> Option<String> {
    let record = records.iter().find(|record| sk(record) == key)?;
    record.change.sequence_number.clone()
}

/// A database with a table, and settings with short pauses.
async fn setup() -> (EmbeddedDynamoDb, Dynamo, MappingConfig) {
    let server = EmbeddedDynamoDb::memory().await.unwrap();
    let dynamo = Dynamo::new(&server);
    let stream = dynamo.create_table(TABLE).await;
    let mut config = MappingConfig::new("test", stream);
    config.partition_key = Some("doc".to_owned());
    config.retry_pause_min = Duration::from_millis(1);
    config.retry_pause_max = Duration::from_millis(10);
    (server, dynamo, config)
}

fn mapping(dynamo: &Dynamo, config: &MappingConfig, function: Arc<Recorder>) -> Mapping {
    let checkpoints = Arc::new(MemoryCheckpoints::new());
    Mapping::new(config.clone(), dynamo.streams.clone(), function, checkpoints).signal(dynamo.signal.clone())
}

#[tokio::test]
async fn inserts_arrive_as_lambda_hands_them_over_and_the_rest_is_filtered() {
    let (server, dynamo, mut config) = setup().await;
    config.filter = EventFilter::event_names(["INSERT"]);
    dynamo.put(TABLE, "d", "1").await;
    dynamo.put(TABLE, "d", "1").await;
    let function = Recorder::new(|_, _| ok());
    let running = mapping(&dynamo, &config, function.clone()).start();
    function.until_seen(&["1"]).await;
    dynamo.put(TABLE, "d", "2").await;
    function.until_seen(&["2"]).await;
    running.stop().await;
    assert_eq!(function.batches().concat(), ["1", "2"], "the MODIFY between them is filtered");
    let record = function.batches.lock().unwrap()[0][0].clone();
    assert_eq!(record.event_name, "INSERT");
    assert_eq!(record.event_source.as_deref(), Some("aws:dynamodb"));
    assert_eq!(record.event_source_arn.as_ref(), Some(&config.stream_arn));
    assert_eq!(record.change.new_image, record.change.keys);
    assert!(record.change.sequence_number.is_some() && !record.event_id.is_empty());
    let age = chrono::Utc::now() - record.change.approximate_creation_date_time;
    assert!(age.num_seconds() < 60, "{age}");
    server.stop().await;
}

#[tokio::test]
async fn a_partial_failure_repeats_from_the_lowest_failed_record() {
    let (server, dynamo, config) = setup().await;
    for n in 1..=5 {
        dynamo.put(TABLE, "d", &n.to_string()).await;
    }
    let function = Recorder::new(|number, records| match number {
        1 => failed(["4", "3"].iter().map(|key| sequence_of(records, key).unwrap())),
        2 => failed(["not a sequence number".to_owned()]),
        3 => failed([String::new()]),
        _ => ok(),
    });
    let running = mapping(&dynamo, &config, function.clone()).start();
    function.until("four invocations", |batches| batches.len() >= 4).await;
    running.stop().await;
    let rest = vec!["3", "4", "5"];
    assert_eq!(function.batches(), [vec!["1", "2", "3", "4", "5"], rest.clone(), rest.clone(), rest]);
    server.stop().await;
}

#[tokio::test]
async fn bisecting_isolates_a_poison_record_for_the_dead_letters() {
    let (server, dynamo, mut config) = setup().await;
    config.bisect_batch_on_function_error = true;
    config.maximum_retry_attempts = Some(2);
    for n in 1..=8 {
        dynamo.put(TABLE, "d", &n.to_string()).await;
    }
    let function = Recorder::new(|_, records| match sequence_of(records, "6") {
        Some(_) => Err("poison".into()),
        None => ok(),
    });
    let letters = Arc::new(MemoryDeadLetters::new());
    let running = mapping(&dynamo, &config, function.clone()).dead_letters(letters.clone()).start();
    function.until_seen(&["7", "8"]).await;
    function.until("8 alone", |batches| batches.last().is_some_and(|b| *b == ["7", "8"])).await;
    running.stop().await;

    let alone = function.batches().iter().filter(|batch| **batch == ["6"]).count();
    assert_eq!(alone, 3, "splitting costs no retry: one try and two retries alone");
    let letters = letters.all();
    assert_eq!(letters.len(), 1);
    let (key, letter) = &letters[0];
    assert!(key.starts_with("aws/lambda/test/shardId-"), "{key}");
    assert_eq!(letter.request_context.condition, GivenUp::RetryAttemptsExhausted);
    assert_eq!(letter.batch_info.batch_size, 1);
    let event: Event = serde_json::from_str(&letter.payload).unwrap();
    assert_eq!(sk(&event.records[0]), "6");
    server.stop().await;
}

#[tokio::test]
async fn retries_end_in_the_dead_letter_folder_and_panics_are_failures() {
    let (server, dynamo, mut config) = setup().await;
    config.maximum_retry_attempts = Some(1);
    config.batch_size = 1;
    dynamo.put(TABLE, "d", "bad").await;
    dynamo.put(TABLE, "d", "good").await;
    let folder = tempfile::tempdir().unwrap();
    let function = Recorder::new(|_, records| {
        assert!(sequence_of(records, "bad").is_none(), "a function that panics");
        ok()
    });
    let letters = Arc::new(DeadLetterFolder::new(folder.path()));
    let running = mapping(&dynamo, &config, function.clone()).dead_letters(letters).start();
    function.until_seen(&["good"]).await;
    assert_eq!(running.stats().set_aside, 1);
    running.stop().await;
    assert_eq!(function.batches(), [["bad"], ["bad"], ["good"]]);
    let mut files = vec![folder.path().to_owned()];
    while files.iter().any(|path| path.is_dir()) {
        files = files
            .into_iter()
            .flat_map(|path| match path.is_dir() {
                true => path.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect(),
                false => vec![path],
            })
            .collect();
    }
    let letter: serde_json::Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!(letter["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(letter["DDBStreamBatchInfo"]["batchSize"], 1);
    assert!(letter["payload"].as_str().unwrap().contains("bad"));
    server.stop().await;
}

#[tokio::test]
async fn records_that_are_too_old_are_given_up() {
    let (server, dynamo, mut config) = setup().await;
    // The record's time has a resolution of a second, and no age passes this.
    config.maximum_record_age = Some(Duration::ZERO);
    dynamo.put(TABLE, "d", "old").await;
    let letters = Arc::new(MemoryDeadLetters::new());
    let function = Recorder::new(|_, _| Err("never".into()));
    let running = mapping(&dynamo, &config, function).dead_letters(letters.clone()).start();
    within("the dead letter", async {
        while letters.all().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.stop().await;
    assert_eq!(letters.all()[0].1.request_context.condition, GivenUp::RecordAgeExceeded);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_run_at_once_and_keep_the_order_of_each_document() {
    let (server, dynamo, mut config) = setup().await;
    config.parallelization_factor = 10;
    config.batch_size = 3;
    let most = Arc::new(AtomicUsize::new(0));
    let at_once = Arc::new(AtomicUsize::new(0));

    struct Counting(Arc<Recorder>, Arc<AtomicUsize>, Arc<AtomicUsize>);
    #[async_trait]
    impl StreamFunction for Counting {
        async fn invoke(&self, event: Event) -> Answer {
            let now = self.1.fetch_add(1, Ordering::SeqCst) + 1;
            self.2.fetch_max(now, Ordering::SeqCst);
            let answer = self.0.invoke(event).await;
            self.1.fetch_sub(1, Ordering::SeqCst);
            answer
        }
    }
    // Now and then a batch fails, which must not disturb the order either.
    let recorder = Recorder::slow(Duration::from_millis(5), |number, records| match number % 7 {
        0 => failed(records.last().and_then(|record| record.change.sequence_number.clone())),
        _ => ok(),
    });
    let counting = Arc::new(Counting(recorder.clone(), at_once, most.clone()));
    for n in 0..20 {
        for doc in 0..10 {
            dynamo.put(TABLE, &format!("d{doc}"), &format!("{doc}-{n:03}")).await;
        }
    }
    let checkpoints = Arc::new(MemoryCheckpoints::new());
    let running = Mapping::new(config, dynamo.streams.clone(), counting, checkpoints).start();
    let total = |batches: &[Vec<String>]| batches.concat().into_iter().collect::<HashSet<_>>().len() == 200;
    recorder.until("all 200", total).await;
    running.stop().await;
    assert!(most.load(Ordering::SeqCst) > 1, "batches overlap");
    let mut last: HashMap<String, String> = HashMap::new();
    let mut seen = HashSet::new();
    for batch in recorder.batches.lock().unwrap().iter() {
        for record in batch {
            if seen.insert(sk(record)) {
                let before = last.insert(text(record, "doc"), sk(record));
                assert!(before.is_none_or(|before| before < sk(record)), "{} came out of order", sk(record));
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_at_the_checkpoint_and_repeats_only_what_was_not_done() {
    let (server, dynamo, mut config) = setup().await;
    config.batch_size = 1;
    let folder = tempfile::tempdir().unwrap();
    let start = |function: &Arc<Recorder>| {
        let checkpoints = Arc::new(FileCheckpoints::new(folder.path()));
        Mapping::new(config.clone(), dynamo.streams.clone(), function.clone(), checkpoints)
            .signal(dynamo.signal.clone())
            .start()
    };
    for key in ["1", "2", "3"] {
        dynamo.put(TABLE, "d", key).await;
    }
    let stuck = Recorder::new(|_, records| match sequence_of(records, "3") {
        Some(_) => Err("not yet".into()),
        None => ok(),
    });
    let running = start(&stuck);
    stuck.until_seen(&["3"]).await;
    running.stop().await;

    let function = Recorder::new(|_, _| ok());
    let running = start(&function);
    function.until_seen(&["3"]).await;
    running.stop().await;
    assert_eq!(function.batches(), [["3"]]);

    let idle = Recorder::new(|_, _| ok());
    let running = start(&idle);
    dynamo.put(TABLE, "d", "4").await;
    idle.until_seen(&["4"]).await;
    running.stop().await;
    assert_eq!(idle.batches(), [["4"]]);
    server.stop().await;
}

#[tokio::test]
async fn a_checkpoint_that_the_stream_does_not_know_falls_back_to_the_oldest_record() {
    use inklog_local::streams::{Checkpoints, Shard};
    let (server, dynamo, config) = setup().await;
    dynamo.put(TABLE, "d", "1").await;
    let described = dynamo.streams.describe_stream().stream_arn(&config.stream_arn).send().await.unwrap();
    let shard = described.stream_description.unwrap().shards()[0].shard_id().unwrap().to_owned();
    let checkpoints = Arc::new(MemoryCheckpoints::new());
    let shard = Shard { stream: &config.stream_arn, id: &shard };
    checkpoints.save(&config.name, shard, "5").await.unwrap();
    let function = Recorder::new(|_, _| ok());
    let running = Mapping::new(config, dynamo.streams.clone(), function.clone(), checkpoints).start();
    function.until_seen(&["1"]).await;
    running.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn faults_repeat_and_split_but_lose_nothing() {
    let (server, dynamo, config) = setup().await;
    for n in 0..100 {
        dynamo.put(TABLE, &format!("d{}", n % 7), &format!("{n:03}")).await;
    }
    let function = Recorder::new(|_, _| ok());
    let faults = Arc::new(RandomFaults::new(7, Duration::from_millis(3)));
    let running = mapping(&dynamo, &config, function.clone()).faults(faults).start();
    dynamo.put(TABLE, "d", "last").await;
    let all = |batches: &[Vec<String>]| batches.concat().into_iter().collect::<HashSet<_>>().len() == 101;
    function.until("all 101", all).await;
    running.stop().await;
    println!("{} records delivered for 101", function.batches().concat().len());
    server.stop().await;
}

#[tokio::test]
async fn a_batching_window_gathers() {
    let (server, dynamo, mut config) = setup().await;
    config.batching_window = Duration::from_secs(10);
    config.batch_size = 3;
    let function = Recorder::new(|_, _| ok());
    let running = mapping(&dynamo, &config, function.clone()).start();
    for key in ["1", "2", "3"] {
        dynamo.put(TABLE, "d", key).await;
    }
    function.until_seen(&["3"]).await;
    assert_eq!(function.batches(), [["1", "2", "3"]], "a full batch does not wait for its window");
    running.stop().await;
    server.stop().await;
}

/// A function that notes when each record reached it.
struct Arrivals(watch::Sender<HashMap<String, Instant>>);

#[async_trait]
impl StreamFunction for Arrivals {
    async fn invoke(&self, event: Event) -> Answer {
        let now = Instant::now();
        self.0.send_modify(|seen| {
            for record in &event.records {
                seen.entry(sk(record)).or_insert(now);
            }
        });
        ok()
    }
}

async fn latency_of(dynamo: &Dynamo, config: &MappingConfig, writes: usize) -> Vec<Duration> {
    let function = Arc::new(Arrivals(watch::Sender::default()));
    let checkpoints = Arc::new(MemoryCheckpoints::new());
    let running = Mapping::new(config.clone(), dynamo.streams.clone(), function.clone(), checkpoints)
        .signal(dynamo.signal.clone())
        .start();
    let mut samples = Vec::new();
    for n in 0..writes {
        let key = format!("{}-{n}", config.name);
        dynamo.put(TABLE, "d", &key).await;
        let written = Instant::now();
        let mut seen = function.0.subscribe();
        let at = *within("the write", seen.wait_for(|seen| seen.contains_key(&key)))
            .await
            .unwrap()
            .get(&key)
            .unwrap();
        samples.push(at.saturating_duration_since(written));
    }
    running.stop().await;
    samples
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_wakes_the_mapping_and_polling_is_as_slow_as_on_aws() {
    let (server, dynamo, mut config) = setup().await;
    config.name = "fast".to_owned();
    let (p50, p99) = percentiles(latency_of(&dynamo, &config, 300).await);
    println!("write acknowledged to function invoked, fast: p50 {p50:?}, p99 {p99:?}");
    assert!(p50 < Duration::from_millis(100), "woken, not polled: {p50:?}");
    config.name = "aws".to_owned();
    config.latency = Latency::Aws;
    let (p50, p99) = percentiles(latency_of(&dynamo, &config, 10).await);
    println!("write acknowledged to function invoked, aws: p50 {p50:?}, p99 {p99:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_write_that_nobody_signals_is_found_by_the_fallback() {
    let (server, dynamo, mut config) = setup().await;
    config.latency = Latency::Fast { fallback_poll: Duration::from_millis(30) };
    let function = Recorder::new(|_, _| ok());
    let checkpoints = Arc::new(MemoryCheckpoints::new());
    let running = Mapping::new(config, dynamo.streams.clone(), function.clone(), checkpoints).start();
    dynamo.put(TABLE, "d", "1").await;
    function.until_seen(&["1"]).await;
    dynamo.put(TABLE, "d", "2").await;
    function.until_seen(&["2"]).await;
    running.stop().await;
    server.stop().await;
}
