//! Keys that sign, as a file holds them: a JWKS with private parts, the newest key last.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use ring::{error, hmac};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::keys::{CURVE_BYTES, Fields, key_values};
use crate::{Algorithm, Grants, Jwks, KEYS_MAX, KeysError, SECRET_BYTES_MIN};

/// What of a key everybody may see (RFC 7518, 6).
const PUBLIC_FIELDS: [&str; 10] = ["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops"];

/// What makes it a private one, or a secret.
const PRIVATE_FIELDS: [&str; 8] = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];

/// Why there is no signature, or no change to the keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The keys themselves.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Only public halves, and keys for other things.
    #[error("none of the keys can sign: that takes the private part of an ES256, EdDSA or HS256 key")]
    NoneSigns,
    /// A `kid` that is not in the set.
    #[error("no key has the kid {0:?}")]
    UnknownKid(String),
    /// A public half, or a key for something else.
    #[error("key {0} cannot sign: that takes the private part of an ES256, EdDSA or HS256 key")]
    CannotSign(String),
    /// It is symmetric.
    #[error(
        "key {0} is a secret (HS256) without a public half: deploy the whole file as a secret, or use \
         ES256 keys"
    )]
    NoPublicHalf(String),
    /// RSA.
    #[error("Inklog makes no RS256 keys: choose ES256, EdDSA or HS256")]
    NotMade,
    /// What stays would be no set.
    #[error("this is the only key that can verify: add another one first")]
    LastKey,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
}

impl From<error::Unspecified> for SigningError {
    fn from(_: error::Unspecified) -> SigningError {
        SigningError::Random
    }
}

/// The claims of a token that Inklog itself issues.
#[derive(Debug, Clone, Serialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
    /// What others see of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The audience.
    pub aud: String,
    /// The issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Seconds since the epoch.
    pub iat: u64,
    /// Seconds since the epoch.
    pub exp: u64,
    /// The rights; `None`: the default of whoever verifies.
    #[serde(rename = "inklog", skip_serializing_if = "Option::is_none")]
    pub rights: Option<Rights>,
}

/// Inklog's own claim.
#[derive(Debug, Clone, Serialize)]
pub struct Rights {
    /// By document.
    pub docs: Grants,
}

/// Keys with their private parts.
#[derive(Clone)]
pub struct SigningKeys(Vec<Value>);

impl SigningKeys {
    /// One new key.
    pub fn generate(algorithm: Algorithm) -> Result<SigningKeys, SigningError> {
        Ok(SigningKeys(vec![new_key(algorithm)?]))
    }

    /// Reads a set, and checks it as a verifier does.
    pub fn parse(json: &[u8]) -> Result<SigningKeys, SigningError> {
        Jwks::parse(json)?;
        Ok(SigningKeys(key_values(json)?))
    }

    /// The set as JSON, a line for each key.
    pub fn to_json(&self) -> String {
        let keys: Vec<String> = self.0.iter().map(Value::to_string).collect();
        format!("{{\"keys\":[\n{}\n]}}\n", keys.join(",\n"))
    }

    /// Whether any has a private part, or is a secret.
    pub fn are_secret(&self) -> bool {
        self.0.iter().any(|key| PRIVATE_FIELDS.iter().any(|name| key.get(*name).is_some()))
    }

    /// What verifies their signatures.
    pub fn jwks(&self) -> Result<Jwks, KeysError> {
        Jwks::parse(self.to_json().as_bytes())
    }

    /// Adds a new key, which signs from now on. Returns its `kid`.
    pub fn add(&mut self, algorithm: Algorithm) -> Result<String, SigningError> {
        if self.0.len() >= KEYS_MAX {
            return Err(KeysError::TooMany(self.0.len() + 1).into());
        }
        let key = new_key(algorithm)?;
        let kid = key["kid"].as_str().unwrap_or_default().to_owned();
        self.0.push(key);
        Ok(kid)
    }

    /// Takes a key out: its tokens are void wherever the rest is deployed.
    pub fn remove(&mut self, kid: &str) -> Result<(), SigningError> {
        let mut rest = self.clone();
        rest.0.retain(|key| key["kid"] != kid);
        if rest.0.len() == self.0.len() {
            return Err(SigningError::UnknownKid(kid.to_owned()));
        }
        rest.jwks().map_err(|_| SigningError::LastKey)?;
        *self = rest;
        Ok(())
    }

    /// The same keys without their private parts: enough to verify.
    pub fn public(&self) -> Result<SigningKeys, SigningError> {
        let mut keys = Vec::new();
        for (place, key) in self.0.iter().enumerate() {
            let fields = Fields::of(key, place)?;
            if fields.text("kty")? == Some("oct") {
                return Err(SigningError::NoPublicHalf(fields.label));
            }
            let public = PUBLIC_FIELDS.iter().filter_map(|name| Some((*name, key.get(*name)?.clone())));
            keys.push(public.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into());
        }
        Ok(SigningKeys(keys))
    }

    /// The key with this `kid`, or the newest (last) that can sign.
    pub fn signer(&self, kid: Option<&str>) -> Result<Signer, SigningError> {
        let Some(kid) = kid else {
            for (place, key) in self.0.iter().enumerate().rev() {
                if let Some(signer) = Signer::read(&Fields::of(key, place)?)? {
                    return Ok(signer);
                }
            }
            return Err(SigningError::NoneSigns);
        };
        let found = self.0.iter().enumerate().find(|(_, key)| key["kid"] == kid);
        let (place, key) = found.ok_or_else(|| SigningError::UnknownKid(kid.to_owned()))?;
        let fields = Fields::of(key, place)?;
        Signer::read(&fields)?.ok_or(SigningError::CannotSign(fields.label))
    }
}

/// A new key as JSON, named at random.
fn new_key(algorithm: Algorithm) -> Result<Value, SigningError> {
    let random = SystemRandom::new();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut name = [0; 8];
    random.fill(&mut name)?;
    let kid = name.iter().fold(String::new(), |mut kid, byte| {
        let _ = write!(kid, "{byte:02x}");
        kid
    });
    let mut secret = [0; SECRET_BYTES_MIN];
    random.fill(&mut secret)?;
    let mut key = match algorithm {
        Algorithm::Hs256 => json!({"kty": "oct", "k": text(&secret)}),
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_seed_unchecked(&secret).map_err(|_| SigningError::Random)?;
            let public = pair.public_key().as_ref();
            json!({"kty": "OKP", "crv": "Ed25519", "x": text(public), "d": text(&secret)})
        }
        Algorithm::Es256 => {
            let (scalar, point) = new_p256(&random)?;
            let (x, y) = point[1..].split_at(CURVE_BYTES);
            json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y), "d": text(&scalar)})
        }
        Algorithm::Rs256 => return Err(SigningError::NotMade),
    };
    key["kid"] = kid.into();
    key["use"] = "sig".into();
    key["alg"] = algorithm.as_str().into();
    Ok(key)
}

/// A new scalar, and its point. ring gives both as PKCS #8 only, in which the scalar stands behind a header
/// that is always the same. The pair is made from the two again, which fails unless they belong together.
fn new_p256(random: &SystemRandom) -> Result<(Vec<u8>, Vec<u8>), SigningError> {
    const SCALAR_AT: usize = 36;
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, random)?;
    let scalar = document.as_ref()[SCALAR_AT..SCALAR_AT + CURVE_BYTES].to_vec();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), random);
    let point = pair.map_err(|_| SigningError::Random)?.public_key().as_ref().to_vec();
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, &point, random)
        .map_err(|_| SigningError::Random)?;
    Ok((scalar, point))
}

/// One key that signs.
pub struct Signer {
    kid: Option<String>,
    signs: Signs,
}

enum Signs {
    Hs256(hmac::Key),
    Es256(Box<EcdsaKeyPair>),
    EdDsa(Box<Ed25519KeyPair>),
}

impl Signer {
    /// `None` if it has no private part, or is for something else.
    fn read(fields: &Fields<'_>) -> Result<Option<Signer>, SigningError> {
        let Ok(algorithm) = fields.algorithm()? else { return Ok(None) };
        let is_private = algorithm == Algorithm::Hs256 || fields.text("d")?.is_some();
        if !is_private {
            return Ok(None);
        }
        let halves = || fields.wrong("has a private part that does not belong to its public one");
        let signs = match algorithm {
            Algorithm::Hs256 => Signs::Hs256(hmac::Key::new(hmac::HMAC_SHA256, &fields.secret()?)),
            Algorithm::Es256 => {
                let (scalar, point) = (fields.curve_bytes("d")?, fields.point()?);
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                EcdsaKeyPair::from_private_key_and_public_key(
                    algorithm,
                    &scalar,
                    &point,
                    &SystemRandom::new(),
                )
                .map(|pair| Signs::Es256(Box::new(pair)))
                .map_err(|_| halves())?
            }
            Algorithm::EdDsa => {
                let (seed, public) = (fields.curve_bytes("d")?, fields.curve_bytes("x")?);
                Ed25519KeyPair::from_seed_and_public_key(&seed, &public)
                    .map(|pair| Signs::EdDsa(Box::new(pair)))
                    .map_err(|_| halves())?
            }
            Algorithm::Rs256 => return Ok(None),
        };
        Ok(Some(Signer { kid: fields.text("kid")?.map(str::to_owned), signs }))
    }

    /// The name of the key.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self.signs {
            Signs::Hs256(_) => Algorithm::Hs256,
            Signs::Es256(_) => Algorithm::Es256,
            Signs::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Claims) -> Result<String, SigningError> {
        let mut header = json!({"typ": "JWT", "alg": self.algorithm().as_str()});
        if let Some(kid) = &self.kid {
            header["kid"] = kid.as_str().into();
        }
        let claims = serde_json::to_string(claims).expect("claims are plain JSON");
        let signed = [header.to_string(), claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = self.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A signature as in a token's third part, before base64url.
    pub fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, SigningError> {
        Ok(match &self.signs {
            Signs::Hs256(key) => hmac::sign(key, signed).as_ref().to_vec(),
            Signs::Es256(pair) => pair.sign(&SystemRandom::new(), signed)?.as_ref().to_vec(),
            Signs::EdDsa(pair) => pair.sign(signed).as_ref().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rules, TokenVerifier};

    const NOW: u64 = 1_800_000_000;
    const MADE: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256];

    fn claims(sub: &str) -> Claims {
        Claims {
            sub: sub.to_owned(),
            name: None,
            aud: "inklog".to_owned(),
            iss: None,
            iat: NOW,
            exp: NOW + 60,
            rights: None,
        }
    }

    #[test]
    fn what_is_signed_is_verified() {
        for algorithm in MADE {
            let keys = SigningKeys::generate(algorithm).unwrap();
            let keys = SigningKeys::parse(keys.to_json().as_bytes()).unwrap();
            let signer = keys.signer(None).unwrap();
            assert_eq!(signer.algorithm(), algorithm);
            let verifier = TokenVerifier::new(keys.jwks().unwrap(), Rules::default());
            let identity = verifier.verify(&signer.token(&claims("alice")).unwrap(), NOW).unwrap();
            assert_eq!(identity.user.as_str(), "alice");
        }
        assert_eq!(SigningKeys::generate(Algorithm::Rs256).err(), Some(SigningError::NotMade));
    }

    #[test]
    fn the_public_half_verifies_and_cannot_sign() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let keys = SigningKeys::generate(algorithm).unwrap();
            let public = keys.public().unwrap();
            assert!(public.0.iter().all(|key| key.get("d").is_none()), "{}", public.to_json());
            assert!(keys.are_secret() && !public.are_secret());
            assert_eq!(public.signer(None).err(), Some(SigningError::NoneSigns));
            let kid = keys.signer(None).unwrap().kid().unwrap().to_owned();
            assert!(matches!(public.signer(Some(&kid)), Err(SigningError::CannotSign(_))));
            let token = keys.signer(None).unwrap().token(&claims("alice")).unwrap();
            TokenVerifier::new(public.jwks().unwrap(), Rules::default()).verify(&token, NOW).unwrap();
        }
        let secret = SigningKeys::generate(Algorithm::Hs256).unwrap();
        assert!(secret.are_secret());
        assert!(matches!(secret.public(), Err(SigningError::NoPublicHalf(_))));
    }

    #[test]
    fn the_newest_signs_and_the_older_ones_verify() {
        let mut keys = SigningKeys::generate(Algorithm::Es256).unwrap();
        let old = keys.signer(None).unwrap();
        let kid = keys.add(Algorithm::EdDsa).unwrap();
        let new = keys.signer(None).unwrap();
        assert_eq!(new.kid(), Some(kid.as_str()));
        assert_eq!(keys.signer(old.kid()).unwrap().kid(), old.kid());
        let verifier = TokenVerifier::new(keys.jwks().unwrap(), Rules::default());
        for signer in [&old, &new] {
            verifier.verify(&signer.token(&claims("alice")).unwrap(), NOW).unwrap();
        }
        keys.remove(old.kid().unwrap()).unwrap();
        assert_eq!(keys.remove("x"), Err(SigningError::UnknownKid("x".to_owned())));
        assert_eq!(keys.remove(&kid), Err(SigningError::LastKey));
        let verifier = TokenVerifier::new(keys.jwks().unwrap(), Rules::default());
        verifier.verify(&new.token(&claims("alice")).unwrap(), NOW).unwrap();
        verifier.verify(&old.token(&claims("alice")).unwrap(), NOW).unwrap_err();
    }

    #[test]
    fn halves_of_two_keys_are_no_key() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let mut keys = SigningKeys::generate(algorithm).unwrap();
            keys.0[0]["d"] = SigningKeys::generate(algorithm).unwrap().0[0]["d"].clone();
            assert!(matches!(keys.signer(None), Err(SigningError::Keys(KeysError::Key { .. }))));
        }
    }
}
