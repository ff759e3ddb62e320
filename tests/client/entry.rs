//! Getting in: TLS under a root of one's own, and tokens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use inklog_client::{Client, ClientError, Options};
use inklog_local::Data;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{PATIENCE, port_of, stack, text_of};

/// A root that nobody else knows (PEM), and a server's TLS under it, for `localhost`.
fn private_tls() -> (String, TlsAcceptor) {
    let root_key = KeyPair::generate().expect("a key");
    let mut root = CertificateParams::new([]).expect("no names");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = root.self_signed(&root_key).expect("a root").pem();
    let root = Issuer::new(root, root_key);
    let key = KeyPair::generate().expect("a key");
    let names = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = names.signed_by(&key, &root).expect("a certificate");
    let chain = vec![certificate.der().clone()];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring's versions")
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .expect("they belong together");
    (pem, TlsAcceptor::from(Arc::new(config)))
}

/// A port in front of the stack's that speaks TLS.
async fn tls_in_front(of: u16, tls: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                // A client that does not believe the certificate ends here.
                let Ok(mut stream) = tls.accept(stream).await else { return };
                let mut inner = TcpStream::connect(("127.0.0.1", of)).await.expect("the stack is there");
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_under_a_root_of_ones_own_is_believed_when_the_options_name_it() {
    let server = stack(0, Data::Memory).await;
    let (root, tls) = private_tls();
    let port = tls_in_front(port_of(&server), tls).await;
    let options = |host: &str| Options::new(format!("wss://{host}:{port}/dev"), "d", "alice");

    let refused = Client::open(options("localhost")).await.err().expect("nobody knows the root");
    assert!(matches!(refused, ClientError::Unreachable { .. }));
    assert!(refused.to_string().contains("certificate"), "{refused}");
    let other = Client::open(options("127.0.0.1").root_certificates(root.clone())).await;
    let other = other.err().expect("the certificate is for another name");
    assert!(other.to_string().contains("certificate"), "{other}");

    let mut client =
        Client::open(options("localhost").root_certificates(root)).await.expect("it is believed");
    client.append("over TLS").expect("there is room");
    tokio::time::timeout(PATIENCE, client.saved()).await.expect("in time").expect("it is saved");
    assert_eq!(text_of(&server).await, "over TLS");
    client.close().await.expect("nothing is kept");
    server.stop().await;
}

/// A port in front of the stack's that lets in who shows one of the tokens, and what it was shown.
async fn doorkeeper(of: u16, let_in: &'static [&'static str]) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let seen = shown.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a request has a head"));
            }
            let text = String::from_utf8_lossy(&head).to_lowercase();
            let protocols = text.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
            let protocols = protocols.unwrap_or_default().to_owned();
            seen.lock().unwrap().push(protocols.clone());
            if !let_in.contains(&protocols.as_str()) {
                let refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(refusal).await.expect("the client reads");
                continue;
            }
            let mut inner = TcpStream::connect(("127.0.0.1", of)).await.expect("the stack is there");
            inner.write_all(&head).await.expect("the stack reads");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut inner).await });
        }
    });
    (port, shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_before_each_connection_and_anew_after_a_refusal() {
    let server = stack(0, Data::Memory).await;
    let (port, shown) = doorkeeper(port_of(&server), &["inklog, inklog.jwt.t1"]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let options = Options::new(format!("ws://127.0.0.1:{port}/dev"), "d", "alice").token(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        // It takes a moment to be had.
        async move {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(format!("t{number}"))
        }
    });
    let opening = tokio::time::timeout(PATIENCE, Client::open(options)).await.expect("in time");
    let mut client = opening.expect("the second token is good");
    assert_eq!(*shown.lock().unwrap(), ["inklog, inklog.jwt.t0", "inklog, inklog.jwt.t1"]);
    client.append("let in").expect("there is room");
    tokio::time::timeout(PATIENCE, client.saved()).await.expect("in time").expect("it is saved");
    client.close().await.expect("nothing is kept");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_never_let_in_is_told_so_in_one_line() {
    let server = stack(0, Data::Memory).await;
    let (port, shown) = doorkeeper(port_of(&server), &[]).await;
    let url = format!("ws://127.0.0.1:{port}/dev?key=secret");
    let token = || std::future::ready(Ok::<_, std::io::Error>("old".to_owned()));
    let refused =
        Client::open(Options::new(&url, "d", "alice").token(token)).await.err().expect("it is refused");
    assert_eq!(
        refused.to_string(),
        format!(
            "ws://127.0.0.1:{port}/dev cannot be reached: the server does not let this client in (status 401 \
             Unauthorized)"
        )
    );
    assert_eq!(shown.lock().unwrap().len(), 2, "once more with a fresh token");
    let fails = || std::future::ready(Err::<String, _>(std::io::Error::other("no network")));
    let failed = Client::open(Options::new(&url, "d", "alice").token(fails)).await.err().expect("it fails");
    assert!(failed.to_string().ends_with("the token callback failed: no network"), "{failed}");
    server.stop().await;
}
