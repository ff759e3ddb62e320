//! The one source of randomness of a run.

use inklog_client::Random;

/// A seeded generator.
pub struct Draw(Random);

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(Random::new(seed ^ 0x015e_ed0f_51a1))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 0 ≤ … < 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// 0 ≤ … < `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// `from` ≤ … ≤ `to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of `limits`, or next to it: faults sit at edges.
    pub fn around(&mut self, limits: &[usize]) -> usize {
        let limit = self.pick(limits);
        (limit + self.below(5)).saturating_sub(2).max(1)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}
