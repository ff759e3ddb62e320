//! The stack: stores, functions and emulators wired together, as `template.yaml` wires them on AWS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use axum::Router;
use axum::routing::get;
use futures::future::BoxFuture;
use inklog_access::{AuthMode, KeySource, LiveVerifier, Rules, SourceError};
use inklog_broadcaster::Broadcaster;
use inklog_ingest::{Authorizer, Connection, Fallback, Gate, PresenceUpdate, SendOp, Sync};
use inklog_materializer::Materializer;
use inklog_operator::{AccessOperator, Operator};
use inklog_protocol::limits::DOC_BYTES_MAX;
use inklog_snapshotter::Snapshotter;
use inklog_store::audience::Audience;
use inklog_store::config::ConfigError;
use inklog_store::log::short_name;
use inklog_store::{Clock, StoreError, SystemClock};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::editor::{self, NoEditor};
use crate::embedded::EmbeddedError;
use crate::functions::STREAM_FUNCTION_TIMEOUT;
use crate::gateway::{Gateway, GatewayConfig, Leave, Routes, serve};
use crate::in_process::InProcess;
use crate::operator;
use crate::pipeline::{ObservedSend, ObservedStream, Pipeline, Stage, seen_in_the_log};
use crate::schedule::Schedule;
use crate::streams::{
    Checkpoints, DeadLetterFolder, EventFilter, FileCheckpoints, Latency, Mapping, MappingConfig,
    MemoryCheckpoints, RunningMapping, StreamFunction,
};

mod credentials;
mod guard;
mod headers;
mod stores;

use guard::Guard;
use stores::Stores;
pub use stores::{StoppedStack, open_stopped};

/// How long stopping waits for work in progress.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// The maximum number of records in one batch.
const BATCH_SIZE: usize = 1_000;
/// How long the materializer lets writes accumulate, with fast latency. Nobody waits for it: clients see
/// an edit by its broadcast, and clients that join meanwhile sync. But they do wait for the CPU it uses.
const MATERIALIZER_SETTLE: Duration = Duration::from_millis(20);
/// How often the broadcaster's batch is retried; clients find what it misses by syncing.
const BROADCAST_RETRIES: u32 = 3;

/// The routes of the WebSocket API, as in the template: the key, and the binary that serves it. Every
/// message has a route response, so that a refusal reaches its sender.
pub const ROUTES: [(&str, &str); 9] = [
    ("$connect", "connection"),
    ("$disconnect", "connection"),
    ("JOIN_DOC", "sync"),
    ("SYNC_STATE", "sync"),
    ("LEAVE_DOC", "sync"),
    ("SEND_OP", "send_op"),
    ("PRESENCE", "presence"),
    ("PING", "default"),
    ("$default", "default"),
];

/// Where a stack keeps acknowledged edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Nowhere: they end with the process.
    Memory,
    /// In this folder.
    Dir(PathBuf),
}

/// What a stack that demands tokens verifies them with.
#[derive(Debug, Clone)]
pub struct Auth {
    /// A file with a key set (JWKS), or its `https://` address.
    pub keys: String,
    /// What a token must say beside its signature.
    pub rules: Rules,
}

/// A stack's configuration.
#[derive(Debug, Clone)]
pub struct StackConfig {
    /// Where HTTP and WebSocket are served. On any but a loopback address, whoever reaches it may read and
    /// edit everything, unless `auth` demands tokens.
    pub host: IpAddr,
    /// Its port; 0 picks a free one.
    pub port: u16,
    /// Origins of other sites' pages that may connect. The stack knows itself by their names as well.
    pub allow_origins: Vec<String>,
    /// Where the embedded stores keep their data.
    pub data: Data,
    /// A Redis (`redis://…`) instead of the embedded live state.
    pub redis: Option<String>,
    /// PEM file of the authority of a `rediss://` server's certificate, where it is a private one.
    pub redis_ca: Option<PathBuf>,
    /// A DynamoDB instead of the embedded one; credentials come from the environment.
    pub dynamodb_endpoint: Option<String>,
    /// An S3 instead of the embedded one; credentials come from the environment.
    pub s3_endpoint: Option<String>,
    /// How soon the stream functions receive a write.
    pub latency: Latency,
    /// How often the snapshotter runs.
    pub snapshot_every: Duration,
    /// How often it goes through all documents, to find what the dirty marks missed.
    pub sweep_every: Duration,
    /// The folder of the built editor; `None` if there is none.
    pub editor: Option<PathBuf>,
    /// How large a document may be, in bytes of its encoded state and of what waits in it.
    pub doc_bytes_max: u64,
    /// Demands tokens; `None`: everybody may do everything, under any name.
    pub auth: Option<Auth>,
    /// Whether what a connection and a user may ask for is limited, as it is on AWS.
    pub rate_limits: bool,
}

impl Default for StackConfig {
    fn default() -> StackConfig {
        StackConfig {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 8080,
            allow_origins: Vec::new(),
            data: Data::Dir(".inklog".into()),
            redis: None,
            redis_ca: None,
            dynamodb_endpoint: None,
            s3_endpoint: None,
            latency: Latency::fast(),
            snapshot_every: Duration::from_secs(60),
            sweep_every: Duration::from_secs(60 * 60),
            editor: None,
            doc_bytes_max: DOC_BYTES_MAX,
            auth: None,
            rate_limits: true,
        }
    }
}

/// Why a stack did not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The port is taken.
    #[error("port {0} is in use: stop the program that listens there, or choose another port with --port")]
    PortInUse(u16),
    /// The port cannot be opened.
    #[error("cannot listen on port {port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// The cause.
        source: std::io::Error,
    },
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}: {source}; choose another with --data, or use --memory")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another stack runs on the folder.
    #[error("another inklog uses the data folder {0}: stop it, use it with --url, or choose another folder")]
    FolderInUse(PathBuf),
    /// There is no data in the folder.
    #[error("there is no data in {0}: `inklog dev` creates it")]
    NoData(PathBuf),
    /// The editor is not in the given folder.
    #[error(transparent)]
    Editor(#[from] NoEditor),
    /// An embedded store did not start.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// A service that replaces an embedded one cannot be used.
    #[error("cannot use {url}: {error}")]
    Service {
        /// Its URL.
        url: String,
        /// What went wrong.
        error: StoreError,
    },
    /// A service that replaces an embedded one does not respond.
    #[error("{0} did not respond within a minute: is it the right address?")]
    NoAnswer(String),
    /// Somebody else created the table, without a stream.
    #[error(
        "the table {0} has no stream, so edits would reach nobody: enable a stream with the view type \
         NEW_IMAGE, or delete the table, so that it is created with one"
    )]
    NoStream(&'static str),
    /// The keys of tokens cannot be had, or used.
    #[error(transparent)]
    Keys(#[from] SourceError),
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A running stack. Stop it with [`Stack::stop`].
pub struct Stack {
    http_url: String,
    ws_url: String,
    operator: Operator,
    access: AccessOperator,
    gateway: Gateway,
    pipeline: Pipeline,
    mappings: Vec<RunningMapping>,
    schedules: Vec<Schedule>,
    stop_serving: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
    stores: Stores,
    credentials: Credentials,
}

impl Stack {
    /// Starts the stack; once this returns, connections are accepted.
    pub fn start(config: StackConfig) -> BoxFuture<'static, Result<Stack, StackError>> {
        Stack::start_with_clock(config, Arc::new(SystemClock))
    }

    /// The same with another clock for the functions and the live state, such as one that a test moves.
    ///
    /// Boxed: the code of an `async fn` is generated again in every crate that awaits it, and this one
    /// reaches everything.
    pub fn start_with_clock(
        config: StackConfig,
        clock: Arc<dyn Clock>,
    ) -> BoxFuture<'static, Result<Stack, StackError>> {
        Box::pin(Stack::start_all(config, clock))
    }

    async fn start_all(config: StackConfig, clock: Arc<dyn Clock>) -> Result<Stack, StackError> {
        let pages = editor::router(config.editor.as_deref())?;
        let verifier = match &config.auth {
            Some(auth) => {
                let verifier = LiveVerifier::new(KeySource::parse(&auth.keys)?, auth.rules.clone());
                verifier.check(Duration::ZERO).await?;
                Some(verifier)
            }
            None => None,
        };
        // The port next: it is the likeliest to be missing, and nothing has been touched yet.
        let listener = listen(config.host, config.port).await?;
        let mut address =
            listener.local_addr().map_err(|source| StackError::Listen { port: config.port, source })?;
        if address.ip().is_unspecified() {
            // All addresses: this machine knows itself by this one.
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let (http_url, ws_url) = (format!("http://{address}"), format!("ws://{address}/dev"));
        let api_endpoint = format!("{http_url}/dev");
        let stores = Stores::open(&config, clock.clone(), &api_endpoint).await?;

        let credentials = credentials::credentials(&config.data)?;
        let documents = stores.documents();
        let to_gateway = InProcess::new();
        let audience = stores.audience(&api_endpoint, to_gateway.clone());
        let operator = Operator::new(documents.clone(), clock.clone());
        let access = AccessOperator::new(stores.catalogue.clone(), audience.clone());
        let snapshotter = Arc::new(Snapshotter::new(operator.clone()));

        let mode = if verifier.is_some() { AuthMode::Jwt } else { AuthMode::Open };
        let gate = Gate::new(mode, stores.catalogue.clone(), clock.clone());
        let gate = if config.rate_limits { gate.limited(clock.clone()) } else { gate };
        let gateway_config = GatewayConfig {
            domain_name: address.to_string(),
            credentials: credentials.clone(),
            ..GatewayConfig::default()
        };
        let pipeline = Pipeline::new();
        let mut routes = routes(gate, &stores, &audience, clock.clone(), &pipeline);
        if let Some(verifier) = verifier {
            let authorizer = Authorizer::new(verifier, stores.catalogue.clone(), clock.clone());
            // A token comes in either of two ways, and AWS demands all of the identity sources.
            routes = routes.authorizer(Arc::new(authorizer), [""; 0]);
        }
        let gateway = Gateway::new(gateway_config, routes);
        to_gateway.serve(gateway.in_process());
        let materializer = Arc::new(Materializer::new(documents, clock));
        let materializer = observed(&pipeline, Stage::Materializer, materializer);
        let broadcaster = observed(&pipeline, Stage::Broadcaster, Arc::new(Broadcaster::new(audience)));
        let seen = pipeline.clone();
        let mappings = vec![
            mapping(&config, &stores, materializer_mapping(&stores.stream_arn), materializer).start(),
            mapping(&config, &stores, broadcaster_mapping(&stores.stream_arn), broadcaster)
                // Both read the same stream; clients wait for this one.
                .on_read(move |records| seen_in_the_log(&seen, records))
                .start(),
        ];
        let schedules = vec![
            Schedule::start("dirty", config.snapshot_every, json!({}), snapshotter.clone()),
            Schedule::start("sweep", config.sweep_every, json!({"sweep": true}), snapshotter),
        ];

        let guard = Guard::new(address.ip(), &config.allow_origins);
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .merge(pages)
            .merge(guard.operators(operator::router(operator.clone(), access.clone(), pipeline.clone())))
            .merge(guard.clients(gateway.websocket()))
            .merge(guard.programs(gateway.management()));
        let router = headers::secured(
            guard.everything(router),
            &editor::application_origins(config.editor.as_deref()),
        );
        let (stop_serving, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, router, async { drop(stopped.await) }));
        tracing::info!(http_url, ws_url, data = ?config.data, "the stack runs");
        Ok(Stack {
            http_url,
            ws_url,
            operator,
            access,
            gateway,
            pipeline,
            mappings,
            schedules,
            stop_serving,
            server,
            stores,
            credentials,
        })
    }

    /// `http://127.0.0.1:8080`
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// `ws://127.0.0.1:8080/dev`
    pub fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// The operator of this stack's documents.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The operator of its connections and their users.
    pub fn access_operator(&self) -> &AccessOperator {
        &self.access
    }

    /// What requests to `@connections` are signed with.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Forgets the embedded live state and all connections' registrations, like a flush of Redis.
    pub fn flush_live_state(&self) {
        self.stores.flush_live_state();
    }

    /// Shuts down in order: refuses new messages, finishes the functions' work, closes the stores. What
    /// hangs is left behind after some seconds; nothing acknowledged depends on it.
    pub async fn stop(self) {
        let orderly = async {
            self.gateway.shutdown(Leave::GoingAway).await;
            self.pipeline.close();
            drop(self.stop_serving);
            for mapping in self.mappings {
                mapping.stop().await;
            }
            for schedule in self.schedules {
                schedule.stop().await;
            }
            // The router holds keep-alive connections of our own clients: not worth waiting for.
            self.server.abort();
            self.stores.close().await;
        };
        if tokio::time::timeout(STOP_PATIENCE, orderly).await.is_err() {
            tracing::warn!("some tasks did not stop in time; leaving them behind");
        }
        tracing::info!("the stack has stopped");
    }
}

async fn listen(host: IpAddr, port: u16) -> Result<TcpListener, StackError> {
    let address = SocketAddr::from((host, port));
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => StackError::PortInUse(port),
        _ => StackError::Listen { port, source },
    })
}

/// A function at the end of the stream, observed by the pipeline view.
fn observed(pipeline: &Pipeline, stage: Stage, function: Arc<dyn StreamFunction>) -> Arc<dyn StreamFunction> {
    Arc::new(ObservedStream { pipeline: pipeline.clone(), stage, function })
}

/// The functions behind [`ROUTES`].
fn routes(
    gate: Gate,
    stores: &Stores,
    audience: &Audience,
    clock: Arc<dyn Clock>,
    pipeline: &Pipeline,
) -> Routes {
    let connection = Arc::new(Connection::new(gate.clone(), audience.clone()));
    let log_name = short_name(&stores.stream_arn);
    let sync = Arc::new(Sync::new(gate.clone(), stores.documents(), audience.clone(), log_name));
    let send_op = SendOp::new(gate.clone(), stores.log.clone(), stores.catalogue.clone(), clock);
    let send_op = Arc::new(send_op.with_doc_bytes_max(stores.doc_bytes_max));
    let send_op = Arc::new(ObservedSend { pipeline: pipeline.clone(), function: send_op });
    let presence = Arc::new(PresenceUpdate::new(gate.clone(), audience.clone()));
    let fallback = Arc::new(Fallback::new(gate));
    ROUTES.into_iter().fold(Routes::new(), |routes, (key, binary)| match binary {
        "connection" => routes.route(key, connection.clone()),
        "sync" => routes.route_with_response(key, sync.clone()),
        "send_op" => routes.route_with_response(key, send_op.clone()),
        "presence" => routes.route_with_response(key, presence.clone()),
        "default" => routes.route_with_response(key, fallback.clone()),
        other => unreachable!("the API has no function {other}"),
    })
}

/// The materializer's event source mapping, as in the template: it never gives up.
pub fn materializer_mapping(stream_arn: &str) -> MappingConfig {
    MappingConfig { settle: MATERIALIZER_SETTLE, ..mapping_config("materializer", None, stream_arn) }
}

/// The broadcaster's event source mapping, as in the template.
pub fn broadcaster_mapping(stream_arn: &str) -> MappingConfig {
    mapping_config("broadcaster", Some(BROADCAST_RETRIES), stream_arn)
}

fn mapping_config(name: &str, retries: Option<u32>, stream_arn: &str) -> MappingConfig {
    MappingConfig {
        partition_key: Some("doc".to_owned()),
        batch_size: BATCH_SIZE,
        maximum_retry_attempts: retries,
        bisect_batch_on_function_error: true,
        filter: EventFilter::event_names(["INSERT"]),
        function_timeout: STREAM_FUNCTION_TIMEOUT,
        ..MappingConfig::new(name, stream_arn)
    }
}

fn mapping(
    config: &StackConfig,
    stores: &Stores,
    settings: MappingConfig,
    function: Arc<dyn StreamFunction>,
) -> Mapping {
    let settings = MappingConfig { latency: config.latency, ..settings };
    let (checkpoints, dead_letters): (Arc<dyn Checkpoints>, _) = match &config.data {
        Data::Memory => (Arc::new(MemoryCheckpoints::new()), None),
        Data::Dir(dir) => (
            Arc::new(FileCheckpoints::new(dir.join("checkpoints"))),
            Some(DeadLetterFolder::new(dir.join("dead-letters"))),
        ),
    };
    let mapping =
        Mapping::new(settings, stores.streams.clone(), function, checkpoints).signal(stores.written.clone());
    match dead_letters {
        Some(folder) => mapping.dead_letters(Arc::new(folder)),
        None => mapping,
    }
}
