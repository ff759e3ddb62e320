//! The command line as written. [`meant`] interprets it.

mod access;
mod meant;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use inklog_access::AUDIENCE;
use inklog_operator::Source;
use inklog_protocol::Right;

pub use meant::{Command, UsageError};

/// Real-time collaborative text that keeps every edit: runs the whole pipeline on this machine, and the
/// operator's jobs here or on AWS.
#[derive(Debug, Parser)]
#[command(
    name = "inklog",
    version,
    after_help = "\
Get started:
  inklog dev                                    run everything on this machine, with its data in ./.inklog
  inklog play TRACE.json.gz                     play back a recorded session and check the result
  inklog docs                                   list the documents of a running stack
  inklog cat notes                              print a document's text

Exit code: 0 on success, 1 on failure.
Logs go to stderr; set RUST_LOG=info for more."
)]
struct Cli {
    #[command(subcommand)]
    command: RawCommand,
}

#[derive(Debug, Subcommand)]
enum RawCommand {
    /// Run the whole pipeline on this machine
    Dev(DevArgs),
    /// Play back a recorded editing session and check that every text ends as recorded
    Play(PlayArgs),
    /// Make many clients type in one document and measure how soon each sees the others' edits
    Load(LoadArgs),
    /// Make and rotate the keys that sign tokens
    #[command(subcommand)]
    Keys(access::KeysArgs),
    /// Issue a token, or tell what one allows
    Token(access::TokenArgs),
    /// List the documents
    #[command(after_help = "\
Examples:
  inklog docs                        of the stack running on this machine
  inklog docs --data .inklog         of a stopped stack
  inklog docs --json | jq -r '.[].doc'")]
    Docs(DocsArgs),
    /// Print a document's text, byte for byte
    #[command(after_help = "\
Examples:
  inklog cat notes > notes.txt
  inklog cat notes --from log        replayed from the log, whatever the live state says
  inklog cat notes --from snapshot   as of the last compaction")]
    Cat(CatArgs),
    /// List a document's events: who wrote what, when, and where it is stored
    #[command(after_help = "\
Examples:
  inklog log notes
  inklog log notes --json | jq '.[] | {at, agent, after}'")]
    Log(LogArgs),
    /// Check that live state, log, snapshot and history agree
    #[command(after_help = "\
Reads all of a document's stores and compares them; changes nothing. Exits with 1 if something is wrong.
A missing live state is not an error: the next reader rebuilds it. A damaged one is, until
a reader, `inklog compact` or `inklog rebuild` has made it anew.

Examples:
  inklog verify notes
  inklog verify --all --data .inklog")]
    Verify(EachArgs),
    /// Discard a document's live state and rebuild it from the log
    #[command(after_help = "\
Loses nothing: the live state is derived from the log.

Examples:
  inklog rebuild notes
  inklog rebuild --all")]
    Rebuild(EachArgs),
    /// Write a snapshot now, and delete from the log what earlier snapshots hold
    #[command(after_help = "\
The stack does this automatically on a schedule. Items leave the log only once a snapshot and a history
segment hold them, and not before a grace period has passed.

Examples:
  inklog compact notes
  inklog compact --all")]
    Compact(EachArgs),
    /// List who is connected to a document, and what each may do there
    #[command(after_help = "\
A connection that has gone without a goodbye is listed for up to a quarter of an hour.
On AWS, set INKLOG_API_ENDPOINT as well, to the stack's output.

Examples:
  inklog who notes
  inklog who notes --json | jq -r '.[].user'")]
    Who(WhoArgs),
    /// Make the tokens void that a user has, and close the user's connections
    #[command(after_help = "\
The user can connect again with a token that is issued later: also tell whoever issues tokens.
New connections are refused at once; functions that are running notice within a minute.
If something fails, it is said, the exit code is 1, and running it again does the rest.
On AWS, set INKLOG_API_ENDPOINT as well, to the stack's output.

Examples:
  inklog revoke --user alice
  inklog revoke --user alice --doc notes")]
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints one line that starts with `ready:` once it accepts connections. Ctrl-C stops it; acknowledged
edits survive even kill -9.

Examples:
  inklog dev
  inklog dev --port 9000 --memory
  inklog dev --auth keys.json
  inklog dev --host 0.0.0.0 --auth https://idp.example.org/jwks.json --allow-origin https://notes.example.org
  inklog dev --redis redis://127.0.0.1:6379 --latency aws")]
struct DevArgs {
    /// Address to serve on; on any but a loopback address, whoever reaches it can read and edit everything,
    /// unless --auth demands tokens
    #[arg(long, env = "INKLOG_HOST", default_value = "127.0.0.1", value_name = "IP")]
    host: IpAddr,
    /// Another site whose pages may connect, such as https://notes.example.org, or the name by which browsers
    /// reach this one; may be repeated
    #[arg(long, env = "INKLOG_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    allow_origin: Vec<String>,
    /// Demand tokens, verified with these keys: a file with a key set (JWKS) or its https:// address
    #[arg(long, env = "INKLOG_AUTH", value_name = "KEYS")]
    auth: Option<String>,
    /// With --auth: what a token's `aud` must be
    #[arg(long, env = "INKLOG_AUDIENCE", default_value = AUDIENCE, value_name = "NAME")]
    audience: String,
    /// With --auth: what a token's `iss` must be [default: anybody who has a key]
    #[arg(long, env = "INKLOG_ISSUER", value_name = "NAME")]
    issuer: Option<String>,
    /// With --auth: the right to every document of a token that names none
    #[arg(long, env = "INKLOG_DEFAULT_ACCESS", value_enum, default_value_t = RawAccess::None)]
    default_access: RawAccess,
    /// Port; 0 picks a free one
    #[arg(long, env = "INKLOG_PORT", default_value_t = 8080, value_name = "N")]
    port: u16,
    /// Folder for all data [default: .inklog]
    #[arg(long, env = "INKLOG_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep everything in memory instead, and discard it at the end
    #[arg(long, env = "INKLOG_MEMORY", value_parser = FalseyValueParser::new())]
    memory: bool,
    /// A real Redis instead of the embedded live state
    #[arg(long, env = "INKLOG_REDIS_URL", value_name = "URL")]
    redis: Option<String>,
    /// PEM file of the private authority that signed the certificate of Redis (rediss://);
    /// trusted for Redis only, instead of the system's
    #[arg(long, env = "INKLOG_REDIS_CA_FILE", value_name = "FILE")]
    redis_ca: Option<PathBuf>,
    /// A real DynamoDB instead of the embedded one
    #[arg(long, env = "INKLOG_DYNAMODB_ENDPOINT", value_name = "URL")]
    dynamodb_endpoint: Option<String>,
    /// A real S3 instead of the embedded one
    #[arg(long, env = "INKLOG_S3_ENDPOINT", value_name = "URL")]
    s3_endpoint: Option<String>,
    /// Folder of the built browser editor [default: web/editor/dist, if it exists]
    #[arg(long, env = "INKLOG_EDITOR", value_name = "DIR")]
    editor: Option<PathBuf>,
    /// How soon the stream's functions receive an edit
    #[arg(long, env = "INKLOG_LATENCY", value_enum, default_value_t = RawLatency::Fast)]
    latency: RawLatency,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RawAccess {
    None,
    Read,
    Write,
    Manage,
}

impl From<RawAccess> for Option<Right> {
    fn from(raw: RawAccess) -> Option<Right> {
        match raw {
            RawAccess::None => None,
            RawAccess::Read => Some(Right::Read),
            RawAccess::Write => Some(Right::Write),
            RawAccess::Manage => Some(Right::Manage),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RawLatency {
    /// At once
    Fast,
    /// As on AWS: four polls per second
    Aws,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reads both formats of github.com/josephg/editing-traces, sequential and concurrent. Each author gets a
client, which types on exactly what that author had seen; if there is one author, a second client watches.
In the end every client, the live state, the log and a fresh snapshot must equal the trace's end.

Examples:
  inklog play friendsforever.concurrent.json.gz            on a stack of its own, in memory
  inklog play sveltecomponent.json.gz --url http://127.0.0.1:8080 --doc svelte
  inklog play automerge-paper.json.gz --json | jq .ack")]
struct PlayArgs {
    /// A .json or .json.gz file
    trace: PathBuf,
    #[command(flatten)]
    stack: StackArgs,
    /// Maximum number of edits in one event
    #[arg(long, default_value_t = 256, value_name = "N")]
    edits_per_event: usize,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Every (edit, receiver) pair is a sample: from the local edit to its application in the other client's
document. In the end all texts must be equal, and the log must hold every edit.

Examples:
  inklog load
  inklog load --clients 50 --rate 5 --seconds 60 --url http://127.0.0.1:8080")]
struct LoadArgs {
    /// Number of clients
    #[arg(long, default_value_t = 20, value_name = "N")]
    clients: usize,
    /// Characters that each client types per second
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    rate: f64,
    /// Seconds to measure
    #[arg(long, default_value_t = 20.0, value_name = "S")]
    seconds: f64,
    /// Seconds of warm-up before the measurement
    #[arg(long, default_value_t = 3.0, value_name = "S")]
    warm_up: f64,
    #[command(flatten)]
    stack: StackArgs,
    /// A token for a stack that demands them: all clients are its user, who must be allowed to write --doc
    #[arg(long, env = "INKLOG_TOKEN", hide_env_values = true, value_name = "TOKEN", requires = "url")]
    token: Option<String>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct StackArgs {
    /// A running stack, such as http://127.0.0.1:8080, instead of a private one in memory
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The document to type in, which must be empty [default: a new one]
    #[arg(long, value_name = "NAME")]
    doc: Option<String>,
    /// Seconds that the server may be unreachable before the clients give up
    #[arg(long, default_value_t = 60, value_name = "S")]
    patience: u64,
}

#[derive(Debug, Args)]
struct DocsArgs {
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct CatArgs {
    /// The document's name
    doc: String,
    /// Which store to read from
    #[arg(long, value_enum, default_value_t = RawSource::Live)]
    from: RawSource,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RawSource {
    /// What clients see; rebuilt if it is missing
    Live,
    /// The newest snapshot plus the log
    Log,
    /// Only the newest snapshot
    Snapshot,
}

impl From<RawSource> for Source {
    fn from(raw: RawSource) -> Source {
        match raw {
            RawSource::Live => Source::Live,
            RawSource::Log => Source::Log,
            RawSource::Snapshot => Source::Snapshot,
        }
    }
}

#[derive(Debug, Args)]
struct LogArgs {
    /// The document's name
    doc: String,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct EachArgs {
    /// The document's name
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    doc: Option<String>,
    /// All documents
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct WhoArgs {
    /// The document's name
    doc: String,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The user's name
    #[arg(long, value_name = "NAME")]
    user: String,
    /// Only for this document [default: for all]
    #[arg(long, value_name = "NAME")]
    doc: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct TargetArgs {
    /// The data folder of a stopped stack
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data: Option<PathBuf>,
    /// A running stack; without --data and --url: AWS if INKLOG_OPLOG_TABLE is set, otherwise
    /// http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// clap's answer: an error with a hint, or the requested help.
    #[error(transparent)]
    Clap(#[from] clap::Error),
    /// The arguments are well-formed but make no sense.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// Reads a command line, the program's name first.
pub fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Command, ArgsError> {
    let matches = Cli::command().try_get_matches_from(line)?;
    let raw = Cli::from_arg_matches(&matches)?;
    let given: Option<&ArgMatches> = matches.subcommand().map(|(_, given)| given);
    Ok(meant::meant(raw.command, given)?)
}
