//! The `inklog` command: the whole pipeline on this machine, and an operator's commands.
//!
//! ```text
//!   args/      the command line, as written and as meant
//!   dev.rs     `dev`
//!   play/      `play`: recorded sessions played back
//!   load.rs    `load`: many clients, measured; arrivals.rs what both measure
//!   keys.rs    `keys`; token.rs `token`
//!   operator/  `docs`, `cat`, `log`, `verify`, `rebuild`, `compact`: `inklog-operator`, wherever the documents are
//! ```
//!
//! [`run`] is one match. Results go to stdout, logs and progress to stderr.
#![deny(missing_docs)]

pub mod args;
mod arrivals;
pub mod dev;
pub mod keys;
pub mod load;
pub mod operator;
mod output;
pub mod play;
mod progress;
mod server;
pub mod stats;
pub mod token;

use std::io;

pub use args::{Command, parse};
use futures::future::LocalBoxFuture;
pub use server::ServerError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// `dev`.
    #[error(transparent)]
    Dev(#[from] dev::DevError),
    /// `play`.
    #[error(transparent)]
    Play(#[from] play::PlayError),
    /// `load`.
    #[error(transparent)]
    Load(#[from] load::LoadError),
    /// `keys`.
    #[error(transparent)]
    Keys(#[from] keys::KeysJobError),
    /// `token`.
    #[error(transparent)]
    Token(#[from] token::TokenJobError),
    /// An operator's.
    #[error(transparent)]
    Operator(#[from] operator::OperatorError),
    /// What was found cannot be printed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command. Returns whether all is well; what is wrong has been printed.
///
/// Boxed, so that its code, which reaches everything, is generated here and not again in each binary.
pub fn run(command: Command) -> LocalBoxFuture<'static, Result<bool, CommandError>> {
    Box::pin(run_command(command))
}

async fn run_command(command: Command) -> Result<bool, CommandError> {
    match command {
        Command::Dev(config) => {
            dev::dev(config).await?;
            Ok(true)
        }
        Command::Play { play, json } => {
            let report = play::play(&play).await?;
            output::print(json, &report, || report.to_text())?;
            Ok(report.ok)
        }
        Command::Load { load, json } => {
            let report = load::load(&load).await?;
            output::print(json, &report, || report.to_text())?;
            Ok(report.ok)
        }
        Command::Keys(job) => {
            keys::run(&job)?;
            Ok(true)
        }
        Command::Token(job) => Ok(token::run(&job).await?),
        Command::Job { job, target, json } => Ok(operator::run(&job, &target, json).await?),
    }
}
