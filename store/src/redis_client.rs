//! The connection to Redis that live state, connections and presence share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ScriptInvocation, ServerErrorKind,
    TlsCertificates,
};

use crate::StoreError;

/// One call takes at most this long, including reconnecting.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
/// One attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// One connection to a Redis, shared by its clones; it reconnects by itself. No call takes longer
/// than a few seconds.
#[derive(Clone)]
pub struct RedisClient(Arc<Inner>);

struct Inner {
    client: Client,
    manager: Mutex<Managed>,
}

/// The connection, replaced when the manager cannot see that it should be: a call timed out, because the
/// connection went silent (a NAT forgot it, or the function was frozen for minutes); or the server is a replica
/// by now, and the name leads to another primary.
struct Managed {
    number: u64,
    manager: ConnectionManager,
}

impl RedisClient {
    /// Prepares a connection to `redis://` or `rediss://` (TLS); the first call opens it. Must run
    /// inside a tokio runtime.
    pub fn open(url: &str) -> Result<RedisClient, StoreError> {
        RedisClient::open_trusting(url, None)
    }

    /// [`RedisClient::open`] for a `rediss://` server whose certificate one of these authorities (PEM) has
    /// signed. They replace the system's, for this server only.
    pub fn open_trusting(url: &str, authorities: Option<Vec<u8>>) -> Result<RedisClient, StoreError> {
        // An error means that the process already has a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = match authorities {
            None => Client::open(url),
            pem => Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert: pem }),
        };
        let client = client.map_err(failed)?;
        let manager = Mutex::new(Managed { number: 0, manager: manage(&client).map_err(failed)? });
        Ok(RedisClient(Arc::new(Inner { client, manager })))
    }

    /// [`RedisClient::open`], and checks that the server responds.
    pub async fn connect(url: &str) -> Result<RedisClient, StoreError> {
        let client = RedisClient::open(url)?;
        client.check().await?;
        Ok(client)
    }

    /// Checks that the server answers, and that Inklog can use it.
    pub async fn check(&self) -> Result<(), StoreError> {
        let () = self.query(&redis::cmd("PING")).await?;
        let mut info = redis::cmd("INFO");
        info.arg("cluster");
        match self.query::<String>(&info).await {
            Ok(info) if info.contains("cluster_enabled:1") => Err(is_cluster("cluster_enabled:1")),
            Ok(_) | Err(StoreError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Runs a command.
    pub(crate) async fn query<T: FromRedisValue + Send>(&self, cmd: &Cmd) -> Result<T, StoreError> {
        self.call(|mut manager| async move { cmd.query_async(&mut manager).await }).await
    }

    /// Runs a script by its hash, loading it if the server does not know it.
    pub(crate) async fn eval<T: FromRedisValue + Send>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        self.call(|mut manager| async move { script.invoke_async(&mut manager).await }).await
    }

    /// Whether `bytes` more may be written: a base that does not fit would first fill the server and take
    /// everybody else's room. A base of more than half of the memory could never be replaced by the next.
    /// If the server does not report its memory, the write is attempted.
    pub(crate) async fn check_room(&self, bytes: u64) -> Result<(), StoreError> {
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        let info: String = match self.query(&info).await {
            Err(StoreError::Refused { .. }) => return Ok(()),
            answer => answer?,
        };
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        let (max, used) = (number("maxmemory"), number("used_memory"));
        let evicts = field("maxmemory_policy").is_some_and(|policy| policy != "noeviction");
        if max > 0 && (bytes > max / 2 || (!evicts && used + bytes > max)) {
            let reason = format!("no room for {bytes} bytes: {used} of {max} are in use");
            return Err(StoreError::Refused { store: "Redis", reason });
        }
        Ok(())
    }

    /// Tries twice if the connection turns out to be broken, as in the first call after a pause, a restart of the
    /// server, or a change of its role. The call may then run twice, which is safe for every caller.
    async fn call<T, F>(&self, attempt: impl Fn(ConnectionManager) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (number, manager) = self.manager();
        let attempts = async {
            match attempt(manager).await {
                Err(error) if is_read_only(&error) => {
                    self.replace(number)?;
                    attempt(self.manager().1).await
                }
                Err(error) if error.is_connection_dropped() => attempt(self.manager().1).await,
                result => result,
            }
        };
        match tokio::time::timeout(CALL_TIMEOUT, attempts).await {
            Ok(result) => result.map_err(failed),
            Err(elapsed) => {
                self.replace(number).map_err(failed)?;
                Err(StoreError::unavailable("Redis", elapsed))
            }
        }
    }

    fn manager(&self) -> (u64, ConnectionManager) {
        let managed = self.lock();
        (managed.number, managed.manager.clone())
    }

    /// Makes the connection with this number anew, unless somebody else has done so.
    fn replace(&self, number: u64) -> RedisResult<()> {
        let mut managed = self.lock();
        if managed.number == number {
            *managed = Managed { number: number + 1, manager: manage(&self.0.client)? };
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Managed> {
        self.0.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn manage(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None)
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_millis(200));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// Whether a replica answered, which takes no writes from anybody.
fn is_read_only(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// A server that answers with an error is up, unless it is a replica; only this call failed.
fn failed(error: RedisError) -> StoreError {
    match error.code() {
        _ if is_read_only(&error) => StoreError::unavailable("Redis", error),
        Some("MOVED" | "ASK" | "CLUSTERDOWN") => is_cluster(&error.to_string()),
        Some(_) => StoreError::Refused { store: "Redis", reason: error.to_string() },
        None => StoreError::unavailable("Redis", error),
    }
}

fn is_cluster(said: &str) -> StoreError {
    let reason = format!("it is a cluster ({said}); Inklog needs a Redis with cluster mode off");
    StoreError::Refused { store: "Redis", reason }
}
