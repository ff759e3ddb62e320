//! A mapping's counters.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a mapping has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingStats {
    /// Records read that passed the filter.
    pub read: u64,
    /// Invocations of the function.
    pub invocations: u64,
    /// Records in those invocations; repeats count again.
    pub delivered: u64,
    /// Invocations that failed in whole or in part.
    pub failures: u64,
    /// Records that the mapping gave up on.
    pub set_aside: u64,
}

#[derive(Debug, Default)]
pub(super) struct Stats {
    read: AtomicU64,
    invocations: AtomicU64,
    delivered: AtomicU64,
    failures: AtomicU64,
    set_aside: AtomicU64,
}

impl Stats {
    pub fn read(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    pub fn invoked(&self, records: usize) {
        self.invocations.fetch_add(1, Ordering::Relaxed);
        self.delivered.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub fn set_aside(&self, records: usize) {
        self.set_aside.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> MappingStats {
        MappingStats {
            read: self.read.load(Ordering::Relaxed),
            invocations: self.invocations.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            set_aside: self.set_aside.load(Ordering::Relaxed),
        }
    }
}
