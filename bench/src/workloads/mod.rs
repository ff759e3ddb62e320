//! The workloads, each the same code for every subject.

pub mod load;
pub mod local;
pub mod merge;
pub mod pipeline;
pub mod remote;
pub mod scale;
pub mod shapes;
pub mod size;

use crate::measure::{Case, Effort, Figure, Patience, TooLong, medians};
use crate::subjects::Subject;
use crate::trace::{Edit, Kind, Trace, Unit, in_unit};

/// Why a subject has no figure.
#[derive(Debug, Clone)]
pub struct Absent {
    pub workload: String,
    pub subject: &'static str,
    pub why: String,
}

/// What has been found so far.
#[derive(Default)]
pub struct Results {
    pub figures: Vec<Figure>,
    pub absent: Vec<Absent>,
}

impl Results {
    pub fn add(
        &mut self,
        workload: &str,
        trace: &str,
        subject: &str,
        value: f64,
        unit: &'static str,
        ok: bool,
    ) {
        let (workload, trace, subject) = (workload.to_owned(), trace.to_owned(), subject.to_owned());
        eprintln!(
            "{workload:12} {trace:28} {subject:14} {value:12.3} {unit}{}",
            if ok { "" } else { "  TEXT WRONG" }
        );
        self.figures.push(Figure { workload, trace, subject, value, unit, ok });
    }

    pub fn lacks(&mut self, workload: &str, subject: &'static str, why: impl Into<String>) {
        let why = why.into();
        let is_same = |a: &Absent| a.workload == workload && a.subject == subject && a.why == why;
        if !self.absent.iter().any(is_same) {
            eprintln!("{workload:12} {subject}: {why}");
            self.absent.push(Absent { workload: workload.to_owned(), subject, why });
        }
    }

    /// The subject was stopped.
    pub fn took_too_long(&mut self, workload: &str, trace: &str, subject: &'static str) {
        self.lacks(workload, subject, format!("stopped after {} s of {trace}", Patience::LIMIT.as_secs()));
    }

    /// Measures the cases in turns and adds their medians.
    pub fn measure(
        &mut self,
        workload: &str,
        trace: &str,
        unit: &'static str,
        mut cases: Vec<Case>,
        effort: Effort,
    ) {
        for (subject, round) in medians(&mut cases, effort) {
            match round {
                Ok((value, ok)) => self.add(workload, trace, subject, value, unit, ok),
                Err(TooLong) => self.took_too_long(workload, trace, subject),
            }
        }
    }
}

/// Calls a generic function for every CRDT, or for jumprope too.
#[macro_export]
macro_rules! for_all {
    ($call:ident, $($arg:expr),*) => {{
        use $crate::subjects::*;
        $call::<Inklog>($($arg),*);
        $call::<Cola>($($arg),*);
        $call::<Diamond>($($arg),*);
        $call::<Yrs>($($arg),*);
        $call::<Loro>($($arg),*);
        $call::<Automerge>($($arg),*);
    }};
}

/// What a subject makes of a trace: made once, for all workloads that begin where it ends.
pub struct Played {
    /// Everything that was sent.
    pub messages: Vec<Vec<u8>>,
    /// See [`Subject::state`], [`Subject::small_states`], [`Subject::histories`].
    pub state: Vec<u8>,
    pub small_states: Vec<Vec<u8>>,
    pub histories: Result<Vec<Vec<u8>>, &'static str>,
    /// One character typed in the middle of the text.
    pub middle: Edit,
    /// Whether the text was right.
    pub ok: bool,
}

impl Played {
    fn new<S: Subject>(trace: &Trace) -> Result<Played, TooLong> {
        let (messages, replica) = play::<S>(trace)?;
        let text = replica.text();
        Ok(Played {
            state: replica.state(),
            small_states: replica.small_states(),
            histories: replica.histories(&messages),
            middle: edit_in_the_middle(&text, S::UNIT),
            ok: is_right(trace, &text),
            messages,
        })
    }
}

/// Plays a trace, keeping the messages.
fn play<S: Subject>(trace: &Trace) -> Result<(Vec<Vec<u8>>, S), TooLong> {
    let mut patience = Patience::new();
    match &trace.kind {
        Kind::Sequential { edits } => {
            let mut replica = S::new(0);
            let mut messages = Vec::with_capacity(edits.len());
            for edit in &in_unit(edits, S::UNIT) {
                messages.push(replica.edit_and_send(edit));
                patience.step()?;
            }
            Ok((messages, replica))
        }
        Kind::Concurrent { .. } => {
            let messages = merge::messages::<S>(trace)?;
            let replica = receive_all(&messages)?;
            Ok((messages, replica))
        }
    }
}

/// The workloads that begin with a session which was played: remote, load, memory and size.
pub fn played(trace: &Trace, wants: impl Fn(&str) -> bool, effort: Effort, results: &mut Results) {
    if !["remote", "load", "size"].into_iter().any(&wants) {
        return;
    }
    let (mut remote, mut load) = (Vec::new(), Vec::new());
    fn case<'a, S: Subject + 'a>(
        trace: &'a Trace,
        wants: &impl Fn(&str) -> bool,
        [remote, load]: [&mut Vec<Case<'a>>; 2],
        results: &mut Results,
    ) {
        let Ok(played) = Played::new::<S>(trace) else {
            for workload in [remote::name(trace), "load", "memory", "state", "history"] {
                results.took_too_long(workload, &trace.name, S::NAME);
            }
            return;
        };
        if wants("size") {
            size::add(trace, S::NAME, &played, results);
        }
        if wants("load") {
            load::memory::<S>(trace, &played, results);
            load.push(load::case::<S>(trace, &played));
        }
        if wants("remote") {
            remote.push(remote::case::<S>(trace, played.messages));
        }
    }
    for_all!(case, trace, &wants, [&mut remote, &mut load], results);
    remote::run(trace, remote, effort, results);
    load::run(trace, load, effort, results);
}

/// A replica that has received these messages, one by one.
pub fn receive_all<S: Subject>(messages: &[Vec<u8>]) -> Result<S, TooLong> {
    let mut patience = Patience::new();
    let mut replica = S::new(merge::SERVER);
    for message in messages {
        replica.receive(message);
        patience.step()?;
    }
    Ok(replica)
}

/// Whether a text is what the trace says. Replicas that type at the same time may end up in another
/// order than where it was recorded; then the same characters must be there.
pub fn is_right(trace: &Trace, text: &str) -> bool {
    let sorted = |text: &str| {
        let mut chars: Vec<char> = text.chars().collect();
        chars.sort_unstable();
        chars
    };
    match trace.kind {
        Kind::Sequential { .. } => text == trace.end,
        Kind::Concurrent { .. } => text == trace.end || sorted(text) == sorted(&trace.end),
    }
}

/// One character typed in the middle of a text.
pub fn edit_in_the_middle(text: &str, unit: Unit) -> Edit {
    let at = match unit {
        Unit::CodePoints => text.chars().count() / 2,
        Unit::Bytes => text.floor_char_boundary(text.len() / 2),
    };
    Edit { at, deleted: 0, inserted: "x".to_owned() }
}
