//! A small random number generator, and the seed's way into and out of a test.

/// xorshift64*: good enough to choose edits, and the same everywhere.
#[derive(Clone)]
pub(crate) struct Prng(u64);

impl Prng {
    pub(crate) fn new(seed: u64) -> Prng {
        Prng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (((self.next() >> 32) * end as u64) >> 32) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Runs a test for `count` seeds and names the one that panics. `INKLOG_SEED` sets the first; with a
/// count of its own after a colon (`INKLOG_SEED=17:1`) it sets both.
pub(crate) fn for_seeds(count: u64, test: impl Fn(&mut Prng)) {
    struct Guard(u64);
    impl Drop for Guard {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with INKLOG_SEED={}:1", self.0);
            }
        }
    }
    let set = std::env::var("INKLOG_SEED").unwrap_or_default();
    let (first, own_count) = set.split_once(':').unwrap_or((&set, ""));
    let first: u64 = first.parse().unwrap_or(1);
    for seed in first..first + own_count.parse().unwrap_or(count) {
        let _guard = Guard(seed);
        test(&mut Prng::new(seed));
    }
}
