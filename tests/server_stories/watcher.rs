//! Who watches one document's way through the pipeline, and so knows when all has followed from an event.

use std::collections::HashSet;
use std::time::Duration;

use inklog_local::Stack;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

/// How long an event may take to go through all stages.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where an event is done with: then it is in the live state, and told to whom it is to be told.
const LAST_STAGES: [&str; 2] = ["materializer", "broadcaster"];

pub struct Watcher {
    lines: Lines<BufReader<TcpStream>>,
    /// Stage, agent and `after` of what has passed.
    passed: HashSet<(String, String, u64)>,
}

impl Watcher {
    pub async fn of(stack: &Stack, doc: &str) -> Watcher {
        let host = stack.http_url().strip_prefix("http://").expect("an address");
        let mut socket = TcpStream::connect(host).await.expect("it is served");
        let request = format!("GET /_inklog/pipeline?doc={doc} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("it is taken");
        let mut lines = BufReader::new(socket).lines();
        let status = lines.next_line().await.expect("an answer").unwrap_or_default();
        assert!(status.contains(" 200 "), "{status}");
        Watcher { lines, passed: HashSet::new() }
    }

    /// Waits until an acknowledged event has gone through all stages.
    pub async fn awaits(&mut self, ack: &Value) {
        let agent = ack["agent"].as_str().expect("an agent");
        let after = ack["after"].as_u64().expect("a number");
        for stage in LAST_STAGES {
            let passage = (stage.to_owned(), agent.to_owned(), after);
            while !self.passed.contains(&passage) {
                let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
                let line = line.unwrap_or_else(|_| panic!("{passage:?} does not come"));
                self.see(&line.expect("it goes on").expect("it does not end"));
            }
        }
    }

    /// Server-sent events, each in a chunk of its own.
    fn see(&mut self, line: &str) {
        let Some(passage) = line.strip_prefix("data:") else { return };
        let passage: Value = serde_json::from_str(passage).expect("JSON");
        if passage["ok"] == true {
            let text = |name: &str| passage[name].as_str().expect("text").to_owned();
            self.passed.insert((text("stage"), text("agent"), passage["after"].as_u64().expect("a number")));
        }
    }
}
