//! The `inklog` binary: reads the command line, runs the command, turns the outcome into an exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use inklog_cli::args::ArgsError;
use tracing_subscriber::EnvFilter;

/// The embedded DynamoDB warns of every request that it refuses, which is often expected: a conditional put
/// that finds its place taken, a table that does not exist yet. The SDK warns of every place where it finds
/// no credentials; whatever fails without them reports it.
const QUIET: &str = "dynoxide=error,aws_config=error";

/// An edit passes many short-lived requests of the AWS SDK, which allocate much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|wanted| !wanted.is_empty());
    let wanted = wanted.as_deref().unwrap_or("warn");
    // What is wanted comes last, so that it may name these two as well.
    let filter = EnvFilter::try_new(format!("{QUIET},{wanted}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{QUIET},warn")));
    // Colours are for a terminal, and for those who want them (no-color.org).
    let wants_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(wants_colours && std::io::stderr().is_terminal())
        .init();

    let command = match inklog_cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(ArgsError::Clap(told)) => {
            // Help that was asked for goes to stdout and is no failure.
            let code = if told.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            return told.print().map_or(ExitCode::FAILURE, |()| code);
        }
        Err(ArgsError::Usage(error)) => return fail(&error),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(inklog_cli::run(command)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("inklog: {error}");
    ExitCode::FAILURE
}
