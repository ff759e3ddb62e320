//! A scheduler like EventBridge's rate expressions: it calls a function at a fixed rate.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::eventbridge::EventBridgeEvent;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::gateway::BoxError;

/// The Lambda behind a schedule.
#[async_trait]
pub trait ScheduledFunction: Send + Sync + 'static {
    /// Handles one scheduled event.
    async fn invoke(&self, event: EventBridgeEvent) -> Result<(), BoxError>;
}

/// A running schedule. Dropping it asks it to stop without waiting.
#[derive(Debug)]
pub struct Schedule {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Schedule {
    /// Calls `function` once per period, for the first time after one period. Calls never overlap: one
    /// that takes longer than the period delays the next. A failed call is logged, and the next follows
    /// as scheduled. Each event carries `detail`.
    pub fn start(
        rule: impl Into<String>,
        every: Duration,
        detail: Value,
        function: Arc<dyn ScheduledFunction>,
    ) -> Self {
        let rule = rule.into();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    () = stopped.cancelled() => return,
                    _ = ticks.tick() => call(&rule, detail.clone(), &function).await,
                }
            }
        });
        Self { stop: stop.drop_guard(), task }
    }

    /// Stops once the current call has ended.
    pub async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("a schedule panicked");
        }
    }
}

async fn call(rule: &str, detail: Value, function: &Arc<dyn ScheduledFunction>) {
    let (function, event) = (function.clone(), scheduled_event(rule, detail));
    // A task of its own: a panic of the function is not the end of its schedule.
    match tokio::spawn(async move { function.invoke(event).await }).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(rule, error, "a scheduled function failed"),
        Err(error) => tracing::error!(rule, %error, "a scheduled function panicked"),
    }
}

/// The event as EventBridge writes it.
fn scheduled_event(rule: &str, detail: Value) -> EventBridgeEvent {
    let mut id = [0_u8; 16];
    getrandom::fill(&mut id).expect("the operating system has randomness");
    let (account, region) = ("000000000000", "us-east-1");
    let mut event = EventBridgeEvent::default();
    event.version = Some("0".to_owned());
    event.id = Some(URL_SAFE_NO_PAD.encode(id));
    event.detail_type = "Scheduled Event".to_owned();
    event.source = "aws.events".to_owned();
    event.account = Some(account.to_owned());
    event.time = Some(Utc::now());
    event.region = Some(region.to_owned());
    event.resources = Some(vec![format!("arn:aws:events:{region}:{account}:rule/{rule}")]);
    event.detail = detail;
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    #[derive(Default)]
    struct Slow {
        running: AtomicU32,
        events: Mutex<Vec<EventBridgeEvent>>,
        called: Notify,
    }

    #[async_trait]
    impl ScheduledFunction for Slow {
        async fn invoke(&self, event: EventBridgeEvent) -> Result<(), BoxError> {
            assert_eq!(self.running.fetch_add(1, Ordering::SeqCst), 0, "calls overlap");
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            let count = {
                let mut events = self.events.lock().unwrap();
                events.push(event);
                events.len()
            };
            self.called.notify_one();
            match count {
                1 => Err("once".into()),
                2 => panic!("a function that panics"),
                _ => Ok(()),
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn calls_do_not_overlap_and_survive_errors() {
        let function = Arc::new(Slow::default());
        let detail = serde_json::json!({"sweep": true});
        let schedule = Schedule::start("sweep", Duration::from_millis(5), detail, function.clone());
        for _ in 0..4 {
            tokio::time::timeout(Duration::from_secs(10), function.called.notified()).await.unwrap();
        }
        schedule.stop().await;
        assert_eq!(function.running.load(Ordering::SeqCst), 0, "a call was cut short");
        let json = serde_json::to_value(&function.events.lock().unwrap()[0]).unwrap();
        assert_eq!(json["detail-type"], "Scheduled Event");
        assert_eq!(json["detail"]["sweep"], true);
        assert_eq!(json["resources"][0], "arn:aws:events:us-east-1:000000000000:rule/sweep");
    }
}
