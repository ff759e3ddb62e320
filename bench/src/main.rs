//! Inklog's CRDT beside the others: the same work, in the same run, in turns. See `README.md`, and
//! `make bench` for how it is run.

mod alloc;
mod chart;
mod goals;
mod measure;
mod report;
mod subjects;
mod trace;
mod workloads;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use measure::Effort;
use trace::Trace;
use workloads::Results;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Inklog's CRDT beside its peers.
#[derive(Parser)]
struct Args {
    /// Folder with files of editing-traces (NAME.json or NAME.json.gz).
    traces: PathBuf,
    /// Only these workloads.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only traces whose name contains this.
    #[arg(long)]
    trace: Option<String>,
    /// Rounds of each timed workload; the median counts.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// One round of everything, and small sizes: whether it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Where to write the figures.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to draw the chart.
    #[arg(long)]
    chart: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("inklog-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let traces = read_traces(args)?;
    let mut results = Results::default();
    let effort = match args.quick {
        true => Effort { rounds: 1, budget: Duration::from_secs(1) },
        false => Effort { rounds: args.rounds, budget: Duration::from_secs(6) },
    };
    let wants = |workload: &str| args.only.is_empty() || args.only.iter().any(|only| only == workload);
    for trace in &traces {
        if wants("local") {
            workloads::local::run(trace, effort, &mut results);
        }
        if wants("merge") {
            workloads::merge::run(trace, effort, &mut results);
        }
        if wants("pipeline") {
            workloads::pipeline::run(trace, effort, &mut results);
        }
        workloads::played(trace, wants, effort, &mut results);
    }
    if wants("scale") {
        workloads::scale::run(args.quick, effort, &mut results);
    }
    if wants("shapes") {
        workloads::shapes::run(args.quick, &mut results);
    }
    let write = |path: &PathBuf, text: &str| {
        std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
    };
    println!("{}", report::tables(&results));
    if let Some(path) = &args.json {
        write(path, &serde_json::to_string_pretty(&results.figures).expect("figures are plain"))?;
    }
    if let Some(path) = &args.chart {
        let chart = chart::draw(&results.figures);
        write(path, &chart.ok_or("the chart needs the workloads and traces of a whole run")?)?;
    }
    if results.figures.iter().any(|figure| figure.subject == "inklog" && !figure.ok) {
        return Err("Inklog's text was wrong; see the tables".to_owned());
    }
    Ok(())
}

fn read_traces(args: &Args) -> Result<Vec<Trace>, String> {
    let folder = &args.traces;
    let entries = std::fs::read_dir(folder)
        .map_err(|e| format!("{}: {e}; name a folder with editing-traces", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_trace = name.ends_with(".json") || name.ends_with(".json.gz");
        is_trace && args.trace.as_ref().is_none_or(|part| name.contains(part))
    });
    paths.sort();
    let traces: Vec<Trace> = paths.iter().map(|path| Trace::read(path)).collect::<Result<_, _>>()?;
    match traces.is_empty() {
        true => Err(format!("no traces in {}", folder.display())),
        false => Ok(traces),
    }
}
