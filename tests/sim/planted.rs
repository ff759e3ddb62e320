//! Bugs, planted one at a time: seeds are run until one finds it. A simulation that does not find them finds no
//! others either.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use inklog_crdt::planted::Bug;

use super::options::Options;
use super::run;

/// A bug is to be found within so many seeds,
const SEEDS_GOAL: u64 = 200;
/// and must be within so many: any change to the code or to what is drawn finds other seeds.
const SEEDS_MAX: u64 = 1_000;

/// What came of one bug.
struct Search {
    bug: Bug,
    /// The seed that found it, and what was reported.
    found: Option<(u64, String)>,
    /// In how many runs it has decided anything.
    reached: u64,
}

pub fn named(name: &str) -> Option<Bug> {
    Bug::ALL.iter().copied().find(|bug| bug.name() == name)
}

/// Looks for these bugs, and shows what found each.
pub fn find(bugs: &[Bug], options: &Options) -> ExitCode {
    let begun = Instant::now();
    let (next, searches) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let search = search(*bug, options);
                    let seed = search.found.as_ref().map(|(seed, _)| seed);
                    eprintln!("{}: {seed:?}, {:.1?}", bug.name(), begun.elapsed());
                    searches.lock().expect("no holder panics").push(search);
                }
            });
        }
    });
    let mut searches = searches.into_inner().expect("no holder panics");
    searches.sort_by_key(|search| Bug::ALL.iter().position(|bug| *bug == search.bug));
    println!("| bug | rule | first seed that finds it | what is reported |\n|---|---|---|---|");
    for Search { bug, found, reached } in &searches {
        let (seed, breach) = match found {
            Some((seed, breach)) => (seed.to_string(), breach.replace('|', "/")),
            None => ("none".to_owned(), format!("it decided something in {reached} runs")),
        };
        println!("| {} | {} | {seed} | {breach} |", bug.name(), bug.rule());
    }
    let missed = searches.iter().filter(|search| search.found.is_none()).count();
    let is_early = |search: &&Search| search.found.as_ref().is_some_and(|(seed, _)| *seed <= SEEDS_GOAL);
    let early = searches.iter().filter(is_early).count();
    println!(
        "{} of {} bugs found, {early} of them within {SEEDS_GOAL} seeds, in {:.1?}",
        searches.len() - missed,
        searches.len(),
        begun.elapsed()
    );
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn search(bug: Bug, options: &Options) -> Search {
    let mut search = Search { bug, found: None, reached: 0 };
    for seed in options.from..options.from + options.seeds.min(SEEDS_MAX) {
        let planted = bug.plant();
        let breach = run::run(seed, &options.overrides, false).breach;
        search.reached += u64::from(planted.times() > 0);
        drop(planted);
        // What is wrong without the bug as well says nothing about it.
        if let Some(breach) = breach
            && run::run(seed, &options.overrides, false).breach.is_none()
        {
            search.found = Some((seed, breach));
            break;
        }
    }
    search
}
