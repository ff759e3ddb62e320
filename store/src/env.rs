//! Time and randomness, passed in so that simulations are repeatable.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::time::Instant;

/// Tells the time, and waits.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch. It jumps if somebody sets the machine's clock.
    fn now_ms(&self) -> u64;

    /// The time since a moment that is fixed for this clock's life. It never jumps; use it to measure
    /// durations and deadlines.
    fn monotonic(&self) -> Duration;

    /// Returns once [`Clock::monotonic`] has moved on by `duration`.
    async fn sleep(&self, duration: Duration);
}

/// Gives random numbers, for nonces and names that must not collide.
pub trait Entropy: Send + Sync {
    /// 64 random bits.
    fn next(&self) -> u64;

    /// A random name of 16 hexadecimal digits.
    fn nonce(&self) -> String {
        format!("{:016x}", self.next())
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

static FIRST_ASKED: LazyLock<Instant> = LazyLock::new(Instant::now);

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }

    fn monotonic(&self) -> Duration {
        FIRST_ASKED.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn next(&self) -> u64 {
        getrandom::u64().expect("the operating system gives random numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_machines_clock_tells_its_time_and_moves_on() {
        let machines = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let (before, now_ms, after) = (machines(), SystemClock.now_ms(), machines());
        assert!((before..=after).contains(&now_ms), "{now_ms} is not between {before} and {after}");
        let begin = SystemClock.monotonic();
        SystemClock.sleep(Duration::from_millis(1)).await;
        assert!(SystemClock.monotonic() - begin >= Duration::from_millis(1));
    }
}
