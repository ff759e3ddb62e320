//! A Redis behind TLS whose certificate a private authority has signed.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use inklog_local::{Data, Stack, StackConfig};
use inklog_store::config::{StoreFactory, vars};
use inklog_store::{Connections as _, RedisClient};
use inklog_tests::RedisServer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use crate::socket::Socket;

struct TlsRedis {
    _server: RedisServer,
    folder: TempDir,
    url: String,
}

impl TlsRedis {
    fn start() -> TlsRedis {
        let folder = tempfile::tempdir().expect("a folder");
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(folder.path().join("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
        let authority = Issuer::new(authority, key);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        fs::write(folder.path().join("redis.pem"), certificate.pem()).unwrap();
        fs::write(folder.path().join("redis.key"), key.serialize_pem()).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port().to_string();
        drop(listener);
        let file = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
        let server = RedisServer::start_with(&[
            "--tls-port",
            &port,
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            &file("redis.pem"),
            "--tls-key-file",
            &file("redis.key"),
            "--tls-ca-cert-file",
            &file("ca.pem"),
        ]);
        TlsRedis { _server: server, folder, url: format!("rediss://localhost:{port}") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn config(url: &str, ca: Option<&Path>) -> StackConfig {
    StackConfig {
        port: 0,
        data: Data::Memory,
        redis: Some(url.to_owned()),
        redis_ca: ca.map(Path::to_owned),
        ..StackConfig::default()
    }
}

async fn refusal(config: StackConfig) -> String {
    match Stack::start(config).await {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_authority_is_trusted_where_it_is_named() {
    let redis = TlsRedis::start();
    let stack = Stack::start(config(&redis.url, Some(&redis.file("ca.pem")))).await.expect("it is trusted");
    let mut alice = Socket::connect(stack.ws_url()).await;
    let op = json!({"type": "insert", "id": "alice-0", "char": "H", "left": null});
    alice.ask(json!({"action": "SEND_OP", "docId": "d", "agent": "alice", "after": 0, "ops": [op]})).await;
    assert!(alice.ask(json!({"action": "JOIN_DOC", "docId": "d"})).await["cursor"].is_string());
    stack.stop().await;

    // What runs on AWS finds it by its variable.
    let ca = redis.file("ca.pem").to_str().expect("a plain path").to_owned();
    for (named, is_trusted) in [(Some(ca), true), (None, false)] {
        let lookup = |name: &str| match name {
            vars::REDIS_URL => Some(redis.url.clone()),
            vars::REDIS_CA_FILE => named.clone(),
            vars::API_ENDPOINT => Some("https://api".to_owned()),
            _ => None,
        };
        let connections = StoreFactory::new(&lookup).await.connections().await.expect("it opens later");
        let doc = crate::harness::doc("d");
        assert_eq!(connections.list(&doc, 0).await.is_ok(), is_trusted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_trusted_or_cannot_be_read_is_said_in_one_line() {
    let redis = TlsRedis::start();
    let untrusted = refusal(config(&redis.url, None)).await;
    assert!(untrusted.contains(&redis.url) && untrusted.contains("certificate"), "{untrusted}");
    let other = refusal(config(&redis.url, Some(&redis.file("redis.pem")))).await;
    assert!(other.contains("certificate"), "{other}");
    let key = refusal(config(&redis.url, Some(&redis.file("redis.key")))).await;
    assert!(key.contains("redis.key") && key.contains("no certificate"), "{key}");
    let missing = refusal(config(&redis.url, Some(&redis.file("nosuch.pem")))).await;
    assert!(missing.contains("nosuch.pem") && missing.contains("No such file"), "{missing}");
    let plain = refusal(config("redis://127.0.0.1:1", Some(&redis.file("ca.pem")))).await;
    assert!(plain.contains("rediss://"), "{plain}");
    for said in [untrusted, other, key, missing, plain] {
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(RedisClient::connect(&redis.url).await.is_err(), "nothing else has come to trust it");
}
