//! One client that does not read delays nobody (DESIGN §4, Streams).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::SinkExt as _;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;

use crate::pipeline::memory_stack;
use crate::socket::Socket;

/// More than the sockets and the gateway hold for a client.
const FLOOD_BYTES: usize = 12 * 1024 * 1024;
const FLOOD_EVENT_CHARS: u64 = 30_000;
const EDITS: u64 = 40;

fn join(doc: &str) -> Value {
    json!({"action": "JOIN_DOC", "docId": doc})
}

fn insert(doc: &str, agent: &str, seq: u64, text: &str) -> Value {
    let op = json!({"type": "insert", "id": format!("{agent}-{seq}"), "text": text, "left": null});
    json!({"action": "SEND_OP", "docId": doc, "agent": agent, "after": seq, "ops": [op]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_delays_nobody() {
    let stack = memory_stack().await;
    let address: SocketAddr = stack.http_url().trim_start_matches("http://").parse().expect("an address");
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4096).unwrap();
    let stream = small.connect(address).await.unwrap();
    let (mut deaf, _) = tokio_tungstenite::client_async(stack.ws_url(), stream).await.unwrap();
    for doc in ["d", "other"] {
        deaf.send(Message::text(join(doc).to_string())).await.unwrap();
    }

    let mut good = Socket::connect(stack.ws_url()).await;
    let mut author = Socket::connect(stack.ws_url()).await;
    for doc in ["d", "other"] {
        good.ask(join(doc)).await;
    }
    let text = "x".repeat(FLOOD_EVENT_CHARS as usize);
    // Into both, since one alone would be full.
    for n in 0..FLOOD_BYTES as u64 / FLOOD_EVENT_CHARS / 2 {
        for doc in ["d", "other"] {
            let ack = author.ask(insert(doc, "flood", n * FLOOD_EVENT_CHARS, &text)).await;
            assert_eq!(ack["action"], "OP_ACK", "{ack}");
            good.next_of("REMOTE_OP").await;
        }
    }
    for doc in ["d", "other"] {
        let mut slowest = Duration::ZERO;
        for seq in 0..EDITS {
            let typed = Instant::now();
            author.ask(insert(doc, "alice", seq, "a")).await;
            good.next_of("REMOTE_OP").await;
            slowest = slowest.max(typed.elapsed());
        }
        println!("{doc}: slowest of {EDITS} edits {slowest:?}");
        assert!(slowest < Duration::from_secs(1), "{slowest:?} in {doc}");
    }
    drop(deaf);
    stack.stop().await;
}
