//! A recorded editing session in one of the two formats of editing-traces, and what each of its
//! steps had seen.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// A session, ready to be played.
#[derive(Debug, PartialEq)]
pub struct Trace {
    /// The steps of each author, in order.
    pub authors: Vec<Vec<Step>>,
    /// The text that the session ends with.
    pub end_content: String,
    /// Patches of all steps.
    pub edits: usize,
}

/// What an author did at once (a `txn` of the trace).
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// How many steps of each author it was typed on, where that is more than at the author's step
    /// before: `(author, steps)`.
    pub sees: Vec<(usize, usize)>,
    /// The edits, one after the other.
    pub patches: Vec<Patch>,
    /// Whether somebody's step sees this author up to here and no further: an event must end here.
    pub is_seen_last: bool,
}

/// One edit. Positions and lengths count code points.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Patch(
    /// Where.
    pub usize,
    /// How many are deleted there.
    pub usize,
    /// What is inserted there, then.
    pub String,
);

/// Why a trace cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file.
    #[error("cannot read the trace {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its JSON.
    #[error("{path} is not an editing trace: {source}")]
    Json {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A txn names a parent that does not come before it, or an agent that there is not.
    #[error("txn {0} of the trace names a parent or an agent that does not exist")]
    BadTxn(usize),
    /// An author typed at two places at once.
    #[error("txn {0} of the trace does not build on its author's previous txn: one client cannot type that")]
    Forked(usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    start_content: String,
    end_content: String,
    num_agents: Option<usize>,
    txns: Vec<RawTxn>,
}

#[derive(Deserialize)]
struct RawTxn {
    parents: Option<Vec<usize>>,
    #[serde(default)]
    agent: usize,
    patches: Vec<Patch>,
}

impl Trace {
    /// Reads a `.json` or `.json.gz` file.
    pub fn read(path: &Path) -> Result<Trace, TraceError> {
        let failed = |source| TraceError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(failed)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut text = Vec::new();
            BufReader::new(MultiGzDecoder::new(&bytes[..])).read_to_end(&mut text).map_err(failed)?;
            bytes = text;
        }
        let raw = serde_json::from_slice(&bytes)
            .map_err(|source| TraceError::Json { path: path.to_owned(), source })?;
        Trace::from_raw(raw)
    }

    fn from_raw(raw: Raw) -> Result<Trace, TraceError> {
        let mut txns = raw.txns;
        // A sequential trace names no parents: each txn builds on the one before.
        let sequential = raw.num_agents.is_none() && txns.iter().all(|txn| txn.parents.is_none());
        for (i, txn) in txns.iter_mut().enumerate() {
            if sequential || txn.parents.is_none() {
                txn.parents = Some(i.checked_sub(1).into_iter().collect());
            }
        }
        if !raw.start_content.is_empty() {
            prepend(&mut txns, raw.start_content);
        }
        let agents = raw.num_agents.unwrap_or(1).max(1);
        let edits = txns.iter().map(|txn| txn.patches.len()).sum();
        let authors = with_clocks(txns, agents)?;
        let authors = authors.into_iter().filter(|steps| !steps.is_empty()).collect();
        Ok(Trace { authors, end_content: raw.end_content, edits })
    }
}

/// The text that a session starts with is its first author's first step, which all others see.
fn prepend(txns: &mut Vec<RawTxn>, text: String) {
    for txn in txns.iter_mut() {
        match &mut txn.parents {
            Some(parents) if !parents.is_empty() => parents.iter_mut().for_each(|parent| *parent += 1),
            parents => *parents = Some(vec![0]),
        }
    }
    let agent = txns.first().map_or(0, |txn| txn.agent);
    txns.insert(0, RawTxn { parents: Some(Vec::new()), agent, patches: vec![Patch(0, 0, text)] });
}

/// Deals the txns out to their authors, each with what it had seen.
fn with_clocks(txns: Vec<RawTxn>, agents: usize) -> Result<Vec<Vec<Step>>, TraceError> {
    // After each txn: how many txns of each author are in its past, itself included.
    let mut clocks: Vec<Vec<usize>> = Vec::with_capacity(txns.len());
    let mut seen_so_far = vec![vec![0; agents]; agents];
    let mut authors: Vec<Vec<Step>> = vec![Vec::new(); agents];
    let mut seen_last: BTreeSet<(usize, usize)> = BTreeSet::new();
    // Authors without a step are left out; this is where the others go.
    let mut places: Vec<usize> = vec![0; agents];
    for txn in &txns {
        *places.get_mut(txn.agent).ok_or(TraceError::BadTxn(clocks.len()))? = 1;
    }
    let mut next = 0;
    for place in &mut places {
        (*place, next) = (next, next + *place);
    }
    for (i, txn) in txns.into_iter().enumerate() {
        let mut clock = vec![0; agents];
        for parent in txn.parents.iter().flatten() {
            let past = clocks.get(*parent).ok_or(TraceError::BadTxn(i))?;
            clock.iter_mut().zip(past).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
        }
        if clock[txn.agent] != authors[txn.agent].len() {
            return Err(TraceError::Forked(i));
        }
        let mut sees = Vec::new();
        for (author, steps) in clock.iter().enumerate() {
            if author != txn.agent && *steps > seen_so_far[txn.agent][author] {
                seen_so_far[txn.agent][author] = *steps;
                seen_last.insert((author, *steps));
                sees.push((places[author], *steps));
            }
        }
        clock[txn.agent] += 1;
        clocks.push(clock);
        authors[txn.agent].push(Step { sees, patches: txn.patches, is_seen_last: false });
    }
    for (author, steps) in seen_last {
        authors[author][steps - 1].is_seen_last = true;
    }
    Ok(authors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Trace, TraceError> {
        Trace::from_raw(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_sequential_trace_has_one_author_who_types_the_start_first() {
        let trace = parse(
            r#"{"startContent":"ab","endContent":"axb!","txns":[
                {"time":"t","patches":[[1,0,"x"]]}, {"patches":[[3,0,"?"],[3,1,"!"]]}]}"#,
        )
        .unwrap();
        assert_eq!((trace.authors.len(), trace.edits), (1, 4));
        let steps = &trace.authors[0];
        assert_eq!(steps[0].patches, [Patch(0, 0, "ab".into())]);
        assert_eq!(steps[2].patches[1], Patch(3, 1, "!".into()));
        assert!(steps.iter().all(|step| step.sees.is_empty() && !step.is_seen_last));
    }

    #[test]
    fn a_step_sees_what_is_in_its_past_and_no_more() {
        // 0 ── 1 ── 3 ─┐       author 0: 0, 1, 3, 5
        //  └─ 2 ── 4 ──┴─ 5    author 2: 2, 4 (author 1 has no step)
        let trace = parse(
            r#"{"endContent":"","numAgents":3,"txns":[
                {"parents":[],"agent":0,"patches":[[0,0,"a"]]},
                {"parents":[0],"agent":0,"patches":[]},
                {"parents":[0],"agent":2,"patches":[]},
                {"parents":[1],"agent":0,"patches":[]},
                {"parents":[2],"agent":2,"patches":[]},
                {"parents":[3,4],"agent":0,"patches":[]}]}"#,
        )
        .unwrap();
        let [first, second] = &trace.authors[..] else { panic!("two authors type") };
        let sees = |steps: &[Step]| steps.iter().map(|step| step.sees.clone()).collect::<Vec<_>>();
        let ends = |steps: &[Step]| steps.iter().map(|step| step.is_seen_last).collect::<Vec<_>>();
        assert_eq!(sees(first), [vec![], vec![], vec![], vec![(1, 2)]]);
        assert_eq!(sees(second), [vec![(0, 1)], vec![]]);
        assert_eq!(ends(first), [true, false, false, false]);
        assert_eq!(ends(second), [false, true]);
    }

    #[test]
    fn an_author_sees_through_others() {
        // Author 2 names only author 1's step, which had seen author 0's.
        let trace = parse(
            r#"{"endContent":"","numAgents":3,"txns":[
                {"parents":[],"agent":0,"patches":[]},
                {"parents":[0],"agent":1,"patches":[]},
                {"parents":[1],"agent":2,"patches":[]}]}"#,
        )
        .unwrap();
        assert_eq!(trace.authors[2][0].sees, [(0, 1), (1, 1)]);
    }

    #[test]
    fn the_start_of_a_concurrent_trace_is_seen_by_all() {
        let trace = parse(
            r#"{"startContent":"s","endContent":"","numAgents":2,"txns":[
                {"parents":[],"agent":1,"patches":[]}, {"parents":[],"agent":0,"patches":[]}]}"#,
        )
        .unwrap();
        assert_eq!(trace.authors[1][0].patches, [Patch(0, 0, "s".into())]);
        assert_eq!(trace.authors[0][0].sees, [(1, 1)]);
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        let forked = r#"{"endContent":"","numAgents":1,"txns":[
            {"parents":[],"agent":0,"patches":[]}, {"parents":[],"agent":0,"patches":[]}]}"#;
        assert!(matches!(parse(forked), Err(TraceError::Forked(1))));
        let future = r#"{"endContent":"","numAgents":1,"txns":[{"parents":[3],"agent":0,"patches":[]}]}"#;
        assert!(matches!(parse(future), Err(TraceError::BadTxn(0))));
        let nobody = r#"{"endContent":"","numAgents":1,"txns":[{"parents":[],"agent":1,"patches":[]}]}"#;
        assert!(matches!(parse(nobody), Err(TraceError::BadTxn(0))));
    }
}
