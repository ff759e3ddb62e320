//! Tokens: JWTs in the compact form (RFC 7515, 7519), verified as RFC 8725 advises.
//!
//! The signatures are ring's, which the tree links for TLS already. No JOSE library stands between: of what one
//! offers, a verifier with one algorithm for each key needs three dots, base64url and two JSON objects, and
//! `jsonwebtoken` would leave the strict part to us (it takes fractions for times, the last of two equal claims, and
//! no `iat`), choose its cryptography by a global of the process, and bring the `rsa` crate with its open
//! advisory (RUSTSEC-2023-0071), AWS-LC, or a provider of ours over ring, which is most of `keys.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use inklog_protocol::Right;
use inklog_protocol::limits::TOKEN_BYTES_MAX;
use serde_json::Value;

use crate::strict::{self, StrictError};
use crate::{Identity, Jwks, Key, claims};

/// The audience, unless another is configured.
pub const AUDIENCE: &str = "inklog";

/// What a deployment demands of tokens, beside a signature by one of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `aud` must be it, or a list that has it.
    pub audience: String,
    /// `iss` must be it; `None`: anybody who has a key.
    pub issuer: Option<String>,
    /// The right to every document that a token without Inklog's own claim gives.
    pub default_access: Option<Right>,
}

impl Default for Rules {
    /// For [`AUDIENCE`], from anybody who has a key, without any right unless the token says so.
    fn default() -> Rules {
        Rules { audience: AUDIENCE.to_owned(), issuer: None, default_access: None }
    }
}

/// A part of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPart {
    /// The first.
    Header,
    /// The second.
    Claims,
    /// The third.
    Signature,
}

impl TokenPart {
    fn as_str(self) -> &'static str {
        match self {
            TokenPart::Header => "header",
            TokenPart::Claims => "claims",
            TokenPart::Signature => "signature",
        }
    }
}

impl std::fmt::Display for TokenPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a token is refused. Messages are for whoever issues tokens; the refused learn none of it. They hold nothing
/// that an unsigned token says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More than [`TOKEN_BYTES_MAX`].
    #[error(
        "the token has {0} bytes; at most {TOKEN_BYTES_MAX} are allowed: name fewer documents, or use patterns"
    )]
    TooLong(usize),
    /// Not three parts.
    #[error("this is no signed JWT: that has three parts with dots between them, not {0}")]
    Parts(usize),
    /// A part with other characters, padding or stray bits.
    #[error("the token's {0} is no base64url (RFC 4648, without padding)")]
    Base64(TokenPart),
    /// A part that is something else, or nests too deep.
    #[error("the token's {0} is no JSON object")]
    NotAnObject(TokenPart),
    /// Readers disagree on which of the two counts.
    #[error("the token's {0} names a field twice in one object")]
    Duplicate(TokenPart),
    /// A field of the header.
    #[error("the token's header has a field `{0}` that {1}")]
    Header(&'static str, &'static str),
    /// Several keys could be meant.
    #[error("the token's header has no kid, and there are several keys")]
    NoKid,
    /// Not a key of ours, or not yet.
    #[error("no key has the kid of the token's header")]
    UnknownKid,
    /// `none`, or another that the key is not for.
    #[error("the token's alg is not the one that its key is for, which is {0}")]
    Algorithm(crate::Algorithm),
    /// Signed by somebody else, or changed since.
    #[error("the token's signature is not its key's")]
    Signature,
    /// A claim that is missing or malformed.
    #[error("the token's {0} {1}")]
    Claim(&'static str, &'static str),
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// It comes from the future.
    #[error("the token's iat is in the future: compare the issuer's clock")]
    IssuedInFuture,
    /// It is not valid yet.
    #[error("the token is not valid yet (nbf)")]
    NotYet,
    /// Longer than a revocation is remembered.
    #[error("the token lives too long: exp is at most 24 hours after iat, and from now")]
    LivesTooLong,
    /// For somebody else.
    #[error("the token's aud is missing, or is another audience")]
    Audience,
    /// By somebody else.
    #[error("the token's iss is missing, or is another issuer")]
    Issuer,
    /// Inklog's claim is not as it should be.
    #[error("the token's `inklog` claim cannot be read: {0}")]
    Grants(String),
}

impl TokenError {
    /// One word for logs, the same for every token that fails in this way.
    pub fn kind(&self) -> &'static str {
        match self {
            TokenError::TooLong(_) => "too_long",
            TokenError::Parts(_) | TokenError::Base64(_) | TokenError::NotAnObject(_) => "malformed",
            TokenError::Duplicate(_) => "duplicate",
            TokenError::Header(..) => "header",
            TokenError::NoKid => "no_kid",
            TokenError::UnknownKid => "unknown_kid",
            TokenError::Algorithm(_) => "algorithm",
            TokenError::Signature => "signature",
            TokenError::Claim(..) => "claim",
            TokenError::Expired => "expired",
            TokenError::IssuedInFuture => "issued_in_future",
            TokenError::NotYet => "not_yet",
            TokenError::LivesTooLong => "lives_too_long",
            TokenError::Audience => "audience",
            TokenError::Issuer => "issuer",
            TokenError::Grants(_) => "grants",
        }
    }
}

/// Verifies tokens, with keys that are at hand.
#[derive(Debug, Clone)]
pub struct TokenVerifier {
    keys: std::sync::Arc<Jwks>,
    rules: Rules,
}

impl TokenVerifier {
    /// Tokens signed with one of these keys, under these rules.
    pub fn new(keys: impl Into<std::sync::Arc<Jwks>>, rules: Rules) -> TokenVerifier {
        TokenVerifier { keys: keys.into(), rules }
    }

    /// Who the token's bearer is, at `now_s` (seconds since the epoch). Nothing of the claims is looked at before the
    /// signature is found good.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Identity, TokenError> {
        let parts = Parts::split(token)?;
        let key = parts.key(&self.keys)?;
        if !key.verify(parts.signed, &parts.signature) {
            return Err(TokenError::Signature);
        }
        let mut problems = Vec::new();
        match claims::read(&parts.claims, &self.rules, now_s, &mut problems) {
            Some(identity) if problems.is_empty() => Ok(identity),
            _ => Err(problems.swap_remove(0)),
        }
    }
}

/// What can be told of a token, whether it is valid or not. For people who look at one; nothing is allowed by it.
#[derive(Debug)]
pub struct Inspection {
    /// The header's `alg`.
    pub algorithm: Option<String>,
    /// The header's `kid`.
    pub kid: Option<String>,
    /// What it claims, if that can be read.
    pub identity: Option<Identity>,
    /// Whether it has Inklog's own claim; without it, a deployment's default counts.
    pub names_documents: bool,
    /// Whether its signature is good; `None`: there were no keys.
    pub is_signed: Option<bool>,
    /// Everything that it would be refused for; nothing, if it is valid and there were keys.
    pub problems: Vec<TokenError>,
}

/// Looks at a token without stopping at the first problem.
pub fn inspect(token: &str, keys: Option<&Jwks>, rules: &Rules, now_s: u64) -> Inspection {
    let mut seen = Inspection {
        algorithm: None,
        kid: None,
        identity: None,
        names_documents: false,
        is_signed: keys.map(|_| false),
        problems: Vec::new(),
    };
    let parts = match Parts::split(token) {
        Ok(parts) => parts,
        Err(error) => {
            seen.problems.push(error);
            return seen;
        }
    };
    if let Some(keys) = keys {
        match parts.key(keys) {
            Ok(key) if key.verify(parts.signed, &parts.signature) => seen.is_signed = Some(true),
            Ok(_) => seen.problems.push(TokenError::Signature),
            Err(error) => seen.problems.push(error),
        }
    }
    seen.names_documents =
        strict::object(&parts.claims).is_ok_and(|claims| claims.contains_key(claims::INKLOG));
    seen.identity = claims::read(&parts.claims, rules, now_s, &mut seen.problems);
    seen.algorithm = Some(parts.algorithm);
    seen.kid = parts.kid;
    seen
}

/// A token taken apart, believed in nothing.
struct Parts<'a> {
    /// What the signature is over: header and claims as they came.
    signed: &'a [u8],
    algorithm: String,
    kid: Option<String>,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Parts<'a>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong(token.len()));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { return Err(TokenError::Parts(parts.len())) };
        let decode = |part: &str, which| {
            // One text for each value: no padding, no other alphabet, no stray bits.
            URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Base64(which))
        };
        let header = strict::object(&decode(header, TokenPart::Header)?).map_err(|error| match error {
            StrictError::NotAnObject => TokenError::NotAnObject(TokenPart::Header),
            StrictError::Duplicate => TokenError::Duplicate(TokenPart::Header),
        })?;
        let text = |name: &'static str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(TokenError::Header(name, "is no string")),
        };
        if header.contains_key("crit") {
            return Err(TokenError::Header("crit", "demands extensions, of which none is known"));
        }
        // A token made for something else, such as a logout, is signed with the same keys. `jwk`, `jku`, `x5c` and
        // the like are never looked at: keys come from the configuration alone.
        if let Some(kind) = text("typ")? {
            let kind = kind.to_ascii_lowercase();
            let kind = kind.strip_prefix("application/").unwrap_or(&kind);
            if kind != "jwt" && kind != "at+jwt" {
                return Err(TokenError::Header("typ", "is neither JWT nor at+jwt"));
            }
        }
        let signed = token.len() - signature.len() - 1;
        Ok(Parts {
            signed: &token.as_bytes()[..signed],
            algorithm: text("alg")?.ok_or(TokenError::Header("alg", "is missing"))?.to_owned(),
            kid: text("kid")?.map(str::to_owned),
            claims: decode(claims, TokenPart::Claims)?,
            signature: decode(signature, TokenPart::Signature)?,
        })
    }

    /// The one key that the token can be signed with.
    fn key<'k>(&self, keys: &'k Jwks) -> Result<&'k Key, TokenError> {
        let key = match (&self.kid, keys.keys()) {
            (Some(kid), _) => keys.find(kid).ok_or(TokenError::UnknownKid)?,
            (None, [only]) => only,
            (None, _) => return Err(TokenError::NoKid),
        };
        if self.algorithm != key.algorithm().as_str() {
            return Err(TokenError::Algorithm(key.algorithm()));
        }
        Ok(key)
    }
}
