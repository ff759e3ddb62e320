//! What goes wrong in a run, how often, and that it did.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::draw::Draw;

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident $name:literal $most:literal;)*) => {
        /// One kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault { $($(#[$doc])* $fault,)* }

        impl Fault {
            pub const ALL: &[Fault] = &[$(Fault::$fault,)*];

            /// As the command line and the tables call it.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$fault => $name,)* }
            }

            /// The share of occasions on which it happens, at most.
            fn most(self) -> f64 {
                match self { $(Fault::$fault => $most,)* }
            }
        }
    };
}

faults! {
    /// A message to the server is lost with its connection still open, as when no function could start.
    FrameLost "frame-lost" 0.1;
    /// A message reaches its function twice, as when an invocation is tried again.
    FrameRepeated "frame-repeated" 0.1;
    /// A function's answer is lost.
    AnswerLost "answer-lost" 0.1;
    /// A pushed message is lost.
    PushLost "push-lost" 0.2;
    /// A message to a client comes twice.
    PushRepeated "push-repeated" 0.2;
    /// A message to a client overtakes others.
    PushReordered "push-reordered" 0.3;
    /// A connection takes nothing for a while.
    Busy "busy" 0.1;
    /// A message is late by seconds.
    Late "late" 0.1;
    /// A connection ends, and nobody is told.
    Cut "cut" 0.2;
    /// A connection ends, and `$disconnect` is called.
    Closed "closed" 0.05;
    /// A function dies before a store is asked,
    KilledBefore "killed-before" 0.03;
    /// or after a store has answered,
    KilledAfter "killed-after" 0.03;
    /// or before it has begun.
    KilledAtInit "killed-at-init" 0.03;
    /// A warm function is replaced by a cold one.
    Cold "cold" 0.3;
    /// A call takes so long that the function runs into its time limit.
    Slow "slow" 0.02;
    /// A call of an operator's job or of the snapshotter takes minutes.
    SlowJob "slow-job" 0.08;
    /// A store refuses for now,
    Throttled "throttled" 0.1;
    /// or refuses one kind of call more often than not.
    CallFails "call-fails" 0.6;
    /// A store fails after it has done what it was asked.
    FailedAfter "failed-after" 0.05;
    /// The catalogue's index, its list and its sizes answer as of before.
    IndexLags "index-lags" 0.5;
    /// Redis cannot be reached for a while,
    RedisAway "redis-away" 0.3;
    /// has no memory for what is new,
    RedisFull "redis-full" 0.3;
    /// is emptied,
    RedisEmptied "redis-emptied" 0.3;
    /// starts again from an old dump,
    RedisOldDump "redis-old-dump" 0.3;
    /// evicts a document,
    RedisEvicted "redis-evicted" 0.5;
    /// or a document's base.
    BaseEvicted "base-evicted" 0.5;
    /// A live state's base has changed bytes,
    BaseDamaged "base-damaged" 0.3;
    /// or is one that only a newer Inklog can decode, until that is deployed.
    BaseNewer "base-newer" 0.3;
    /// An object's bytes change while it is written.
    ObjectDamaged "object-damaged" 0.2;
    /// The newest snapshot is gone, or its bytes have changed.
    SnapshotLost "snapshot-lost" 0.3;
    SnapshotDamaged "snapshot-damaged" 0.3;
    /// A batch of the stream is delivered again,
    BatchRepeated "batch-repeated" 0.2;
    /// to two functions at once,
    BatchTwice "batch-twice" 0.6;
    /// in pieces,
    BatchSplit "batch-split" 0.6;
    /// or out of order.
    BatchReordered "batch-reordered" 0.2;
    /// A shard has split: one document's records no longer wait for another's.
    ShardSplit "shard-split" 0.3;
    /// A record that nobody can decode is in the log.
    Poison "poison" 0.3;
    /// A record that only a newer Inklog can decode is in the log, until that is deployed.
    Newer "newer" 0.3;
    /// A record is damaged on its way: the log has it.
    RecordDamaged "record-damaged" 0.1;
    /// Two snapshotters run at once.
    TwoSnapshotters "two-snapshotters" 0.5;
    /// The snapshotter has little time.
    LittleTime "little-time" 0.5;
    /// A function's clock is wrong,
    ClockOff "clock-off" 0.5;
    /// or jumps.
    ClockJump "clock-jump" 0.1;
    /// A client's program ends, and starts again from what it had stored,
    Restart "restart" 0.05;
    /// is stopped for a while, as in a laptop that is closed,
    Asleep "asleep" 0.1;
    /// or its stored files are used a second time.
    Copied "copied" 0.5;
    /// A message comes past the authorizer.
    Stranger "stranger" 0.1;
    /// A user's tokens are revoked.
    Revoked "revoked" 0.9;
    /// The log is restored from a backup, under another name.
    Restored "restored" 0.5;
}

/// The faults of one run.
pub struct Faults {
    on: AtomicBool,
    rates: Vec<f64>,
    fired: Vec<AtomicU64>,
}

impl Faults {
    /// Some faults are in a run and others are not, so that one that hides another is not in every run.
    pub fn drawn(draw: &mut Draw) -> Faults {
        let none = draw.chance(0.03);
        let share = if draw.chance(0.2) { 0.7 } else { 0.2 };
        let rates = Fault::ALL.iter().map(|fault| {
            // Drawn in any case, so that leaving one out does not change what others are.
            let (is_in, rate) = (draw.chance(share), draw.unit());
            if none || !is_in { 0.0 } else { fault.most() * rate * rate }
        });
        let rates = rates.collect();
        Faults {
            on: AtomicBool::new(true),
            rates,
            fired: Fault::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Those that can happen.
    pub fn possible(&self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(|fault| self.rates[*fault as usize] > 0.0)
    }

    /// It happens as often as it may.
    pub fn force(&mut self, fault: Fault) {
        self.rates[fault as usize] = fault.most();
    }

    pub fn forbid(&mut self, fault: Fault) {
        self.rates[fault as usize] = 0.0;
    }

    /// From now on, nothing goes wrong.
    pub fn stop(&self) {
        self.on.store(false, Ordering::Relaxed);
    }

    pub fn are_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Whether it happens now. The generator is used only for what can happen.
    pub fn fires(&self, fault: Fault, draw: &mut Draw) -> bool {
        let rate = self.rates[fault as usize];
        let fires = rate > 0.0 && self.are_on() && draw.chance(rate);
        if fires {
            self.fired[fault as usize].fetch_add(1, Ordering::Relaxed);
        }
        fires
    }

    /// How often each has happened.
    pub fn fired(&self) -> Vec<u64> {
        self.fired.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}
