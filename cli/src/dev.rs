//! `inklog dev`: the whole pipeline on this machine, until it is told to stop.

use std::io;

use inklog_local::{Stack, StackConfig, StackError};
use tokio::signal::unix::{SignalKind, signal};

use crate::output::print_text;

/// Why the stack does not run.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// It cannot start.
    #[error(transparent)]
    Start(#[from] StackError),
    /// The signals cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    /// Nobody can be told that it is ready.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

/// Runs a stack until Ctrl-C or SIGTERM.
pub async fn dev(config: StackConfig) -> Result<(), DevError> {
    // Before the stack starts, so that no signal finds the default action.
    let mut interrupted = signal(SignalKind::interrupt()).map_err(DevError::Signals)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(DevError::Signals)?;
    let stopped = async {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    };
    tokio::pin!(stopped);
    let stack = tokio::select! {
        started = Stack::start(config) => started?,
        () = &mut stopped => return Ok(()),
    };
    let told = print_text(&ready(stack.http_url(), stack.ws_url())).map_err(DevError::Output);
    if told.is_ok() {
        stopped.await;
    }
    stack.stop().await;
    told
}

/// The line that says it, and how to try it.
fn ready(http_url: &str, ws_url: &str) -> String {
    format!(
        "ready: {http_url}/ {ws_url}\n\
         try it: npx wscat -c {ws_url}\n\
         {pad}> {{\"action\":\"JOIN_DOC\",\"docId\":\"hello\"}}\n\
         {pad}> {{\"action\":\"SEND_OP\",\"docId\":\"hello\",\"op\":{{\"type\":\"insert\",\"id\":\"me-0\",\"text\":\"Hello\",\"left\":null}}}}\n\
         {pad}inklog play TRACE.json.gz --url {http_url}\n",
        pad = "        ",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use inklog_protocol::Request;

    #[test]
    fn one_line_says_ready_and_the_examples_are_legal() {
        let text = ready("http://127.0.0.1:1", "ws://127.0.0.1:1/dev");
        let ready: Vec<&str> = text.lines().filter(|line| line.starts_with("ready:")).collect();
        assert_eq!(ready, ["ready: http://127.0.0.1:1/ ws://127.0.0.1:1/dev"]);
        let examples: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("> ")).collect();
        assert_eq!(examples.len(), 2);
        for example in examples {
            Request::parse(example).unwrap();
        }
    }
}
