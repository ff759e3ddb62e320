//! The stores' addresses, from the environment, and the clients for them.
//!
//! Every Lambda and the command line read the same variables ([`vars`]); `template.yaml` sets them.
//! An endpoint that is not set means AWS itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_apigatewaymanagement::config::StalledStreamProtectionConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use futures::future::BoxFuture;
use inklog_protocol::limits::DOC_BYTES_MAX;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::OnceCell;

use crate::audience::Audience;
use crate::catalogue::DynamoCatalogue;
use crate::connections::redis::RedisConnections;
use crate::document::Documents;
use crate::live::redis::RedisLiveState;
use crate::log::{self, DynamoOpLog};
use crate::objects::S3Objects;
use crate::push::ApiGatewayPush;
use crate::{Entropy, RedisClient, StoreError, SystemClock, SystemEntropy};

/// The names of the environment variables.
pub mod vars {
    /// Table of the op log.
    pub const OPLOG_TABLE: &str = "INKLOG_OPLOG_TABLE";
    /// Table of the catalogue.
    pub const DOCS_TABLE: &str = "INKLOG_DOCS_TABLE";
    /// Bucket of snapshots and history.
    pub const BUCKET: &str = "INKLOG_BUCKET";
    /// Names the log itself, so that a live state made from another log is recognized: the ARN of the
    /// table's stream, which changes when the table is recreated.
    pub const LOG_NAME: &str = "INKLOG_LOG_NAME";
    /// `redis://` or `rediss://` URL of the live state and the connections.
    pub const REDIS_URL: &str = "INKLOG_REDIS_URL";
    /// PEM file of the private authority that signed the certificate of a `rediss://` server. It is trusted
    /// for Redis only, and replaces the system's authorities there.
    pub const REDIS_CA_FILE: &str = "INKLOG_REDIS_CA_FILE";
    /// `https://…` URL of the WebSocket API's stage, for posting to connections.
    pub const API_ENDPOINT: &str = "INKLOG_API_ENDPOINT";
    /// Sites whose pages may connect, separated by commas; empty: those of every site.
    pub const ALLOWED_ORIGINS: &str = "INKLOG_ALLOWED_ORIGINS";
    /// DynamoDB's endpoint, if it is not AWS's.
    pub const DYNAMODB_ENDPOINT: &str = "INKLOG_DYNAMODB_ENDPOINT";
    /// S3's endpoint, if it is not AWS's.
    pub const S3_ENDPOINT: &str = "INKLOG_S3_ENDPOINT";
}

/// Why the stores cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is missing.
    #[error("the environment variable {0} is not set; template.yaml shows what it should hold")]
    Missing(&'static str),
    /// A store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The authority for Redis cannot be read.
    #[error("cannot read Redis's authority from {path}: {reason}")]
    RedisCa {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads variables; the environment, or a test's own map.
pub type Lookup<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Reads the process's environment; an empty variable counts as not set.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The sites whose pages may connect, as they are listed. The list may be empty, but not missing: an API that
/// was to be closed to other sites is not open by a mistake in a name.
pub fn allowed_origins() -> Result<String, ConfigError> {
    std::env::var(vars::ALLOWED_ORIGINS).map_err(|_| ConfigError::Missing(vars::ALLOWED_ORIGINS))
}

/// The authorities in a PEM file, for [`RedisClient::open_trusting`].
pub fn redis_authorities(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let fail = |reason: String| ConfigError::RedisCa { path: path.display().to_string(), reason };
    let pem = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    match CertificateDer::pem_slice_iter(&pem).next() {
        Some(Ok(_)) => Ok(pem),
        Some(Err(error)) => Err(fail(error.to_string())),
        None => Err(fail("there is no certificate in it (PEM)".to_owned())),
    }
}

fn need(lookup: Lookup<'_>, name: &'static str) -> Result<String, ConfigError> {
    lookup(name).ok_or(ConfigError::Missing(name))
}

pub use aws_config::SdkConfig;

/// Pinned: a newer one could change retries and time-outs unnoticed.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// What all AWS clients share: region and credentials from the usual places, one HTTP client.
///
/// Boxed: every crate that awaits an `async fn` generates its code again, and this one includes all
/// credential providers.
pub fn aws() -> BoxFuture<'static, SdkConfig> {
    Box::pin(aws_config::defaults(behavior()).http_client(http_client()).load())
}

/// The same with a fixed region and credentials, whatever the environment says.
pub fn fixed_credentials(region: &'static str, key_id: &str, secret: &str) -> SdkConfig {
    let credentials = Credentials::from_keys(key_id, secret, None);
    SdkConfig::builder()
        .behavior_version(behavior())
        .region(Region::from_static(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client())
        .build()
}

/// For services in this process, which check no signature and whose answers cannot stall: much of a call's
/// cost is left out. Clients made from it do not sign.
pub fn in_process(client: impl HttpClient + 'static, endpoint: impl Into<String>) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(behavior())
        .region(Region::from_static("us-east-1"))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(client)
        .endpoint_url(endpoint)
        .build()
}

/// The settings of a DynamoDB client.
pub fn dynamodb_config(aws: &SdkConfig, endpoint: Option<String>) -> aws_sdk_dynamodb::config::Builder {
    let mut config = aws_sdk_dynamodb::config::Builder::from(aws);
    if aws.credentials_provider().is_none() {
        config.set_allow_no_auth();
    }
    config.set_endpoint_url(endpoint.or_else(|| aws.endpoint_url().map(str::to_owned)));
    config
}

/// An S3 client; a custom endpoint is addressed by path.
pub fn s3_client(aws: &SdkConfig, endpoint: Option<String>) -> aws_sdk_s3::Client {
    let mut config = aws_sdk_s3::config::Builder::from(aws);
    let endpoint = endpoint.or_else(|| aws.endpoint_url().map(str::to_owned));
    if endpoint.is_some() {
        config = config.force_path_style(true);
        config.set_endpoint_url(endpoint);
    }
    aws_sdk_s3::Client::from_conf(config.build())
}

/// A client that posts to connections: it does not retry, and no post may delay others.
pub fn push_client(aws: &SdkConfig, endpoint: String) -> aws_sdk_apigatewaymanagement::Client {
    let timeouts = aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig::builder()
        .operation_timeout(Duration::from_secs(1))
        .build();
    let mut config = aws_sdk_apigatewaymanagement::config::Builder::from(aws);
    if aws.credentials_provider().is_none() {
        config.set_allow_no_auth();
    }
    let config = config
        .endpoint_url(endpoint)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // That protection is for long streams; a post is one small frame, and the time-out bounds it.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    aws_sdk_apigatewaymanagement::Client::from_conf(config)
}

/// Sets up stores from variables.
pub struct StoreFactory<'a> {
    aws: SdkConfig,
    lookup: Lookup<'a>,
    dynamodb: aws_sdk_dynamodb::Client,
    redis: OnceCell<RedisClient>,
}

impl<'a> StoreFactory<'a> {
    /// A factory that reads its variables with `lookup`.
    pub async fn new(lookup: Lookup<'a>) -> StoreFactory<'a> {
        let aws = aws().await;
        let config = dynamodb_config(&aws, lookup(vars::DYNAMODB_ENDPOINT)).build();
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(config);
        StoreFactory { dynamodb, aws, lookup, redis: OnceCell::new() }
    }

    /// The op log.
    pub fn op_log(&self) -> Result<Arc<DynamoOpLog>, ConfigError> {
        let table = need(self.lookup, vars::OPLOG_TABLE)?;
        Ok(Arc::new(DynamoOpLog::new(self.dynamodb.clone(), table)))
    }

    /// The catalogue.
    pub fn catalogue(&self) -> Result<Arc<DynamoCatalogue>, ConfigError> {
        let table = need(self.lookup, vars::DOCS_TABLE)?;
        Ok(Arc::new(DynamoCatalogue::new(self.dynamodb.clone(), table)))
    }

    /// Snapshots and history.
    pub fn objects(&self) -> Result<Arc<S3Objects>, ConfigError> {
        let bucket = need(self.lookup, vars::BUCKET)?;
        let client = s3_client(&self.aws, (self.lookup)(vars::S3_ENDPOINT));
        Ok(Arc::new(S3Objects::new(client, bucket)))
    }

    /// One connection for everything in Redis. The first call opens it, so that a function starts, and does
    /// what it can, even if Redis is unreachable.
    async fn redis(&self) -> Result<RedisClient, ConfigError> {
        let url = need(self.lookup, vars::REDIS_URL)?;
        let authorities = (self.lookup)(vars::REDIS_CA_FILE);
        let client = self.redis.get_or_try_init(async || {
            let authorities = authorities.map(|path| redis_authorities(Path::new(&path))).transpose()?;
            Ok::<_, ConfigError>(RedisClient::open_trusting(&url, authorities)?)
        });
        Ok(client.await?.clone())
    }

    /// The log's name as clients see it.
    pub fn log_short_name(&self) -> Result<String, ConfigError> {
        Ok(log::short_name(&need(self.lookup, vars::LOG_NAME)?))
    }

    /// The live state.
    pub async fn live(&self) -> Result<Arc<RedisLiveState>, ConfigError> {
        let name = need(self.lookup, vars::LOG_NAME)?;
        Ok(Arc::new(RedisLiveState::new(self.redis().await?, name)))
    }

    /// Connections and presence.
    pub async fn connections(&self) -> Result<Arc<RedisConnections>, ConfigError> {
        let api = need(self.lookup, vars::API_ENDPOINT)?;
        Ok(Arc::new(RedisConnections::new(self.redis().await?, &api)))
    }

    /// The push to connections.
    pub fn push(&self) -> Result<Arc<ApiGatewayPush>, ConfigError> {
        let endpoint = need(self.lookup, vars::API_ENDPOINT)?;
        Ok(Arc::new(ApiGatewayPush::new(push_client(&self.aws, endpoint))))
    }

    /// The audience of documents.
    pub async fn audience(&self) -> Result<Audience, ConfigError> {
        let connections = self.connections().await?;
        Ok(Audience {
            presence: connections.clone(),
            connections,
            push: self.push()?,
            clock: Arc::new(SystemClock),
        })
    }

    /// The stores from which documents are built.
    pub async fn documents(&self) -> Result<Documents, ConfigError> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        Ok(Documents {
            log: self.op_log()?,
            catalogue: self.catalogue()?,
            objects: self.objects()?,
            live: self.live().await?,
            entropy,
            doc_bytes_max: DOC_BYTES_MAX,
        })
    }
}

/// Logs JSON lines to stdout, for CloudWatch; `RUST_LOG` selects the level.
pub fn log_json() {
    let mut filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // Lambda's runtime traces whole events, tokens and text among them.
    if filter.max_level_hint() == Some(tracing_subscriber::filter::LevelFilter::TRACE) {
        filter = filter.add_directive("lambda_runtime=debug".parse().expect("a directive"));
    }
    tracing_subscriber::fmt().json().with_env_filter(filter).init();
}
