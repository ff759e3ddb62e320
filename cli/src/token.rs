//! `inklog token`: issues a token, or tells what is to be told of one.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use inklog_access::signing::{Claims, Rights, SigningError, SigningKeys};
use inklog_access::{
    Grants, Identity, Inspection, KeySource, Rules, SourceError, TokenError, TokenVerifier, inspect,
};

use crate::keys::{self, KeysJobError};
use crate::output::print_text;

/// More than this of standard input is no token.
const STDIN_BYTES_MAX: u64 = 1 << 20;
/// What is shown of a field that nobody vouches for, in characters.
const SHOWN_CHARS: usize = 64;

/// What to do with a token.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenJob {
    /// Print a new one.
    Issue(Issue),
    /// Tell what one allows, and why it would be refused.
    Check(Check),
}

/// A token to be issued.
#[derive(Debug, PartialEq, Eq)]
pub struct Issue {
    /// The file of private keys.
    pub keys: PathBuf,
    /// The key that signs; `None`: the newest.
    pub kid: Option<String>,
    /// The subject.
    pub user: String,
    /// What others see.
    pub name: Option<String>,
    /// The rights; `None`: what the deployment gives by default.
    pub docs: Option<Grants>,
    /// How long it lives.
    pub ttl: Duration,
    /// For whom.
    pub audience: String,
    /// By whom.
    pub issuer: Option<String>,
}

/// A token to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// The token; `None`: it comes from standard input.
    pub token: Option<String>,
    /// A file or an address of keys; `None`: the signature is not checked.
    pub keys: Option<String>,
    /// The audience that is demanded.
    pub audience: String,
    /// The issuer that is demanded.
    pub issuer: Option<String>,
}

/// Why there is no token, or nothing to tell of it.
#[derive(Debug, thiserror::Error)]
pub enum TokenJobError {
    /// The file of keys.
    #[error(transparent)]
    Keys(#[from] KeysJobError),
    /// The keys do not sign.
    #[error("{}: {error}", file.display())]
    Signing {
        /// The file of keys.
        file: PathBuf,
        /// What is wrong.
        error: SigningError,
    },
    /// It would be refused.
    #[error("no token is issued, since it would be refused: {0}")]
    Refused(#[from] TokenError),
    /// The keys to check it with.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nothing to check.
    #[error("cannot read a token from standard input: {0}")]
    Input(io::Error),
    /// Nobody reads it.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Does it. Returns whether all is well with a token that was checked.
pub async fn run(job: &TokenJob) -> Result<bool, TokenJobError> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match job {
        TokenJob::Issue(issue) => {
            let keys = keys::read(&issue.keys)?;
            let token = issued(issue, &keys, now_s)?;
            if issue.docs.is_none() {
                tracing::warn!("no --doc: what the token allows is up to the deployment (DefaultAccess)");
            }
            print_text(&format!("{token}\n"))?;
            Ok(true)
        }
        TokenJob::Check(check) => {
            let token = match &check.token {
                Some(token) => token.clone(),
                None => from_stdin().map_err(TokenJobError::Input)?,
            };
            let jwks = match &check.keys {
                Some(setting) => {
                    let jwks = KeySource::parse(setting)?.load().await?;
                    // Warns if it is a file that others can read.
                    if Path::new(setting).is_file() {
                        keys::read(Path::new(setting))?;
                    }
                    Some(jwks)
                }
                None => None,
            };
            let rules = Rules {
                audience: check.audience.clone(),
                issuer: check.issuer.clone(),
                default_access: None,
            };
            let seen = inspect(token.trim(), jwks.as_ref(), &rules, now_s);
            print_text(&report(&seen, &rules, now_s))?;
            Ok(seen.problems.is_empty())
        }
    }
}

fn from_stdin() -> io::Result<String> {
    let mut token = String::new();
    io::stdin().lock().take(STDIN_BYTES_MAX).read_to_string(&mut token)?;
    Ok(token)
}

fn issued(issue: &Issue, keys: &SigningKeys, now_s: u64) -> Result<String, TokenJobError> {
    let signing = |error| TokenJobError::Signing { file: issue.keys.clone(), error };
    let claims = Claims {
        sub: issue.user.clone(),
        name: issue.name.clone(),
        aud: issue.audience.clone(),
        iss: issue.issuer.clone(),
        iat: now_s,
        exp: now_s + issue.ttl.as_secs(),
        rights: issue.docs.clone().map(|docs| Rights { docs }),
    };
    let token =
        keys.signer(issue.kid.as_deref()).and_then(|signer| signer.token(&claims)).map_err(signing)?;
    let rules =
        Rules { audience: issue.audience.clone(), issuer: issue.issuer.clone(), default_access: None };
    let jwks = keys.jwks().map_err(|error| signing(error.into()))?;
    TokenVerifier::new(jwks, rules).verify(&token, now_s)?;
    Ok(token)
}

/// What is known of a token, a line each.
fn report(seen: &Inspection, rules: &Rules, now_s: u64) -> String {
    let mut text = String::new();
    if let Some(identity) = &seen.identity {
        text += &who(identity, seen.names_documents);
        let _ = writeln!(text, "issued   {}", time(identity.issued_at, now_s));
        let _ = writeln!(text, "expires  {}", time(identity.expires_at, now_s));
    }
    if let Some(algorithm) = &seen.algorithm {
        let key = seen.kid.as_deref().map_or("no kid".to_owned(), |kid| format!("key {}", quoted(kid)));
        let signed = match seen.is_signed {
            Some(true) => "good",
            Some(false) => "NOT GOOD",
            None => "NOT CHECKED (name the keys with --keys)",
        };
        let _ = writeln!(text, "signed   {} with {key}: {signed}", quoted(algorithm));
    }
    for problem in &seen.problems {
        let hint = match problem {
            TokenError::Audience => format!(" ({:?} is demanded; --aud demands another)", rules.audience),
            TokenError::Issuer => format!(" ({:?} is demanded)", rules.issuer.as_deref().unwrap_or_default()),
            _ => String::new(),
        };
        let _ = writeln!(text, "refused: {problem}{hint}");
    }
    if seen.problems.is_empty() {
        text += match seen.is_signed {
            Some(_) => "valid\n",
            None => "valid if its signature is\n",
        };
    }
    text
}

fn who(identity: &Identity, names_documents: bool) -> String {
    let mut text = format!("user     {}", identity.user.as_str());
    if let Some(name) = &identity.name {
        let _ = write!(text, ", shown as {}", quoted(name));
    }
    text.push('\n');
    if !names_documents {
        text += "allows   what the deployment gives by default (DefaultAccess)\n";
    } else if identity.grants.iter().next().is_none() {
        text += "allows   nothing\n";
    }
    for (nth, (doc, right)) in identity.grants.iter().enumerate() {
        let head = if nth == 0 { "allows" } else { "" };
        let _ = writeln!(text, "{head:<8} {:<6} {doc}", right.as_str());
    }
    text
}

/// A text of unknown origin, made harmless for terminals and short.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN_CHARS).collect::<String>())
}

fn time(at_s: u64, now_s: u64) -> String {
    let at = i64::try_from(at_s).ok().and_then(|at| DateTime::from_timestamp(at, 0));
    let Some(at) = at else { return format!("{at_s} s after 1970") };
    let away = at_s.abs_diff(now_s);
    let away = match away {
        0..120 => format!("{away} s"),
        120..7_200 => format!("{} min", away / 60),
        7_200..172_800 => format!("{} h", away / 3_600),
        _ => format!("{} days", away / 86_400),
    };
    let relative = if at_s > now_s { format!("in {away}") } else { format!("{away} ago") };
    format!("{}, {relative}", at.format("%Y-%m-%d %H:%M:%S UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use inklog_access::Algorithm;

    const NOW: u64 = 1_800_000_000;

    fn issue() -> Issue {
        Issue {
            keys: "keys.json".into(),
            kid: None,
            user: "alice".to_owned(),
            name: Some("Alice \u{1b}[31m".to_owned()),
            docs: Some(serde_json::from_str(r#"{"notes":"write","team-a.*":"read"}"#).unwrap()),
            ttl: Duration::from_secs(3_600),
            audience: "inklog".to_owned(),
            issuer: None,
        }
    }

    fn keys() -> SigningKeys {
        SigningKeys::generate(Algorithm::Es256).unwrap()
    }

    #[test]
    fn what_is_issued_is_told_again() {
        let keys = keys();
        let kid = keys.signer(None).unwrap().kid().unwrap().to_owned();
        let token = issued(&issue(), &keys, NOW).unwrap();
        let jwks = keys.jwks().unwrap();
        let seen = inspect(&token, Some(&jwks), &Rules::default(), NOW + 300);
        let expected = format!(
            "user     alice, shown as \"Alice [31m\"\n\
             allows   write  notes\n         read   team-a.*\n\
             issued   2027-01-15 08:00:00 UTC, 5 min ago\n\
             expires  2027-01-15 09:00:00 UTC, in 55 min\n\
             signed   \"ES256\" with key \"{kid}\": good\n\
             valid\n"
        );
        assert_eq!(report(&seen, &Rules::default(), NOW + 300), expected);

        let seen = inspect(&token, None, &Rules::default(), NOW);
        let text = report(&seen, &Rules::default(), NOW);
        assert!(text.contains("NOT CHECKED") && text.ends_with("valid if its signature is\n"), "{text}");
    }

    #[test]
    fn every_reason_is_told() {
        let token = issued(&Issue { audience: "other".to_owned(), ..issue() }, &keys(), NOW).unwrap();
        let jwks = keys().jwks().unwrap();
        let rules = Rules { issuer: Some("me".to_owned()), ..Rules::default() };
        let text = report(&inspect(&token, Some(&jwks), &rules, NOW + 4_000), &rules, NOW + 4_000);
        let refused: Vec<&str> = text.lines().filter(|line| line.starts_with("refused: ")).collect();
        assert_eq!(refused.len(), 4, "{text}");
        for (line, reason) in refused.iter().zip(["kid", "expired", "\"inklog\" is demanded", "\"me\""]) {
            assert!(line.contains(reason), "{line}");
        }
        assert!(text.contains("NOT GOOD") && !text.contains("valid"), "{text}");
        assert_eq!(
            report(&inspect("x", None, &rules, NOW), &rules, NOW),
            "refused: this is no signed JWT: that has three parts with dots between them, not 1\n"
        );
    }

    #[test]
    fn a_token_without_documents_says_whose_word_counts() {
        let keys = keys();
        let told = |docs: Option<Grants>| {
            let token = issued(&Issue { docs, ..issue() }, &keys, NOW).unwrap();
            report(&inspect(&token, None, &Rules::default(), NOW), &Rules::default(), NOW)
        };
        assert!(told(None).contains("DefaultAccess"));
        assert!(told(Some(Grants::default())).contains("allows   nothing"));
    }

    #[test]
    fn what_would_be_refused_is_not_issued() {
        let refused = |issue: Issue| issued(&issue, &keys(), NOW).unwrap_err().to_string();
        let long = Duration::from_secs(25 * 3_600);
        assert!(refused(Issue { ttl: long, ..issue() }).contains("24 hours"));
        assert!(refused(Issue { name: Some("x".repeat(5_000)), ..issue() }).contains("bytes"));
        assert!(refused(Issue { user: String::new(), ..issue() }).contains("sub"));
        assert!(refused(Issue { kid: Some("x".to_owned()), ..issue() }).contains("keys.json: no key has"));
        let public = keys().public().unwrap();
        let error = issued(&issue(), &public, NOW).unwrap_err().to_string();
        assert!(error.contains("none of the keys can sign"), "{error}");
    }

    #[test]
    fn times_of_every_size_are_told() {
        assert_eq!(time(NOW, NOW), "2027-01-15 08:00:00 UTC, 0 s ago");
        assert!(time(NOW - 119, NOW).ends_with("119 s ago") && time(NOW - 120, NOW).ends_with("2 min ago"));
        assert!(time(NOW + 7_200, NOW).ends_with("in 2 h") && time(0, NOW).ends_with("20833 days ago"));
        assert_eq!(time(u64::MAX, NOW), "18446744073709551615 s after 1970");
    }
}
