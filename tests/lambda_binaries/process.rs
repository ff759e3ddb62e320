//! A function's binary, built and running.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Output, Stdio};
use std::time::Duration;

use inklog_tests::binaries;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::process::Child;

use super::runtime_api::{Answer, RuntimeApi};
use super::world::World;
use crate::sam::Template;

/// How long an answer, or a process's end, is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that runs a function's binary with this environment and no other.
fn command(binary: &str, environment: BTreeMap<String, String>) -> tokio::process::Command {
    let file = binaries().get(binary).unwrap_or_else(|| panic!("cargo built no {binary}"));
    let mut command = tokio::process::Command::new(file);
    command.env_clear().envs(environment).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a binary that is expected to end by itself, without a Runtime API.
pub async fn run_to_end(binary: &str, environment: BTreeMap<String, String>) -> Output {
    let ended = tokio::time::timeout(PATIENCE, command(binary, environment).output()).await;
    ended.unwrap_or_else(|_| panic!("{binary} does not end")).expect("the binary starts")
}

/// A running function.
pub struct Lambda {
    binary: &'static str,
    process: Child,
    api: RuntimeApi,
    log: NamedTempFile,
}

impl Lambda {
    /// Starts a binary with the environment that the template gives it.
    pub async fn start(world: &World, binary: &'static str) -> Lambda {
        Lambda::start_in(world.environment(binary), binary).await
    }

    /// Starts a binary in another environment.
    pub async fn start_in(mut environment: BTreeMap<String, String>, binary: &'static str) -> Lambda {
        let timeout = Duration::from_secs(Template::read().functions()[binary].timeout);
        let api = RuntimeApi::serve(binary, timeout).await;
        environment.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), api.address.to_string());
        let log = NamedTempFile::new().expect("a temporary file");
        let output = || log.as_file().try_clone().expect("a second handle on the file");
        let process = command(binary, environment).stdout(output()).stderr(output()).spawn();
        Lambda { binary, process: process.expect("the binary starts"), api, log }
    }

    /// The function's answer to an event. An error that it reports, or its end, fails the test.
    pub async fn invoke(&mut self, event: &Value) -> Value {
        let answer = self.answer(event).await;
        answer.unwrap_or_else(|error| panic!("{} fails with {error}; its log:\n{}", self.binary, self.log()))
    }

    /// The function's answer to an event, or the error that it reports. Its end fails the test.
    pub async fn answer(&mut self, event: &Value) -> Answer {
        let answer = self.api.invoke(event);
        let outcome = tokio::select! {
            answer = tokio::time::timeout(PATIENCE, answer) => match answer {
                Ok(Ok(answer)) => return answer,
                Ok(Err(_)) | Err(_) => "does not answer".to_owned(),
            },
            ended = self.process.wait() => format!("has ended: {ended:?}"),
        };
        panic!("{} {outcome}; its log:\n{}", self.binary, self.log());
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let mut log = String::new();
        let read = self.log.reopen().and_then(|mut file| file.read_to_string(&mut log));
        read.map_or_else(|error| error.to_string(), |_| log)
    }
}
