//! What a function finds around it: DynamoDB, S3, a real Redis, and the API's `@connections`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_access::Algorithm;
use inklog_access::signing::SigningKeys;
use inklog_crdt::Event;
use inklog_ingest::authorizer::settings::vars as authorizer;
use inklog_local::embedded::{LOCAL_ACCESS_KEY_ID, LOCAL_REGION, LOCAL_SECRET_ACCESS_KEY};
use inklog_local::{EmbeddedDynamoDb, EmbeddedS3};
use inklog_protocol::DocId;
use inklog_protocol::limits::DOC_BYTES_MAX;
use inklog_store::catalogue::{self, DynamoCatalogue};
use inklog_store::config::{self, vars};
use inklog_store::connections::redis::RedisConnections;
use inklog_store::document::Documents;
use inklog_store::live::redis::RedisLiveState;
use inklog_store::log::{self, Appended, DynamoOpLog};
use inklog_store::objects::S3Objects;
use inklog_store::{Clock as _, LogRecord, SystemClock, SystemEntropy};
use inklog_tests::RedisServer;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::sam::Template;

const OPLOG_TABLE: &str = "inklog-oplog";
const DOCS_TABLE: &str = "inklog-docs";
const BUCKET: &str = "inklog";
/// How long a post that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Posts to a connection whose id begins so are answered with 410.
pub const GONE: &str = "gone";

/// The stores, as the test sees them and as the functions do.
pub struct World {
    pub documents: Documents,
    pub connections: RedisConnections,
    pub revocations: DynamoCatalogue,
    /// What signs tokens, and what the identity provider serves the public part of.
    pub keys: SigningKeys,
    jwks_url: String,
    dynamodb: aws_sdk_dynamodb::Client,
    log_name: String,
    api: String,
    posts: mpsc::UnboundedReceiver<(String, Value)>,
    redis: RedisServer,
    dynamodb_endpoint: String,
    s3_endpoint: String,
    _embedded: (EmbeddedDynamoDb, EmbeddedS3),
}

impl World {
    pub async fn start() -> World {
        let embedded_dynamodb = EmbeddedDynamoDb::memory().await.expect("DynamoDB starts");
        let embedded_s3 = EmbeddedS3::memory(BUCKET).expect("S3 starts");
        let redis = RedisServer::start();
        let dynamodb = config::dynamodb_config(&embedded_dynamodb.sdk_config(), None);
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
        log::create_table(&dynamodb, OPLOG_TABLE).await.expect("the log's table is made");
        catalogue::create_table(&dynamodb, DOCS_TABLE).await.expect("the catalogue's table is made");
        let described =
            dynamodb.describe_table().table_name(OPLOG_TABLE).send().await.expect("a description");
        let log_name = described.table.and_then(|table| table.latest_stream_arn).expect("a stream");
        let live = RedisLiveState::connect(&redis.url(), log_name.clone()).await.expect("Redis answers");
        let (api, posts) = connection_management().await;
        let connections = RedisConnections::connect(&redis.url(), &api).await.expect("Redis answers");
        let documents = Documents {
            log: Arc::new(DynamoOpLog::new(dynamodb.clone(), OPLOG_TABLE)),
            catalogue: Arc::new(DynamoCatalogue::new(dynamodb.clone(), DOCS_TABLE)),
            objects: Arc::new(S3Objects::new(config::s3_client(&embedded_s3.sdk_config(), None), BUCKET)),
            live: Arc::new(live),
            entropy: Arc::new(SystemEntropy),
            doc_bytes_max: DOC_BYTES_MAX,
        };
        let keys = SigningKeys::generate(Algorithm::Es256).expect("a key");
        let public = keys.public().expect("a public part").to_json();
        let identity_provider = on_loopback(Router::new().route("/jwks", get(async move || public))).await;
        World {
            documents,
            connections,
            revocations: DynamoCatalogue::new(dynamodb.clone(), DOCS_TABLE),
            keys,
            jwks_url: format!("{identity_provider}/jwks"),
            dynamodb,
            log_name,
            api,
            posts,
            redis,
            dynamodb_endpoint: on_loopback(embedded_dynamodb.router()).await,
            s3_endpoint: on_loopback(embedded_s3.router()).await,
            _embedded: (embedded_dynamodb, embedded_s3),
        }
    }

    /// The environment of a function: the variables that the template gives it, with this world's
    /// values, and what Lambda sets by itself.
    pub fn environment(&self, binary: &str) -> BTreeMap<String, String> {
        let functions = Template::read().functions();
        let function = &functions[binary];
        let value = |name: &str| match name {
            vars::OPLOG_TABLE => OPLOG_TABLE.to_owned(),
            vars::DOCS_TABLE => DOCS_TABLE.to_owned(),
            vars::BUCKET => BUCKET.to_owned(),
            vars::LOG_NAME => self.log_name.clone(),
            vars::REDIS_URL => self.redis.url(),
            vars::API_ENDPOINT => self.api.clone(),
            inklog_access::AUTH_MODE_VARIABLE => "open".to_owned(),
            vars::ALLOWED_ORIGINS => String::new(),
            authorizer::JWKS_URL => self.jwks_url.clone(),
            authorizer::JWKS_SECRET_ARN | authorizer::ISSUER => String::new(),
            authorizer::AUDIENCE => "inklog".to_owned(),
            authorizer::DEFAULT_ACCESS => "none".to_owned(),
            "RUST_LOG" => "info".to_owned(),
            other => panic!("the template gives {binary} the unknown variable {other}"),
        };
        let memory = &function.properties["MemorySize"];
        let lambdas_own = [
            ("AWS_LAMBDA_FUNCTION_NAME", binary.to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.to_string()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_REGION", LOCAL_REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", LOCAL_ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", LOCAL_SECRET_ACCESS_KEY.to_owned()),
            // Only here: on AWS the SDK knows where these are.
            (vars::DYNAMODB_ENDPOINT, self.dynamodb_endpoint.clone()),
            (vars::S3_ENDPOINT, self.s3_endpoint.clone()),
        ];
        let from_template = function.environment.keys().map(|name| ((*name).to_owned(), value(name)));
        from_template.chain(lambdas_own.map(|(name, value)| (name.to_owned(), value))).collect()
    }

    pub fn now(&self) -> u64 {
        SystemClock.now_ms()
    }

    /// Redis is away from now on.
    pub fn stop_redis(&mut self) {
        self.redis.stop();
    }

    /// Puts an event into the log, as ingest does.
    pub async fn append(&self, doc: &DocId, event: &Event, connection: &str) {
        let record = LogRecord {
            event: event.clone(),
            at: self.now(),
            author: None,
            connection: Some(connection.to_owned()),
        };
        let appended = self.documents.log.append(doc, &record).await.expect("the log takes a record");
        assert_eq!(appended, Appended::Added);
    }

    /// The log's item of an event in the JSON of DynamoDB, if it is there.
    pub async fn item(&self, doc: &DocId, event: &Event) -> Option<Value> {
        let key = format!("{}#{:016}", event.agent(), event.after());
        let got = self
            .dynamodb
            .get_item()
            .table_name(OPLOG_TABLE)
            .key("doc", AttributeValue::S(doc.as_str().to_owned()))
            .key("sk", AttributeValue::S(key))
            .send()
            .await
            .expect("DynamoDB answers");
        let attribute = |value: AttributeValue| match value {
            AttributeValue::S(text) => json!({"S": text}),
            AttributeValue::N(number) => json!({"N": number}),
            AttributeValue::B(bytes) => json!({"B": STANDARD.encode(bytes)}),
            other => panic!("the log has no {other:?}"),
        };
        let item = got.item?.into_iter().map(|(name, value)| (name, attribute(value)));
        Some(Value::Object(item.collect()))
    }

    /// The next post to a connection, which must come: to whom, and the message.
    pub async fn next_post(&mut self) -> (String, Value) {
        let post = tokio::time::timeout(PATIENCE, self.posts.recv()).await.expect("a post comes in time");
        post.expect("the stand-in runs")
    }

    /// Posts that have come and that nobody has looked at.
    pub fn more_posts(&mut self) -> Vec<(String, Value)> {
        std::iter::from_fn(|| self.posts.try_recv().ok()).collect()
    }

    /// The text in Redis.
    pub async fn live_text(&self, doc: &DocId) -> Option<String> {
        let live = self.documents.live.read(doc).await.expect("Redis answers")?;
        Some(inklog_store::document::assemble(doc, &live).expect("the live state is sound").text())
    }
}

/// A server that takes posts to connections, its URL, and what it was sent.
async fn connection_management() -> (String, mpsc::UnboundedReceiver<(String, Value)>) {
    type Posts = mpsc::UnboundedSender<(String, Value)>;
    async fn take(State(posts): State<Posts>, Path(id): Path<String>, body: String) -> StatusCode {
        if id.starts_with(GONE) {
            return StatusCode::GONE;
        }
        let message = serde_json::from_str(&body).expect("messages are JSON");
        // A test that has ended wants no more posts.
        let _ = posts.send((id, message));
        StatusCode::OK
    }
    let (posts, received) = mpsc::unbounded_channel();
    let router = Router::new().route("/prod/@connections/{id}", post(take)).with_state(posts);
    (format!("{}/prod", on_loopback(router).await), received)
}

/// Serves other processes as long as the runtime lives; its URL.
pub async fn on_loopback(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
