//! The `inklog` command as a process: what survives `kill -9`, a flushed Redis, and how it fails.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use inklog_tests::{RedisServer, binaries};
use serde_json::{Value, json};

use crate::lambda_binaries::world::on_loopback;
use crate::socket::Socket;

const PATIENCE: Duration = Duration::from_secs(60);

pub fn inklog() -> Command {
    let mut command = Command::new(&binaries()["inklog"]);
    command.stdin(Stdio::null());
    command
}

/// A running `inklog dev`; killed when dropped.
pub struct Dev {
    process: Child,
    stdout: BufReader<ChildStdout>,
    pub url: String,
}

impl Dev {
    /// Starts it, and waits for its `ready:` line.
    pub fn start(mut command: Command) -> Dev {
        // A group of its own, which gets signals as a terminal's does.
        command.process_group(0);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the command starts");
        let mut stdout = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        let mut line = String::new();
        while !line.starts_with("ready:") {
            line.clear();
            assert_ne!(
                stdout.read_line(&mut line).expect("stdout is text"),
                0,
                "it ended before it was ready"
            );
        }
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
        let url = url.trim_end_matches([',', '/']).to_owned();
        Dev { process, stdout, url }
    }

    pub fn on(data: &Path, port: u16, more: &[&str]) -> Dev {
        let mut command = inklog();
        command.args(["dev", "--port", &port.to_string(), "--data"]).arg(data).args(more);
        Dev::start(command)
    }

    /// Sends a signal to the whole group.
    fn signal(&self, name: &str) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args([name, "--", &group]).stderr(Stdio::null()).status();
    }

    pub fn kill(mut self) {
        self.signal("-KILL");
        self.process.wait().expect("it is ours to wait for");
    }

    /// Ctrl-C; its exit code and the rest of its output.
    pub fn interrupt(mut self) -> (Option<i32>, String) {
        self.signal("-INT");
        let status = self.process.wait().expect("it is ours to wait for");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("stdout is text");
        (status.code(), rest)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.signal("-KILL");
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("it is bound").port()
}

/// A session of two authors who take turns and see each other's edits, as editing-traces writes it.
fn write_trace(folder: &Path, turns: usize) -> PathBuf {
    let (mut text, mut txns) = (String::new(), Vec::new());
    for turn in 0..turns {
        let at = (turn * 7) % (text.len() + 1);
        let word = format!("w{turn} ");
        let deleted = if turn % 5 == 4 { 3.min(text.len() - at) } else { 0 };
        text.replace_range(at..at + deleted, &word);
        let parents: Vec<usize> = turn.checked_sub(1).into_iter().collect();
        txns.push(json!({"parents": parents, "agent": (turn / 3) % 2, "patches": [[at, deleted, word]]}));
    }
    let trace = json!({"kind": "concurrent", "endContent": text, "numAgents": 2, "txns": txns});
    let file = folder.join("trace.json");
    fs::write(&file, trace.to_string()).expect("the folder can be written");
    file
}

fn play(trace: &Path, url: &str, doc: &str) -> Child {
    let mut command = inklog();
    command.arg("play").arg(trace).args(["--url", url, "--doc", doc, "--json"]);
    command.stdout(Stdio::piped()).spawn().expect("play starts")
}

fn job(args: &[&str]) -> Output {
    inklog().args(args).output().expect("the command runs")
}

fn events_in_log(url: &str, doc: &str) -> usize {
    let output = job(&["log", doc, "--url", url, "--json"]);
    match serde_json::from_slice::<Value>(&output.stdout) {
        Ok(Value::Array(events)) => events.len(),
        Ok(other) => other["events"].as_array().map_or(0, Vec::len),
        Err(_) => 0,
    }
}

/// Waits until the play is in full swing.
fn wait_for_events(url: &str, doc: &str, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while events_in_log(url, doc) < count {
        assert!(Instant::now() < deadline, "the play does not get going");
    }
}

fn assert_played(play: Child) {
    let output = play.wait_with_output().expect("it is ours to wait for");
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{report}");
    assert_eq!(serde_json::from_str::<Value>(&report).expect("JSON")["ok"], true, "{report}");
}

fn assert_verified(args: &[&str]) {
    let output = job(&[&["verify", "d", "--json"], args].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn what_is_acknowledged_survives_kill_9_in_the_middle_of_a_play() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = write_trace(folder.path(), 3_000);
    let (data, port) = (folder.path().join("data"), free_port());
    let dev = Dev::on(&data, port, &[]);
    let url = dev.url.clone();
    let playing = play(&trace, &url, "d");
    wait_for_events(&url, "d", 50);
    dev.kill();
    let dev = Dev::on(&data, port, &[]);
    wait_for_events(&url, "d", 150);
    dev.kill();
    let dev = Dev::on(&data, port, &[]);
    assert_played(playing);
    assert_verified(&["--url", &url]);
    assert_eq!(dev.interrupt().0, Some(0));
    // And what is in the folder is whole without a running stack.
    assert_verified(&["--data", data.to_str().expect("a plain path")]);
}

#[test]
fn a_redis_flushed_in_the_middle_of_a_play_costs_nothing() {
    let redis = RedisServer::start();
    let folder = tempfile::tempdir().expect("a folder");
    let trace = write_trace(folder.path(), 2_000);
    let dev = Dev::on(&folder.path().join("data"), 0, &["--redis", &redis.url()]);
    let playing = play(&trace, &dev.url, "d");
    for count in [30, 100, 200] {
        wait_for_events(&dev.url, "d", count);
        let mut socket = TcpStream::connect(redis.addr()).expect("Redis listens");
        socket.write_all(b"FLUSHALL\r\n").expect("Redis reads");
        let mut answer = [0; 5];
        socket.read_exact(&mut answer).expect("Redis answers");
        assert_eq!(&answer, b"+OK\r\n");
    }
    assert_played(playing);
    assert_verified(&["--url", &dev.url]);
}

/// Runs what must fail: exit code 1, one line on stderr, nothing on stdout.
fn failure(args: &[&str]) -> String {
    let mut command = inklog();
    // For the services that are named and not there.
    for (name, value) in [("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("REGION", "us-east-1")] {
        command.env(format!("AWS_{name}"), value);
    }
    let output = command.args(args).output().expect("the command runs");
    let message = String::from_utf8(output.stderr).expect("messages are text");
    assert_eq!(output.status.code(), Some(1), "{args:?}: {message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{args:?}: {message}");
    assert!(output.stdout.is_empty());
    message
}

#[test]
fn what_cannot_start_says_why_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let occupied = TcpListener::bind(format!("127.0.0.1:{}", 0)).expect("a port is free");
    let port = occupied.local_addr().expect("it is bound").port().to_string();
    let message = failure(&["dev", "--memory", "--port", &port]);
    assert!(message.contains(&port) && message.contains("in use"), "{message}");

    let file = folder.path().join("file");
    fs::write(&file, "").expect("the folder can be written");
    let below = file.join("data");
    let message = failure(&["dev", "--port", "0", "--data", below.to_str().expect("a plain path")]);
    assert!(message.contains("data folder"), "{message}");

    // Nothing listens on port 1; one that was free a moment ago may be another test's by now.
    let url = "redis://127.0.0.1:1";
    let message = failure(&["dev", "--memory", "--port", "0", "--redis", url]);
    assert!(message.contains("is unavailable"), "{message}");

    for service in ["--dynamodb-endpoint", "--s3-endpoint"] {
        let url = url.replace("redis", "http");
        let message = failure(&["dev", "--memory", "--port", "0", service, &url]);
        assert!(message.contains(&url) && message.contains("refused"), "{service}: {message}");
    }

    let message = failure(&["cat", "d", "--data", folder.path().to_str().expect("a plain path")]);
    assert!(message.contains("no data"), "{message}");
}

#[test]
fn two_stacks_do_not_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::on(folder.path(), 0, &[]);
    let path = folder.path().to_str().expect("a plain path");
    let message = failure(&["dev", "--port", "0", "--data", path]);
    assert!(message.contains("another inklog"), "{message}");
    assert_eq!(dev.interrupt().0, Some(0), "Ctrl-C is a clean end");
    assert_eq!(Dev::on(folder.path(), 0, &[]).interrupt().0, Some(0), "and the folder is free again");
}

#[test]
fn the_traces_that_are_there_end_as_they_were_recorded() {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/traces"));
    let mut played = 0;
    for name in ["friendsforever.concurrent", "sveltecomponent", "automerge-paper"] {
        let trace = shared.join(format!("{name}.json.gz"));
        if !trace.is_file() {
            println!("{name} is not beside the checkout");
            continue;
        }
        let output = inklog().arg("play").arg(&trace).output().expect("play runs");
        println!("{name}\n{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        played += 1;
    }
    println!("{played} traces played");
    let folder = tempfile::tempdir().expect("a folder");
    let own = job(&["play", write_trace(folder.path(), 500).to_str().expect("a plain path"), "--json"]);
    assert!(own.status.success());
}

#[test]
fn a_load_ends_with_equal_texts() {
    let args = ["load", "--clients", "4", "--seconds", "2", "--warm-up", "1", "--json"];
    let output = job(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["lost"], &report["texts_equal"]), (&json!(0), &json!(true)), "{report}");
}

#[test]
fn a_load_shows_on_a_terminal_how_far_it_is() {
    // `script` gives the command a terminal of its own.
    let inklog = inklog();
    let load = format!(
        "{} load --clients 2 --rate 10 --seconds 3 --warm-up 0",
        inklog.get_program().to_str().expect("a plain path")
    );
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &load, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .expect("`script`, of bsdutils or util-linux, runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    // Of 60 edits, as long as the report is not there.
    let (before, _) = shown.split_once("edits              60 (0 lost)").expect("a report");
    let counts =
        before.split("/60 edits").filter_map(|text| text.split_whitespace().last()?.parse::<u64>().ok());
    let counts: std::collections::BTreeSet<u64> = counts.collect();
    assert!(counts.iter().filter(|count| (1..60).contains(*count)).count() > 5, "{counts:?}: {shown}");
}

/// What a command says: its exit code, stdout, stderr.
fn said(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("it says text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_damaged_document_ends_no_job_on_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::on(folder.path(), 0, &[]);
    for doc in ["a", "b", "c"] {
        let load = job(&[
            "load",
            "--url",
            &dev.url,
            "--doc",
            doc,
            "--clients",
            "1",
            "--seconds",
            "0.3",
            "--warm-up",
            "0",
        ]);
        assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
    }
    let verified = job(&["verify", "--all", "--url", &dev.url]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    for kind in ["verify", "rebuild", "compact"] {
        let message = failure(&[kind, "nosuch", "--url", &dev.url]);
        assert!(message.contains("there is no document nosuch"), "{message}");
    }
    assert_eq!(dev.interrupt().0, Some(0));

    // On a stopped stack nothing has to be waited for: the second time, the log is emptied.
    let data = ["--data", folder.path().to_str().expect("a plain path")];
    for _ in 0..3 {
        assert!(job(&[&["compact", "--all"][..], &data].concat()).status.success());
    }
    fs::remove_dir_all(folder.path().join("s3/inklog/docs/b")).expect("b has objects");
    for kind in ["verify", "rebuild", "compact"] {
        let (code, stdout, stderr) = said(inklog().args([kind, "--all"]).args(data));
        assert_eq!(code, Some(1), "{stdout}{stderr}");
        let of: Vec<&str> = stdout.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(of, ["a", "c"], "{stdout}");
        assert!(stderr.contains("inklog: b: ") && stderr.ends_with("1 of 3 documents failed\n"), "{stderr}");

        let (code, stdout, _) = said(inklog().args([kind, "--all", "--json"]).args(data));
        assert_eq!(code, Some(1));
        let list: Value = serde_json::from_str(&stdout).expect("a list of JSON");
        assert_eq!((&list[1]["doc"], list[1]["error"].is_string()), (&json!("b"), true), "{stdout}");
        assert_eq!(stdout.lines().count(), 3, "an element a line");
    }
    let message = failure(&[&["verify", "nosuch"][..], &data].concat());
    assert!(message.contains("there is no document nosuch"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_is_listed_and_what_is_revoked_stays_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::on(folder.path(), 0, &[]);
    let done = |args: &[&str], place: [&str; 2]| {
        let (code, stdout, stderr) = said(inklog().args(args).args(place));
        assert_eq!(code, Some(0), "{args:?}: {stdout}{stderr}");
        stdout
    };
    let running = ["--url", dev.url.as_str()];
    assert_eq!(done(&["who", "d"], running), "nobody is connected to d\n");
    let mut socket = Socket::connect(&format!("{}/dev", dev.url.replace("http://", "ws://"))).await;
    socket.ask(json!({"action": "JOIN_DOC", "docId": "d"})).await;
    let present: Value = serde_json::from_str(&done(&["who", "d", "--json"], running)).expect("JSON");
    assert_eq!((&present[0]["user"], &present[0]["right"]), (&Value::Null, &json!("manage")), "{present}");
    assert_eq!(present.as_array().map(Vec::len), Some(1));
    let revoked = done(&["revoke", "--user", "alice", "--doc", "d"], running);
    assert!(revoked.starts_with("alice: ") && revoked.contains("void for document d; 0 "), "{revoked}");
    assert_eq!(dev.interrupt().0, Some(0));

    let stopped = ["--data", folder.path().to_str().expect("a plain path")];
    let revoked: Value =
        serde_json::from_str(&done(&["revoke", "--user", "alice", "--json"], stopped)).expect("JSON");
    assert_eq!((&revoked["doc"], &revoked["failed"]), (&Value::Null, &json!([])), "{revoked}");
    assert_eq!(done(&["who", "d"], stopped), "nobody is connected to d\n");
}

#[test]
fn logs_say_what_happens_and_have_no_colours_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let mut command = inklog();
    command.args(["dev", "--port", "0", "--memory"]).env("RUST_LOG", "info");
    command.stderr(fs::File::create(&log).expect("a file"));
    let dev = Dev::start(command);
    assert_eq!(dev.interrupt().0, Some(0));
    let log = fs::read_to_string(&log).expect("text");
    assert!(log.contains("the stack runs") && log.contains("the stack has stopped"), "{log}");
    assert!(!log.contains('\u{1b}') && !log.contains("WARN"), "{log}");
}

#[test]
fn passwords_are_not_printed() {
    let message = failure(&["dev", "--memory", "--port", "0", "--redis", "redis://:hunter2@127.0.0.1:1"]);
    assert!(message.contains("127.0.0.1:1") && !message.contains("hunter2"), "{message}");
}

/// A command on AWS, or what stands for it, with these credentials.
fn on_aws(args: &[&str], endpoint: &str, credentials: Option<&str>) -> Command {
    let mut command = inklog();
    command.args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("HOME", "/nonexistent")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
        .env("INKLOG_OPLOG_TABLE", "oplog")
        .env("INKLOG_DOCS_TABLE", "docs")
        .env("INKLOG_BUCKET", "inklog");
    command.env("INKLOG_DYNAMODB_ENDPOINT", endpoint);
    if let Some(credentials) = credentials {
        command.env("AWS_ACCESS_KEY_ID", credentials).env("AWS_SECRET_ACCESS_KEY", credentials);
    }
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_no_redis_asks_for_none_and_missing_credentials_are_called_so() {
    let dynamodb = inklog_local::EmbeddedDynamoDb::memory().await.expect("DynamoDB starts");
    let config = inklog_store::config::dynamodb_config(&dynamodb.sdk_config(), None);
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    inklog_store::log::create_table(&client, "oplog").await.expect("a table");
    inklog_store::catalogue::create_table(&client, "docs").await.expect("a table");
    let endpoint = on_loopback(dynamodb.router()).await;
    let outcomes = tokio::task::spawn_blocking(move || {
        let docs = said(&mut on_aws(&["docs"], &endpoint, Some("local")));
        let cat = said(&mut on_aws(&["cat", "d", "--from", "log"], &endpoint, Some("local")));
        let verify = said(&mut on_aws(&["verify", "d"], &endpoint, Some("local")));
        (docs, cat, verify, said(&mut on_aws(&["docs"], &endpoint, None)))
    });
    let (docs, cat, verify, without) = outcomes.await.expect("the commands run");
    assert_eq!(docs.0, Some(0), "{}", docs.2);
    assert!(cat.2.contains("there is no document d in the log"), "{}", cat.2);
    assert!(verify.2.contains("INKLOG_LOG_NAME") || verify.2.contains("INKLOG_REDIS_URL"), "{}", verify.2);
    assert_eq!(without.0, Some(1));
    assert!(
        without.2.contains("there are no AWS credentials") && without.2.lines().count() == 1,
        "{}",
        without.2
    );
    dynamodb.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_a_stream_is_called_so() {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    };
    let dynamodb = inklog_local::EmbeddedDynamoDb::memory().await.expect("DynamoDB starts");
    let config = inklog_store::config::dynamodb_config(&dynamodb.sdk_config(), None);
    let mut table = aws_sdk_dynamodb::Client::from_conf(config.build()).create_table();
    for (name, kind) in [("doc", KeyType::Hash), ("sk", KeyType::Range)] {
        let attribute =
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        table = table.attribute_definitions(attribute.build().expect("an attribute"));
        table = table.key_schema(key.build().expect("a key"));
    }
    table.table_name("inklog-oplog").billing_mode(BillingMode::PayPerRequest).send().await.expect("a table");
    let endpoint = on_loopback(dynamodb.router()).await;
    let said = tokio::task::spawn_blocking(move || {
        failure(&["dev", "--memory", "--port", "0", "--dynamodb-endpoint", &endpoint])
    });
    let said = said.await.expect("the command runs");
    assert!(said.contains("inklog-oplog has no stream") && said.contains("NEW_IMAGE"), "{said}");
    dynamodb.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_show_presence_need_few_descriptors() {
    let folder = tempfile::tempdir().expect("a folder");
    let inklog = inklog();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 256; exec \"$0\" \"$@\""]).arg(inklog.get_program());
    command.args(["dev", "--port", "0", "--data"]).arg(folder.path()).stdin(Stdio::null());
    let dev = Dev::start(command);
    let process = std::path::PathBuf::from(format!("/proc/{}", dev.process.id()));
    let limits = std::fs::read_to_string(process.join("limits")).expect("Linux tells them");
    let limit = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let words: Vec<&str> = limit.split_whitespace().collect();
    assert_eq!(words[3], words[4], "it takes what it may have: {limit}");

    let url = format!("{}/dev", dev.url.replace("http://", "ws://"));
    let mut sockets = Vec::new();
    for _ in 0..100 {
        let mut socket = Socket::connect(&url).await;
        socket.ask(json!({"action": "JOIN_DOC", "docId": "d"})).await;
        sockets.push(socket);
    }
    for (n, socket) in sockets.iter_mut().enumerate() {
        let state = json!({"cursor": n});
        socket
            .send(json!({"action": "PRESENCE", "docId": "d", "agent": format!("a{n}"), "state": state}))
            .await;
    }
    let open = || std::fs::read_dir(process.join("fd")).expect("it runs").count();
    let mut most = 0;
    for (n, socket) in sockets.iter_mut().enumerate() {
        for _ in 0..99 {
            socket.next_of("REMOTE_PRESENCE").await;
        }
        most = most.max(open());
        assert!(most < 400, "{most} descriptors at client {n}");
    }
    println!("{most} descriptors at most");
    dev.kill();
}
