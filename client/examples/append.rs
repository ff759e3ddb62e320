//! A bot that appends the lines that it reads. Kill it at any time: the next run sends every line that it reported as
//! kept, once.
//!
//! `tail -f some.log | cargo run -p inklog-client --example append -- ws://127.0.0.1:8080/dev minutes`

use std::error::Error;

use inklog_client::{Client, FileStorage, Notice, Options};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "ws://127.0.0.1:8080/dev".into());
    let doc = args.next().unwrap_or_else(|| "minutes".into());

    let storage = FileStorage::open(format!("{doc}.outbox"))?;
    // Unlike `open`, this works offline, too.
    let mut client = Client::start(Options::new(url, doc, "bot").storage(storage)).await?;
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { break };
                client.append(&format!("{line}\n"))?;
                client.kept().await?;
                println!("kept {line}");
            }
            notice = client.next() => {
                if let Notice::Problem(problem) = notice? {
                    eprintln!("{problem}");
                }
            }
        }
    }
    client.saved().await?;
    client.close().await?;
    Ok(())
}
