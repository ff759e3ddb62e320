//! What is done to the stack, to its Redis and to its disk. Each fault has a fact that shows that it was felt.

use std::time::Duration;

use inklog_tests::RedisServer;
use tokio::time::sleep;

use crate::disk::Disk;
use crate::model::Model;
use crate::prng::Prng;
use crate::processes::{Jobs, Stack, signal, stderr_of, wait_for_state};
use crate::redis::Redis;
use crate::{Outcome, within};

/// How long it may take until a fault is felt, and until so many events more are acknowledged.
const FELT_MAX: Duration = Duration::from_secs(30);
/// Around the limits that the stack and its clients have for one call: 1 s for a post, 1.5 s to connect to Redis, 3 s
/// for an acknowledgement, 4 s for an answer of Redis.
const STOPS_MS: [u64; 6] = [150, 400, 950, 1_050, 1_600, 4_300];

macro_rules! faults {
    ($($fault:ident $target:ident $name:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($fault,)* }

        impl Fault {
            pub const ALL: &[Fault] = &[$($fault,)*];

            pub fn name(self) -> &'static str {
                match self { $($fault => $name,)* }
            }

            pub fn target(self) -> Target {
                match self { $($fault => Target::$target,)* }
            }
        }
    };
}

faults! {
    StackKilled Stack "stack killed (SIGKILL)";
    StackStopped Stack "stack stopped (SIGSTOP), continued";
    StackTerminated Stack "stack terminated (SIGTERM)";
    RedisKilled Redis "Redis killed, starts empty";
    RedisStopped Redis "Redis stopped (SIGSTOP), continued";
    RedisOld Redis "Redis restarted from an old dump";
    RedisEmptied Redis "Redis emptied (FLUSHALL)";
    RedisFull Redis "Redis full (noeviction)";
    RedisEvicting Redis "Redis full (allkeys-lru, -random)";
    RedisFailsOver Redis "Redis dies, its replica is promoted";
    RedisChangesOver Redis "Redis and its replica change roles";
    DiskFull Disk "disk full";
    DiskReadOnly Disk "data folder read-only";
}

use Fault::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Stack,
    Redis,
    Disk,
}

impl Fault {
    /// Whether a stack may be unable to start meanwhile.
    fn hinders_starting(self) -> bool {
        matches!(self, RedisKilled | RedisStopped | DiskFull | DiskReadOnly)
    }
}

/// A fault that has begun and not ended.
pub struct Begun {
    pub fault: Fault,
    /// What its counter was before.
    before: u64,
    replica: Option<RedisServer>,
}

/// Everything that faults are done to.
pub struct World {
    pub stack: Stack,
    pub redis: Redis,
    pub disk: Disk,
    pub prng: Prng,
    /// Faults that have begun.
    present: Vec<Fault>,
}

impl World {
    pub fn new(stack: Stack, redis: Redis, disk: Disk, prng: Prng) -> World {
        World { stack, redis, disk, prng, present: Vec::new() }
    }

    /// Makes the fault; it lasts until [`World::end`].
    pub async fn begin(&mut self, fault: Fault) -> Outcome<Begun> {
        let mut begun = Begun { fault, before: 0, replica: None };
        match fault {
            StackKilled => self.stack.kill().await?,
            StackTerminated => self.stack.terminate().await?,
            StackStopped => stop(self.stack.pid().ok_or("the stack does not run")?).await?,
            RedisStopped => stop(self.redis.pid()?).await?,
            RedisKilled => {
                self.redis.server.forget_dump();
                self.redis.server.stop();
            }
            RedisOld => self.redis.server.save(),
            RedisEmptied => self.redis.server.run("FLUSHALL"),
            RedisFull => {
                begun.before = self.redis.refusals();
                self.limit_redis("noeviction", self.redis.number("used_memory"));
            }
            RedisEvicting => {
                begun.before = self.redis.number("evicted_keys");
                let policy = self.prng.pick(&["allkeys-lru", "allkeys-random"]);
                let data = self.redis.number("used_memory_dataset");
                self.limit_redis(policy, self.redis.number("used_memory") - data / 2);
            }
            RedisFailsOver | RedisChangesOver => begun.replica = Some(self.redis.replica().await?),
            DiskFull => self.disk.fill()?,
            DiskReadOnly => self.disk.protect()?,
        }
        self.present.push(fault);
        Ok(begun)
    }

    /// Waits until the fault was felt, and until the stack, if it can, has acknowledged some events in spite of it.
    pub async fn hold(&mut self, begun: &Begun, model: &Model) -> Outcome {
        let before = begun.before;
        match begun.fault {
            StackKilled => {}
            StackTerminated => self.stopped_jobs().await?,
            StackStopped | RedisStopped => {
                // This is the fault itself.
                sleep(Duration::from_millis(self.prng.pick(&STOPS_MS))).await;
            }
            RedisFull => {
                let felt = async || (self.redis.refusals() > before).then_some(());
                tell_if_not_felt(within(FELT_MAX, "a full Redis is felt", felt).await);
            }
            RedisEvicting => {
                let felt = async || (self.redis.number("evicted_keys") > before).then_some(());
                tell_if_not_felt(within(FELT_MAX, "Redis evicts", felt).await);
            }
            DiskFull => {
                let refused = model.refused();
                let before = *refused.borrow();
                let full = async || match self.disk.fill() {
                    Ok(()) => (*refused.borrow() > before + 3).then_some(Ok(())),
                    failed => Some(failed),
                };
                return within(FELT_MAX, "a full disk is felt", full).await?;
            }
            DiskReadOnly => {
                let jobs = Jobs::running(&self.stack);
                let failed = async || match jobs.run(&["compact", "notes"]).await {
                    Ok(output) => (!output.status.success()).then(|| Ok(stderr_of(&output))),
                    Err(error) => Some(Err(error)),
                };
                let said = within(FELT_MAX, "a compaction finds the folder read-only", failed).await??;
                if !said.starts_with("inklog: ") || said.lines().count() != 1 {
                    return Err(format!("a compaction on a read-only folder says {said:?}"));
                }
            }
            _ => {}
        }
        if self.present.iter().any(|fault| fault.target() == Target::Stack || *fault == DiskFull) {
            return Ok(());
        }
        // Nothing that befalls Redis keeps an event from being acknowledged.
        let events = 3 + self.prng.below(15) as u64;
        more_acknowledged(model, events).await
    }

    /// Ends the fault; the stack runs again, if another fault does not keep it from starting.
    pub async fn end(&mut self, begun: Begun) -> Outcome {
        let Begun { fault, replica, .. } = begun;
        match (fault, replica) {
            (StackStopped, _) => go_on(self.stack.pid().ok_or("the stack does not run")?).await?,
            (RedisStopped, _) => go_on(self.redis.pid()?).await?,
            (RedisKilled | RedisOld, _) => self.redis.server.restart(),
            (RedisFull | RedisEvicting, _) => self.limit_redis("noeviction", 0),
            (RedisFailsOver, Some(replica)) => self.redis.fail_over(replica),
            (RedisChangesOver, Some(replica)) => self.redis.change_over(replica),
            (DiskFull, _) => self.disk.empty()?,
            (DiskReadOnly, _) => {
                // Whoever is started on such a folder must say so.
                self.stack.kill().await?;
                let started = self.stack.start().await?;
                self.disk.unprotect()?;
                match started {
                    Err(line) if line.contains(&*self.disk.data().to_string_lossy()) => {}
                    other => return Err(format!("a stack on a read-only folder: {other:?}")),
                }
            }
            _ => {}
        }
        self.present.retain(|present| *present != fault);
        self.start().await
    }

    /// Starts the stack if it does not run.
    async fn start(&mut self) -> Outcome {
        if self.stack.pid().is_some() {
            return Ok(());
        }
        match self.stack.start().await? {
            Err(line) if !self.present.iter().any(|fault| fault.hinders_starting()) => Err(line),
            _ => Ok(()),
        }
    }

    /// What an operator may do while the stack does not run. Without anybody who writes, no grace period is
    /// waited for: this is what empties the log.
    async fn stopped_jobs(&mut self) -> Outcome {
        let hindered = self.present.iter().any(|fault| fault.target() == Target::Disk);
        let jobs = Jobs::stopped(&self.stack);
        for _ in 0..self.prng.below(4) {
            let output = jobs.run(&["compact", "--all"]).await?;
            if !output.status.success() && !hindered {
                return Err(format!("a compaction of the stopped stack fails: {}", stderr_of(&output)));
            }
        }
        Ok(())
    }

    fn limit_redis(&self, policy: &str, bytes: u64) {
        self.redis.server.run(&format!("CONFIG SET maxmemory-policy {policy}"));
        self.redis.server.run(&format!("CONFIG SET maxmemory {bytes}"));
    }
}

/// Waits until so many events more are acknowledged.
pub async fn more_acknowledged(model: &Model, events: u64) -> Outcome {
    let mut acknowledged = model.acknowledged();
    let wanted = *acknowledged.borrow() + events;
    match tokio::time::timeout(FELT_MAX, acknowledged.wait_for(|number| *number >= wanted)).await {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("{events} events are not acknowledged within {} s", FELT_MAX.as_secs())),
    }
}

async fn stop(pid: u32) -> Outcome {
    signal(pid, "-STOP").await?;
    wait_for_state(pid, 'T').await
}

async fn go_on(pid: u32) -> Outcome {
    signal(pid, "-CONT").await
}

/// After another fault, a Redis may have room for all that comes.
fn tell_if_not_felt(felt: Outcome) {
    if let Err(reason) = felt {
        println!("         {reason}");
    }
}
