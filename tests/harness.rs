//! Stores for tests that look at single steps: embedded DynamoDB and S3 behind the real SDK clients,
//! the live state in memory, a clock that tests move, and wrappers that step in between two calls.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use inklog_crdt::{Agent, Anchor, Event, Id, Op};
use inklog_local::{EmbeddedDynamoDb, EmbeddedS3};
use inklog_protocol::{DocId, LoggedEvent};
use inklog_store::audience::Audience;
use inklog_store::catalogue::{self, DynamoCatalogue};
use inklog_store::config;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::document::Documents;
use inklog_store::live::memory::MemoryLiveState;
use inklog_store::live::{BaseTag, Cursor, LiveDoc, NewBase, TailStatus};
use inklog_store::log::{self, Appended, DynamoOpLog, LogItem};
use inklog_store::objects::S3Objects;
use inklog_store::{Clock, LiveState, LogRecord, Objects, OpLog, Push, PushError, StoreError, SystemEntropy};
use serde_json::{Value, json};

pub const BUCKET: &str = "inklog";

/// A clock that stands still until a test moves it.
pub struct TestClock(AtomicU64);

impl TestClock {
    pub fn new(now_ms: u64) -> Arc<TestClock> {
        Arc::new(TestClock(AtomicU64::new(now_ms)))
    }

    pub fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The stores, and what keeps the embedded ones running.
pub struct Harness {
    pub documents: Documents,
    pub clock: Arc<TestClock>,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub live: Arc<MemoryLiveState>,
    _embedded: (EmbeddedDynamoDb, EmbeddedS3),
}

impl Harness {
    pub async fn start() -> Harness {
        let embedded_dynamodb = EmbeddedDynamoDb::memory().await.expect("DynamoDB starts");
        let embedded_s3 = EmbeddedS3::memory(BUCKET).expect("S3 starts");
        let dynamodb = config::dynamodb_config(&embedded_dynamodb.sdk_config(), None);
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
        log::create_table(&dynamodb, "oplog").await.unwrap();
        catalogue::create_table(&dynamodb, "docs").await.unwrap();
        let s3 = config::s3_client(&embedded_s3.sdk_config(), None);
        let clock = TestClock::new(1_700_000_000_000);
        let live = Arc::new(MemoryLiveState::new(clock.clone()));
        let documents = Documents {
            log: Arc::new(DynamoOpLog::new(dynamodb.clone(), "oplog")),
            catalogue: Arc::new(DynamoCatalogue::new(dynamodb.clone(), "docs")),
            objects: Arc::new(S3Objects::new(s3, BUCKET)),
            live: live.clone(),
            entropy: Arc::new(SystemEntropy),
        };
        Harness { documents, clock, dynamodb, live, _embedded: (embedded_dynamodb, embedded_s3) }
    }

    /// Puts events into the log as ingest does, at the clock's time.
    pub async fn append(&self, doc: &DocId, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let record = LogRecord { event, at: self.clock.now_ms(), user: None, connection: None };
            assert_eq!(self.documents.log.append(doc, &record).await.unwrap(), Appended::Added);
        }
    }

    /// What the function behind JOIN_DOC and SYNC_STATE answers over these documents. An answer in
    /// parts is not for this: nobody reads the posts.
    pub async fn ask_sync(&self, documents: &Documents, message: Value) -> Value {
        let connections = Arc::new(MemoryConnections::new());
        let audience = Audience {
            presence: connections.clone(),
            connections,
            push: Arc::new(Nobody),
            clock: self.clock.clone(),
        };
        let mut event = ApiGatewayWebsocketProxyRequest::default();
        event.request_context.connection_id = Some("c".to_owned());
        event.body = Some(message.to_string());
        match inklog_ingest::Sync::new(documents.clone(), audience, "log".to_owned()).handle(event).await.body
        {
            Some(Body::Text(answer)) => serde_json::from_str(&answer).expect("JSON"),
            other => panic!("no answer: {other:?}"),
        }
    }

    pub fn logged(&self, event: Event) -> LoggedEvent {
        LoggedEvent { event, at: self.clock.now_ms() }
    }
}

struct Nobody;

#[async_trait]
impl Push for Nobody {
    async fn post(&self, _: &str, _: &str) -> Result<(), PushError> {
        Err(PushError::Gone)
    }
}

pub fn doc(name: &str) -> DocId {
    DocId::new(name).unwrap()
}

pub fn agent(name: &str) -> Agent {
    Agent::new(name).unwrap()
}

/// `text`, typed one event a character by one agent from `seq` on, each after the one before.
pub fn typed(name: &str, seq: u64, text: &str) -> Vec<Event> {
    let agent = agent(name);
    text.chars()
        .zip(seq..)
        .map(|(char, seq)| {
            let left = seq.checked_sub(1).map(|before| Id::new(agent.clone(), before));
            let op = Op::Insert { seq, text: char.to_string(), anchor: Anchor::Left(left) };
            Event::new(agent.clone(), seq, vec![op]).unwrap()
        })
        .collect()
}

/// An event at the start of the document that hangs at an id which may not be there yet.
pub fn hanging(name: &str, seq: u64, text: &str, left: &str) -> Event {
    let anchor = Anchor::Left(Some(left.parse().unwrap()));
    Event::new(agent(name), seq, vec![Op::Insert { seq, text: text.into(), anchor }]).unwrap()
}

/// A batch of the log's stream as Lambda gets it: (sequence number, document, bytes of `ops`, event).
pub fn batch(records: &[(&str, &DocId, Vec<u8>, &Event)]) -> StreamEvent {
    use base64::Engine as _;
    let records: Vec<_> = records
        .iter()
        .map(|(sequence, doc, ops, event)| {
            let key = format!("{}#{:016}", event.agent(), event.after());
            json!({
                "eventID": sequence, "eventName": "INSERT", "eventVersion": "1.1",
                "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:dynamodb:us-east-1:0:table/oplog/stream/1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1.7e9, "SequenceNumber": sequence, "SizeBytes": 100,
                    "StreamViewType": "NEW_IMAGE", "Keys": {"doc": {"S": doc.as_str()}, "sk": {"S": key}},
                    "NewImage": {
                        "doc": {"S": doc.as_str()}, "sk": {"S": key},
                        "ops": {"B": base64::engine::general_purpose::STANDARD.encode(ops)},
                        "end": {"N": event.end().to_string()}, "at": {"N": "1700000000000"},
                    },
                },
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).expect("a stream event")
}

/// A stream batch of sound events.
pub fn sound_batch(doc: &DocId, events: &[Event]) -> StreamEvent {
    let names: Vec<String> = (1..=events.len()).map(|n| format!("{n:021}")).collect();
    let records: Vec<_> = events.iter().zip(&names).map(|(e, n)| (n.as_str(), doc, e.encode(), e)).collect();
    batch(&records)
}

/// A log and a bucket that fail while they are told to.
pub struct Failing<T: ?Sized> {
    pub inner: Arc<T>,
    pub fails: Arc<AtomicBool>,
}

impl<T: ?Sized> Failing<T> {
    fn check(&self) -> Result<(), StoreError> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("the store", "it was told to fail")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl OpLog for Failing<dyn OpLog> {
    async fn append(&self, doc: &DocId, record: &LogRecord) -> Result<Appended, StoreError> {
        self.check()?;
        self.inner.append(doc, record).await
    }

    async fn last_of(
        &self,
        doc: &DocId,
        agent: &Agent,
        at_most: Option<u64>,
    ) -> Result<Option<LogRecord>, StoreError> {
        self.check()?;
        self.inner.last_of(doc, agent, at_most).await
    }

    async fn read(&self, doc: &DocId) -> Result<Vec<LogItem>, StoreError> {
        self.check()?;
        self.inner.read(doc).await
    }

    async fn delete(&self, doc: &DocId, places: &[(Agent, u64)]) -> Result<(), StoreError> {
        self.check()?;
        self.inner.delete(doc, places).await
    }
}

#[async_trait]
impl Objects for Failing<dyn Objects> {
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.check()?;
        self.inner.put(key, bytes).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.check()?;
        self.inner.delete(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        self.inner.get(key).await
    }
}

type Step = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A log in whose whole reads a test steps in, before or after, once.
pub struct SteppedLog {
    pub inner: Arc<dyn OpLog>,
    pub before: Mutex<Option<Step>>,
    pub after: Mutex<Option<Step>>,
}

impl SteppedLog {
    pub fn new(inner: Arc<dyn OpLog>) -> SteppedLog {
        SteppedLog { inner, before: Mutex::default(), after: Mutex::default() }
    }
}

async fn take_step(step: &Mutex<Option<Step>>) {
    let step = step.lock().unwrap().take();
    if let Some(step) = step {
        step().await;
    }
}

#[async_trait]
impl OpLog for SteppedLog {
    async fn append(&self, doc: &DocId, record: &LogRecord) -> Result<Appended, StoreError> {
        self.inner.append(doc, record).await
    }

    async fn last_of(
        &self,
        doc: &DocId,
        agent: &Agent,
        at_most: Option<u64>,
    ) -> Result<Option<LogRecord>, StoreError> {
        self.inner.last_of(doc, agent, at_most).await
    }

    async fn read(&self, doc: &DocId) -> Result<Vec<LogItem>, StoreError> {
        take_step(&self.before).await;
        let items = self.inner.read(doc).await;
        take_step(&self.after).await;
        items
    }

    async fn delete(&self, doc: &DocId, places: &[(Agent, u64)]) -> Result<(), StoreError> {
        self.inner.delete(doc, places).await
    }
}

/// A live state that refuses appends to the documents named, as often as told, and will not drop them
/// meanwhile: it is down.
pub struct FailingLive {
    inner: Arc<dyn LiveState>,
    refusals: Mutex<HashMap<DocId, u32>>,
    /// How often a state was read.
    pub reads: AtomicUsize,
    /// Steps in after a state was read and before its reader has it, once.
    pub after_read: Mutex<Option<Step>>,
}

impl FailingLive {
    pub fn new(inner: Arc<dyn LiveState>, refusals: HashMap<DocId, u32>) -> FailingLive {
        FailingLive {
            inner,
            refusals: Mutex::new(refusals),
            reads: AtomicUsize::new(0),
            after_read: Mutex::default(),
        }
    }
}

#[async_trait]
impl LiveState for FailingLive {
    async fn append(
        &self,
        doc: &DocId,
        events: &[LoggedEvent],
        fresh_tail: &str,
    ) -> Result<TailStatus, StoreError> {
        if let Some(left) = self.refusals.lock().unwrap().get_mut(doc).filter(|left| **left > 0) {
            *left -= 1;
            return Err(StoreError::unavailable("Redis", "it was told to fail"));
        }
        self.inner.append(doc, events, fresh_tail).await
    }

    async fn read(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let read = self.inner.read(doc).await;
        take_step(&self.after_read).await;
        read
    }

    async fn peek(&self, doc: &DocId) -> Result<Option<LiveDoc>, StoreError> {
        self.inner.peek(doc).await
    }

    async fn since(
        &self,
        doc: &DocId,
        cursor: &Cursor,
    ) -> Result<Option<(Vec<LoggedEvent>, Cursor)>, StoreError> {
        self.inner.since(doc, cursor).await
    }

    async fn fold(
        &self,
        doc: &DocId,
        read: &BaseTag,
        folded_to: &Cursor,
        base: NewBase,
    ) -> Result<bool, StoreError> {
        self.inner.fold(doc, read, folded_to, base).await
    }

    async fn begin_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError> {
        self.inner.begin_rebuild(doc, nonce).await
    }

    async fn commit_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError> {
        self.inner.commit_rebuild(doc, nonce, base).await
    }

    async fn swap_rebuild(&self, doc: &DocId, nonce: &str, base: NewBase) -> Result<bool, StoreError> {
        self.inner.swap_rebuild(doc, nonce, base).await
    }

    async fn end_rebuild(&self, doc: &DocId, nonce: &str) -> Result<(), StoreError> {
        self.inner.end_rebuild(doc, nonce).await
    }

    async fn drop_doc(&self, doc: &DocId) -> Result<(), StoreError> {
        if self.refusals.lock().unwrap().contains_key(doc) {
            return Err(StoreError::unavailable("Redis", "it was told to fail"));
        }
        self.inner.drop_doc(doc).await
    }
}
