//! The command line as it is written. What is meant by it is [`meant`]'s to say.

mod meant;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use inklog_operator::Source;

pub use meant::{Command, UsageError};

/// Real-time collaborative text whose every edit is kept: the whole pipeline on this machine, and the
/// operator's jobs on any of its stores.
#[derive(Debug, Parser)]
#[command(
    name = "inklog",
    version,
    after_help = "\
Begin with:
  inklog dev                                    run everything here, in ./.inklog
  inklog play TRACE.json.gz                     type a recorded session, and check the outcome
  inklog docs                                   what a running stack holds
  inklog cat notes                              one document's text

Exit code: 0 when all is well, 1 when it is not.
Logs go to stderr; RUST_LOG=info shows more of them."
)]
struct Cli {
    #[command(subcommand)]
    command: RawCommand,
}

#[derive(Debug, Subcommand)]
enum RawCommand {
    /// Run the whole pipeline on this machine
    Dev(DevArgs),
    /// Type a recorded editing session again, and check that every text ends right
    Play(PlayArgs),
    /// Let many clients type in one document, and measure how soon they see each other
    Load(LoadArgs),
    /// List the documents
    #[command(after_help = "\
Examples:
  inklog docs                        of the stack that runs here
  inklog docs --data .inklog         of a stack that is stopped
  inklog docs --json | jq -r '.[].doc'")]
    Docs(DocsArgs),
    /// Print a document's text, byte for byte
    #[command(after_help = "\
Examples:
  inklog cat notes > notes.txt
  inklog cat notes --from log        replayed from the log, whatever the live state says
  inklog cat notes --from snapshot   as of the last compaction")]
    Cat(CatArgs),
    /// List a document's events: who wrote what, when, and where it is kept
    #[command(after_help = "\
Examples:
  inklog log notes
  inklog log notes --json | jq '.[] | {at, agent, after}'")]
    Log(LogArgs),
    /// Check that live state, log, snapshot and history agree
    #[command(after_help = "\
Reads all of a document's stores and holds them against each other; changes nothing. Exit code 1 when
something is wrong. A missing live state is not wrong: the next reader rebuilds it. A damaged one is, until
a reader, `inklog compact` or `inklog rebuild` has made it anew.

Examples:
  inklog verify notes
  inklog verify --all --data .inklog")]
    Verify(EachArgs),
    /// Throw a document's live state away and make it anew from the log
    #[command(after_help = "\
Loses nothing: the live state is derived from the log.

Examples:
  inklog rebuild notes
  inklog rebuild --all")]
    Rebuild(EachArgs),
    /// Write a snapshot now, and take from the log what earlier snapshots hold
    #[command(after_help = "\
The stack does this by itself on a schedule. Items leave the log only when a snapshot and a history
segment hold them, and not before a grace period has passed.

Examples:
  inklog compact notes
  inklog compact --all")]
    Compact(EachArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints one line that starts with `ready:` when it accepts connections. Ctrl-C ends it; what was
acknowledged survives even kill -9.

Examples:
  inklog dev
  inklog dev --port 9000 --memory
  inklog dev --host 0.0.0.0 --allow-origin https://notes.example.org
  inklog dev --redis redis://127.0.0.1:6379 --latency aws")]
struct DevArgs {
    /// Address to serve on; beyond 127.0.0.1, whoever reaches it can read and edit everything
    #[arg(long, env = "INKLOG_HOST", default_value = "127.0.0.1", value_name = "IP")]
    host: IpAddr,
    /// A page of another site that may connect, such as https://notes.example.org, where --host is not
    /// this machine alone; may be given again
    #[arg(long, env = "INKLOG_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    allow_origin: Vec<String>,
    /// Port; 0 takes a free one
    #[arg(long, env = "INKLOG_PORT", default_value_t = 8080, value_name = "N")]
    port: u16,
    /// Folder to keep everything in [default: .inklog]
    #[arg(long, env = "INKLOG_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep everything in memory instead, and forget it at the end
    #[arg(long, env = "INKLOG_MEMORY", value_parser = FalseyValueParser::new())]
    memory: bool,
    /// A real Redis in place of the embedded live state
    #[arg(long, env = "INKLOG_REDIS_URL", value_name = "URL")]
    redis: Option<String>,
    /// A real DynamoDB in place of the embedded one
    #[arg(long, env = "INKLOG_DYNAMODB_ENDPOINT", value_name = "URL")]
    dynamodb_endpoint: Option<String>,
    /// A real S3 in place of the embedded one
    #[arg(long, env = "INKLOG_S3_ENDPOINT", value_name = "URL")]
    s3_endpoint: Option<String>,
    /// Folder of the built browser editor [default: web/editor/dist, where that is there]
    #[arg(long, env = "INKLOG_EDITOR", value_name = "DIR")]
    editor: Option<PathBuf>,
    /// How soon the stream's functions learn of an edit
    #[arg(long, env = "INKLOG_LATENCY", value_enum, default_value_t = RawLatency::Fast)]
    latency: RawLatency,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RawLatency {
    /// At once
    Fast,
    /// As on AWS: four polls a second
    Aws,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reads both formats of github.com/josephg/editing-traces, sequential and concurrent. There is one client
an author, which types on exactly what that author had seen; with one author, a second client looks on.
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
    /// An author's event holds at most this many edits
    #[arg(long, default_value_t = 256, value_name = "N")]
    edits_per_event: usize,
    /// Print the figures as JSON
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
    /// How many clients
    #[arg(long, default_value_t = 20, value_name = "N")]
    clients: usize,
    /// Characters that each client types in a second
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    rate: f64,
    /// Seconds that are measured
    #[arg(long, default_value_t = 20.0, value_name = "S")]
    seconds: f64,
    /// Seconds before them that are not
    #[arg(long, default_value_t = 3.0, value_name = "S")]
    warm_up: f64,
    #[command(flatten)]
    stack: StackArgs,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct StackArgs {
    /// A running stack, such as http://127.0.0.1:8080, in place of one of its own in memory
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The document to type in, which must be empty; a fresh one when left out
    #[arg(long, value_name = "NAME")]
    doc: Option<String>,
    /// Seconds that the server may stay away before the clients give up
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
    /// Which document
    doc: String,
    /// Which store to read it from
    #[arg(long, value_enum, default_value_t = RawSource::Live)]
    from: RawSource,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RawSource {
    /// What clients see; rebuilt when it is missing
    Live,
    /// The log on the newest snapshot
    Log,
    /// The newest snapshot alone
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
    /// Which document
    doc: String,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct EachArgs {
    /// Which document
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    doc: Option<String>,
    /// All documents
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct TargetArgs {
    /// The data folder of a stack that is stopped
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data: Option<PathBuf>,
    /// A running stack; when neither is given: AWS if INKLOG_OPLOG_TABLE is set, else
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
    /// clap's word: an error with a hint, or the help that was asked for.
    #[error(transparent)]
    Clap(#[from] clap::Error),
    /// The arguments are well-formed and mean nothing.
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
