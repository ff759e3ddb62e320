//! A bot that follows a document: it prints what others change, and who is here.
//!
//! `cargo run -p inklog-client --example follow -- ws://127.0.0.1:8080/dev minutes`

use std::error::Error;

use inklog_client::{Client, Notice, Options};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "ws://127.0.0.1:8080/dev".into());
    let doc = args.next().unwrap_or_else(|| "minutes".into());

    let mut client = Client::open(Options::new(url, doc, "follower")).await?;
    println!("{}", client.text());
    client.show(json!({ "name": "A follower" }))?;
    loop {
        let notice = tokio::select! {
            notice = client.next() => notice?,
            _ = tokio::signal::ctrl_c() => break,
        };
        match notice {
            Notice::Changed(changes) => {
                for change in changes {
                    println!("at {}: {} bytes out, {:?} in", change.at, change.deleted, change.inserted);
                }
            }
            Notice::Presence { agent, state: Some(state) } => println!("{agent} shows {state}"),
            Notice::Presence { agent, state: None } => println!("{agent} has left"),
            Notice::Problem(problem) => eprintln!("{problem}"),
            _ => {}
        }
    }
    client.close().await?;
    Ok(())
}
