//! Stores for tests that look at single steps: embedded DynamoDB and S3 behind the real SDK clients, or all
//! of it in memory, and a clock that tests move.

use std::sync::Arc;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use inklog_access::AUDIENCE;
use inklog_access::signing::{Claims, Rights, SigningKeys};
use inklog_crdt::{Agent, Event, Id, Op, Origin};
use inklog_ingest::{Gate, Sync};
use inklog_local::{EmbeddedDynamoDb, EmbeddedS3};
use inklog_protocol::limits::DOC_BYTES_MAX;
use inklog_protocol::{DocId, LoggedEvent};
use inklog_store::audience::Audience;
use inklog_store::catalogue::memory::MemoryCatalogue;
use inklog_store::catalogue::{self, DynamoCatalogue};
use inklog_store::config;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::document::Documents;
use inklog_store::live::memory::MemoryLiveState;
use inklog_store::log::memory::MemoryOpLog;
use inklog_store::log::{self, Appended, DynamoOpLog};
use inklog_store::objects::S3Objects;
use inklog_store::objects::memory::MemoryObjects;
use inklog_store::push::memory::MemoryPush;
use inklog_store::tap::Tap;
use inklog_store::{Clock, LogRecord, ManualClock, SystemEntropy};
use serde_json::{Value, json};

pub const BUCKET: &str = "inklog";

/// The stores, and what keeps the embedded ones running.
pub struct Harness {
    pub documents: Documents,
    pub clock: Arc<ManualClock>,
    pub live: Arc<MemoryLiveState>,
    _embedded: Option<(EmbeddedDynamoDb, EmbeddedS3)>,
}

impl Harness {
    /// Log, catalogue and objects in embedded stores, through the SDK.
    pub async fn start() -> Harness {
        let embedded_dynamodb = EmbeddedDynamoDb::memory().await.expect("DynamoDB starts");
        let embedded_s3 = EmbeddedS3::memory(BUCKET).expect("S3 starts");
        let dynamodb = config::dynamodb_config(&embedded_dynamodb.sdk_config(), None);
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
        log::create_table(&dynamodb, "oplog").await.unwrap();
        catalogue::create_table(&dynamodb, "docs").await.unwrap();
        let s3 = config::s3_client(&embedded_s3.sdk_config(), None);
        let mut harness = Harness::memory();
        harness.documents.log = Arc::new(DynamoOpLog::new(dynamodb.clone(), "oplog"));
        harness.documents.catalogue = Arc::new(DynamoCatalogue::new(dynamodb, "docs"));
        harness.documents.objects = Arc::new(S3Objects::new(s3, BUCKET));
        Harness { _embedded: Some((embedded_dynamodb, embedded_s3)), ..harness }
    }

    /// Everything in memory.
    pub fn memory() -> Harness {
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let live = Arc::new(MemoryLiveState::new(clock.clone()));
        let documents = Documents {
            log: Arc::new(MemoryOpLog::new(clock.clone())),
            catalogue: Arc::new(MemoryCatalogue::new()),
            objects: Arc::new(MemoryObjects::new()),
            live: live.clone(),
            entropy: Arc::new(SystemEntropy),
            doc_bytes_max: DOC_BYTES_MAX,
        };
        Harness { documents, clock, live, _embedded: None }
    }

    /// The documents with a tap before every store.
    pub fn tapped(&self, tap: Arc<dyn Tap>) -> Documents {
        let clock: Arc<dyn Clock> = self.clock.clone();
        self.documents.tapped(&tap, &clock)
    }

    /// Puts events into the log as ingest does, at the clock's time.
    pub async fn append(&self, doc: &DocId, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let record = LogRecord { event, at: self.clock.now_ms(), author: None, connection: None };
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
            push: Arc::new(MemoryPush::new()),
            clock: self.clock.clone(),
        };
        let mut event = ApiGatewayWebsocketProxyRequest::default();
        event.request_context.connection_id = Some("c".to_owned());
        event.body = Some(message.to_string());
        let sync = Sync::new(Gate::open(), documents.clone(), audience, "log".to_owned());
        match sync.handle(event).await.body {
            Some(Body::Text(answer)) => serde_json::from_str(&answer).expect("JSON"),
            other => panic!("no answer: {other:?}"),
        }
    }

    pub fn logged(&self, event: Event) -> LoggedEvent {
        LoggedEvent { event, at: self.clock.now_ms(), author: None }
    }
}

/// A token of ten minutes with rights to these documents (JSON).
pub fn token(keys: &SigningKeys, user: &str, docs: &str, now_s: u64) -> String {
    let docs = serde_json::from_str(docs).expect("rights by document");
    let claims = Claims {
        sub: user.to_owned(),
        name: None,
        aud: AUDIENCE.to_owned(),
        iss: None,
        iat: now_s,
        exp: now_s + 600,
        rights: Some(Rights { docs }),
    };
    keys.signer(None).expect("a key that signs").token(&claims).expect("a signature")
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
            let op = Op::Insert { seq, text: char.to_string(), origin: Origin::Left(left) };
            Event::new(agent.clone(), seq, vec![op]).unwrap()
        })
        .collect()
}

/// An event at the start of the document that hangs at an id which may not be there yet.
pub fn hanging(name: &str, seq: u64, text: &str, left: &str) -> Event {
    let origin = Origin::Left(Some(left.parse().unwrap()));
    Event::new(agent(name), seq, vec![Op::Insert { seq, text: text.into(), origin }]).unwrap()
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
