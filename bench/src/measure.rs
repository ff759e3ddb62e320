//! Rounds that alternate between the subjects, and medians.

use std::time::{Duration, Instant};

use serde::Serialize;

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub workload: String,
    pub trace: String,
    pub subject: String,
    /// The median of all rounds.
    pub value: f64,
    pub unit: &'static str,
    /// Whether the text was right, every time.
    pub ok: bool,
}

/// What one round found: the figure, and whether the text was right.
pub type Round = (f64, bool);

/// A subject at one workload on one trace.
pub struct Case<'a> {
    pub subject: &'static str,
    pub run: Box<dyn FnMut() -> Round + 'a>,
}

/// How long and how often to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// A subject that has taken this long takes no further part.
    pub budget: Duration,
}

/// All subjects in turn, then again, so that what disturbs the machine disturbs all alike.
pub fn medians(cases: &mut [Case], effort: Effort) -> Vec<(&'static str, f64, bool)> {
    let mut values = vec![Vec::new(); cases.len()];
    let mut right = vec![true; cases.len()];
    let mut spent = vec![Duration::ZERO; cases.len()];
    for _ in 0..effort.rounds {
        for (no, case) in cases.iter_mut().enumerate() {
            if spent[no] < effort.budget {
                let start = Instant::now();
                let (value, ok) = (case.run)();
                spent[no] += start.elapsed();
                values[no].push(value);
                right[no] &= ok;
            }
        }
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    cases
        .iter()
        .zip(&mut values)
        .zip(right)
        .map(|((case, values), ok)| (case.subject, median(values), ok))
        .collect()
}

pub fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
