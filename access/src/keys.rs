//! The keys that tokens are verified with: a JWKS (RFC 7517).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use serde_json::{Map, Value};

use crate::strict::{self, StrictError};

/// Keys in one set.
pub const KEYS_MAX: usize = 100;
/// A set, in bytes of JSON.
pub const KEYS_BYTES_MAX: usize = 256 * 1024;
/// The shortest HMAC secret, in bytes: as long as the hash (RFC 7518, 3.2). Shorter ones can be guessed offline.
pub const SECRET_BYTES_MIN: usize = 32;
/// The size of an RSA modulus, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The length of P-256's coordinates and scalars, and of Ed25519's keys, in bytes.
pub(crate) const CURVE_BYTES: usize = 32;

/// How a key signs. A key has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: whoever can verify can sign.
    Hs256,
    /// RSA, PKCS #1 v1.5, with SHA-256. Verified only: Inklog never signs with RSA.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// The word names no algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an algorithm is HS256, RS256, ES256 or EdDSA")]
pub struct AlgorithmError;

impl Algorithm {
    /// The word in the header of a token, and in a key.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;
    fn from_str(word: &str) -> Result<Algorithm, AlgorithmError> {
        [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == word)
            .ok_or(AlgorithmError)
    }
}

/// A set of keys. Its `Debug` shows no secrets.
#[derive(Debug, Clone)]
pub struct Jwks {
    keys: Vec<Key>,
    skipped: Vec<String>,
}

/// Why keys cannot be used. No message shows anything of a key but its `kid`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Nothing at all.
    #[error("there are no keys: the text is empty")]
    Empty,
    /// Something else.
    #[error("this is no key set (JWKS): that is JSON such as {{\"keys\": [{{\"kty\": \"EC\", ...}}]}}")]
    NotASet,
    /// A name stands twice in one object.
    #[error("the key set names a field twice in one object")]
    Duplicate,
    /// More than [`KEYS_BYTES_MAX`].
    #[error("the key set has more than {KEYS_BYTES_MAX} bytes")]
    TooLarge,
    /// More than [`KEYS_MAX`].
    #[error("the key set has {0} keys; at most {KEYS_MAX} are allowed")]
    TooMany(usize),
    /// A key that is too weak, or not what it says.
    #[error("key {key} {reason}")]
    Key {
        /// Its `kid`, or its place in the set.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Which of the two would be meant?
    #[error("two keys have the kid {0:?}: give each its own")]
    SameKid(String),
    /// All were skipped.
    #[error(
        "the key set has no key that can verify: those are oct (HS256), RSA (RS256), EC P-256 (ES256) and OKP \
         Ed25519 (EdDSA), for signatures"
    )]
    NoneUsable,
}

impl Jwks {
    /// Reads a set. Keys for encryption, and of other types, curves and algorithms, are skipped: identity
    /// providers serve such beside those that count. A weak or malformed key makes the whole set an error.
    /// Private parts may be there and are not kept, except for the secrets of HS256, which verify as well.
    pub fn parse(json: &[u8]) -> Result<Jwks, KeysError> {
        let mut set = Jwks { keys: Vec::new(), skipped: Vec::new() };
        for (place, value) in key_values(json)?.iter().enumerate() {
            match Key::read(value, place)? {
                Ok(key) => set.keys.push(key),
                Err(skipped) => set.skipped.push(skipped),
            }
        }
        for (at, key) in set.keys.iter().enumerate() {
            if key.kid.is_some() && set.keys[..at].iter().any(|other| other.kid == key.kid) {
                return Err(KeysError::SameKid(key.kid.clone().unwrap_or_default()));
            }
        }
        if set.keys.is_empty() {
            return Err(KeysError::NoneUsable);
        }
        Ok(set)
    }

    /// The keys that can verify.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Those that cannot, and why, a line each.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The key with this `kid`.
    pub fn find(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid.as_deref() == Some(kid))
    }
}

/// The keys of a set, not yet understood.
pub(crate) fn key_values(json: &[u8]) -> Result<Vec<Value>, KeysError> {
    if json.len() > KEYS_BYTES_MAX {
        return Err(KeysError::TooLarge);
    }
    if json.trim_ascii().is_empty() {
        return Err(KeysError::Empty);
    }
    let mut set = strict::object(json).map_err(|error| match error {
        StrictError::NotAnObject => KeysError::NotASet,
        StrictError::Duplicate => KeysError::Duplicate,
    })?;
    let Some(Value::Array(keys)) = set.remove("keys") else { return Err(KeysError::NotASet) };
    if keys.len() > KEYS_MAX {
        return Err(KeysError::TooMany(keys.len()));
    }
    Ok(keys)
}

/// One key that verifies, with the one algorithm that it is for.
#[derive(Clone)]
pub struct Key {
    kid: Option<String>,
    verifies: Verifies,
}

#[derive(Clone)]
enum Verifies {
    Hs256(hmac::Key),
    Rs256(signature::RsaPublicKeyComponents<Vec<u8>>),
    /// An uncompressed point.
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
}

impl Key {
    /// The name by which a token chooses it.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        match self.verifies {
            Verifies::Hs256(_) => Algorithm::Hs256,
            Verifies::Rs256(_) => Algorithm::Rs256,
            Verifies::Es256(_) => Algorithm::Es256,
            Verifies::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// Whether the signature is this key's. The algorithm is the key's own; nothing of a token chooses it.
    pub(crate) fn verify(&self, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.verifies {
            Verifies::Hs256(key) => hmac::verify(key, signed, signature),
            Verifies::Rs256(key) => key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed, signature),
            Verifies::Es256(point) => {
                signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, signature)
            }
            Verifies::EdDsa(key) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(signed, signature)
            }
        };
        verified.is_ok()
    }

    /// Reads a key, or says why it is skipped.
    fn read(value: &Value, place: usize) -> Result<Result<Key, String>, KeysError> {
        let fields = Fields::of(value, place)?;
        let algorithm = match fields.algorithm()? {
            Ok(algorithm) => algorithm,
            Err(why) => return Ok(Err(format!("key {} is skipped: {why}", fields.label))),
        };
        let verifies = match algorithm {
            Algorithm::Hs256 => Verifies::Hs256(hmac::Key::new(hmac::HMAC_SHA256, &fields.secret()?)),
            Algorithm::Rs256 => Verifies::Rs256(fields.rsa()?),
            Algorithm::Es256 => Verifies::Es256(fields.point()?),
            Algorithm::EdDsa => Verifies::EdDsa(fields.curve_bytes("x")?),
        };
        Ok(Ok(Key { kid: fields.text("kid")?.map(str::to_owned), verifies }))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

/// The fields of a key as JSON.
pub(crate) struct Fields<'a> {
    fields: &'a Map<String, Value>,
    /// How messages name it.
    pub label: String,
}

impl<'a> Fields<'a> {
    /// `place` counts from 0.
    pub fn of(value: &'a Value, place: usize) -> Result<Fields<'a>, KeysError> {
        let Value::Object(fields) = value else { return Err(KeysError::NotASet) };
        let label = match fields.get("kid") {
            Some(Value::String(kid)) => format!("{:?}", kid.chars().take(64).collect::<String>()),
            _ => format!("number {}", place + 1),
        };
        Ok(Fields { fields, label })
    }

    pub fn wrong(&self, reason: &'static str) -> KeysError {
        KeysError::Key { key: self.label.clone(), reason }
    }

    pub fn text(&self, name: &'static str) -> Result<Option<&'a str>, KeysError> {
        match self.fields.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong("has a field that is no string, though it must be one")),
        }
    }

    /// The one algorithm of its type and curve, or why it has none.
    pub fn algorithm(&self) -> Result<Result<Algorithm, &'static str>, KeysError> {
        if matches!(self.text("use")?, Some(usage) if usage != "sig") {
            return Ok(Err("it is not for signatures"));
        }
        if let Some(Value::Array(operations)) = self.fields.get("key_ops")
            && !operations.iter().any(|one| one == "verify" || one == "sign")
        {
            return Ok(Err("it is not for signatures"));
        }
        let algorithm = match self.text("kty")?.ok_or_else(|| self.wrong("has no kty"))? {
            "oct" => Algorithm::Hs256,
            "RSA" => Algorithm::Rs256,
            "EC" if self.text("crv")? == Some("P-256") => Algorithm::Es256,
            "OKP" if self.text("crv")? == Some("Ed25519") => Algorithm::EdDsa,
            "EC" | "OKP" => return Ok(Err("its curve is neither P-256 nor Ed25519")),
            _ => return Ok(Err("its type is not oct, RSA, EC or OKP")),
        };
        match self.text("alg")? {
            Some(other) if other != algorithm.as_str() => {
                Ok(Err("its alg is not HS256, RS256, ES256 or EdDSA, or not of its type"))
            }
            _ => Ok(Ok(algorithm)),
        }
    }

    pub fn secret(&self) -> Result<Vec<u8>, KeysError> {
        let secret = self.bytes("k")?;
        if secret.len() < SECRET_BYTES_MIN {
            return Err(self.wrong("is too short: an HS256 secret has at least 32 random bytes"));
        }
        Ok(secret)
    }

    fn rsa(&self) -> Result<signature::RsaPublicKeyComponents<Vec<u8>>, KeysError> {
        let number = |name| -> Result<Vec<u8>, KeysError> {
            let bytes = self.bytes(name)?;
            Ok(bytes.iter().copied().skip_while(|byte| *byte == 0).collect())
        };
        let (n, e) = (number("n")?, number("e")?);
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if bits < *RSA_BITS.start() {
            return Err(self.wrong("is too small: an RSA key has at least 2048 bits"));
        }
        if bits > *RSA_BITS.end() {
            return Err(self.wrong("is too large: an RSA key has at most 8192 bits"));
        }
        // What ring takes: odd, from 3 to 2^33 - 1.
        let exponent = e.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        if e.len() > 5 || !(3..1 << 33).contains(&exponent) || exponent % 2 == 0 {
            return Err(self.wrong("has an RSA exponent that no sound key has"));
        }
        Ok(signature::RsaPublicKeyComponents { n, e })
    }

    /// An uncompressed point of P-256. Whether it is on the curve is checked with each signature.
    pub fn point(&self) -> Result<Vec<u8>, KeysError> {
        Ok([vec![0x04], self.curve_bytes("x")?, self.curve_bytes("y")?].concat())
    }

    pub fn curve_bytes(&self, name: &'static str) -> Result<Vec<u8>, KeysError> {
        let bytes = self.bytes(name)?;
        if bytes.len() != CURVE_BYTES {
            return Err(self.wrong("has a coordinate or secret that is not 32 bytes long"));
        }
        Ok(bytes)
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, KeysError> {
        let text = self.text(name)?.ok_or_else(|| self.wrong("lacks a field that its type must have"))?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| self.wrong("has a field that is no base64url"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(keys: Value) -> Result<Jwks, KeysError> {
        Jwks::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn bytes(n: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xa5; n])
    }

    fn secret(kid: &str, n: usize) -> Value {
        json!({"kty": "oct", "kid": kid, "k": bytes(n)})
    }

    fn rsa(n: &str, e: &str) -> Value {
        json!({"kty": "RSA", "n": n, "e": e})
    }

    fn reason(keys: Value) -> String {
        parse(keys).expect_err("refused").to_string()
    }

    #[test]
    fn weak_keys_are_refused() {
        assert!(parse(json!([secret("a", 32)])).is_ok());
        assert!(reason(json!([secret("a", 31)])).contains("\"a\" is too short"));
        let modulus = |first: u8, n: usize| URL_SAFE_NO_PAD.encode([vec![first], vec![0xff; n - 1]].concat());
        let with_zero = URL_SAFE_NO_PAD.encode([vec![0], vec![0xff; 255]].concat());
        assert!(parse(json!([rsa(&modulus(0x80, 256), "AQAB")])).is_ok());
        assert!(reason(json!([rsa(&modulus(0x7f, 256), "AQAB")])).contains("number 1 is too small"));
        assert!(reason(json!([rsa(&with_zero, "AQAB")])).contains("is too small"));
        assert!(parse(json!([rsa(&modulus(0xff, 1024), "AQAB")])).is_ok());
        assert!(reason(json!([rsa(&modulus(0x01, 1025), "AQAB")])).contains("is too large"));
        for exponent in ["", "AQ", "Ag", "AA", "AgAAAAE", "AQAA", "AQAAAAAAAQAB"] {
            assert!(reason(json!([rsa(&modulus(0xff, 256), exponent)])).contains("exponent"), "{exponent}");
        }
        assert!(parse(json!([rsa(&modulus(0xff, 256), "Aw")])).is_ok());
    }

    #[test]
    fn foreign_keys_are_skipped() {
        let foreign = [
            json!({"kty": "RSA", "use": "enc", "n": "x", "e": 1}),
            json!({"kty": "RSA", "alg": "RS512", "n": bytes(256), "e": "AQAB"}),
            json!({"kty": "RSA", "alg": "RSA-OAEP", "n": bytes(256), "e": "AQAB"}),
            json!({"kty": "EC", "crv": "P-384", "x": bytes(48), "y": bytes(48)}),
            json!({"kty": "OKP", "crv": "X25519", "x": bytes(32)}),
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"}),
            json!({"kty": "oct", "alg": "HS512", "k": bytes(64)}),
            json!({"kty": "oct", "alg": "ES256", "k": bytes(64)}),
            json!({"kty": "oct", "key_ops": ["encrypt"], "k": bytes(64)}),
        ];
        for key in &foreign {
            assert_eq!(parse(json!([key])).unwrap_err(), KeysError::NoneUsable, "{key}");
        }
        let mut all = foreign.to_vec();
        all.push(secret("good", 32));
        let set = parse(json!(all)).unwrap();
        assert_eq!((set.keys().len(), set.skipped().len()), (1, foreign.len()));
        assert_eq!(set.find("good").map(Key::algorithm), Some(Algorithm::Hs256));
        assert!(set.find("bad").is_none() && set.find("").is_none());
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for (json, error) in [
            ("", KeysError::Empty),
            (" \n", KeysError::Empty),
            ("[]", KeysError::NotASet),
            ("{}", KeysError::NotASet),
            (r#"{"keys":{}}"#, KeysError::NotASet),
            (r#"{"keys":["x"]}"#, KeysError::NotASet),
            (r#"{"keys":[],"keys":[]}"#, KeysError::Duplicate),
            (r#"{"keys":[{"kty":"oct","kty":"RSA"}]}"#, KeysError::Duplicate),
            (r#"{"keys":[]}"#, KeysError::NoneUsable),
        ] {
            assert_eq!(Jwks::parse(json.as_bytes()).unwrap_err(), error, "{json}");
        }
        for key in [
            json!({"k": bytes(32)}),
            json!({"kty": "oct"}),
            json!({"kty": "oct", "k": 1}),
            json!({"kty": "oct", "k": "ab=="}),
            json!({"kty": "oct", "k": bytes(32), "kid": 1}),
            json!({"kty": "EC", "crv": "P-256", "x": bytes(32)}),
            json!({"kty": "EC", "crv": "P-256", "x": bytes(31), "y": bytes(32)}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": bytes(33)}),
        ] {
            assert!(matches!(parse(json!([key])), Err(KeysError::Key { .. })), "{key}");
        }
        assert_eq!(
            parse(json!([secret("a", 32), secret("a", 33)])).unwrap_err(),
            KeysError::SameKid("a".into())
        );
        let many = |n: usize| (0..n).map(|i| secret(&i.to_string(), 32)).collect::<Vec<_>>();
        assert_eq!(parse(json!(many(KEYS_MAX))).unwrap().keys().len(), KEYS_MAX);
        assert_eq!(parse(json!(many(KEYS_MAX + 1))).unwrap_err(), KeysError::TooMany(KEYS_MAX + 1));
        let padded = |n: usize| {
            let json = json!({ "keys": [secret("a", 32)] }).to_string();
            json.clone() + &" ".repeat(n - json.len())
        };
        assert!(Jwks::parse(padded(KEYS_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(Jwks::parse(padded(KEYS_BYTES_MAX + 1).as_bytes()).unwrap_err(), KeysError::TooLarge);
    }

    #[test]
    fn nothing_shows_a_secret() {
        let secret = bytes(40);
        let set = parse(json!([{"kty": "oct", "kid": "a", "k": secret}])).unwrap();
        assert_eq!(
            format!("{set:?}"),
            "Jwks { keys: [Key { kid: Some(\"a\"), algorithm: Hs256, .. }], skipped: [] }"
        );
        let short = bytes(20);
        for keys in [json!([{"kty": "oct", "k": short}]), json!({"k": short}), json!([{"kty": short}])] {
            assert!(!format!("{:?}", parse(keys)).contains(&short));
        }
    }
}
