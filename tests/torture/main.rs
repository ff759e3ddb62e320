//! Real faults on the real stack: `inklog dev` in a process of its own, with a real `redis-server` and its data
//! on a disk, under load, round after round over the same folder.
//!
//! - `rounds`: which faults, one after the other or one within another; the table
//! - `faults`: what is done, and how it is known that it was felt
//! - `processes`, `redis`, `disk`: what it is done to
//! - `load`: who works meanwhile: `typist`, of the published crate; `wire`, over a `line` of its own; an operator
//! - `model`: what was acknowledged, by the clients' word alone
//! - `checks`: after each round: everybody converges, and log, snapshot and live state have what was acknowledged
//!
//! `INKLOG_ROUNDS` says how many, `INKLOG_SEED` decides what is drawn. Which faults come, in which order and how
//! large, is the seed's alone; what meets what is the machine's.

mod checks;
mod disk;
mod faults;
mod line;
mod load;
mod model;
mod prng;
mod processes;
mod redis;
mod rounds;
mod typist;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use disk::Disk;
use faults::{Fault, Target, World};
use load::Load;
use model::Model;
use prng::Prng;
use processes::{Jobs, Stack, stderr_of};
use redis::Redis;
use rounds::{Bag, Table, round};

const ROUNDS: usize = 5;

/// What went well, or one line that says what did not.
pub type Outcome<T = ()> = Result<T, String>;

/// Asks until there is an answer, within a time.
pub async fn within<T>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> Outcome<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = tokio::time::timeout(limit, asking).await;
    answer.map_err(|_| format!("{what}: not within {} s", limit.as_secs()))
}

fn main() -> ExitCode {
    // As tests with a harness do for `cargo test NAME` and `-- --list`.
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--list") {
        println!("torture: test");
        return ExitCode::SUCCESS;
    }
    let mut names = args.iter().filter(|arg| !arg.starts_with('-')).peekable();
    if names.peek().is_some() && !names.any(|name| "torture".contains(name.as_str())) {
        return ExitCode::SUCCESS;
    }
    disk::enter_namespace();
    let number = |name| {
        // Other tests take `SEED:COUNT`.
        let value = std::env::var(name).ok()?;
        Some(value.split(':').next()?.parse::<u64>().expect("a number"))
    };
    let rounds = number("INKLOG_ROUNDS").map_or(ROUNDS, |rounds| rounds as usize);
    let seed = number("INKLOG_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
        u64::from(now.subsec_nanos())
    });
    let folder = tempfile::Builder::new().prefix("inklog-torture-").tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let tortured = catch_unwind(AssertUnwindSafe(|| runtime.block_on(torture(folder.path(), seed, rounds))));
    let panicked = |_| Err((rounds, vec!["this test panicked: see above".to_owned()]));
    let Err((round, wrong)) = tortured.unwrap_or_else(panicked) else {
        disk::leave(folder.path());
        return ExitCode::SUCCESS;
    };
    for line in wrong.iter().take(20) {
        println!("  {line}");
    }
    let kept = folder.keep();
    let copied = Command::new("cp").arg("-a").arg(kept.join("disk/data")).arg(kept.join("data")).status();
    let whole = if copied.is_ok_and(|status| status.success()) { "data" } else { "no data" };
    disk::leave(&kept);
    println!("round {round} failed: {} faults of {rounds} rounds", wrong.len());
    println!("log, outboxes and {whole} are kept in {}", kept.display());
    println!("again: make torture ROUNDS={round} SEED={seed}");
    ExitCode::FAILURE
}

/// `Err` has the number of the round that failed, and why.
async fn torture(folder: &Path, seed: u64, rounds: usize) -> Result<(), (usize, Vec<String>)> {
    let begun = Instant::now();
    println!("torture: {rounds} rounds, seed {seed}");
    let mut prng = Prng::new(seed);
    let setting_up = |error| (0, vec![error]);
    let (mut world, not_run) = set_up(folder, &mut prng).await.map_err(setting_up)?;
    let kinds = Fault::ALL.iter().copied().filter(|fault| not_run.iter().all(|(one, _)| one != fault));
    let mut bag = Bag::new(kinds.collect());
    let model = Arc::new(Model::new());
    let mut table = Table::default();
    let mut load = Load::start(&world.stack, model.clone(), folder.to_owned(), &mut prng);
    for number in 1..=rounds {
        let done = round(number, &mut world, &mut bag, &mut load, &model, &mut table).await;
        if let Err(wrong) = done {
            print_table(&table, &not_run, &model);
            return Err((number, wrong));
        }
    }
    let jobs_done = load.jobs_done();
    let ended = end(&mut world, load, &model).await;
    print_table(&table, &not_run, &model);
    println!(
        "{jobs_done} jobs meanwhile, {} snapshots checked; {} keys a document at most; everybody converged within \
         {:.1} s; {} s in all",
        table.snapshots_checked,
        table.keys_max,
        table.slowest.as_secs_f32(),
        begun.elapsed().as_secs(),
    );
    ended.map_err(|error| (rounds, vec![error]))
}

type NotRun = Vec<(Fault, String)>;

fn print_table(table: &Table, not_run: &NotRun, model: &Model) {
    let not_run: Vec<_> = not_run.iter().map(|(fault, reason)| (*fault, reason.as_str())).collect();
    table.print(&not_run, *model.acknowledged().borrow());
}

/// A running stack, and which faults this machine cannot make.
async fn set_up(folder: &Path, prng: &mut Prng) -> Outcome<(World, NotRun)> {
    let redis = Redis::start().await?;
    let disk = Disk::new(folder)?;
    let reason = disk.ordinary.clone();
    let of_disk = Fault::ALL.iter().copied().filter(|fault| fault.target() == Target::Disk);
    let not_run = of_disk.filter_map(|fault| Some((fault, reason.clone()?))).collect();
    let log = folder.join("stack.log");
    let mut stack = Stack::new(inklog_tests::inklog_binary(), disk.data(), redis.url(), log)?;
    stack.start().await??;
    Ok((World::new(stack, redis, disk, prng.fork()), not_run))
}

/// Everybody leaves, and what is in the folder is whole without a running stack.
async fn end(world: &mut World, load: Load, model: &Model) -> Outcome {
    load.stop().await?;
    world.stack.terminate().await?;
    let output = Jobs::stopped(&world.stack).run(&["verify", "--all"]).await?;
    match (output.status.success(), model.take_wrong().into_iter().next()) {
        (true, None) => Ok(()),
        (_, Some(wrong)) => Err(wrong),
        (false, _) => Err(format!("verify of the stopped stack fails: {}", stderr_of(&output))),
    }
}
