//! merge: the authors' side of a concurrent trace. Each author's replica receives the others' edits at
//! the point the trace says, and types its own. (The server's side is in `remote.rs`.)

use std::time::{Duration, Instant};

use super::{Results, is_right};
use crate::for_all;
use crate::measure::{Case, Effort, Patience, TooLong};
use crate::subjects::Subject;
use crate::trace::{Edit, Kind, Trace, Unit};

/// The number of a replica that only receives; no author has it.
pub const SERVER: usize = 9_999;

pub fn run(trace: &Trace, effort: Effort, results: &mut Results) {
    if trace.sequential().is_some() {
        return;
    }
    let mut cases = Vec::new();
    fn case<'a, S: Subject>(trace: &'a Trace, cases: &mut Vec<Case<'a>>) {
        let run = move || {
            let (mut replicas, messages, time) = session::<S>(trace)?;
            // At the end of the recording everyone has got everything; the rest is not timed.
            let Kind::Concurrent { txns, .. } = &trace.kind else { unreachable!("it is concurrent") };
            let mut texts = Vec::new();
            for (author, replica) in replicas.iter_mut().enumerate() {
                let mut got = vec![false; txns.len()];
                for (i, txn) in txns.iter().enumerate().filter(|(_, txn)| txn.author == author) {
                    got[i] = true;
                    txn.receives.iter().for_each(|i| got[*i] = true);
                }
                let lacking = messages.iter().zip(&got).filter(|(_, got)| !**got);
                lacking.flat_map(|(messages, _)| messages).for_each(|message| replica.receive(message));
                texts.push(replica.text());
            }
            let ok = is_right(trace, &texts[0]) && texts.iter().all(|text| *text == texts[0]);
            Ok((time.as_secs_f64() * 1000.0, ok))
        };
        cases.push(Case { subject: S::NAME, run: Box::new(run) });
    }
    for_all!(case, trace, &mut cases);
    results.measure("merge", &trace.name, "ms", cases, effort);
    results.lacks(
        "merge",
        crate::subjects::Jumprope::NAME,
        crate::subjects::Jumprope::ONLY_LOCAL.unwrap_or_default(),
    );
}

/// What all authors sent, in the order of the trace.
pub fn messages<S: Subject>(trace: &Trace) -> Result<Vec<Vec<u8>>, TooLong> {
    Ok(session::<S>(trace)?.1.into_iter().flatten().collect())
}

/// The replicas, the messages of each transaction, and the time it took.
type Session<S> = (Vec<S>, Vec<Vec<Vec<u8>>>, Duration);

fn session<S: Subject>(trace: &Trace) -> Result<Session<S>, TooLong> {
    let Kind::Concurrent { authors, txns } = &trace.kind else { unreachable!("it is concurrent") };
    let mut replicas: Vec<S> = (0..*authors).map(S::new).collect();
    let mut sent: Vec<Vec<Vec<u8>>> = Vec::with_capacity(txns.len());
    let mut start = Instant::now();
    let mut time = Duration::ZERO;
    let mut patience = Patience::new();
    for txn in txns {
        let replica = &mut replicas[txn.author];
        for message in txn.receives.iter().flat_map(|txn| &sent[*txn]) {
            replica.receive(message);
            patience.step()?;
        }
        let mut messages = Vec::with_capacity(txn.edits.len());
        for edit in &txn.edits {
            if trace.is_ascii || S::UNIT == Unit::CodePoints {
                messages.push(replica.edit_and_send(edit));
            } else {
                time += start.elapsed();
                let edit = in_bytes(&replica.text(), edit);
                start = Instant::now();
                messages.push(replica.edit_and_send(&edit));
            }
        }
        sent.push(messages);
    }
    Ok((replicas, sent, time + start.elapsed()))
}

fn in_bytes(text: &str, edit: &Edit) -> Edit {
    let byte = |chars: usize| text.char_indices().nth(chars).map_or(text.len(), |(byte, _)| byte);
    let at = byte(edit.at);
    Edit { at, deleted: byte(edit.at + edit.deleted) - at, inserted: edit.inserted.clone() }
}
