//! `keys` and `token`, as written and as meant.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use inklog_access::{AUDIENCE, Algorithm, Grants};
use inklog_protocol::Right;
use inklog_protocol::limits::TOKEN_LIFETIME_MAX;

use super::UsageError;
use crate::keys::KeysJob;
use crate::token::{Check, Issue, TokenJob};

#[derive(Debug, Subcommand)]
pub(super) enum KeysArgs {
    /// Print a new private key, as a JWKS for a file
    #[command(after_help = "\
Whoever has the file can issue tokens for everybody: keep it with whatever signs your users in, and deploy what
`inklog keys public` prints. HS256 is a secret that both need.

Examples:
  (umask 077; inklog keys new > keys.json)
  inklog keys new --alg EdDSA > keys.json")]
    New {
        /// How the key signs
        #[arg(long, value_enum, ignore_case = true, default_value_t = RawAlgorithm::Es256, value_name = "ALG")]
        alg: RawAlgorithm,
    },
    /// Add a new key to a file; it signs from now on, and the others go on verifying
    #[command(after_help = "\
To rotate keys:
  1. inklog keys add keys.json              and deploy `inklog keys public keys.json`
  2. wait until the old key's tokens are over: a day at most
  3. inklog keys remove keys.json OLD-KID   and deploy again
A deployment that reads the keys from a URL or file finds a new one within a minute. Where deploying takes longer,
`inklog token --kid OLD-KID` signs with the old key until then.")]
    Add {
        /// A file that `inklog keys new` wrote
        file: PathBuf,
        /// How the key signs
        #[arg(long, value_enum, ignore_case = true, default_value_t = RawAlgorithm::Es256, value_name = "ALG")]
        alg: RawAlgorithm,
    },
    /// Take a key out of a file
    Remove {
        /// A file that `inklog keys new` wrote
        file: PathBuf,
        /// The key's kid
        kid: String,
    },
    /// Print the keys without their private parts, for the deployment
    #[command(after_help = "\
Examples:
  inklog keys public keys.json > jwks.json")]
    Public {
        /// A file that `inklog keys new` wrote
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RawAlgorithm {
    /// ECDSA over P-256
    #[value(name = "ES256")]
    Es256,
    /// Ed25519
    #[value(name = "EdDSA")]
    EdDsa,
    /// HMAC, a shared secret
    #[value(name = "HS256")]
    Hs256,
}

impl From<RawAlgorithm> for Algorithm {
    fn from(raw: RawAlgorithm) -> Algorithm {
        match raw {
            RawAlgorithm::Es256 => Algorithm::Es256,
            RawAlgorithm::EdDsa => Algorithm::EdDsa,
            RawAlgorithm::Hs256 => Algorithm::Hs256,
        }
    }
}

impl From<KeysArgs> for KeysJob {
    fn from(args: KeysArgs) -> KeysJob {
        match args {
            KeysArgs::New { alg } => KeysJob::New(alg.into()),
            KeysArgs::Add { file, alg } => KeysJob::Add { file, algorithm: alg.into() },
            KeysArgs::Remove { file, kid } => KeysJob::Remove { file, kid },
            KeysArgs::Public { file } => KeysJob::Public { file },
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Rights: read, write (includes read), manage (includes both). A pattern ends with *, which stands for any rest.
--check exits with 1 if the token would be refused; without --keys it cannot tell who signed it.

Examples:
  inklog token --keys keys.json --user alice --name 'Alice A.' --doc notes=write --doc 'team-a.*=read'
  inklog token --keys keys.json --user bot --doc '*=read' --ttl 24h
  inklog token --check - --keys jwks.json < token
  inklog token --check eyJ0eXAi… --keys https://login.example.org/.well-known/jwks.json --aud my-app")]
pub(super) struct TokenArgs {
    /// The private keys, of which the newest (last) signs; with --check, any JWKS, a file or an https:// address
    #[arg(long, value_name = "FILE", required_unless_present = "check")]
    keys: Option<String>,
    /// Whose token it is
    #[arg(long, value_name = "NAME", required_unless_present = "check")]
    user: Option<String>,
    /// What others see of the user [default: the user's name]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// A document or pattern, and the right to it; may be repeated
    #[arg(long, value_name = "DOC=RIGHT", value_parser = grant)]
    doc: Vec<(String, Right)>,
    /// How long it is valid, such as 30s, 15m or 24h, which is the longest
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1h")]
    ttl: Duration,
    /// The key that signs [default: the newest]
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// The audience, as configured where the token is to be used
    #[arg(long, value_name = "NAME", default_value = AUDIENCE)]
    aud: String,
    /// The issuer, if one is configured there
    #[arg(long, value_name = "NAME")]
    iss: Option<String>,
    /// Instead of issuing a token, tell what this one allows and why it would be refused; - reads it from
    /// standard input, where no list of processes shows it
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["user", "name", "doc", "ttl", "kid"])]
    check: Option<String>,
}

pub(super) fn token(args: TokenArgs) -> Result<TokenJob, UsageError> {
    let (audience, issuer) = (args.aud, args.iss);
    if let Some(token) = args.check {
        let token = (token != "-").then_some(token);
        return Ok(TokenJob::Check(Check { token, keys: args.keys, audience, issuer }));
    }
    let mut docs = BTreeMap::new();
    for (doc, right) in args.doc {
        if docs.insert(doc.clone(), right).is_some() {
            return Err(UsageError::DocTwice(doc));
        }
    }
    let docs = if docs.is_empty() { None } else { Some(Grants::try_from(docs)?) };
    Ok(TokenJob::Issue(Issue {
        keys: args.keys.unwrap_or_default().into(),
        kid: args.kid,
        user: args.user.unwrap_or_default(),
        name: args.name,
        docs,
        ttl: args.ttl,
        audience,
        issuer,
    }))
}

fn grant(text: &str) -> Result<(String, Right), String> {
    let (doc, right) = text.rsplit_once('=').ok_or("it is a document and a right, such as notes=write")?;
    let right: Right = right.parse().map_err(|error| format!("{error}"))?;
    // Alone, to find what is wrong with it where it stands.
    Grants::try_from(BTreeMap::from([(doc.to_owned(), right)])).map_err(|error| error.to_string())?;
    Ok((doc.to_owned(), right))
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "it is a number and a unit, s, m or h, such as 30s, 15m or 24h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let time = Duration::from_secs(number.saturating_mul(unit));
    if time.is_zero() || time > TOKEN_LIFETIME_MAX {
        return Err("a token lives for 1s at least, and 24h at most".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::super::{ArgsError, Command, parse};
    use super::*;

    fn read(line: &str) -> Result<Command, ArgsError> {
        parse(line.split_whitespace().map(Into::into))
    }

    fn why(line: &str) -> String {
        match read(line) {
            Err(error) => error.to_string(),
            Ok(command) => panic!("{line}: {command:?}"),
        }
    }

    #[test]
    fn keys_are_made_and_rotated() {
        let job = |line: &str| match read(line) {
            Ok(Command::Keys(job)) => job,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(job("inklog keys new"), KeysJob::New(Algorithm::Es256));
        assert_eq!(job("inklog keys new --alg eddsa"), KeysJob::New(Algorithm::EdDsa));
        let file = PathBuf::from("k.json");
        let add = KeysJob::Add { file: file.clone(), algorithm: Algorithm::Hs256 };
        assert_eq!(job("inklog keys add k.json --alg HS256"), add);
        let remove = KeysJob::Remove { file: file.clone(), kid: "a".into() };
        assert_eq!(job("inklog keys remove k.json a"), remove);
        assert_eq!(job("inklog keys public k.json"), KeysJob::Public { file });
        assert!(why("inklog keys new --alg RS256").contains("ES256"));
        for line in ["inklog keys", "inklog keys add", "inklog keys remove k.json", "inklog keys public"] {
            why(line);
        }
    }

    #[test]
    fn a_token_has_a_user_and_rights() {
        let Ok(Command::Token(TokenJob::Issue(issue))) = read(
            "inklog token --keys k.json --user alice --name Al --doc notes=write --doc team-a.*=read --ttl 90s",
        ) else {
            panic!("not a token")
        };
        let docs = serde_json::from_str(r#"{"notes":"write","team-a.*":"read"}"#).unwrap();
        assert_eq!((issue.user.as_str(), issue.docs), ("alice", Some(docs)));
        assert_eq!((issue.ttl, issue.audience.as_str()), (Duration::from_secs(90), "inklog"));
        let Ok(Command::Token(TokenJob::Issue(issue))) = read("inklog token --keys k.json --user a") else {
            panic!("not a token")
        };
        assert_eq!((issue.ttl, issue.docs), (Duration::from_secs(3_600), None));
    }

    #[test]
    fn a_token_is_checked_with_keys_or_without() {
        let check = |line: &str| match read(line) {
            Ok(Command::Token(TokenJob::Check(check))) => (check.token, check.keys, check.audience),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(check("inklog token --check a.b.c"), (Some("a.b.c".into()), None, "inklog".into()));
        let told = (None, Some("https://a/".into()), "x".into());
        assert_eq!(check("inklog token --check - --keys https://a/ --aud x"), told);
    }

    #[test]
    fn what_means_nothing_is_refused_with_a_hint() {
        for (line, hint) in [
            ("inklog token --user a", "--keys"),
            ("inklog token --keys k", "--user"),
            ("inklog token --check x --user a", "--user"),
            ("inklog token --check x --ttl 1h", "--ttl"),
            ("inklog token --keys k --user a --doc notes", "notes=write"),
            ("inklog token --keys k --user a --doc notes=admin", "read, write or manage"),
            ("inklog token --keys k --user a --doc n*s=read", "at the end only"),
            ("inklog token --keys k --user a --doc n=read --doc n=write", "twice"),
            ("inklog token --keys k --user a --ttl 25h", "24h at most"),
            ("inklog token --keys k --user a --ttl 0s", "1s at least"),
            ("inklog token --keys k --user a --ttl 10", "a unit"),
            ("inklog token --keys k --user a --ttl +1h", "a unit"),
            ("inklog token --keys k --user a --ttl é", "a unit"),
            ("inklog token --keys k --user a --ttl 99999999999999999999h", "a unit"),
        ] {
            let why = why(line);
            assert!(why.contains(hint), "{line}: {why}");
        }
        assert_eq!(time("24h"), Ok(TOKEN_LIFETIME_MAX));
        assert!(time("86401s").is_err() && time("").is_err() && time("h").is_err());
    }
}
