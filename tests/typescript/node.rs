//! The TypeScript half: a Node process that takes commands as lines of JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

const HELP: &str = "the differential test needs Node 20.19 or newer and the built client: `make test` sees to it, or \
     `npm --prefix web ci && npm --prefix web run build -w @inklog/client`";

fn client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/client")
}

/// A running half; it ends with its stdin.
pub struct Node {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Node {
    /// `web/client/test/differential.mjs`, on the built client.
    pub fn start() -> Node {
        assert!(client().join("dist/crdt/index.js").exists(), "web/client/dist is missing: {HELP}");
        Node::run(&["test/differential.mjs"])
    }

    /// `web/client/test/packed.ts`, on the client's source.
    pub fn on_source() -> Node {
        assert!(client().join("../node_modules/tsx").exists(), "web/node_modules is missing: {HELP}");
        Node::run(&["--conditions=@inklog/source", "--import", "tsx", "test/packed.ts"])
    }

    fn run(arguments: &[&str]) -> Node {
        let mut process = Command::new("node")
            .args(arguments)
            .current_dir(client())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("node does not start ({error}): {HELP}"));
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        Node { process, stdin, stdout }
    }

    /// Has commands carried out one after the other, and returns their results.
    pub fn call(&mut self, commands: &[Value]) -> Vec<Value> {
        let stdin = self.stdin.as_mut().expect("it is open until the end");
        let line = serde_json::to_string(commands).expect("values are JSON");
        stdin.write_all((line + "\n").as_bytes()).expect("the TypeScript half ended; it said why above");
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).expect("its answers are text");
        assert!(!answer.is_empty(), "the TypeScript half ended; it said why above");
        serde_json::from_str(&answer).expect("its answers are JSON")
    }

    /// One command.
    pub fn one(&mut self, command: Value) -> Value {
        self.call(&[command]).pop().expect("an answer for each command")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.process.wait();
    }
}
