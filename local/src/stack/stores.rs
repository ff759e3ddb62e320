//! The stores of a stack: embedded ones in this process, or real ones by their endpoints. Either way
//! the same SDK clients.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use inklog_operator::{AccessOperator, Operator};
use inklog_store::audience::Audience;
use inklog_store::catalogue::{self, DynamoCatalogue};
use inklog_store::config::{self, SdkConfig};
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::connections::redis::RedisConnections;
use inklog_store::document::Documents;
use inklog_store::live::memory::MemoryLiveState;
use inklog_store::live::redis::RedisLiveState;
use inklog_store::log::{self, DynamoOpLog};
use inklog_store::objects::S3Objects;
use inklog_store::push::ApiGatewayPush;
use inklog_store::push::memory::MemoryPush;
use inklog_store::{
    Clock, Connections, LiveState, Presence, RedisClient, StoreError, SystemClock, SystemEntropy,
};

use super::{Data, StackConfig, StackError};
use crate::embedded::{EmbeddedDynamoDb, EmbeddedS3};
use crate::in_process::InProcess;
use crate::streams::{WriteSignal, signal_on_write, streams_client};

const OPLOG_TABLE: &str = "inklog-oplog";
const DOCS_TABLE: &str = "inklog-docs";
const BUCKET: &str = "inklog";
/// How long a service named in the place of an embedded one may take before that is said, and before it
/// is given up. Making the tables on AWS takes some seconds.
const SAID_AFTER: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The database's file in the data folder.
const DATABASE: &str = "dynamodb.sqlite";

/// All stores of a stack, and what keeps them running.
pub(super) struct Stores {
    pub log: Arc<DynamoOpLog>,
    pub catalogue: Arc<DynamoCatalogue>,
    pub streams: aws_sdk_dynamodbstreams::Client,
    pub stream_arn: String,
    pub written: WriteSignal,
    objects: Arc<S3Objects>,
    live: Arc<dyn LiveState>,
    connections: Arc<dyn Connections>,
    presence: Arc<dyn Presence>,
    /// The embedded live state and connections, where they are the ones in use.
    memory: Option<(Arc<MemoryLiveState>, Arc<MemoryConnections>)>,
    clock: Arc<dyn Clock>,
    pub doc_bytes_max: u64,
    embedded_dynamodb: Option<EmbeddedDynamoDb>,
    /// Keeps its folder.
    _embedded_s3: Option<EmbeddedS3>,
    /// Held while the data folder is in use.
    _lock: Option<File>,
}

impl Stores {
    /// `api_endpoint` is where functions post to connections; it tells stacks apart that share a Redis.
    pub async fn open(
        config: &StackConfig,
        clock: Arc<dyn Clock>,
        api_endpoint: &str,
    ) -> Result<Stores, StackError> {
        let lock = match &config.data {
            Data::Memory => None,
            Data::Dir(dir) => Some(lock(dir)?),
        };
        // A Redis that does not answer is found out before anything else is started.
        let redis = match &config.redis {
            Some(url) => Some(connect_redis(url, config.redis_ca.as_deref()).await?),
            None => None,
        };
        let embedded_dynamodb = match (&config.dynamodb_endpoint, &config.data) {
            (Some(_), _) => None,
            (None, Data::Memory) => Some(EmbeddedDynamoDb::memory().await?),
            (None, Data::Dir(dir)) => Some(EmbeddedDynamoDb::open(&dir.join(DATABASE)).await?),
        };
        let embedded_s3 = match (&config.s3_endpoint, &config.data) {
            (Some(_), _) => None,
            (None, Data::Memory) => Some(EmbeddedS3::memory(BUCKET)?),
            (None, Data::Dir(dir)) => Some(EmbeddedS3::open(&dir.join("s3"), BUCKET)?),
        };
        let external = match (&embedded_dynamodb, &embedded_s3) {
            (Some(_), Some(_)) => None,
            _ => Some(config::aws().await),
        };
        let aws_of = |embedded: Option<SdkConfig>| {
            embedded.or_else(|| external.clone()).expect("what is not embedded is external")
        };

        let written = WriteSignal::new();
        let aws = aws_of(embedded_dynamodb.as_ref().map(EmbeddedDynamoDb::sdk_config));
        let dynamodb = config::dynamodb_config(&aws, config.dynamodb_endpoint.clone());
        let dynamodb =
            aws_sdk_dynamodb::Client::from_conf(signal_on_write(dynamodb, written.clone()).build());
        let streams = streams_client(&aws, config.dynamodb_endpoint.clone());
        let aws = aws_of(embedded_s3.as_ref().map(EmbeddedS3::sdk_config));
        let s3 = config::s3_client(&aws, config.s3_endpoint.clone());

        let tables = async {
            log::create_table(&dynamodb, OPLOG_TABLE).await?;
            catalogue::create_table(&dynamodb, DOCS_TABLE).await
        };
        answer(&config.dynamodb_endpoint, tables).await?;
        let objects = S3Objects::new(s3, BUCKET);
        if config.s3_endpoint.is_some() {
            // Else a bucket that is not there would show at the first compaction only.
            answer(&config.s3_endpoint, objects.check()).await?;
        }
        let stream_arn = stream_arn(&dynamodb).await?;

        let memory = match &redis {
            Some(_) => None,
            None => Some((Arc::new(MemoryLiveState::new(clock.clone())), Arc::new(MemoryConnections::new()))),
        };
        let (live, connections, presence): (Arc<dyn LiveState>, Arc<dyn Connections>, Arc<dyn Presence>) =
            match (redis, &memory) {
                (Some(redis), _) => {
                    // Ports of this machine are names on others as well; the log's name is not.
                    let api = format!("{stream_arn} {api_endpoint}");
                    let connections = Arc::new(RedisConnections::new(redis.clone(), &api));
                    (Arc::new(RedisLiveState::new(redis, &stream_arn)), connections.clone(), connections)
                }
                (None, Some((live, connections))) => (live.clone(), connections.clone(), connections.clone()),
                (None, None) => unreachable!("without a Redis the embedded ones were made"),
            };
        Ok(Stores {
            log: Arc::new(DynamoOpLog::new(dynamodb.clone(), OPLOG_TABLE)),
            catalogue: Arc::new(DynamoCatalogue::new(dynamodb, DOCS_TABLE)),
            streams,
            stream_arn,
            written,
            objects: Arc::new(objects),
            live,
            connections,
            presence,
            memory,
            clock,
            doc_bytes_max: config.doc_bytes_max,
            embedded_dynamodb,
            _embedded_s3: embedded_s3,
            _lock: lock,
        })
    }

    pub fn documents(&self) -> Documents {
        Documents {
            log: self.log.clone(),
            catalogue: self.catalogue.clone(),
            objects: self.objects.clone(),
            live: self.live.clone(),
            entropy: Arc::new(SystemEntropy),
            doc_bytes_max: self.doc_bytes_max,
        }
    }

    pub fn audience(&self, api_endpoint: &str, to_gateway: InProcess) -> Audience {
        let aws = config::in_process(to_gateway, api_endpoint);
        let client = config::push_client(&aws, api_endpoint.to_owned());
        Audience {
            connections: self.connections.clone(),
            presence: self.presence.clone(),
            push: Arc::new(ApiGatewayPush::new(client)),
            clock: self.clock.clone(),
        }
    }

    pub fn flush_live_state(&self) {
        if let Some((live, connections)) = &self.memory {
            live.clear();
            connections.clear();
        }
    }

    pub async fn close(self) {
        if let Some(dynamodb) = self.embedded_dynamodb {
            dynamodb.stop().await;
        }
    }
}

/// The operator of a stack that is not running, and its stores.
pub struct StoppedStack {
    operator: Operator,
    access: AccessOperator,
    stores: Stores,
}

impl StoppedStack {
    /// The operator.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The operator of its users. Nobody is connected.
    pub fn access_operator(&self) -> &AccessOperator {
        &self.access
    }

    /// Closes the stores.
    pub async fn close(self) {
        drop((self.operator, self.access));
        self.stores.close().await;
    }
}

/// Opens the data folder of a stack that is not running.
pub async fn open_stopped(dir: &Path) -> Result<StoppedStack, StackError> {
    if !dir.join(DATABASE).is_file() {
        return Err(StackError::NoData(dir.to_owned()));
    }
    let config = StackConfig { data: Data::Dir(dir.to_owned()), ..StackConfig::default() };
    let stores = Stores::open(&config, Arc::new(SystemClock), "").await?;
    // Nothing else runs: no ingest can be on an older floor, so that nothing has to be waited for.
    let operator = Operator::new(stores.documents(), Arc::new(SystemClock)).with_grace(Duration::ZERO);
    let nobody = Audience {
        connections: stores.connections.clone(),
        presence: stores.presence.clone(),
        push: Arc::new(MemoryPush::new()),
        clock: stores.clock.clone(),
    };
    let access = AccessOperator::new(stores.catalogue.clone(), nobody);
    Ok(StoppedStack { operator, access, stores })
}

fn lock(dir: &Path) -> Result<File, StackError> {
    let folder = |source| StackError::Folder { path: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(folder)?;
    let file = File::create(dir.join("lock")).map_err(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StackError::FolderInUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(folder(source)),
    }
}

/// What a store answers. Of a service that was named for it, an error has the address, and one that is
/// silent is said, since the SDK waits for an answer without end.
async fn answer<T>(
    endpoint: &Option<String>,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StackError> {
    let Some(url) = endpoint.as_deref().map(without_password) else { return Ok(asked.await?) };
    let patience = async {
        tokio::time::sleep(SAID_AFTER).await;
        tracing::warn!(url, "still waiting for a service to respond");
        tokio::time::sleep(ANSWER_MAX - SAID_AFTER).await;
    };
    tokio::select! {
        answer = asked => answer.map_err(|error| StackError::Service { url: url.clone(), error }),
        () = patience => Err(StackError::NoAnswer(url.clone())),
    }
}

async fn connect_redis(url: &str, ca: Option<&Path>) -> Result<RedisClient, StackError> {
    let authorities = ca.map(config::redis_authorities).transpose()?;
    let connected = async {
        let client = RedisClient::open_trusting(url, authorities)?;
        client.check().await?;
        Ok(client)
    };
    connected.await.map_err(|error| StackError::Service { url: without_password(url), error })
}

/// A URL that may be shown: `redis://user:***@host` for `redis://user:secret@host`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // A password may hold an `@`, or a `/` that should have been written otherwise.
    let Some((user, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = user.split_once(':').map_or("", |(user, _)| user);
    format!("{scheme}://{user}:***@{host}")
}

/// The log's stream, whose ARN names this very log: it changes when the table is made anew.
async fn stream_arn(client: &aws_sdk_dynamodb::Client) -> Result<String, StackError> {
    let described = client
        .describe_table()
        .table_name(OPLOG_TABLE)
        .send()
        .await
        .map_err(|error| StoreError::unavailable("DynamoDB", aws_sdk_dynamodb::Error::from(error)))?;
    let arn = described.table.and_then(|table| table.latest_stream_arn);
    arn.ok_or(StackError::NoStream(OPLOG_TABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://:secret@h:1/0", "redis://:***@h:1/0"),
            ("rediss://me:se:c@r/et@h", "rediss://me:***@h"),
            // Without a colon it may be a password in the wrong place.
            ("redis://secret@h", "redis://:***@h"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
