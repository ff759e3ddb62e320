//! Tokens of every kind: keys, and what is made with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use inklog_access::signing::{Signer, SigningKeys};
use inklog_access::{Algorithm, Jwks, Rules, TokenVerifier};
use serde_json::{Value, json};

/// When everything happens, in seconds since the epoch.
pub const NOW: u64 = 1_800_000_000;
/// The algorithms that Inklog signs with itself.
pub const SIGNED: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256];

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Keys, public halves and tokens by another implementation.
pub fn node() -> Value {
    serde_json::from_str(include_str!("node.json")).expect("JSON")
}

/// A token that Node signed at [`NOW`].
pub fn nodes_token(algorithm: &str) -> String {
    node()["tokens"][algorithm].as_str().expect("a token").to_owned()
}

/// Claims that are valid at [`NOW`].
pub fn claims() -> Value {
    json!({
        "sub": "alice", "aud": "inklog", "iat": NOW, "exp": NOW + 3_600,
        "inklog": {"docs": {"notes": "write"}},
    })
}

/// [`claims`], with one field set.
pub fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// [`claims`], without one field.
pub fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

/// A deployment with a key of each algorithm, and everybody's private halves but RSA's.
pub struct Forge {
    signing: SigningKeys,
    /// Of all four.
    pub jwks: Jwks,
}

impl Forge {
    pub fn new() -> Forge {
        let mut signing = SigningKeys::generate(SIGNED[0]).expect("a key");
        for algorithm in &SIGNED[1..] {
            signing.add(*algorithm).expect("a key");
        }
        let mut set: Value = serde_json::from_str(&signing.to_json()).expect("JSON");
        set["keys"].as_array_mut().expect("keys").push(node()["jwks"]["keys"][0].clone());
        let jwks = Jwks::parse(set.to_string().as_bytes()).expect("four keys");
        assert_eq!(jwks.keys().len(), 4);
        Forge { signing, jwks }
    }

    pub fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new(self.jwks.clone(), Rules::default())
    }

    /// The private key of an algorithm.
    pub fn signer(&self, algorithm: Algorithm) -> Signer {
        self.signing.signer(Some(&self.kid(algorithm))).expect("a private key")
    }

    /// The name of an algorithm's key.
    pub fn kid(&self, algorithm: Algorithm) -> String {
        let key = self.jwks.keys().iter().find(|key| key.algorithm() == algorithm).expect("one of each");
        key.kid().expect("it has one").to_owned()
    }

    pub fn header(&self, algorithm: Algorithm) -> Value {
        json!({"typ": "JWT", "alg": algorithm.as_str(), "kid": self.kid(algorithm)})
    }

    /// A token with a good signature over any header and claims, as they are written.
    pub fn signed(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        signed_by(&self.signer(algorithm), header, claims)
    }

    /// A token with a good signature and a good header.
    pub fn claiming(&self, algorithm: Algorithm, claims: &Value) -> String {
        self.signed(algorithm, &self.header(algorithm).to_string(), &claims.to_string())
    }

    /// A valid token of each algorithm.
    pub fn valid(&self) -> Vec<String> {
        let mut tokens: Vec<String> =
            SIGNED.iter().map(|algorithm| self.claiming(*algorithm, &claims())).collect();
        tokens.push(nodes_token("RS256"));
        tokens
    }
}

pub fn signed_by(signer: &Signer, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", base64url(header), base64url(claims));
    let signature = signer.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", base64url(signature))
}

/// A token signed with HS256 and any bytes as the secret.
pub fn hmac_signed(secret: &[u8], header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", base64url(header), base64url(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let signature = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", base64url(signature))
}

/// Numbers that look random, the same for the same seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
