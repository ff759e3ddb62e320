//! A bot that is killed again and again, and what is in the document afterwards.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use inklog_client::{Client, FileStorage, Options};
use inklog_local::{Data, Stack};
use inklog_tests::binaries;

use super::{PATIENCE, port_of, stack, text_of};

fn bot(folder: &Path, url: &str) -> Child {
    let mut command = Command::new(&binaries()["append"]);
    command.args([url, "d"]).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("the bot starts")
}

/// Gives the bot lines until it has kept so many, and kills it: those that it said it has kept.
fn killed_after(mut bot: Child, run: usize, count: usize) -> Vec<String> {
    let mut stdin = bot.stdin.take().expect("stdin is a pipe");
    let mut said = BufReader::new(bot.stdout.take().expect("stdout is a pipe")).lines();
    let mut kept = Vec::new();
    // It has more to read than it gets to keep.
    for line in 0..count + 3 {
        writeln!(stdin, "run {run} line {line}").expect("the bot reads");
    }
    while kept.len() < count {
        let line = said.next().expect("the bot goes on").expect("stdout is text");
        kept.extend(line.strip_prefix("kept ").map(str::to_owned));
    }
    bot.kill().expect("it is killed");
    bot.wait().expect("it is ours to wait for");
    kept
}

async fn ends(mut bot: Child) {
    drop(bot.stdin.take());
    let ended = tokio::task::spawn_blocking(move || bot.wait().expect("it is ours to wait for"));
    let status =
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends in time").expect("it is waited for");
    assert!(status.success(), "{status}");
}

fn assert_each_once(text: &str, kept: &[String]) {
    let lines: Vec<&str> = text.lines().collect();
    for line in kept {
        assert!(lines.contains(&line.as_str()), "{line} is lost");
    }
    let mut once = lines.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), lines.len(), "something is there twice: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_is_killed_and_begun_again_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = stack(0, Data::Dir(folder.path().join("data"))).await;
    let (port, url) = (port_of(&server), server.ws_url().to_owned());
    let mut kept = Vec::new();
    let mut server: Option<Stack> = Some(server);
    // With the server, and without it for a while.
    for (run, count) in [1, 40, 2, 7, 30, 1].into_iter().enumerate() {
        if run == 2
            && let Some(server) = server.take()
        {
            server.stop().await;
        }
        if run == 4 {
            server = Some(stack(port, Data::Dir(folder.path().join("data"))).await);
        }
        let bot = bot(folder.path(), &url);
        let said = tokio::task::spawn_blocking(move || killed_after(bot, run, count));
        kept.extend(tokio::time::timeout(PATIENCE, said).await.expect("in time").expect("it is waited for"));
    }
    ends(bot(folder.path(), &url)).await;
    let server = server.expect("it was started again");
    assert_each_once(&text_of(&server).await, &kept);
    assert_eq!(kept.len(), 81);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_typed_before_a_server_was_there_is_sent_when_one_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let outbox = || FileStorage::open(folder.path().join("outbox")).expect("nobody has it");
    let first = stack(0, Data::Memory).await;
    let (port, url) = (port_of(&first), first.ws_url().to_owned());
    first.stop().await;
    let mut offline =
        Client::start(Options::new(&url, "d", "alice").storage(outbox())).await.expect("it begins");
    offline.append("typed offline").expect("there is room");
    offline.kept().await.expect("the file takes it");
    assert!(FileStorage::open(folder.path().join("outbox")).is_err(), "one holds it at a time");
    drop(offline);
    let second = stack(port, Data::Memory).await;
    let mut client =
        Client::open(Options::new(&url, "d", "alice").storage(outbox())).await.expect("it connects");
    assert_eq!(client.text(), "typed offline");
    client.saved().await.expect("the server takes it");
    client.close().await.expect("the file takes it");
    assert_eq!(text_of(&second).await, "typed offline");
    second.stop().await;
}
