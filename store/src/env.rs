//! Time and randomness, handed in so that a simulation can repeat itself.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> u64;
}

/// Gives random numbers: nonces and names that must not meet by chance.
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

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
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
