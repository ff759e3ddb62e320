//! Counts activities in progress, so that a stopping gateway can wait for them.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Clone, Debug)]
pub(super) struct Activities(Arc<watch::Sender<usize>>);

/// One activity in progress; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Activity(Arc<watch::Sender<usize>>);

impl Activities {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub fn begin(&self) -> Activity {
        self.0.send_modify(|count| *count += 1);
        Activity(self.0.clone())
    }

    /// Waits until nothing is in progress.
    pub async fn none(&self) {
        let mut count = self.0.subscribe();
        // The sender lives in `self`, so this cannot fail while we wait.
        let _ = count.wait_for(|count| *count == 0).await;
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
