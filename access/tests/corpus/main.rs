//! Tokens that somebody might try to get in with: each is refused, for the reason that it should be, and soon.
//!
//! ```text
//!   forge.rs     keys, and tokens made with them
//!   valid.rs     what is let in, and the edges of times
//!   shapes.rs    what is no token: cut, padded, encrypted, huge, nested
//!   keys.rs      algorithms, kids and signatures that are not the key's
//!   claims.rs    well signed, but not to be believed
//! ```
//!
//! `cargo test -p inklog-access --test corpus -- --nocapture` prints how many there are and the slowest.

mod claims;
mod forge;
mod keys;
mod shapes;
mod valid;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use inklog_access::TokenVerifier;

use forge::{Forge, NOW, Random};

/// Nobody may make a server work longer than this on one token.
const SLOWEST: Duration = Duration::from_millis(5);
/// Mutated tokens.
const MUTATIONS: usize = 5_000;

/// A token that must be refused.
struct Bad {
    what: String,
    token: String,
    /// The kind of error; empty: any.
    kind: &'static str,
}

impl Bad {
    fn new(kind: &'static str, what: impl Into<String>, token: impl Into<String>) -> Bad {
        Bad { what: what.into(), token: token.into(), kind }
    }
}

/// Verifies, and takes the time. If that looks like a pause of the machine, twice more.
fn refuse(verifier: &TokenVerifier, bad: &Bad) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let begin = Instant::now();
        let verified = verifier.verify(&bad.token, NOW);
        fastest = fastest.min(begin.elapsed());
        let shown: String = bad.token.chars().take(1_000).collect();
        let error = verified.expect_err(&format!("{}: {shown}", bad.what));
        assert!(bad.kind.is_empty() || bad.kind == error.kind(), "{}: {error:?}: {shown}", bad.what);
        if fastest < SLOWEST / 10 {
            break;
        }
    }
    assert!(fastest < SLOWEST, "{} takes {fastest:?}", bad.what);
    fastest
}

fn refuse_all(name: &str, verifier: &TokenVerifier, corpus: &[Bad]) {
    let slowest = corpus.iter().map(|bad| (refuse(verifier, bad), &bad.what)).max().expect("some");
    println!("{name}: {} refused, the slowest in {:?} ({})", corpus.len(), slowest.0, slowest.1);
}

#[test]
fn what_is_no_token_is_refused() {
    let forge = Forge::new();
    refuse_all("shapes", &forge.verifier(), &shapes::corpus(&forge));
}

#[test]
fn what_its_key_did_not_sign_is_refused() {
    let forge = Forge::new();
    refuse_all("keys", &forge.verifier(), &keys::corpus(&forge));
}

#[test]
fn what_claims_amiss_is_refused() {
    let forge = Forge::new();
    refuse_all("claims", &forge.verifier(), &claims::corpus(&forge));
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let forge = Forge::new();
    let mut corpus = Vec::new();
    for token in forge.valid() {
        for (at, byte) in token.bytes().enumerate() {
            let Some(value) = ALPHABET.iter().position(|one| *one == byte) else { continue };
            for bit in 0..6 {
                let mut flipped = token.clone().into_bytes();
                flipped[at] = ALPHABET[value ^ (1 << bit)];
                let flipped = String::from_utf8(flipped).expect("ASCII");
                corpus.push(Bad::new("", format!("bit {bit} of character {at}"), flipped));
            }
        }
    }
    refuse_all("flipped bits", &forge.verifier(), &corpus);
}

#[test]
fn random_mutations_are_refused() {
    let given = std::env::var("INKLOG_SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let seed: u64 = given.unwrap_or_else(clock);
    println!("INKLOG_SEED={seed}");
    let mut random = Random(seed);
    let forge = Forge::new();
    let valid = forge.valid();
    let corpus: Vec<Bad> = std::iter::repeat_with(|| shapes::mutated(&mut random, &valid))
        .filter(|token| !valid.contains(token))
        .take(MUTATIONS)
        .map(|token| Bad::new("", format!("a mutation of seed {seed}"), token))
        .collect();
    refuse_all("mutations", &forge.verifier(), &corpus);
}
