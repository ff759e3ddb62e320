//! Pauses that double, with full jitter, so that clients that lost one server do not all come back at
//! once.

use std::time::Duration;

/// A small generator for jitter (SplitMix64); no secret depends on it.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Seeded by the system.
    pub fn from_system() -> Random {
        Random(getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())))
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Numbers from here on, as jitter.
    pub fn into_jitter(mut self) -> Jitter {
        Box::new(move || (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// A suffix that tells this run's agents and documents from another's.
    pub fn suffix(&mut self) -> String {
        format!("{:07x}", self.next_u64() & 0x0fff_ffff)
    }
}

/// Where jitter comes from: each call gives a number, 0 ≤ … < 1.
pub type Jitter = Box<dyn FnMut() -> f64 + Send>;

/// The pauses between attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    tries: u32,
    least: f64,
}

impl Backoff {
    /// Pauses of up to `first`, then up to twice that, …, then up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, tries: 0, least: 0.0 }
    }

    /// With pauses of at least this share of what they may be.
    pub fn at_least(self, share: f64) -> Backoff {
        Backoff { least: share, ..self }
    }

    /// The next pause.
    pub fn pause(&mut self, jitter: &mut Jitter) -> Duration {
        let most = self.first.saturating_mul(1 << self.tries.min(20)).min(self.longest);
        self.tries = self.tries.saturating_add(1);
        most.mul_f64(self.least + (1.0 - self.least) * jitter())
    }

    /// How many pauses there were since the last success.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// It worked: the next pause is short again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_are_spread() {
        let first = Duration::from_millis(100);
        let longest = Duration::from_secs(2);
        let mut jitter = Random::new(7).into_jitter();
        let mut backoff = Backoff::new(first, longest);
        assert!(backoff.pause(&mut jitter) <= first);
        let later: Vec<Duration> = (0..200).map(|_| backoff.pause(&mut jitter)).collect();
        assert!(later.iter().all(|pause| *pause <= longest));
        assert!(later.iter().any(|pause| *pause > longest / 2));
        assert!(later.iter().any(|pause| *pause < longest / 2));
        backoff.reset();
        assert!(backoff.pause(&mut jitter) <= first);
        let mut backoff = Backoff::new(first, longest).at_least(0.5);
        assert!((0..200).all(|_| backoff.pause(&mut jitter) >= first / 2));
    }
}
