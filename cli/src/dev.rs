//! `inklog dev`: the whole pipeline on this machine, until it is stopped.

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
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// Nobody can be told that it is ready.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

/// Runs a stack until Ctrl-C or SIGTERM.
pub async fn dev(config: StackConfig) -> Result<(), DevError> {
    // Each client holds one, and 1,024, which Linux gives unasked, are soon used up.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the limit of open files: few clients can connect");
    }
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
    if !config.host.is_loopback() && config.auth.is_none() {
        tracing::warn!(
            "serving on {}: whoever reaches it can read and edit every document, for nobody is asked who they \
             are: use --auth",
            config.host
        );
    }
    let (has_editor, keys) = (config.editor.is_some(), config.auth.as_ref().map(|auth| auth.keys.clone()));
    let stack = tokio::select! {
        started = Stack::start(config) => started?,
        () = &mut stopped => return Ok(()),
    };
    let told = print_text(&ready(stack.http_url(), stack.ws_url(), has_editor, keys.as_deref()))
        .map_err(DevError::Output);
    if told.is_ok() {
        stopped.await;
    }
    stack.stop().await;
    told
}

/// The `ready:` line, and how to try the stack: in the editor, or without one with your own client. `keys` is what
/// verifies tokens, if they are demanded.
fn ready(http_url: &str, ws_url: &str, has_editor: bool, keys: Option<&str>) -> String {
    let ready = format!("ready: {http_url}/ {ws_url}\n");
    if let Some(keys) = keys {
        let token = match keys.contains("://") {
            true => format!("from whoever signs with the keys of {keys}"),
            false => format!("inklog token --keys {keys} --user me --doc '*=write'"),
        };
        let editor =
            if has_editor { format!("editor: {http_url}/d/hello#token=TOKEN\n") } else { String::new() };
        return format!(
            "{ready}token:  {token}\n{editor}also:   npx wscat -c {ws_url} -s inklog -s inklog.jwt.TOKEN\n"
        );
    }
    let play = format!("inklog play TRACE.json.gz --url {http_url}");
    if has_editor {
        return format!(
            "{ready}\
             editor: {http_url}/d/hello (open it in two windows)\n\
             also:   npx wscat -c {ws_url}, or {play}\n"
        );
    }
    format!(
        "{ready}\
         try it: npx wscat -c {ws_url}\n\
         {pad}> {{\"action\":\"JOIN_DOC\",\"docId\":\"hello\"}}\n\
         {pad}> {{\"action\":\"SEND_OP\",\"docId\":\"hello\",\"op\":{{\"type\":\"insert\",\"id\":\"me-0\",\"text\":\"Hello\",\"left\":null}}}}\n\
         {pad}{play}\n",
        pad = "        ",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use inklog_protocol::Request;

    #[test]
    fn one_line_says_ready_and_the_examples_are_legal() {
        let text = ready("http://127.0.0.1:1", "ws://127.0.0.1:1/dev", false, None);
        let ready: Vec<&str> = text.lines().filter(|line| line.starts_with("ready:")).collect();
        assert_eq!(ready, ["ready: http://127.0.0.1:1/ ws://127.0.0.1:1/dev"]);
        let examples: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("> ")).collect();
        assert_eq!(examples.len(), 2);
        for example in examples {
            Request::parse(example).unwrap();
        }
    }

    #[test]
    fn the_second_line_points_at_the_editor() {
        let text = ready("http://127.0.0.1:1", "ws://127.0.0.1:1/dev", true, None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ready: http://127.0.0.1:1/ ws://127.0.0.1:1/dev");
        assert!(lines[1].contains("http://127.0.0.1:1/d/hello"), "{text}");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn with_tokens_demanded_it_says_where_to_get_one() {
        let text = |keys| ready("http://127.0.0.1:1", "ws://127.0.0.1:1/dev", true, Some(keys));
        let own = text("keys.json");
        assert!(own.starts_with("ready: http://127.0.0.1:1/ ws://127.0.0.1:1/dev\n"), "{own}");
        assert!(own.contains("inklog token --keys keys.json --user"), "{own}");
        assert!(own.contains("/d/hello#token=TOKEN"), "{own}");
        let others = text("https://idp.example/jwks");
        assert!(others.contains("https://idp.example/jwks") && !others.contains("inklog token"), "{others}");
    }
}
