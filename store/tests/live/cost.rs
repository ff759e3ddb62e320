//! What an edit costs, in bytes exchanged with Redis.

use inklog_protocol::DocId;
use inklog_store::LiveState;
use inklog_store::encode_logged;
use inklog_store::live::NewBase;
use inklog_store::live::redis::RedisLiveState;
use inklog_tests::{CountingProxy, RedisServer};

use super::harness::LOG;
use crate::support::event_of;

const APPENDS: u64 = 200;

#[tokio::test]
async fn an_append_costs_the_same_whatever_the_length_of_the_document() {
    let server = RedisServer::start();
    let proxy = CountingProxy::start(server.addr()).await.unwrap();
    let live = RedisLiveState::connect(&format!("redis://{}", proxy.addr()), LOG).await.unwrap();

    let mut per_append = Vec::new();
    for (name, base_bytes, tail_events) in
        [("small", 0, 0), ("with a 10 MB base", 10 << 20, 0), ("with a long tail", 0, 50_000)]
    {
        let doc = DocId::new(&format!("a-document-{}", per_append.len())).unwrap();
        live.begin_rebuild(&doc, "nonce").await.unwrap();
        let base = NewBase {
            generation: "0123456789abcdef".into(),
            state: vec![7; base_bytes],
            waiting: Vec::new(),
            aside_bytes: 0,
        };
        assert!(live.commit_rebuild(&doc, "nonce", base).await.unwrap());
        let long: Vec<_> = (0..tail_events).map(|n| event_of("alice~k3", n, "x")).collect();
        live.append(&doc, &long, "0123456789abcdef").await.unwrap();

        let before = (proxy.sent_bytes(), proxy.answered_bytes());
        let mut event_bytes = 0;
        for n in 0..APPENDS {
            let event = event_of("alice~k3", 100_000 + n, "x");
            event_bytes = encode_logged(&event).len();
            live.append(&doc, &[event], "0123456789abcdef").await.unwrap();
        }
        let sent = (proxy.sent_bytes() - before.0) / APPENDS;
        let answered = (proxy.answered_bytes() - before.1) / APPENDS;
        println!("{name}: {sent} bytes sent, {answered} answered, an event of {event_bytes} bytes");
        per_append.push(sent + answered);
    }
    let (least, most) = (per_append.iter().min().unwrap(), per_append.iter().max().unwrap());
    assert!(*most < 400, "an append costs {most} bytes");
    // The base's size is among what is answered: some digits more.
    assert!(most - least <= least / 20, "an append costs {per_append:?} bytes");
}
