//! Every command of the README is run, in its order, on a port and in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::command::{Dev, inklog};
use crate::socket::Socket;
use inklog_tests::is_of_a_package;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Run by CI as they stand: running them here would be running this test.
const RUN_BY_CI: [&str; 2] = ["make test", "make lint"];

fn commands() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).expect("there is a README");
    let blocks = readme.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_readme_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = json!({"startContent": "", "endContent": "hello", "txns": [{"patches": [[0, 0, "hello"]]}]});
    fs::write(folder.path().join("trace.json"), trace.to_string()).expect("the folder can be written");
    let ci = fs::read_to_string(Path::new(ROOT).join(".ci/run")).expect("there is a .ci/run");

    let mut dev: Option<Dev> = None;
    let mut ran = 0;
    for line in commands() {
        if RUN_BY_CI.contains(&&*line) {
            assert!(ci.contains(&line), "CI does not run {line}");
        } else if line == "make run" {
            let mut make = Command::new("make");
            make.args(["-C", ROOT, "run"])
                .arg(format!("ARGS=--port 0 --data {}/data", folder.path().display()));
            for (name, _) in std::env::vars().filter(|(name, _)| is_of_a_package(name)) {
                make.env_remove(name);
            }
            let started = Dev::start(make);
            say_what_the_readme_says(&started.url).await;
            dev = Some(started);
        } else if line.contains("inklog keys ") || line.contains("inklog token ") {
            // These read and write files, as a shell has them do, and meet no stack.
            let line = line.replace("target/debug/inklog", &inklog().get_program().to_string_lossy());
            let output = Command::new("sh").current_dir(folder.path()).args(["-ec", &line]).output();
            let output = output.expect("there is a shell");
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        } else if let Some(args) = line.strip_prefix("target/debug/inklog ") {
            let args = args.replace("trace.json.gz", "trace.json");
            let mut command = inklog();
            command.current_dir(folder.path()).args(args.split(' '));
            if !["load", "play"].contains(&args.split(' ').next().unwrap_or_default()) {
                command.args(["--url", &dev.as_ref().expect("`make run` comes first").url]);
            }
            let output = command.output().expect("the command runs");
            let stdout = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{line}: {stdout}{}", String::from_utf8_lossy(&output.stderr));
            if line.contains(" cat ") {
                assert_eq!(stdout, "Hello", "{line}");
            }
        } else {
            panic!("nobody runs this command of the README: {line}");
        }
        ran += 1;
    }
    println!("{ran} commands of the README");
    assert!(ran >= 10);
    // make passes Ctrl-C on; the end of the output is the end of the stack.
    dev.expect("`make run` is in the README").interrupt();
}

/// The frames of the README's JSON block.
async fn say_what_the_readme_says(url: &str) {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).expect("there is a README");
    let frames = readme.split("```json\n").nth(1).and_then(|block| block.split("```").next());
    let mut socket = Socket::connect(&format!("{}/dev", url.replace("http", "ws"))).await;
    let mut answers = Vec::new();
    for frame in frames.expect("there is a block of JSON").lines() {
        socket.send_text(frame).await;
        answers.push(socket.next().await["action"].clone());
    }
    assert_eq!(answers, [json!("DOC_STATE"), json!("OP_ACK")]);
}
