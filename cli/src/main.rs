//! The `inklog` binary: reads the command line, runs the command, makes an exit code of the outcome.

use std::process::ExitCode;

use inklog_cli::args::ArgsError;
use tracing_subscriber::EnvFilter;

/// The embedded DynamoDB warns of every request that it refuses, which is often how it should be: a
/// conditional put that finds its place taken, a table that is not there yet. The SDK warns of every place
/// where it finds no credentials; what fails for want of them says so.
const DEFAULT_LOG: &str = "warn,dynoxide=error,aws_config=error";

/// An edit passes many short-lived requests of the AWS SDK, which allocate much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

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
