//! Tokens that end, and rights, on a socket.

#[path = "access/server.rs"]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use inklog_client::{Access, Client, Options, TextError};
use server::{Event, Server};

/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Options with tokens that live for so many seconds, and how many were asked for.
fn options(url: &str, seconds: f64) -> (Options, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let token =
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!(r#"{{"iat":100,"exp":{}}}"#, 100.0 + seconds)));
    let options = Options::new(url, "d", "alice").token(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok::<_, std::io::Error>(token.clone()))
    });
    (options, asked)
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens in time")
}

/// Lets the client go on until something is so.
async fn until(client: &mut Client, mut is_so: impl FnMut(&Client) -> bool) {
    in_time(async {
        while !is_so(client) {
            client.next().await.expect("the client goes on");
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_renewed_before_its_token_ends_and_nothing_is_lost_or_doubled() {
    let (server, url) = Server::start().await;
    let (options, asked) = options(&url, 0.5);
    let mut client = in_time(Client::open(options)).await.expect("it connects");
    let mut typed = 0;
    // Each word is an event of its own, so that some are on their way whenever the connection changes.
    while !server.events().contains(&Event::Closed(3)) {
        client.append(&format!("{typed} ")).expect("it may write");
        typed += 1;
        in_time(client.saved()).await.expect("it is saved");
        assert!(client.is_online(), "nobody notices");
        // It has nothing else to wait for here.
        let _ = tokio::time::timeout(Duration::from_millis(5), client.next()).await;
    }
    let expected: Vec<String> = (0..typed).map(|n| format!("{n} ")).collect();
    assert_eq!(server.texts(), expected);
    let events = server.events();
    let at = |event: Event| events.iter().position(|other| *other == event).expect("it happened");
    for number in 1..=3 {
        assert!(at(Event::Joined(number + 1)) < at(Event::Closed(number)), "{events:?}");
    }
    assert!(asked.load(Ordering::SeqCst) >= 4, "each connection has a token of its own");
    in_time(client.close()).await.expect("there is nothing to keep");
}

#[tokio::test]
async fn a_token_that_the_server_calls_expired_is_replaced_and_what_was_typed_is_sent_once() {
    let (server, url) = Server::start().await;
    // The second time, it may be something else than its age: that is not tried again and again.
    server.expire(2);
    let (options, asked) = options(&url, 3600.0);
    let mut client = in_time(Client::open(options)).await.expect("it connects");
    client.append("a").expect("it may write");
    until(&mut client, |client| client.shut_out().is_some()).await;
    assert!(!client.is_saved(), "it is kept");
    in_time(client.saved()).await.expect("it is saved");
    assert_eq!((client.shut_out(), client.held()), (None, None));
    assert_eq!((server.texts(), asked.load(Ordering::SeqCst)), (vec!["a".to_owned()], 3));
    in_time(client.close()).await.expect("there is nothing to keep");
}

#[tokio::test]
async fn who_may_only_read_is_told_so_before_anything_is_queued() {
    let (server, url) = Server::start().await;
    server.allow("read");
    let mut client = in_time(Client::open(options(&url, 3600.0).0)).await.expect("it connects");
    assert_eq!(client.access(), Some(Access::Read));
    assert_eq!(client.append("a"), Err(TextError::ReadOnly));
    assert_eq!((client.text(), client.unsaved()), (String::new(), 0));
    // The right comes with the next answer, two seconds after joining.
    server.allow("write");
    until(&mut client, |client| client.access() == Some(Access::Write)).await;
    client.append("a").expect("it may write now");
    in_time(client.saved()).await.expect("it is saved");
    assert_eq!(server.texts(), ["a"]);
    in_time(client.close()).await.expect("there is nothing to keep");
}
