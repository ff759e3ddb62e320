//! A process that runs a function: its clock, its nonces, and its stores, on the way to which it may die.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{Either, select};
use inklog_store::audience::Audience;
use inklog_store::document::Documents;
use inklog_store::tap::Tapped;
use inklog_store::tap::{Call, Done, Fault as Answer, Operation, Store, Tap};
use inklog_store::{Clock, PushError, Revocations, StoreError};
use tokio::sync::Notify;

use super::executor::{self, Instant};
use super::faults::Fault;
use super::world::{SimClock, SimEntropy, World};

/// What has more time than this is no message, and no batch of a stream.
const JOB_LIMIT_MIN: Duration = Duration::from_secs(5 * 60);
/// How long a call of a job may take: longer than a compaction needs for events to leave the log.
const JOB_CALL_MS: (u64, u64) = (11 * 60_000, 14 * 60_000);

#[derive(Clone)]
pub struct Process {
    pub name: String,
    pub world: Arc<World>,
    pub clock: Arc<SimClock>,
    log: u64,
    limit: Duration,
    entropy: Arc<SimEntropy>,
    tap: Arc<dyn Tap>,
    kill: Arc<Notify>,
}

impl Process {
    /// Of a function that may take so long.
    pub fn start(world: &Arc<World>, function: &str, limit: Duration) -> Process {
        let name = format!("{function}-{}", world.number());
        let off_ms = match world.fires(Fault::ClockOff) {
            true => world.draw().between(0, 60_000) as i64 - 30_000,
            false => 0,
        };
        let kill = Arc::new(Notify::new());
        Process {
            world: world.clone(),
            clock: SimClock::new(world.begin, off_ms),
            entropy: Arc::new(SimEntropy::new(world.draw().next())),
            tap: Arc::new(ProcessTap {
                name: name.clone(),
                world: world.clone(),
                log: world.restored(),
                is_job: limit >= JOB_LIMIT_MIN,
                kill: kill.clone(),
            }),
            log: world.restored(),
            limit,
            kill,
            name,
        }
    }

    /// Whether it belongs to the stack of today.
    pub fn is_deployed(&self) -> bool {
        self.log == self.world.restored()
    }

    pub fn documents(&self) -> Documents {
        let documents = Documents { entropy: self.entropy.clone(), ..self.world.documents() };
        documents.tapped(&self.tap, &self.clock())
    }

    pub fn audience(&self) -> Audience {
        let world = &self.world;
        let audience = Audience {
            connections: world.connections.clone(),
            presence: world.connections.clone(),
            push: world.push.clone(),
            clock: self.clock.clone(),
        };
        audience.tapped(&self.tap)
    }

    pub fn revocations(&self) -> Arc<dyn Revocations> {
        Tapped::new(self.world.catalogue.clone(), self.tap.clone(), self.clock())
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Does one task, unless the process dies of it, or takes longer than it may. After `None`, the process
    /// is no more.
    pub async fn run<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        let world = &self.world;
        if world.fires(Fault::KilledAtInit) {
            return None;
        }
        if !world.faults.are_on() {
            self.clock.set_off(0);
        }
        if world.fires(Fault::ClockJump) {
            self.clock.set_off(world.draw().between(0, 120_000) as i64 - 60_000);
        }
        let limited = executor::timeout_at(Instant::now() + self.limit, task);
        let ended = match select(pin!(self.kill.notified()), pin!(limited)).await {
            Either::Left(_) => None,
            Either::Right((done, _)) => done,
        };
        if ended.is_none() {
            world.watch.note_failure();
            world.trace(format_args!("{} dies", self.name));
        }
        ended
    }
}

struct ProcessTap {
    name: String,
    world: Arc<World>,
    /// Which log it uses; another is not within its reach.
    log: u64,
    /// Whether it does an operator's jobs, or the snapshotter's.
    is_job: bool,
    kill: Arc<Notify>,
}

impl ProcessTap {
    async fn die(&self) {
        self.world.watch.note_failure();
        self.kill.notify_one();
        std::future::pending().await
    }

    /// What Redis says where something is wrong with it.
    fn redis(&self, call: &Call<'_>) -> Result<(), Answer> {
        if !matches!(call.operation.store(), Store::Live | Store::Connections | Store::Presence) {
            return Ok(());
        }
        let trouble = self.world.redis.lock().expect("no holder panics");
        let now = Instant::now();
        if trouble.away_until.is_some_and(|until| now < until) {
            self.world.watch.note_failure();
            return Err(call.unanswered("connection refused"));
        }
        let needs_memory = matches!(
            call.operation,
            Operation::LiveAppend
                | Operation::LiveFold
                | Operation::LiveBeginRebuild
                | Operation::LiveCommitRebuild
                | Operation::LiveSwapRebuild
                | Operation::ConnectionsRegister
                | Operation::PresenceSet
        );
        if needs_memory && trouble.full_until.is_some_and(|until| now < until) {
            let reason = "OOM command not allowed when used memory > 'maxmemory'.".to_owned();
            return Err(StoreError::Refused { store: "Redis", reason }.into());
        }
        Ok(())
    }
}

#[async_trait]
impl Tap for ProcessTap {
    async fn before(&self, call: &Call<'_>) -> Result<(), Answer> {
        let world = &self.world;
        world.trace(format_args!(
            "{} {} {} {}",
            self.name,
            call.operation.name(),
            call.doc.map_or("", |doc| doc.as_str()),
            call.key
        ));
        world.latency().await;
        if self.log != world.restored() || world.fires(Fault::KilledBefore) {
            self.die().await;
        }
        if world.fires(Fault::Slow) {
            // Where much happens, seconds are long.
            let most = if world.plan.is_dense() { 4_000 } else { 70_000 };
            let ms = world.draw().between(1_000, most);
            executor::sleep(Duration::from_millis(ms)).await;
        }
        if self.is_job && world.fires(Fault::SlowJob) {
            let ms = {
                let mut draw = world.draw();
                let (least, most) = draw.pick(&[(10_000, 120_000), JOB_CALL_MS]);
                draw.between(least, most)
            };
            executor::sleep(Duration::from_millis(ms)).await;
        }
        if self.log != world.restored() {
            self.die().await;
        }
        self.redis(call)?;
        if call.operation == Operation::PushPost && world.is_busy(call.key) {
            return Err(PushError::Busy("status 429".to_owned()).into());
        }
        if let (Operation::LogDelete, Some(doc)) = (call.operation, call.doc) {
            world.note_log(doc).await;
        }
        let fails = call.operation == world.plan.failing && world.fires(Fault::CallFails);
        if fails || world.fires(Fault::Throttled) {
            world.watch.note_failure();
            return Err(call.unanswered("ProvisionedThroughputExceededException"));
        }
        if let (Operation::LiveAppend, Some(doc)) = (call.operation, call.doc) {
            world.note_tail(doc);
        }
        Ok(())
    }

    async fn after(&self, call: &Call<'_>, done: &Done<'_>) -> Result<(), Answer> {
        let world = &self.world;
        let outcome = match done.outcome {
            Ok(bytes) => format!("{bytes}"),
            Err(error) => error.to_string(),
        };
        world.trace(format_args!("{} {} -> {outcome}", self.name, call.operation.name()));
        match call.operation {
            Operation::LogAppend | Operation::LogDelete => world.appended.iter().for_each(Notify::notify_one),
            Operation::PushPost | Operation::PushClose => {
                world.posted.lock().expect("no holder panics").push(call.key.to_owned());
                world.kicked.notify_one();
            }
            Operation::ObjectsPut if world.fires(Fault::ObjectDamaged) => {
                let at = world.draw().below(1 << 20);
                world.objects.damage(call.key, at);
            }
            _ => {}
        }
        if let Some(doc) = call.doc {
            match call.operation {
                Operation::LiveFold | Operation::LiveCommitRebuild | Operation::LiveSwapRebuild => {
                    world.check_live(doc).await;
                }
                Operation::CatalogueClearDirty => world.check_mark(doc).await,
                Operation::LogDelete => world.check_log(doc).await,
                Operation::LiveAppend if done.outcome.is_ok() => world.check_tail(doc),
                _ => {}
            }
        }
        if world.fires(Fault::KilledAfter) {
            self.die().await;
        }
        if done.outcome.is_ok() && world.fires(Fault::FailedAfter) {
            world.watch.note_failure();
            return Err(call.unanswered("the connection was reset"));
        }
        Ok(())
    }
}
