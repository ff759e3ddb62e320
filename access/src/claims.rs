//! What a token claims, and whether it holds now.

use std::collections::BTreeMap;

use inklog_protocol::limits::{CLOCK_LEEWAY, TOKEN_LIFETIME_MAX};
use inklog_protocol::{Right, RightError};
use serde_json::{Map, Value};

use crate::strict::{self, StrictError};
use crate::{Grants, Identity, Rules, TokenError, TokenPart, display_name, user_of_subject};

/// The name of Inklog's own claim.
pub(crate) const INKLOG: &str = "inklog";
/// Differences of clocks that are forgiven, in seconds.
const LEEWAY: u64 = CLOCK_LEEWAY.as_secs();
/// The longest life, in seconds, as two clocks see it.
const LIFETIME_MAX: u64 = TOKEN_LIFETIME_MAX.as_secs() + LEEWAY;

/// Reads the claims of a payload (JSON), and puts everything that is wrong with them into `problems`. The
/// identity is there if it can be told, also where it is not valid now: it counts only without problems.
pub(crate) fn read(
    payload: &[u8],
    rules: &Rules,
    now_s: u64,
    problems: &mut Vec<TokenError>,
) -> Option<Identity> {
    let claims = match strict::object(payload) {
        Ok(claims) => claims,
        Err(StrictError::NotAnObject) => {
            problems.push(TokenError::NotAnObject(TokenPart::Claims));
            return None;
        }
        Err(StrictError::Duplicate) => {
            problems.push(TokenError::Duplicate(TokenPart::Claims));
            return None;
        }
    };
    let mut problem = |error| problems.push(error);
    let expires_at = seconds(&claims, "exp", true).map_err(&mut problem).ok().flatten();
    let issued_at = seconds(&claims, "iat", true).map_err(&mut problem).ok().flatten();
    let not_before = seconds(&claims, "nbf", false).map_err(&mut problem).ok().flatten();
    let user = subject(&claims).map_err(&mut problem).ok().map(user_of_subject);
    let name = shown_name(&claims).map_err(&mut problem).ok();
    let grants = grants(&claims, rules).map_err(&mut problem).ok();

    // Before `exp`, as RFC 7519 has it: at that second a token is over.
    if expires_at.is_some_and(|exp| exp.saturating_add(LEEWAY) <= now_s) {
        problem(TokenError::Expired);
    }
    let begin = now_s.saturating_add(LEEWAY);
    if issued_at.is_some_and(|iat| iat > begin) {
        problem(TokenError::IssuedInFuture);
    }
    if not_before.is_some_and(|nbf| nbf > begin) {
        problem(TokenError::NotYet);
    }
    if let (Some(exp), Some(iat)) = (expires_at, issued_at) {
        if exp <= iat {
            problem(TokenError::Claim("exp", "is not after iat"));
        }
        // A revocation is forgotten after this long, and counts by `iat`.
        if exp.saturating_sub(iat) > LIFETIME_MAX || exp.saturating_sub(now_s) > LIFETIME_MAX {
            problem(TokenError::LivesTooLong);
        }
    }
    if !has_audience(&claims, &rules.audience) {
        problem(TokenError::Audience);
    }
    if let Some(issuer) = &rules.issuer
        && claims.get("iss").and_then(Value::as_str) != Some(issuer)
    {
        problem(TokenError::Issuer);
    }
    Some(Identity {
        user: user?,
        name: name?,
        grants: grants?,
        issued_at: issued_at?,
        expires_at: expires_at?,
    })
}

/// Whole seconds since the epoch. JSON has other ways of writing numbers; no known issuer uses them here.
fn seconds(
    claims: &Map<String, Value>,
    name: &'static str,
    required: bool,
) -> Result<Option<u64>, TokenError> {
    match claims.get(name) {
        None if required => Err(TokenError::Claim(name, "is missing")),
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(TokenError::Claim(name, "is not a whole number of seconds since 1970")),
        },
    }
}

fn subject(claims: &Map<String, Value>) -> Result<&str, TokenError> {
    match claims.get("sub") {
        None => Err(TokenError::Claim("sub", "is missing")),
        Some(Value::String(subject)) if !subject.is_empty() => Ok(subject),
        Some(_) => Err(TokenError::Claim("sub", "is not a string, or an empty one")),
    }
}

fn shown_name(claims: &Map<String, Value>) -> Result<Option<String>, TokenError> {
    match claims.get("name") {
        // Some issuers write what they don't know as null.
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(display_name(name)),
        Some(_) => Err(TokenError::Claim("name", "is not a string")),
    }
}

fn has_audience(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(|one| one == audience),
        _ => false,
    }
}

/// Inklog's own claim, which must be what it should be to the letter. A field of tomorrow may restrict what the
/// known ones allow, so that an unknown one is an error, too.
fn grants(claims: &Map<String, Value>, rules: &Rules) -> Result<Grants, TokenError> {
    let malformed = |why: String| TokenError::Grants(why);
    let Some(claim) = claims.get(INKLOG) else {
        return Ok(rules.default_access.map(Grants::everything).unwrap_or_default());
    };
    // By hand: what serde derives takes a list for an object, and {"write": null} for "write".
    let docs = match claim {
        Value::Object(claim) if claim.len() == 1 => claim.get("docs").and_then(Value::as_object),
        _ => None,
    };
    let docs = docs.ok_or_else(|| malformed("it must be {\"docs\": {…}} and nothing else".to_owned()))?;
    let mut rights = BTreeMap::new();
    for (doc, right) in docs {
        let right: Result<Right, RightError> = right.as_str().ok_or(RightError).and_then(str::parse);
        rights.insert(doc.clone(), right.map_err(|error| malformed(error.to_string()))?);
    }
    Grants::try_from(rights).map_err(|error| malformed(error.to_string()))
}
