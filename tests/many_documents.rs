//! Thousands of new documents at once: the catalogue and the live state keep up.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use inklog_local::{Data, Stack, StackConfig};
use serde_json::json;

use crate::socket::Socket;

const DOCS: usize = 5_000;
const CONNECTIONS: usize = 20;
/// In which the catalogue has all that was acknowledged.
const LAG_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalogue_keeps_up_with_new_documents() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = Data::Dir(folder.path().to_owned());
    // In less time than one connection may begin so many.
    let config = StackConfig { port: 0, data, rate_limits: false, ..StackConfig::default() };
    let stack = Stack::start(config).await.expect("a stack in a folder starts");
    let begin = Instant::now();
    let url = stack.ws_url().to_owned();
    let senders = (0..CONNECTIONS).map(|n| {
        let url = url.clone();
        async move {
            let mut socket = Socket::connect(&url).await;
            for doc in (n..DOCS).step_by(CONNECTIONS) {
                let op = json!({"type": "insert", "id": "a-0", "text": "hello", "left": null});
                let doc = format!("new-{doc}");
                let ack = socket
                    .ask(json!({"action": "SEND_OP", "docId": doc, "agent": "a", "after": 0, "ops": [op]}))
                    .await;
                assert_eq!(ack["action"], "OP_ACK");
            }
        }
    });
    stream::iter(senders).buffer_unordered(CONNECTIONS).collect::<Vec<()>>().await;
    let (acknowledged, last) = (begin.elapsed(), Instant::now());
    let mut listed = 0;
    while listed < DOCS {
        listed = stack.operator().docs().await.unwrap().len();
        assert!(last.elapsed() < LAG_MAX, "{listed} of {DOCS} after {:?}", last.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!(
        "{DOCS} documents acknowledged in {acknowledged:?}, in the catalogue {:?} later",
        last.elapsed()
    );
    stack.stop().await;
}
