//! Messages to connections that are not ready, and over a gateway that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use inklog_protocol::DocId;
use inklog_store::audience::{Audience, Post};
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::push::memory::MemoryPush;
use inklog_store::tap::{Call, Fault, Operation, Tap};
use inklog_store::{Clock, Connections, ManualClock, PushError};

const PATIENCE: Duration = Duration::from_secs(20);

/// A client that takes nothing before a moment.
struct Busy {
    until: Duration,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl Tap for Busy {
    async fn before(&self, _: &Call<'_>) -> Result<(), Fault> {
        match self.clock.monotonic() < self.until {
            true => Err(PushError::Busy("status 429".into()).into()),
            false => Ok(()),
        }
    }
}

/// Whether it was taken, and when the sender knew.
async fn deliver(busy_until: Duration) -> (bool, Duration) {
    let clock = Arc::new(ManualClock::new(0));
    let (connections, push) = (Arc::new(MemoryConnections::new()), Arc::new(MemoryPush::new()));
    push.open("c");
    let audience =
        Audience { presence: connections.clone(), connections, push: push.clone(), clock: clock.clone() };
    let tap: Arc<dyn Tap> = Arc::new(Busy { until: busy_until, clock: clock.clone() });
    let taken = clock.run(audience.tapped(&tap).deliver("c", "state", PATIENCE)).await;
    assert_eq!(push.take("c").len(), usize::from(taken), "once, or not at all");
    (taken, clock.monotonic())
}

#[tokio::test]
async fn a_message_is_offered_until_it_is_taken_or_patience_ends() {
    assert_eq!(deliver(Duration::ZERO).await, (true, Duration::ZERO));
    let (taken, when) = deliver(Duration::from_secs(3)).await;
    assert!(taken && (Duration::from_secs(3)..Duration::from_millis(3_320)).contains(&when), "{when:?}");
    let (taken, when) = deliver(PATIENCE * 2).await;
    assert!(!taken && (PATIENCE - Duration::from_millis(320)..=PATIENCE).contains(&when), "{when:?}");
}

/// A gateway that fails for its first calls.
struct Failing(AtomicUsize);

#[async_trait]
impl Tap for Failing {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        let fails = |left: usize| left.checked_sub(1);
        let failed = call.operation == Operation::PushPost
            && self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails).is_ok();
        if failed { Err(PushError::Retry("no answer".into()).into()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_gateway_that_fails_once_is_asked_once_more_and_unregisters_nobody() {
    for (failures, arrives) in [(0, true), (1, true), (2, false)] {
        let clock = Arc::new(ManualClock::new(0));
        let (connections, push) = (Arc::new(MemoryConnections::new()), Arc::new(MemoryPush::new()));
        let doc = DocId::new("d").unwrap();
        push.open("c");
        assert!(connections.register(&doc, "c", None, 0).await.unwrap());
        let audience = Audience {
            presence: connections.clone(),
            connections: connections.clone(),
            push: push.clone(),
            clock: clock.clone(),
        };
        let tap: Arc<dyn Tap> = Arc::new(Failing(AtomicUsize::new(failures)));
        let post = Post { connection: "c".into(), messages: Arc::new(["edit".to_owned()]) };
        audience.tapped(&tap).broadcast(&doc, vec![post]).await;
        assert_eq!(push.take("c").len(), usize::from(arrives), "after {failures} failures");
        assert!(connections.is_registered(&doc, "c", 0).await.unwrap(), "after {failures} failures");
    }
}
