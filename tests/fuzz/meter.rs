//! What an input may cost.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// The time that any input may take, and what each of its bytes adds.
const TIME: Duration = Duration::from_millis(250);
const TIME_A_BYTE: Duration = Duration::from_micros(5);
/// The bytes allocated in all are at most so many times those that may be held at once. Like a count of steps, and
/// unlike time, it is the same on every machine.
const TURNOVER: u64 = 8;

/// The memory that an input may take while it is read, with what was read of it.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Bytes for each byte of the input.
    pub each: u64,
    /// Bytes beside that.
    pub base: u64,
}

/// The costliest that was seen.
#[derive(Debug, Default)]
pub struct Meter {
    /// Inputs that the decoder took.
    pub read: u64,
    /// Bytes held at once for each byte of the input, beyond [`Bound::base`].
    pub most_each: f64,
    /// Bytes held at once.
    pub most: u64,
    /// The slowest input.
    pub slowest: Duration,
}

impl Meter {
    /// Runs a decoder on an input of `size` bytes, and panics if that costs more than it may. Where it looks slow,
    /// it runs again, since the machine may have been busy with something else.
    pub fn run<T>(&mut self, size: usize, bound: Bound, decode: impl Fn() -> T) -> T {
        let size = size as u64;
        let allowed = bound.base + bound.each * size;
        let time = TIME + TIME_A_BYTE * u32::try_from(size).expect("inputs are small");
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            let begin = Instant::now();
            let mut result = None;
            // A panic must not leave the counter counting.
            let spent = allocation_counter::measure(|| {
                result = Some(catch_unwind(AssertUnwindSafe(&decode)));
            });
            fastest = fastest.min(begin.elapsed());
            let result = result.expect("it ran").unwrap_or_else(|panic| resume_unwind(panic));
            let held = spent.bytes_max;
            assert!(held <= allowed, "{size} bytes took {held} bytes of memory; {bound:?} allows {allowed}");
            let turned_over = spent.bytes_total;
            assert!(
                turned_over <= allowed * TURNOVER,
                "{size} bytes allocated {turned_over} bytes in all; {bound:?} allows {}",
                allowed * TURNOVER
            );
            self.most = self.most.max(held);
            self.most_each = self.most_each.max(held.saturating_sub(bound.base) as f64 / size.max(1) as f64);
            if fastest <= time {
                self.slowest = self.slowest.max(fastest);
                return result;
            }
        }
        panic!("{size} bytes took {fastest:?}, more than {time:?}");
    }
}
