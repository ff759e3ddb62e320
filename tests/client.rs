//! The Rust client on a socket, and real stacks that forget.
//!
//! - `outbox`: a bot that is killed again and again
//! - `entry`: TLS under a root of one's own, and tokens
//! - `together`: clients that count in different units, and see each other

mod entry;
mod outbox;
mod together;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use inklog_local::{Data, Stack, StackConfig};
use inklog_operator::Source;
use inklog_protocol::DocId;
use tokio::net::TcpListener;

use inklog_client::{ClientError, Link, Options, Update};

/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn doc() -> DocId {
    DocId::new("d").unwrap()
}

async fn stack(port: u16, data: Data) -> Stack {
    Stack::start(StackConfig { port, data, ..StackConfig::default() }).await.expect("a stack starts")
}

fn port_of(stack: &Stack) -> u16 {
    stack.http_url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

async fn alice(url: &str) -> Link {
    let options = Options::new(url, "d", "alice").give_up_after(PATIENCE);
    Link::open(options).await.expect("it connects")
}

/// Turns until `done` gives something, which it must in time.
async fn until<T>(link: &mut Link, mut done: impl FnMut(&mut Link) -> Option<T>) -> T {
    let turning = async {
        loop {
            if let Some(done) = done(link) {
                return done;
            }
            link.turn().await.expect("the link goes on");
        }
    };
    tokio::time::timeout(PATIENCE, turning).await.expect("it happens in time")
}

async fn types(link: &mut Link, text: &str) {
    let at = link.core().doc().len();
    link.core_mut().edit(at, 0, text, std::time::Instant::now()).unwrap();
    until(link, |link| link.core().is_settled().then_some(())).await;
}

fn forked(link: &mut Link) -> Option<String> {
    std::iter::from_fn(|| link.core_mut().next_update()).find_map(|update| match update {
        Update::Forked { text } => Some(text),
        _ => None,
    })
}

async fn text_of(stack: &Stack) -> String {
    stack.operator().read(&doc(), Source::Log).await.expect("a log").expect("a document").text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_at_the_address_gets_nothing_of_the_old_text() {
    let first = stack(0, Data::Memory).await;
    let port = port_of(&first);
    let mut link = alice(first.ws_url()).await;
    types(&mut link, "on the first").await;
    first.stop().await;
    let second = stack(port, Data::Memory).await;
    assert_eq!(until(&mut link, forked).await, "on the first");
    types(&mut link, "on the second").await;
    assert_eq!(text_of(&second).await, "on the second");
    link.close().await.expect("nothing is kept");
    second.stop().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a file")),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_put_back_is_told_by_its_log_though_the_name_is_the_same() {
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, backup) = (parent.path().join("data"), parent.path().join("backup"));
    let first = stack(0, Data::Dir(folder.clone())).await;
    let port = port_of(&first);
    let mut link = alice(first.ws_url()).await;
    types(&mut link, "kept, ").await;
    first.stop().await;
    copy(&folder, &backup);
    // A restart is no reason for anything.
    let second = stack(port, Data::Dir(folder.clone())).await;
    types(&mut link, "lost").await;
    assert_eq!(forked(&mut link), None);
    second.stop().await;
    std::fs::remove_dir_all(&folder).expect("nobody uses it");
    copy(&backup, &folder);
    let third = stack(port, Data::Dir(folder)).await;
    assert_eq!(until(&mut link, forked).await, "kept, lost");
    assert_eq!(link.core().doc().text(), "kept, ");
    types(&mut link, "new").await;
    assert_eq!(text_of(&third).await, "kept, new");
    link.close().await.expect("nothing is kept");
    third.stop().await;
}

#[tokio::test]
async fn a_server_that_drops_every_connection_is_tried_ever_less_often_and_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("ws://{}/dev", listener.local_addr().expect("an address"));
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            count.fetch_add(1, Ordering::SeqCst);
            drop(tokio_tungstenite::accept_async(stream).await);
        }
    });
    let opening = Link::open(Options::new(url, "d", "alice").give_up_after(Duration::from_secs(2)));
    let opened = tokio::time::timeout(PATIENCE, opening).await.expect("it ends");
    assert!(matches!(opened.err(), Some(ClientError::Unreachable { .. })));
    // Pauses of up to 500 ms, 1 s, 2 s, …: some of them short by chance.
    let accepted = accepted.load(Ordering::SeqCst);
    assert!((2..=25).contains(&accepted), "{accepted} connections");
    server.abort();
}

#[tokio::test]
async fn a_connection_that_gives_no_answer_is_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("ws://{}/dev", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        // The first one takes everything and says nothing.
        let mut connections = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let socket = tokio_tungstenite::accept_async(stream).await.expect("a WebSocket");
            connections.push(tokio::spawn(socket.for_each(async |_| {})));
            if connections.len() == 2 {
                return;
            }
        }
    });
    let options = Options::new(url, "d", "alice").answer_patience(Duration::from_millis(10));
    let opening = Link::open(options.give_up_after(PATIENCE));
    tokio::select! {
        opened = opening => panic!("nobody answers: {:?}", opened.err()),
        second = tokio::time::timeout(PATIENCE, server) => second.expect("it comes back").expect("a server"),
    }
}
