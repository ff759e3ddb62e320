//! Summaries of latencies.

use std::time::Duration;

use serde::Serialize;

/// Percentiles of many latencies, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many there were.
    pub samples: usize,
    /// Half were at most this.
    pub p50_ms: f64,
    /// 90 % were at most this.
    pub p90_ms: f64,
    /// 99 % were at most this.
    pub p99_ms: f64,
    /// All were at most this.
    pub max_ms: f64,
}

/// Summarizes latencies; `None` if there are none.
pub fn percentiles(mut samples: Vec<Duration>) -> Option<Percentiles> {
    samples.sort_unstable();
    let max = *samples.last()?;
    // Nearest rank: the smallest sample that at least that share does not exceed.
    let at = |percent: usize| samples[(samples.len() * percent).div_ceil(100).max(1) - 1];
    Some(Percentiles {
        samples: samples.len(),
        p50_ms: millis(at(50)),
        p90_ms: millis(at(90)),
        p99_ms: millis(at(99)),
        max_ms: millis(max),
    })
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let samples: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let all = percentiles(samples).unwrap();
        assert_eq!((all.p50_ms, all.p90_ms, all.p99_ms, all.max_ms), (50.0, 90.0, 99.0, 100.0));
        assert_eq!(all.samples, 100);
    }

    #[test]
    fn few_samples_and_none() {
        assert_eq!(percentiles(Vec::new()), None);
        let one = percentiles(vec![Duration::from_micros(1_500)]).unwrap();
        assert_eq!((one.p50_ms, one.p99_ms, one.max_ms), (1.5, 1.5, 1.5));
        let two = percentiles(vec![Duration::from_millis(9), Duration::from_millis(1)]).unwrap();
        assert_eq!((two.p50_ms, two.p90_ms), (1.0, 9.0));
    }
}
