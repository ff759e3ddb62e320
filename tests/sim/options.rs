//! The command line.

#[cfg(feature = "planted")]
use inklog_crdt::planted::Bug;

use super::faults::Fault;
#[cfg(feature = "planted")]
use super::planted::named;
use super::run::Overrides;

pub struct Options {
    /// One seed only.
    pub seed: Option<u64>,
    pub from: u64,
    pub seeds: u64,
    /// Whether each seed runs a second time, to the same trace.
    pub twice: bool,
    /// Prints what happens.
    pub trace: bool,
    /// Looks for a smaller run that fails as well.
    pub shrink: bool,
    /// Stops after so many.
    pub failures_max: usize,
    pub overrides: Overrides,
    /// Bugs to plant.
    #[cfg(feature = "planted")]
    pub bugs: Vec<Bug>,
}

const USAGE: &str = "usage: --seed N [--trace] | --seeds N [--from N] [--once] [--failures N] [--no-shrink]; \
     each with [--without FAULT,…] [--clients N] [--edits N] [--bots N] [--lasts SECONDS]; \
     with the feature planted: --bugs | --bug BUG [--bug BUG …] | --bug BUG --seed N [--trace]";

impl Options {
    /// `None`: nothing is asked of this binary.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let mut options = Options {
            seed: None,
            from: 1,
            seeds: 2_000,
            twice: true,
            trace: false,
            shrink: true,
            failures_max: 1,
            overrides: Overrides::default(),
            #[cfg(feature = "planted")]
            bugs: Vec::new(),
        };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().and_then(|value| value.parse::<u64>().ok());
                value.ok_or_else(|| format!("{argument} needs a number\n{USAGE}"))
            };
            match &*argument {
                "--seed" => options.seed = Some(number()?),
                "--from" => options.from = number()?,
                "--seeds" => options.seeds = number()?,
                "--failures" => options.failures_max = number()? as usize,
                "--clients" => options.overrides.clients = Some(number()? as usize),
                "--edits" => options.overrides.edits = Some(number()? as usize),
                "--bots" => options.overrides.bots = Some(number()? as usize),
                "--lasts" => options.overrides.lasts_s = Some(number()?),
                "--without" => {
                    let names = arguments.next().unwrap_or_default();
                    for name in names.split(',').filter(|name| !name.is_empty()) {
                        let fault = Fault::ALL.iter().find(|fault| fault.name() == name);
                        let fault = fault.ok_or_else(|| format!("there is no fault {name}\n{USAGE}"))?;
                        options.overrides.without.push(*fault);
                    }
                }
                #[cfg(feature = "planted")]
                "--bugs" => options.bugs = Bug::ALL.to_vec(),
                #[cfg(feature = "planted")]
                "--bug" => {
                    let name = arguments.next().unwrap_or_default();
                    options
                        .bugs
                        .push(named(&name).ok_or_else(|| format!("there is no bug {name}\n{USAGE}"))?);
                }
                "--once" => options.twice = false,
                "--trace" => options.trace = true,
                "--no-shrink" => options.shrink = false,
                // What `cargo test` passes to every binary.
                flag if flag.starts_with('-') => return Err(format!("unknown: {flag}\n{USAGE}")),
                _ => return Ok(None),
            }
        }
        Ok(Some(options))
    }
}
