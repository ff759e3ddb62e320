//! What the tests of this binary share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inklog_crdt::{Agent, Event, Op, Origin};
use inklog_protocol::{DocId, LoggedEvent};
use inklog_store::tap::{Tap, Tapped};
use inklog_store::{Clock, ManualClock};

/// The document that most tests use.
pub fn doc() -> DocId {
    DocId::new("doc~1.x").unwrap()
}

/// An event of `agent` that uses up the id `n`; `text` makes it as long as the test needs.
pub fn event_of(agent: &str, n: u64, text: &str) -> LoggedEvent {
    let insert = Op::Insert { seq: n, text: text.to_owned(), origin: Origin::Left(None) };
    let event = Event::new(Agent::new(agent).unwrap(), n, vec![insert]).unwrap();
    LoggedEvent { event, at: 1_700_000_000_000 + n, author: None }
}

/// A small event of `alice`.
pub fn event(n: u64) -> LoggedEvent {
    event_of("alice", n, "x")
}

/// Small events of `alice`.
pub fn events(range: std::ops::Range<u64>) -> Vec<LoggedEvent> {
    range.map(event).collect()
}

/// Puts a tap before a store that only lets calls pass.
pub fn tapped<S: ?Sized>(store: Arc<S>) -> Arc<Tapped<S>> {
    struct LetPass;
    impl Tap for LetPass {}
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(0));
    Tapped::new(store, Arc::new(LetPass), clock)
}

/// Asks again and again until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, ask: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ask().await {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A connection for looking at Redis, and meddling with it, behind the store's back.
#[derive(Clone)]
pub struct RawRedis(redis::aio::MultiplexedConnection);

impl RawRedis {
    pub async fn connect(url: &str) -> RawRedis {
        let client = redis::Client::open(url).unwrap();
        RawRedis(client.get_multiplexed_async_connection().await.unwrap())
    }

    /// Runs a command given as words.
    pub async fn run<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut cmd = redis::cmd(words[0]);
        for word in &words[1..] {
            cmd.arg(word);
        }
        cmd.query_async(&mut self.0.clone()).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.run(&["KEYS", "*"]).await;
        keys.sort();
        keys
    }
}
