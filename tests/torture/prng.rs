//! What a seed decides, and sizes drawn around limits.

use inklog_client::Random;
use inklog_protocol::limits::FOLD_BYTES_MIN;

/// Of every width, and line ends.
const CHARS: [&str; 10] = ["a", "b", " ", "é", "中", "\u{301}", "😀", "𝒳", "\r\n", "\n"];

/// What a seed draws.
pub struct Prng(Random);

impl Prng {
    pub fn new(seed: u64) -> Prng {
        Prng(Random::new(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Another one, which goes its own way.
    pub fn fork(&mut self) -> Prng {
        Prng::new(self.next())
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// What somebody types at once: mostly some characters, now and then what makes a live state fold.
    pub fn text(&mut self) -> String {
        match self.below(100) {
            0 => "x".repeat(FOLD_BYTES_MIN - 1 + self.below(3)),
            1..=5 => "y".repeat(200 + self.below(200)),
            _ => (0..1 + self.below(12)).map(|_| self.pick(&CHARS)).collect(),
        }
    }

    /// How much somebody deletes at once.
    pub fn deleted(&mut self) -> usize {
        if self.chance(5) { 1_000 } else { 1 + self.below(10) }
    }
}
