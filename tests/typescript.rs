//! The CRDT twice: the Rust crate and the TypeScript client go through the same random sessions, side by side.
//! Every replica is a pair of documents, one of each; whatever one does, the other does too, and their ops, texts,
//! editors' mirrors, versions and encoded states must be the same. Each also reads what the other wrote, and goes on.

mod node;
mod session;

use node::Node;
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
