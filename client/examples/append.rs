//! A bot that appends a line to a document every second, and loses and doubles none when it is killed.
//!
//! `cargo run -p inklog-client --example append -- ws://127.0.0.1:8080/dev minutes`

use std::error::Error;
use std::time::Duration;

use inklog_client::{Client, FileStorage, Notice, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "ws://127.0.0.1:8080/dev".into());
    let doc = args.next().unwrap_or_else(|| "minutes".into());

    // What an earlier run has typed and not sent goes first.
    let storage = FileStorage::open(format!("{doc}.outbox"))?;
    let mut client = Client::start(Options::new(url, &doc, "bot").storage(storage)).await?;
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut lines = 0;
    loop {
        tokio::select! {
            _ = seconds.tick() => {
                lines += 1;
                client.append(&format!("line {lines} of this run\n"))?;
            }
            notice = client.next() => match notice? {
                Notice::Saved => println!("{lines} lines are saved"),
                Notice::Problem(problem) => eprintln!("{problem}"),
                _ => {}
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.close().await?;
    Ok(())
}
