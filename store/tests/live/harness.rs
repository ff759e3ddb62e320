//! A live state of either kind, with what a test needs to disturb it.

use std::sync::Arc;
use std::time::Duration;

use inklog_protocol::LoggedEvent;
use inklog_protocol::limits::LIVE_STATE_TTL;
use inklog_store::live::memory::MemoryLiveState;
use inklog_store::live::redis::RedisLiveState;
use inklog_store::live::{LiveDoc, NewBase};
use inklog_store::{LiveState, ManualClock, RedisClient};
use inklog_tests::RedisServer;

use crate::support::{RawRedis, doc, tapped, until};

/// The log that the tests' live state is made from.
pub const LOG: &str = "inklog-test-oplog";

pub struct Harness {
    pub live: Arc<dyn LiveState>,
    backend: Backend,
}

enum Backend {
    Memory { store: Arc<MemoryLiveState>, clock: Arc<ManualClock> },
    Redis(Redis),
}

/// A server of the test's own, and two ways to it.
pub struct Redis {
    pub server: RedisServer,
    pub client: RedisClient,
    pub raw: RawRedis,
}

impl Redis {
    pub async fn start() -> Redis {
        Redis::start_with(&[]).await
    }

    pub async fn start_with(settings: &[&str]) -> Redis {
        let server = RedisServer::start_with(settings);
        let client = RedisClient::connect(&server.url()).await.unwrap();
        let raw = RawRedis::connect(&server.url()).await;
        Redis { server, client, raw }
    }

    pub fn live(&self) -> RedisLiveState {
        RedisLiveState::new(self.client.clone(), LOG)
    }
}

impl Harness {
    pub async fn memory() -> Harness {
        let clock = Arc::new(ManualClock::new(0));
        let store = Arc::new(MemoryLiveState::new(clock.clone()));
        Harness { live: store.clone(), backend: Backend::Memory { store, clock } }
    }

    /// The one in memory, behind a tap.
    pub async fn tapped() -> Harness {
        let Harness { live, backend } = Harness::memory().await;
        Harness { live: tapped(live), backend }
    }

    pub async fn redis() -> Harness {
        let redis = Redis::start().await;
        Harness { live: Arc::new(redis.live()), backend: Backend::Redis(redis) }
    }

    /// All data is lost.
    pub async fn flush(&self) {
        match &self.backend {
            Backend::Memory { store, .. } => store.clear(),
            Backend::Redis(redis) => redis.raw.run(&["FLUSHALL"]).await,
        }
    }

    /// Lets `part` of the life of an idle document go by.
    pub async fn pass(&self, part: f64) {
        let passed = LIVE_STATE_TTL.mul_f64(part);
        match &self.backend {
            Backend::Memory { clock, .. } => clock.pass(passed),
            Backend::Redis(redis) => bring_deadlines_nearer(&redis.raw, passed).await,
        }
    }
}

/// Redis's clock cannot be moved, so the deadlines are, which must all be the same.
async fn bring_deadlines_nearer(raw: &RawRedis, by: Duration) {
    let deadline = common_deadline_ms(raw).await - by.as_millis() as i64;
    for key in raw.keys().await {
        let _: i64 = raw.run(&["PEXPIREAT", &key, &deadline.to_string()]).await;
    }
    let past: Vec<String> = raw.run(&["TIME"]).await;
    if deadline <= past[0].parse::<i64>().unwrap() * 1000 {
        until("all keys are gone", || async { raw.keys().await.is_empty() }).await;
    }
}

/// The moment at which all keys expire.
pub async fn common_deadline_ms(raw: &RawRedis) -> i64 {
    let mut deadlines = Vec::new();
    for key in raw.keys().await {
        deadlines.push((raw.run::<i64>(&["PEXPIRETIME", &key]).await, key));
    }
    let (first, _) = deadlines[0];
    assert!(first > 0, "a key without an end: {deadlines:?}");
    assert!(deadlines.iter().all(|(at, _)| *at == first), "keys end at different moments: {deadlines:?}");
    first
}

/// A base of a few bytes, which tell it from others.
pub fn base(generation: &str) -> NewBase {
    base_of(generation, format!("state of {generation}").into_bytes(), Vec::new())
}

pub fn base_of(generation: &str, state: Vec<u8>, waiting: Vec<LoggedEvent>) -> NewBase {
    NewBase { generation: generation.to_owned(), state, waiting, aside_bytes: 0 }
}

impl Harness {
    /// Puts the first base in.
    pub async fn rebuild(&self, base: NewBase) {
        self.live.begin_rebuild(&doc(), "nonce").await.unwrap();
        assert!(self.live.commit_rebuild(&doc(), "nonce", base).await.unwrap());
    }

    pub async fn read(&self) -> LiveDoc {
        self.live.read(&doc()).await.unwrap().expect("there is a base")
    }

    pub async fn is_miss(&self) -> bool {
        self.live.read(&doc()).await.unwrap().is_none()
    }

    pub async fn append(&self, events: &[LoggedEvent]) -> inklog_store::live::TailStatus {
        self.live.append(&doc(), events, "fresh").await.unwrap()
    }

    /// Not one key is left.
    pub async fn assert_nothing_is_left(&self) {
        if let Backend::Redis(redis) = &self.backend {
            assert_eq!(redis.raw.keys().await, [""; 0]);
        }
    }

    /// Folds all that `read` has read into the base given.
    pub async fn fold(&self, read: &LiveDoc, base: NewBase) -> bool {
        self.live.fold(&doc(), &read.tag, &read.cursor, base).await.unwrap()
    }
}
