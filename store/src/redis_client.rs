//! The connection to Redis that live state, connections and presence share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, RedisError, RedisResult, ScriptInvocation};

use crate::StoreError;

/// One call, with reconnecting and everything, takes at most this long.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
/// One attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// One connection to a Redis, shared by its clones; it reconnects by itself. No call takes longer
/// than a few seconds.
#[derive(Clone)]
pub struct RedisClient(Arc<Inner>);

struct Inner {
    client: Client,
    /// Replaced when a call times out: a connection that went silent (a NAT that forgot it, a
    /// function thawed after minutes) never reports an error from which the manager would learn.
    manager: Mutex<ConnectionManager>,
}

impl RedisClient {
    /// Prepares a connection to `redis://` or `rediss://` (TLS); the first call opens it. Must run
    /// inside a tokio runtime.
    pub fn open(url: &str) -> Result<RedisClient, StoreError> {
        // An error means that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::open(url).map_err(unavailable)?;
        let manager = Mutex::new(manage(&client)?);
        Ok(RedisClient(Arc::new(Inner { client, manager })))
    }

    /// [`RedisClient::open`], and makes sure that the server answers.
    pub async fn connect(url: &str) -> Result<RedisClient, StoreError> {
        let client = RedisClient::open(url)?;
        let () = client.query(&redis::cmd("PING")).await?;
        Ok(client)
    }

    /// Runs a command.
    pub(crate) async fn query<T: FromRedisValue + Send>(&self, cmd: &Cmd) -> Result<T, StoreError> {
        self.call(|mut manager| async move { cmd.query_async(&mut manager).await }).await
    }

    /// Runs a script by its hash, loading it where the server does not know it.
    pub(crate) async fn eval<T: FromRedisValue + Send>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        self.call(|mut manager| async move { script.invoke_async(&mut manager).await }).await
    }

    /// Tries twice when the connection turns out to be broken: the first call after a pause or a
    /// restart of the server finds it so. The call may then run twice, which every caller can bear.
    async fn call<T, F>(&self, attempt: impl Fn(ConnectionManager) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let attempts = async {
            match attempt(self.manager()).await {
                Err(error) if error.is_connection_dropped() => attempt(self.manager()).await,
                result => result,
            }
        };
        match tokio::time::timeout(CALL_TIMEOUT, attempts).await {
            Ok(result) => result.map_err(unavailable),
            Err(elapsed) => {
                *self.lock() = manage(&self.0.client)?;
                Err(StoreError::unavailable("Redis", elapsed))
            }
        }
    }

    fn manager(&self) -> ConnectionManager {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionManager> {
        self.0.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn manage(client: &Client) -> Result<ConnectionManager, StoreError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None)
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_millis(200));
    ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(unavailable)
}

fn unavailable(error: RedisError) -> StoreError {
    StoreError::unavailable("Redis", error)
}
