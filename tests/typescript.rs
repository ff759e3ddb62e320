//! The CRDT twice: the Rust crate and the TypeScript client go through the same random sessions, side by side.
//! Every replica is a pair of documents, one of each; whatever one does, the other does too, and their ops, texts,
//! editors' mirrors, versions and encoded states must be the same. Each also reads what the other wrote, and goes on.
//! And the client opens what the server packs.

mod node;
mod session;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use inklog_crdt::{Agent, Doc};
use inklog_protocol::parts::{self, Answer, Own, StateBody};
use inklog_protocol::{DocId, Right, VersionMap};
use node::Node;
use serde_json::json;
use session::{Prng, Session};

/// Runs a test for `count` seeds and names the one that fails. `INKLOG_SEED=17` runs from that one on, `17:1` only it.
fn for_seeds(count: u64, mut test: impl FnMut(&mut Prng)) {
    struct Guard(u64);
    impl Drop for Guard {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with INKLOG_SEED={}:1", self.0);
            }
        }
    }
    let set = std::env::var("INKLOG_SEED").unwrap_or_default();
    let (first, own_count) = set.split_once(':').unwrap_or((&set, ""));
    let first: u64 = first.parse().unwrap_or(1);
    for seed in first..first + own_count.parse().unwrap_or(count) {
        let _guard = Guard(seed);
        test(&mut Prng::new(seed));
    }
}

#[test]
fn the_same_sessions_in_rust_and_typescript() {
    let node = &mut Node::start();
    for_seeds(120, |prng| {
        let replicas = 2 + prng.below(3);
        Session::new(prng, node, replicas).run(80, 4);
    });
}

#[test]
fn large_states_in_rust_and_typescript() {
    let node = &mut Node::start();
    for_seeds(2, |prng| {
        let mut session = Session::new(prng, node, 2);
        session.paste(0, 200_000);
        session.run(1500, 40);
        session.paste(1, 70_000);
        session.run(500, 2000);
    });
}

/// What Rust packs, the browser's client opens, at every length around the ends of slices and parts.
#[test]
fn states_of_any_length_packed_in_rust_and_opened_in_typescript() {
    let node = &mut Node::on_source();
    let (carol, id, missing) = (Agent::new("carol").unwrap(), DocId::new("d").unwrap(), VersionMap::new());
    // In base64 a slice ends at 87,000 bytes, and the next one shares its part for some more.
    let binary = (86_970..87_010).chain((87_010..88_500).step_by(61)).chain(88_450..88_500);
    let binary = binary.chain(173_970..174_010).chain(175_450..175_500);
    // As ops a run is cut every 16 KB of UTF-8, and a part is full after seven of them.
    let ops = (16_380..16_390).chain(32_760..32_775).chain(117_200..117_300);
    let mut check = |binary: bool, text: &str| {
        let mut doc = Doc::new();
        doc.insert(&carol, 0, text).unwrap();
        let bytes = doc.encode();
        let asked = node.one(json!({"do": "join"}));
        assert_eq!((&asked[0]["action"], &asked[0]["format"]), (&json!("JOIN_DOC"), &json!("binary")));
        let reference = Some(&asked[0]["ref"]);
        let own = Some(Own { missing: &missing, access: Right::Manage, user: None });
        let answer = Answer { doc: &id, log: "log", cursor: Some("c-1"), own, reference };
        let body = if binary { StateBody::Binary(&bytes) } else { StateBody::Ops(&doc) };
        let messages = parts::doc_state(answer, "s", body, &[]);
        let taken = node.one(json!({"do": if binary { "take" } else { "ops" }, "messages": messages}));
        let length = text.len();
        assert!(
            !binary || (taken["synced"] == true && taken["errors"] == json!([])),
            "{length}: {}",
            taken["errors"]
        );
        assert!(taken["state"] == BASE64.encode(&bytes), "a state of {length} bytes of text differs");
    };
    binary.for_each(|length| check(true, &"x".repeat(length)));
    for length in ops {
        check(false, &"x".repeat(length));
        check(false, &format!("{}{}", "x".repeat(length % 4), "😀".repeat(length / 4)));
    }
}
