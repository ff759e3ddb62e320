//! Recorded editing sessions, in the format of github.com/josephg/editing-traces.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;

/// What one patch does at a position: it deletes, then inserts. Positions and lengths count in the
/// unit that the edits were made for, see [`Unit`].
#[derive(Debug, Clone)]
pub struct Edit {
    pub at: usize,
    pub deleted: usize,
    pub inserted: String,
}

/// What a subject's positions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    CodePoints,
    Bytes,
}

/// One transaction of a concurrent trace, typed by `author` on the merge of its parents.
#[derive(Debug, Clone)]
pub struct Txn {
    pub author: usize,
    /// Transactions that the author's replica has to receive before, in order.
    pub receives: Vec<usize>,
    pub edits: Vec<Edit>,
}

/// A trace, ready to be played.
#[derive(Debug)]
pub struct Trace {
    pub name: String,
    pub end: String,
    pub kind: Kind,
    /// Whether every character ever typed is ASCII, so that all units are the same.
    pub is_ascii: bool,
}

#[derive(Debug)]
pub enum Kind {
    /// By position in code points, one author, one after the other.
    Sequential {
        edits: Vec<Edit>,
    },
    Concurrent {
        authors: usize,
        txns: Vec<Txn>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File_ {
    #[serde(default)]
    start_content: String,
    end_content: String,
    num_agents: Option<usize>,
    txns: Vec<Txn_>,
}

#[derive(Deserialize)]
struct Txn_ {
    #[serde(default)]
    parents: Vec<usize>,
    #[serde(default)]
    agent: usize,
    patches: Vec<(usize, usize, String)>,
}

impl Trace {
    /// Reads `NAME.json` or `NAME.json.gz`.
    pub fn read(path: &Path) -> Result<Trace, String> {
        let say = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let file = File::open(path).map_err(|e| say(&e))?;
        let mut text = String::new();
        if path.extension().is_some_and(|ext| ext == "gz") {
            GzDecoder::new(file).read_to_string(&mut text).map_err(|e| say(&e))?;
        } else {
            (&file).read_to_string(&mut text).map_err(|e| say(&e))?;
        }
        let raw: File_ = serde_json::from_str(&text).map_err(|e| say(&e))?;
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = file_name.split(".json").next().unwrap_or_default().to_owned();
        Ok(Trace::new(name, raw))
    }

    fn new(name: String, raw: File_) -> Trace {
        let typed = raw.txns.iter().flat_map(|txn| &txn.patches);
        let is_ascii = raw.start_content.is_ascii() && typed.clone().all(|patch| patch.2.is_ascii());
        let edits = |txn: &Txn_| -> Vec<Edit> {
            let edit = |(at, deleted, inserted): &(usize, usize, String)| Edit {
                at: *at,
                deleted: *deleted,
                inserted: inserted.clone(),
            };
            txn.patches.iter().map(edit).collect()
        };
        let kind = match raw.num_agents {
            None => {
                let start = (!raw.start_content.is_empty()).then(|| Edit {
                    at: 0,
                    deleted: 0,
                    inserted: raw.start_content.clone(),
                });
                Kind::Sequential { edits: start.into_iter().chain(raw.txns.iter().flat_map(edits)).collect() }
            }
            Some(authors) => {
                let receives = receives(&raw.txns, authors);
                let txns = raw.txns.iter().zip(receives);
                let txns = txns.map(|(txn, receives)| Txn { author: txn.agent, receives, edits: edits(txn) });
                Kind::Concurrent { authors, txns: txns.collect() }
            }
        };
        Trace { name, end: raw.end_content, kind, is_ascii }
    }

    /// The edits of a sequential trace.
    pub fn sequential(&self) -> Option<&[Edit]> {
        match &self.kind {
            Kind::Sequential { edits } => Some(edits),
            Kind::Concurrent { .. } => None,
        }
    }
}

/// What each transaction's author has not got yet when typing it.
fn receives(txns: &[Txn_], authors: usize) -> Vec<Vec<usize>> {
    let mut has = vec![vec![false; txns.len()]; authors];
    let mut all = Vec::with_capacity(txns.len());
    for (i, txn) in txns.iter().enumerate() {
        let has = &mut has[txn.agent];
        let (mut lacking, mut todo) = (Vec::new(), txn.parents.clone());
        while let Some(txn) = todo.pop() {
            if !std::mem::replace(&mut has[txn], true) {
                lacking.push(txn);
                todo.extend(&txns[txn].parents);
            }
        }
        lacking.sort_unstable();
        has[i] = true;
        all.push(lacking);
    }
    all
}

/// Sequential edits with positions in another unit.
pub fn in_unit(edits: &[Edit], unit: Unit) -> Vec<Edit> {
    if unit == Unit::CodePoints {
        return edits.to_vec();
    }
    let mut text = ropey::Rope::new();
    edits
        .iter()
        .map(|edit| {
            let (at, end) = (text.char_to_byte(edit.at), text.char_to_byte(edit.at + edit.deleted));
            text.remove(edit.at..edit.at + edit.deleted);
            text.insert(edit.at, &edit.inserted);
            Edit { at, deleted: end - at, inserted: edit.inserted.clone() }
        })
        .collect()
}
