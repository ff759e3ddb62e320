//! What a command line means: every value checked, every default filled in.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use inklog_access::{GrantsError, Rules};
use inklog_local::editor::is_editor;
use inklog_local::{Auth, Data, Latency, StackConfig};
use inklog_protocol::{DocId, DocIdError, UserName, UserNameError};

use super::access;
use super::{DevArgs, EachArgs, LoadArgs, PlayArgs, RawCommand, RawLatency, StackArgs, TargetArgs};
use crate::keys::KeysJob;
use crate::load::Load;
use crate::operator::{HttpBase, HttpError, Job, Target, Which};
use crate::play::Play;
use crate::token::TokenJob;

/// Where a stack runs by default.
const RUNNING_URL: &str = "http://127.0.0.1:8080";
/// Where `dev` keeps its data by default.
const DATA_DIR: &str = ".inklog";
/// Where `make run` builds the editor, relative to the project's folder.
const EDITOR_DIR: &str = "web/editor/dist";
/// Set if the jobs are to run on AWS.
const AWS_VARIABLE: &str = "INKLOG_OPLOG_TABLE";
/// More clients than this are too many for one process.
const CLIENTS_MAX: usize = 1_000;

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Run a stack.
    Dev(StackConfig),
    /// Play a trace.
    Play {
        /// What and where.
        play: Play,
        /// Whether to print the results as JSON.
        json: bool,
    },
    /// Generate load.
    Load {
        /// How much and where.
        load: Load,
        /// Whether to print the results as JSON.
        json: bool,
    },
    /// Make or change keys.
    Keys(KeysJob),
    /// Issue or check a token.
    Token(TokenJob),
    /// Do a job.
    Job {
        /// Which.
        job: Job,
        /// Where.
        target: Target,
        /// Whether to print the outcome as JSON.
        json: bool,
    },
}

/// The arguments make no sense.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// A document's name.
    #[error("{name:?} is not a document's name: {error}")]
    Doc {
        /// As written.
        name: String,
        /// What is wrong with it.
        error: DocIdError,
    },
    /// A user's name.
    #[error("{name:?} is not a user's name: {error}")]
    User {
        /// As written.
        name: String,
        /// What is wrong with it.
        error: UserNameError,
    },
    /// Two rights to one document.
    #[error("--doc names {0} twice: which right is meant?")]
    DocTwice(String),
    /// Rights that no token may hold.
    #[error(transparent)]
    Grants(#[from] GrantsError),
    /// A stack's address.
    #[error(transparent)]
    Url(#[from] HttpError),
    /// Two places for the data.
    #[error("--memory and --data (or INKLOG_MEMORY and INKLOG_DATA) cannot be combined")]
    TwoPlaces,
    /// A number out of its range.
    #[error("{flag} must be {range}")]
    Range {
        /// The flag.
        flag: &'static str,
        /// The allowed range.
        range: &'static str,
    },
    /// A document to choose, but no stack that has any.
    #[error("--doc needs --url: without it, the stack is new and has no documents")]
    DocWithoutUrl,
}

/// Interprets the command line; `given` tells arguments from variables and defaults.
pub(super) fn meant(raw: RawCommand, given: Option<&ArgMatches>) -> Result<Command, UsageError> {
    let aws = std::env::var_os(AWS_VARIABLE).is_some_and(|table| !table.is_empty());
    let job = |job: Job, target: TargetArgs| {
        let json = target.json;
        Ok(Command::Job { job, target: where_meant(target, aws)?, json })
    };
    match raw {
        RawCommand::Dev(args) => Ok(Command::Dev(dev(args, given)?)),
        RawCommand::Play(args) => play(args),
        RawCommand::Load(args) => load(args),
        RawCommand::Keys(args) => Ok(Command::Keys(args.into())),
        RawCommand::Token(args) => Ok(Command::Token(access::token(args)?)),
        RawCommand::Docs(args) => job(Job::Docs, args.target),
        RawCommand::Cat(args) => job(Job::Cat(doc(&args.doc)?, args.from.into()), args.target),
        RawCommand::Log(args) => job(Job::Log(doc(&args.doc)?), args.target),
        RawCommand::Verify(args) => job(Job::Verify(which(&args)?), args.target),
        RawCommand::Rebuild(args) => job(Job::Rebuild(which(&args)?), args.target),
        RawCommand::Compact(args) => job(Job::Compact(which(&args)?), args.target),
        RawCommand::Who(args) => job(Job::Who(doc(&args.doc)?), args.target),
        RawCommand::Revoke(args) => {
            let of = args.doc.as_deref().map(doc).transpose()?;
            job(Job::Revoke(user(&args.user)?, of), args.target)
        }
    }
}

fn dev(args: DevArgs, given: Option<&ArgMatches>) -> Result<StackConfig, UsageError> {
    let rank = |name: &str| match given.and_then(|given| given.value_source(name)) {
        Some(ValueSource::CommandLine) => 2,
        Some(ValueSource::EnvVariable) => 1,
        _ => 0,
    };
    let memory = if args.memory { rank("memory") } else { 0 };
    let data = match args.data {
        Some(_) if memory > 0 && memory == rank("data") => return Err(UsageError::TwoPlaces),
        // A flag outweighs a variable.
        Some(dir) if memory < rank("data") => Data::Dir(dir),
        _ if memory > 0 => Data::Memory,
        dir => Data::Dir(dir.unwrap_or_else(|| PathBuf::from(DATA_DIR))),
    };
    Ok(StackConfig {
        host: args.host,
        port: args.port,
        allow_origins: args.allow_origin.into_iter().filter(|origin| !origin.is_empty()).collect(),
        auth: given_text(args.auth).map(|keys| Auth {
            keys,
            rules: Rules {
                audience: args.audience,
                issuer: given_text(args.issuer),
                default_access: args.default_access.into(),
            },
        }),
        data,
        redis: given_text(args.redis),
        redis_ca: args.redis_ca.filter(|file| !file.as_os_str().is_empty()),
        dynamodb_endpoint: given_text(args.dynamodb_endpoint),
        s3_endpoint: given_text(args.s3_endpoint),
        latency: match args.latency {
            RawLatency::Fast => Latency::fast(),
            RawLatency::Aws => Latency::Aws,
        },
        editor: match args.editor.filter(|dir| !dir.as_os_str().is_empty()) {
            // If it is named but missing, the stack reports the error.
            Some(dir) => Some(dir),
            None => Some(PathBuf::from(EDITOR_DIR)).filter(|dir| is_editor(dir)),
        },
        ..StackConfig::default()
    })
}

/// An empty variable counts as unset.
fn given_text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn play(args: PlayArgs) -> Result<Command, UsageError> {
    if args.edits_per_event == 0 {
        return Err(UsageError::Range { flag: "--edits-per-event", range: "at least 1" });
    }
    let (url, doc, patience) = stack(args.stack)?;
    let play = Play { trace: args.trace, url, doc, edits_per_event: args.edits_per_event, patience };
    Ok(Command::Play { play, json: args.json })
}

fn load(args: LoadArgs) -> Result<Command, UsageError> {
    if !(1..=CLIENTS_MAX).contains(&args.clients) {
        return Err(UsageError::Range { flag: "--clients", range: "1 to 1000" });
    }
    if !(args.rate > 0.0 && args.rate <= 1_000.0) {
        return Err(UsageError::Range { flag: "--rate", range: "more than 0, at most 1000" });
    }
    if !(args.seconds > 0.0 && args.seconds <= 86_400.0) {
        return Err(UsageError::Range { flag: "--seconds", range: "more than 0, at most 86400" });
    }
    if !(0.0..=86_400.0).contains(&args.warm_up) {
        return Err(UsageError::Range { flag: "--warm-up", range: "0 to 86400" });
    }
    let (clients, rate, seconds, warm_up) = (args.clients, args.rate, args.seconds, args.warm_up);
    let (url, doc, patience) = stack(args.stack)?;
    let load = Load { clients, rate, seconds, warm_up, url, doc, token: args.token, patience };
    Ok(Command::Load { load, json: args.json })
}

type StackMeant = (Option<String>, Option<DocId>, Duration);

fn stack(args: StackArgs) -> Result<StackMeant, UsageError> {
    let url = args.url.map(|url| HttpBase::parse(&url)).transpose()?.map(|base| base.url().to_owned());
    if url.is_none() && args.doc.is_some() {
        return Err(UsageError::DocWithoutUrl);
    }
    let doc = args.doc.as_deref().map(doc).transpose()?;
    Ok((url, doc, Duration::from_secs(args.patience)))
}

fn doc(name: &str) -> Result<DocId, UsageError> {
    DocId::new(name).map_err(|error| UsageError::Doc { name: name.to_owned(), error })
}

fn user(name: &str) -> Result<UserName, UsageError> {
    UserName::new(name).map_err(|error| UsageError::User { name: name.to_owned(), error })
}

fn which(args: &EachArgs) -> Result<Which, UsageError> {
    match &args.doc {
        Some(name) => Ok(Which::One(doc(name)?)),
        None => Ok(Which::All),
    }
}

fn where_meant(args: TargetArgs, aws: bool) -> Result<Target, UsageError> {
    Ok(match (args.data, args.url) {
        (Some(dir), _) => Target::Stopped(dir),
        (None, Some(url)) => Target::Running(HttpBase::parse(&url)?),
        (None, None) if aws => Target::Aws,
        (None, None) => Target::Running(HttpBase::parse(RUNNING_URL)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ArgsError, Cli, parse};
    use super::*;
    use clap::CommandFactory as _;
    use inklog_operator::Source;
    use inklog_protocol::Right;

    fn read(line: &str) -> Result<Command, ArgsError> {
        parse(line.split_whitespace().map(Into::into))
    }

    fn job(line: &str) -> (Job, Target, bool) {
        match read(line) {
            Ok(Command::Job { job, target, json }) => (job, target, json),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn jobs_have_a_document_and_a_place() {
        let notes = DocId::new("notes").unwrap();
        let running = Target::Running(HttpBase::parse("http://127.0.0.1:8080").unwrap());
        let cat = job("inklog cat notes --from snapshot --data x --json");
        assert_eq!(cat, (Job::Cat(notes.clone(), Source::Snapshot), Target::Stopped("x".into()), true));
        assert_eq!(job("inklog verify notes"), (Job::Verify(Which::One(notes)), running.clone(), false));
        assert_eq!(job("inklog rebuild --all"), (Job::Rebuild(Which::All), running, false));
        let (ann, notes) = (UserName::new("ann").unwrap(), DocId::new("notes").unwrap());
        assert_eq!(job("inklog who notes").0, Job::Who(notes.clone()));
        assert_eq!(job("inklog revoke --user ann").0, Job::Revoke(ann.clone(), None));
        assert_eq!(job("inklog revoke --doc notes --user ann").0, Job::Revoke(ann, Some(notes)));
        let none = TargetArgs { data: None, url: None, json: false };
        assert_eq!(where_meant(none, true).unwrap(), Target::Aws);
        let url = TargetArgs { data: None, url: Some("http://[::1]:9/".into()), json: false };
        let Target::Running(base) = where_meant(url, true).unwrap() else { panic!("not a running stack") };
        assert_eq!(base.url(), "http://[::1]:9");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for line in [
            "inklog",
            "inklog dance",
            "inklog verify",
            "inklog verify d --all",
            "inklog cat a/b",
            "inklog who",
            "inklog revoke",
            "inklog revoke --user a~b",
            "inklog revoke --user ann --doc a/b",
            "inklog docs --data x --url http://127.0.0.1:1",
            "inklog docs --url https://example.org",
            "inklog play t --edits-per-event 0",
            "inklog play t --doc d",
            "inklog load --clients 0",
            "inklog load --rate NaN",
            "inklog dev --memory --data x",
            "inklog dev --latency slow",
            "inklog dev --host nowhere",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn dev_takes_real_services() {
        let Ok(Command::Dev(config)) = read(
            "inklog dev --port 0 --memory --redis redis://r --s3-endpoint http://s --latency aws --editor e",
        ) else {
            panic!("not dev")
        };
        assert_eq!((config.port, config.data, config.latency), (0, Data::Memory, Latency::Aws));
        assert_eq!(config.redis.as_deref(), Some("redis://r"));
        assert_eq!(config.editor, Some("e".into()));
        assert_eq!((config.dynamodb_endpoint, config.s3_endpoint.as_deref()), (None, Some("http://s")));
    }

    #[test]
    fn dev_serves_this_machine_unless_told() {
        let Ok(Command::Dev(config)) = read("inklog dev") else { panic!("not dev") };
        assert!(config.host.is_loopback() && config.allow_origins.is_empty());
        let Ok(Command::Dev(config)) =
            read("inklog dev --host 0.0.0.0 --allow-origin https://a --allow-origin https://b")
        else {
            panic!("not dev")
        };
        assert!(config.host.is_unspecified());
        assert_eq!(config.allow_origins, ["https://a", "https://b"]);
    }

    #[test]
    fn dev_demands_tokens_when_told_with_what_to_verify_them() {
        let Ok(Command::Dev(config)) = read("inklog dev --default-access manage") else { panic!("not dev") };
        assert!(config.auth.is_none());
        let Ok(Command::Dev(config)) = read("inklog dev --auth keys.json") else { panic!("not dev") };
        let auth = config.auth.expect("it was told");
        assert_eq!((auth.keys.as_str(), auth.rules), ("keys.json", Rules::default()));
        let Ok(Command::Dev(config)) =
            read("inklog dev --auth https://i/jwks --audience app --issuer https://i --default-access read")
        else {
            panic!("not dev")
        };
        let rules = config.auth.expect("it was told").rules;
        assert_eq!((rules.audience.as_str(), rules.issuer.as_deref()), ("app", Some("https://i")));
        assert_eq!(rules.default_access, Some(Right::Read));
        assert!(read("inklog dev --auth keys.json --default-access admin").is_err());
    }

    #[test]
    fn play_and_load_have_their_defaults() {
        let Ok(Command::Play { play, json: false }) = read("inklog play t.json.gz") else {
            panic!("not play")
        };
        assert_eq!((play.url, play.doc, play.patience), (None, None, Duration::from_secs(60)));
        let Ok(Command::Load { load, json: true }) =
            read("inklog load --json --url http://127.0.0.1:8080/ --doc d")
        else {
            panic!("not load")
        };
        assert_eq!((load.clients, load.rate, load.seconds, load.warm_up), (20, 10.0, 20.0, 3.0));
        assert_eq!(load.url.as_deref(), Some("http://127.0.0.1:8080"));
    }
}
