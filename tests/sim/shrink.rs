//! A failing seed, made smaller: fewer faults, clients, edits, as long as it still fails.

use super::options::Options;
use super::run::{self, Overrides};

/// Prints the smallest run that was found, and how to repeat it.
pub fn shrink(seed: u64, options: &Options) {
    let mut best = options.overrides.clone();
    let fails = |overrides: &Overrides| run::run(seed, overrides, false).breach;
    let try_one = |best: &mut Overrides, smaller: Overrides| {
        let breach = fails(&smaller);
        if breach.is_some() {
            *best = smaller;
        }
        breach.is_some()
    };
    let (plan, faults, _) = run::prepare(seed, &best);
    for fault in faults.possible() {
        let mut smaller = best.clone();
        smaller.without.push(fault);
        try_one(&mut best, smaller);
    }
    if plan.bots > 0 {
        let smaller = Overrides { bots: Some(0), ..best.clone() };
        try_one(&mut best, smaller);
    }
    for clients in 1..plan.clients {
        let smaller = Overrides { clients: Some(clients), ..best.clone() };
        if try_one(&mut best, smaller) {
            break;
        }
    }
    let mut edits = plan.edits;
    while edits > 1 {
        let smaller = Overrides { edits: Some(edits / 2), ..best.clone() };
        if !try_one(&mut best, smaller) {
            break;
        }
        edits /= 2;
    }
    let (plan, faults, _) = run::prepare(seed, &best);
    let names: Vec<_> = faults.possible().map(|fault| fault.name()).collect();
    println!(
        "smallest: {} clients, {} edits each, {} bots, faults: {}\n  {}",
        plan.clients,
        plan.edits,
        plan.bots,
        names.join(", "),
        fails(&best).unwrap_or_default()
    );
    let mut command = format!("cargo test -p inklog-sim --test sim -- --seed {seed} --trace");
    let without: Vec<_> = best.without.iter().map(|fault| fault.name()).collect();
    if !without.is_empty() {
        command.push_str(&format!(" --without {}", without.join(",")));
    }
    let numbers = [
        ("--clients", best.clients.map(|clients| clients as u64)),
        ("--edits", best.edits.map(|edits| edits as u64)),
        ("--bots", best.bots.map(|bots| bots as u64)),
        ("--lasts", best.lasts_s),
    ];
    for (flag, number) in numbers {
        if let Some(number) = number {
            command.push_str(&format!(" {flag} {number}"));
        }
    }
    println!("again: {command}");
}
