//! HTTP/1.0 by hand: requests as they are meant, with no client to tidy their paths or headers.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::within;

/// An answer whose body has not been read.
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: BufReader<TcpStream>,
}

/// Sends a request with these header lines, and reads the head of its answer.
pub async fn request(address: &str, method: &str, path: &str, headers: &[&str]) -> Answer {
    let address: SocketAddr = address.trim_start_matches("http://").parse().expect("an address");
    let mut socket = TcpStream::connect(address).await.expect("the stack listens");
    let mut lines = vec![format!("{method} {path} HTTP/1.0")];
    lines.extend(headers.iter().map(|&line| line.to_owned()));
    socket.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).await.expect("the stack reads");
    let mut answer = Answer { status: 0, headers: Vec::new(), body: BufReader::new(socket) };
    let status = answer.line().await.expect("an answer");
    answer.status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    while let Some(line) = answer.line().await.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").expect("a header");
        answer.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    answer
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The next line; `None` at the end.
    pub async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = within("a line", self.body.read_line(&mut line)).await.expect("lines are text");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    pub async fn text(mut self) -> String {
        let mut text = String::new();
        within("the body", self.body.read_to_string(&mut text)).await.expect("the body is text");
        text
    }
}
