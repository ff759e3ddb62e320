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
    pub run: Box<dyn FnMut() -> Result<Round, TooLong> + 'a>,
}

/// A subject was not done with a piece of work after [`Patience::LIMIT`].
#[derive(Debug, Clone, Copy)]
pub struct TooLong;

/// The clock beside a piece of work of many steps, so that no subject holds up the whole run.
pub struct Patience {
    start: Instant,
    steps: u32,
}

impl Patience {
    pub const LIMIT: Duration = Duration::from_secs(60);

    pub fn new() -> Patience {
        Patience { start: Instant::now(), steps: 0 }
    }

    /// To be called at every step; it looks at the clock seldom enough not to be measured itself.
    pub fn step(&mut self) -> Result<(), TooLong> {
        self.steps = self.steps.wrapping_add(1);
        match self.steps.is_multiple_of(64) && self.start.elapsed() > Patience::LIMIT {
            true => Err(TooLong),
            false => Ok(()),
        }
    }
}

/// How long and how often to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// A subject that has taken this long takes no further part.
    pub budget: Duration,
}

/// All subjects in turn, then again, so that what disturbs the machine disturbs all alike.
pub fn medians(cases: &mut [Case], effort: Effort) -> Vec<(&'static str, Result<Round, TooLong>)> {
    let mut values = vec![Vec::new(); cases.len()];
    let mut right = vec![true; cases.len()];
    let mut spent = vec![Duration::ZERO; cases.len()];
    for _ in 0..effort.rounds {
        for (i, case) in cases.iter_mut().enumerate() {
            if spent[i] < effort.budget {
                let start = Instant::now();
                let round = (case.run)();
                spent[i] += start.elapsed();
                if let Ok((value, ok)) = round {
                    values[i].push(value);
                    right[i] &= ok;
                }
            }
        }
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().ok_or(TooLong)
    };
    let found = cases.iter().zip(&mut values).zip(right);
    found.map(|((case, values), ok)| (case.subject, median(values).map(|value| (value, ok)))).collect()
}

pub fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
