//! A key set: `Jwks::parse`.

use arbitrary::{Result, Unstructured};
use inklog_access::{Jwks, KEYS_BYTES_MAX, KEYS_MAX, SECRET_BYTES_MIN};
use serde_json::{Value, json};

use crate::driver::{Target, unsealed};
use crate::json::changed;
use crate::made::rarely;
use crate::meter::{Bound, Meter};

pub const TARGET: Target = Target { name: "keys", inputs: 6_000, make, check, seal: unsealed };
const BOUND: Bound = Bound { each: 256, base: 16 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    // One of each kind, by another implementation.
    let node: Value =
        serde_json::from_str(include_str!("../../../access/tests/corpus/node.json")).expect("JSON");
    let mut set = node["jwks"].clone();
    let secret = "A".repeat(SECRET_BYTES_MIN * 4 / 3 + choices.int_in_range(0..=2)?);
    let keys = set["keys"].as_array_mut().expect("keys");
    keys.push(json!({"kty": "oct", "kid": "secret", "k": secret, "key_ops": ["verify"]}));
    if rarely(choices, 20)? {
        let many = KEYS_MAX - 1 + choices.int_in_range(0..=2)?;
        let named = |n: usize| json!({"kty": "oct", "kid": n.to_string(), "k": "A".repeat(43)});
        *keys = (0..many).map(named).collect();
    }
    changed(choices, set)
}

fn check(input: &[u8], meter: &mut Meter) {
    let Ok(set) = meter.run(input.len(), BOUND, || Jwks::parse(input)) else { return };
    meter.read += 1;
    assert!(input.len() <= KEYS_BYTES_MAX && (1..=KEYS_MAX).contains(&set.keys().len()));
    for (at, key) in set.keys().iter().enumerate() {
        let twins = set.keys()[..at].iter().filter(|other| other.kid() == key.kid()).count();
        assert!(twins == 0 || key.kid().is_none(), "two keys have one kid");
        if let Some(kid) = key.kid() {
            assert!(set.find(kid).is_some());
        }
    }
    // A secret is in no log. What a key is called is.
    let is_named = set.keys().iter().any(|key| key.kid().is_some_and(|kid| kid.contains("AAAA")));
    assert!(is_named || !format!("{set:?}").contains("AAAA"));
}
