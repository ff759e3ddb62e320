//! scale: the time of one edit at a random place in documents of 10^3 to 10^7 characters, and in one
//! with 10^6 tombstones.

use std::time::{Duration, Instant};

use super::Results;
use crate::for_all;
use crate::measure::{Case, Effort};
use crate::subjects::Subject;
use crate::trace::Edit;

/// Characters that are typed at once while a document is made.
const WORD: usize = 100;
/// Edits timed together in one round.
const EDITS: usize = 1000;
/// A subject that needs longer to make a document does without it, and without larger ones.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reproducible numbers (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }
}

struct Grown<S> {
    replica: S,
    chars: usize,
    random: Random,
}

impl<S: Subject> Grown<S> {
    /// Types words at random places until there are `chars` and then deletes pieces until `left` are.
    fn new(chars: usize, left: usize) -> Result<Grown<S>, String> {
        let mut grown = Grown { replica: S::new(0), chars: 0, random: Random(1) };
        let word = "lorem ipsum dolor sit amet ".repeat(4)[..WORD].to_owned();
        let start = Instant::now();
        while grown.chars < chars {
            let at = grown.random.below(grown.chars + 1);
            grown.replica.edit(&Edit { at, deleted: 0, inserted: word.clone() });
            grown.chars += WORD;
            grown.check(start, chars)?;
        }
        while grown.chars > left {
            let deleted = (WORD / 2).min(grown.chars - left);
            let at = grown.random.below(grown.chars - deleted);
            grown.replica.edit(&Edit { at, deleted, inserted: String::new() });
            grown.chars -= deleted;
            grown.check(start, chars)?;
        }
        Ok(grown)
    }

    fn check(&self, start: Instant, chars: usize) -> Result<(), String> {
        match start.elapsed() > PATIENCE {
            true => {
                Err(format!("making the document of {chars} characters took over {} s", PATIENCE.as_secs()))
            }
            false => Ok(()),
        }
    }

    /// Microseconds an edit: one character typed, and another deleted, in turns.
    fn edits(&mut self) -> f64 {
        let mut edits = Vec::with_capacity(EDITS);
        let mut chars = self.chars;
        for i in 0..EDITS {
            let (deleted, inserted) = if i % 2 == 0 { (0, "x") } else { (1, "") };
            let at = self.random.below(chars - deleted);
            edits.push(Edit { at, deleted, inserted: inserted.to_owned() });
            chars = chars + inserted.len() - deleted;
        }
        let start = Instant::now();
        edits.iter().for_each(|edit| self.replica.edit(edit));
        let time = start.elapsed();
        self.chars = chars;
        time.as_secs_f64() * 1e6 / EDITS as f64
    }
}

pub fn run(quick: bool, effort: Effort, results: &mut Results) {
    let mut documents = vec![("10^3 characters", 1_000, 1_000), ("10^4 characters", 10_000, 10_000)];
    if !quick {
        documents.extend([
            ("10^5 characters", 100_000, 100_000),
            ("10^6 characters", 1_000_000, 1_000_000),
            ("10^7 characters", 10_000_000, 10_000_000),
            ("10^6 tombstones", 1_100_000, 100_000),
        ]);
    }
    let mut gave_up: Vec<(&'static str, usize)> = Vec::new();
    for (name, chars, left) in documents {
        let mut cases: Vec<Case> = Vec::new();
        fn case<'a, S: Subject + 'a>(
            (chars, left): (usize, usize),
            cases: &mut Vec<Case<'a>>,
            gave_up: &mut Vec<(&'static str, usize)>,
            results: &mut Results,
        ) {
            if gave_up.iter().any(|(name, size)| *name == S::NAME && chars >= *size) {
                return;
            }
            match Grown::<S>::new(chars, left) {
                Err(why) => {
                    gave_up.push((S::NAME, chars));
                    results.lacks("scale", S::NAME, why);
                }
                Ok(mut grown) => {
                    let run = move || {
                        let us = grown.edits();
                        Ok((us, grown.replica.text().len() == grown.chars))
                    };
                    cases.push(Case { subject: S::NAME, run: Box::new(run) });
                }
            }
        }
        for_all!(case, (chars, left), &mut cases, &mut gave_up, results);
        results.measure("scale", name, "µs", cases, effort);
    }
}
