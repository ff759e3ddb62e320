//! A deterministic simulation of the whole pipeline: clients, gateway, functions, streams, stores, and what goes
//! wrong with each. One thread, no sockets, no real time: a seed decides everything.
//!
//! ```text
//!   run.rs        faults, then none, then everything is held against the model
//!   plan.rs       how large a run is              faults.rs   what goes wrong, and how often
//!   executor.rs   tasks and time                draw.rs     the generator
//!   world.rs      stores, time, trace             process.rs  what a function runs in, and dies in
//!   functions.rs  the functions, warm and cold    streams.rs  the log's stream to its consumers
//!   gateway.rs    connections and their messages  chaos.rs    what goes wrong by itself
//!   client.rs     clients that type               bots.rs     programs that send odd messages
//!   operators.rs  the schedule, and what operators do
//!   checks.rs     what must hold in the end
//!   model.rs      what must be, worked out naively   watch.rs   what must hold at every moment
//!   shrink.rs     a smaller run that fails as well
//!   planted.rs    bugs, and the seeds that find them
//! ```

mod bots;
mod chaos;
mod checks;
mod client;
mod draw;
mod executor;
mod faults;
mod functions;
mod gateway;
mod model;
mod operators;
mod options;
mod plan;
#[cfg(feature = "planted")]
mod planted;
mod process;
mod run;
mod shrink;
mod streams;
mod watch;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use faults::Fault;
use options::Options;
use run::Outcome;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        // `cargo test SOMETHING` asks for a test of another binary.
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    run::catch_panics();
    #[cfg(feature = "planted")]
    let _planted = match &*options.bugs {
        [bug] if options.seed.is_some() => Some(bug.plant()),
        [] => None,
        bugs => return planted::find(bugs, &options),
    };
    if let Some(seed) = options.seed {
        return one(seed, &options);
    }
    many(&options)
}

/// Runs one seed, and shows it.
fn one(seed: u64, options: &Options) -> ExitCode {
    let outcome = run::run(seed, &options.overrides, options.trace);
    match outcome.breach {
        None => {
            println!(
                "seed {seed}: {} events acknowledged in {:?}, agreement {:?} after the last fault",
                outcome.acknowledged, outcome.simulated, outcome.converged_after
            );
            ExitCode::SUCCESS
        }
        Some(breach) => {
            println!("seed {seed}: {breach}");
            ExitCode::FAILURE
        }
    }
}

/// What the runs had in all.
#[derive(Default)]
struct Sum {
    runs: u64,
    acknowledged: u64,
    lines: u64,
    simulated: Duration,
    slowest: Duration,
    fired: Vec<u64>,
    failed: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.runs += 1;
        self.acknowledged += outcome.acknowledged as u64;
        self.lines += outcome.trace.1;
        self.simulated += outcome.simulated;
        self.slowest = self.slowest.max(outcome.converged_after);
        self.fired.resize(Fault::ALL.len(), 0);
        self.fired.iter_mut().zip(outcome.fired).for_each(|(sum, fired)| *sum += fired);
        self.failed.extend(outcome.breach.map(|breach| (seed, breach)));
    }
}

fn many(options: &Options) -> ExitCode {
    let begun = Instant::now();
    let (next, sum) = (AtomicU64::new(options.from), Mutex::new(Sum::default()));
    let end = options.from + options.seeds;
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let failed = sum.lock().expect("no holder panics").failed.len();
                    if seed >= end || failed >= options.failures_max {
                        return;
                    }
                    let mut outcome = run::run(seed, &options.overrides, false);
                    if options.twice && outcome.breach.is_none() {
                        let again = run::run(seed, &options.overrides, false);
                        if again.trace != outcome.trace {
                            outcome.breach = Some("the same seed gave another trace".to_owned());
                        }
                    }
                    let mut sum = sum.lock().expect("no holder panics");
                    if let Some(breach) = &outcome.breach {
                        println!("seed {seed}: {breach}");
                    }
                    sum.add(seed, outcome);
                    if sum.runs.is_multiple_of(10_000) {
                        println!("{} seeds failed so far", sum.failed.len());
                        report(&sum, begun.elapsed());
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().expect("no holder panics");
    report(&sum, begun.elapsed());
    let Some((seed, breach)) = sum.failed.iter().min() else { return ExitCode::SUCCESS };
    println!("\n{} of {} seeds failed. Seed {seed}: {breach}", sum.failed.len(), sum.runs);
    if options.shrink {
        shrink::shrink(*seed, options);
    }
    ExitCode::FAILURE
}

fn report(sum: &Sum, took: Duration) {
    println!(
        "{} runs in {:.1} s: {:.0} simulated hours, {} events acknowledged, {} steps; \
         the slowest agreed {:?} after the last fault",
        sum.runs,
        took.as_secs_f64(),
        sum.simulated.as_secs_f64() / 3_600.0,
        sum.acknowledged,
        sum.lines,
        sum.slowest
    );
    let mut line = String::new();
    for (fault, fired) in Fault::ALL.iter().zip(&sum.fired) {
        let cell = format!("{} {fired}", fault.name());
        line.push_str(&format!("{cell:26}"));
        if line.len() > 100 {
            println!("  {}", line.trim_end());
            line.clear();
        }
    }
    println!("  {}", line.trim_end());
}
