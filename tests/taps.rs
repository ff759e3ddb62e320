//! Taps that tests share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::BoxFuture;
use inklog_store::Objects;
use inklog_store::tap::{Call, Done, Fault, Operation, Store, Tap};

/// Fails every call of a store, before it happens, while it is told to.
pub struct Failing {
    store: Store,
    now: AtomicBool,
}

impl Failing {
    pub fn new(store: Store) -> Arc<Failing> {
        Arc::new(Failing { store, now: AtomicBool::new(true) })
    }

    pub fn set(&self, fails: bool) {
        self.now.store(fails, Ordering::SeqCst);
    }
}

#[async_trait]
impl Tap for Failing {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        match call.operation.store() == self.store && self.now.load(Ordering::SeqCst) {
            true => Err(call.unanswered("it was told to fail")),
            false => Ok(()),
        }
    }
}

/// Steps in once: before the next call of an operation, or between it and its caller's answer. A test in
/// which that call never comes has tested nothing, and fails.
pub struct SteppingIn {
    before: bool,
    operation: Operation,
    step: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl SteppingIn {
    pub fn before(operation: Operation, step: impl Future<Output = ()> + Send + 'static) -> Arc<dyn Tap> {
        Arc::new(SteppingIn { before: true, operation, step: Mutex::new(Some(Box::pin(step))) })
    }

    pub fn after(operation: Operation, step: impl Future<Output = ()> + Send + 'static) -> Arc<dyn Tap> {
        Arc::new(SteppingIn { before: false, operation, step: Mutex::new(Some(Box::pin(step))) })
    }

    async fn step(&self, before: bool, operation: Operation) {
        if (before, operation) != (self.before, self.operation) {
            return;
        }
        let step = self.step.lock().unwrap().take();
        if let Some(step) = step {
            step.await;
        }
    }
}

#[async_trait]
impl Tap for SteppingIn {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        self.step(true, call.operation).await;
        Ok(())
    }

    async fn after(&self, call: &Call<'_>, _: &Done<'_>) -> Result<(), Fault> {
        self.step(false, call.operation).await;
        Ok(())
    }
}

impl Drop for SteppingIn {
    fn drop(&mut self) {
        let untaken = self.step.get_mut().is_ok_and(|step| step.is_some());
        assert!(!untaken || std::thread::panicking(), "there was no {:?} to step in at", self.operation);
    }
}

/// Counts calls: how many there were, and how many at once.
#[derive(Default)]
pub struct Counting(Mutex<BTreeMap<Operation, Count>>);

#[derive(Default, Clone, Copy)]
pub struct Count {
    pub calls: usize,
    pub at_once: usize,
    under_way: usize,
}

impl Counting {
    pub fn of(&self, operation: Operation) -> Count {
        self.0.lock().unwrap().get(&operation).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Tap for Counting {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry(call.operation).or_default();
        count.calls += 1;
        count.under_way += 1;
        count.at_once = count.at_once.max(count.under_way);
        Ok(())
    }

    async fn after(&self, call: &Call<'_>, _: &Done<'_>) -> Result<(), Fault> {
        self.0.lock().unwrap().entry(call.operation).or_default().under_way -= 1;
        Ok(())
    }
}

/// Damages what has been put into a bucket, where the key says so.
pub struct Damaging {
    pub bucket: Arc<dyn Objects>,
    pub keys: &'static str,
}

#[async_trait]
impl Tap for Damaging {
    async fn after(&self, call: &Call<'_>, _: &Done<'_>) -> Result<(), Fault> {
        if call.operation == Operation::ObjectsPut && call.key.contains(self.keys) {
            let mut bytes = self.bucket.get(call.key).await?.expect("it was just put");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            self.bucket.delete(call.key).await?;
            self.bucket.put(call.key, bytes).await?;
        }
        Ok(())
    }
}
