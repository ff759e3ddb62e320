//! Keys that change, and places that fail: `LiveVerifier` on a local server and on files.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inklog_access::signing::{Claims, SigningKeys};
use inklog_access::{
    Algorithm, KEYS_BYTES_MAX, KeySource, LiveError, LiveVerifier, Rules, SourceError, TokenError,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const NOW: u64 = 1_800_000_000;

#[derive(Clone)]
enum Answer {
    Keys(String),
    Status(&'static str),
    Endless,
}

/// A server of keys.
struct Server {
    url: String,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: Answer) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/jwks", listener.local_addr().expect("an address"));
        let answer = Arc::new(Mutex::new(answer));
        let requests = Arc::new(AtomicUsize::new(0));
        let (answers, counted) = (answer.clone(), requests.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = answers.lock().expect("not poisoned").clone();
                tokio::spawn(respond(socket, answer));
            }
        });
        Server { url, answer, requests }
    }

    fn answer(&self, answer: Answer) {
        *self.answer.lock().expect("not poisoned") = answer;
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn verifier(&self) -> LiveVerifier {
        LiveVerifier::new(KeySource::parse(&self.url).expect("an address"), Rules::default())
    }
}

async fn respond(mut socket: TcpStream, answer: Answer) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(socket.read_u8().await?);
    }
    let mut response = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned();
    match answer {
        Answer::Keys(keys) => response += &keys,
        Answer::Status(status) => {
            response = format!("HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
        }
        Answer::Endless => loop {
            socket.write_all(response.as_bytes()).await?;
            response = " ".repeat(1 << 16);
        },
    }
    socket.write_all(response.as_bytes()).await?;
    socket.shutdown().await
}

fn new_keys() -> SigningKeys {
    SigningKeys::generate(Algorithm::EdDsa).expect("a key")
}

fn public(keys: &SigningKeys) -> Answer {
    Answer::Keys(keys.public().expect("it has a public half").to_json())
}

/// A token by the newest key.
fn token(keys: &SigningKeys) -> String {
    let claims = Claims {
        sub: "alice".to_owned(),
        name: None,
        aud: "inklog".to_owned(),
        iss: None,
        iat: NOW,
        exp: NOW + 3_600,
        rights: None,
    };
    keys.signer(None).expect("it signs").token(&claims).expect("a token")
}

/// Verifies at a second of the monotonic clock.
async fn verify(verifier: &LiveVerifier, token: &str, at_s: u64) -> Result<(), LiveError> {
    verifier.verify(token, NOW, Duration::from_secs(at_s)).await.map(|_| ())
}

const UNKNOWN: Result<(), LiveError> = Err(LiveError::Token(TokenError::UnknownKid));

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_ends() {
    let mut keys = new_keys();
    let old = token(&keys);
    let server = Server::start(public(&keys)).await;
    let verifier = server.verifier();
    assert_eq!(verify(&verifier, &old, 1_000).await, Ok(()));

    let old_kid = keys.signer(None).expect("it signs").kid().expect("a kid").to_owned();
    keys.add(Algorithm::Es256).expect("a key");
    let new = token(&keys);
    server.answer(public(&keys));
    assert_eq!(verify(&verifier, &new, 1_059).await, UNKNOWN);
    assert_eq!(server.requests(), 1);
    assert_eq!(verify(&verifier, &new, 1_060).await, Ok(()));
    assert_eq!(verify(&verifier, &old, 1_060).await, Ok(()));
    assert_eq!(server.requests(), 2);

    keys.remove(&old_kid).expect("the new one stays");
    server.answer(public(&keys));
    assert_eq!(verify(&verifier, &old, 1_060 + 599).await, Ok(()));
    assert_eq!(server.requests(), 2);
    assert_eq!(verify(&verifier, &old, 1_060 + 600).await, UNKNOWN);
    assert_eq!(verify(&verifier, &new, 1_060 + 600).await, Ok(()));
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn unknown_kids_cost_one_request_a_minute() {
    let keys = new_keys();
    let server = Server::start(public(&keys)).await;
    let verifier = server.verifier();
    let foreign = token(&new_keys());
    for at in 0..300 {
        assert_eq!(verify(&verifier, &foreign, at).await, UNKNOWN);
    }
    assert_eq!(server.requests(), 5);
}

#[tokio::test]
async fn many_first_tokens_cost_one_request() {
    let keys = new_keys();
    let server = Server::start(public(&keys)).await;
    let (verifier, token) = (Arc::new(server.verifier()), token(&keys));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (verifier, token) = (verifier.clone(), token.clone());
        tasks.spawn(async move { verify(&verifier, &token, 0).await });
    }
    while let Some(verified) = tasks.join_next().await {
        assert_eq!(verified.expect("no panic"), Ok(()));
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_source_that_fails_keeps_the_keys() {
    let keys = new_keys();
    let token = token(&keys);
    let server = Server::start(public(&keys)).await;
    let verifier = server.verifier();
    assert_eq!(verify(&verifier, &token, 0).await, Ok(()));
    let failing = [
        Answer::Status("500 Internal Server Error"),
        Answer::Status("302 Found"),
        Answer::Status("204 No Content"),
        Answer::Keys(String::new()),
        Answer::Keys("<html></html>".to_owned()),
        Answer::Keys(r#"{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}"#.to_owned()),
        Answer::Endless,
    ];
    for (nth, answer) in failing.iter().enumerate() {
        server.answer(answer.clone());
        for second in 0..60 {
            assert_eq!(verify(&verifier, &token, 600 + nth as u64 * 60 + second).await, Ok(()));
        }
        assert_eq!(server.requests(), 2 + nth);
    }
    // It recovers.
    let others = new_keys();
    server.answer(public(&others));
    assert_eq!(verify(&verifier, &token, 10_000).await, UNKNOWN);
}

#[tokio::test]
async fn withdrawn_keys_end_at_once_and_stale_ones_after_an_hour() {
    let keys = new_keys();
    let token = token(&keys);
    let server = Server::start(public(&keys)).await;
    let verifier = server.verifier();
    assert_eq!(verify(&verifier, &token, 0).await, Ok(()));
    server.answer(Answer::Keys(r#"{"keys":[]}"#.to_owned()));
    assert_eq!(verify(&verifier, &token, 599).await, Ok(()), "they are not old enough to be loaded again");
    for at in [600, 601, 660] {
        assert!(matches!(verify(&verifier, &token, at).await, Err(LiveError::Keys(_))), "{at}");
    }
    server.answer(public(&keys));
    assert_eq!(verify(&verifier, &token, 720).await, Ok(()));
    server.answer(Answer::Status("500 Internal Server Error"));
    assert_eq!(verify(&verifier, &token, 720 + 3_599).await, Ok(()));
    for at in [720 + 3_599 + 60, 720 + 3_599 + 61] {
        assert!(matches!(verify(&verifier, &token, at).await, Err(LiveError::Keys(_))), "{at}");
    }
}

#[tokio::test]
async fn without_keys_nobody_is_let_in_and_trying_again_decays() {
    let keys = new_keys();
    let token = token(&keys);
    let server = Server::start(Answer::Status("503 Service Unavailable")).await;
    let verifier = server.verifier();
    let mut tried_at = Vec::new();
    for at in 0..200 {
        let before = server.requests();
        let error = verify(&verifier, &token, at).await.unwrap_err();
        assert!(matches!(&error, LiveError::Keys(SourceError::Unreachable { .. })), "{error:?}");
        assert!(error.to_string().contains(&server.url) && error.to_string().contains("503"), "{error}");
        if server.requests() > before {
            tried_at.push(at);
        }
    }
    assert_eq!(tried_at, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    server.answer(public(&keys));
    assert_eq!(verify(&verifier, &token, 243).await, Ok(()));
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let keys = new_keys();
    let json = keys.public().expect("it has a public half").to_json();
    for (bytes, fits) in [(KEYS_BYTES_MAX, true), (KEYS_BYTES_MAX + 1, false), (4 << 20, false)] {
        let padded = json.clone() + &" ".repeat(bytes - json.len());
        let server = Server::start(Answer::Keys(padded)).await;
        let checked = server.verifier().check(Duration::ZERO).await;
        assert_eq!(checked.is_ok(), fits, "{bytes}: {checked:?}");
    }
    let server = Server::start(Answer::Endless).await;
    server.verifier().check(Duration::ZERO).await.unwrap_err();
}

#[tokio::test]
async fn nobody_there_is_an_error_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    let verifier = LiveVerifier::new(KeySource::parse(&url).expect("an address"), Rules::default());
    let error = verifier.check(Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.contains(&url) && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    let (first, second) = (new_keys(), new_keys());
    std::fs::write(&file, first.to_json()).expect("written");
    let setting = file.to_str().expect("UTF-8");
    let verifier = LiveVerifier::new(KeySource::parse(setting).expect("a path"), Rules::default());
    assert_eq!(verify(&verifier, &token(&first), 0).await, Ok(()));
    // Half-written: what was there stays.
    std::fs::write(&file, &second.to_json()[..40]).expect("written");
    assert_eq!(verify(&verifier, &token(&first), 60).await, Ok(()));
    std::fs::write(&file, second.to_json()).expect("written");
    assert_eq!(verify(&verifier, &token(&first), 119).await, Ok(()));
    assert_eq!(verify(&verifier, &token(&first), 120).await, UNKNOWN);
    assert_eq!(verify(&verifier, &token(&second), 120).await, Ok(()));
}

#[tokio::test]
async fn a_text_is_a_source_and_never_shown() {
    let keys = SigningKeys::generate(Algorithm::Hs256).expect("a key");
    let source = KeySource::parse(&keys.to_json()).expect("a text");
    let verifier = LiveVerifier::new(source, Rules::default());
    assert_eq!(verify(&verifier, &token(&keys), 0).await, Ok(()));
    let mut shown = String::new();
    write!(shown, "{verifier:?}").expect("shown");
    let secret = keys.to_json().split("\"k\":\"").nth(1).expect("a secret")[..43].to_owned();
    assert!(!shown.contains(&secret), "{shown}");
    let broken = LiveVerifier::new(KeySource::text(keys.to_json().replace("oct", "EC")), Rules::default());
    let error = broken.check(Duration::ZERO).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains(&secret), "{error:?}");
}
