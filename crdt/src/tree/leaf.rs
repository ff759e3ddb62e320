//! A leaf of the B-tree: a few runs and their visible text.

use super::node::{Mins, Sum};
use super::run::{Lv, Run};
use super::{MAX_RUNS, MAX_TEXT};

/// Adjacent runs, and the text of the visible ones in one piece.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub runs: Vec<Run>,
    pub text: String,
    /// How many visible characters.
    pub(super) chars: u32,
    pub(super) parent: u32,
    pub(super) prev: u32,
    pub(super) next: u32,
}

/// How much of a leaf's text precedes a run's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Before {
    pub byte: u32,
    pub chars: u32,
}

impl Before {
    /// How much precedes the run after this one.
    pub fn after(self, run: &Run) -> Before {
        Before { byte: self.byte + u32::from(run.bytes), chars: self.chars + run.chars() }
    }
}

impl Leaf {
    pub(super) fn new(parent: u32, prev: u32, next: u32) -> Leaf {
        // Two more than the limit: a leaf is split only after a run inside another has made it too big.
        Leaf { runs: Vec::with_capacity(MAX_RUNS + 2), text: String::new(), chars: 0, parent, prev, next }
    }

    pub(super) fn of(runs: Vec<Run>, text: String, parent: u32, prev: u32, next: u32) -> Leaf {
        let chars = runs.iter().map(Run::chars).sum();
        Leaf { runs, text, chars, parent, prev, next }
    }

    pub(super) fn sum(&self) -> Sum {
        Sum { chars: self.chars, mins: self.mins() }
    }

    pub(super) fn mins(&self) -> Mins {
        self.runs.iter().fold(Mins::NONE, |mins, run| Mins {
            depth: mins.depth.min(run.depth),
            gap: mins.gap.min(run.gap),
        })
    }

    pub(super) fn is_overfull(&self) -> bool {
        self.runs.len() > MAX_RUNS || self.text.len() > MAX_TEXT
    }

    /// Which run holds `lv`.
    pub(super) fn run_of(&self, lv: Lv) -> Option<usize> {
        self.runs.iter().position(|run| run.contains(lv))
    }

    /// Where a run's text begins.
    pub(super) fn before(&self, run: usize) -> Before {
        self.runs[..run].iter().fold(Before::default(), |before, run| before.after(run))
    }

    /// How many bytes the first `chars` characters of a run take; its text begins at `start`.
    fn bytes_of(&self, run: usize, chars: u32, start: u32) -> u16 {
        let Run { len, bytes, deleted, .. } = self.runs[run];
        if deleted {
            0
        } else if u32::from(bytes) == len {
            chars as u16
        } else if chars == len {
            bytes
        } else {
            let text = &self.text[start as usize..start as usize + usize::from(bytes)];
            text.char_indices().nth(chars as usize).map_or(bytes, |(at, _)| at as u16)
        }
    }

    /// Inserts `new` before node `off` of a run (or after its last one) whose text begins at `start`,
    /// splitting that run if necessary. Returns the new run's place and where its text begins.
    /// `next_gap`, if given, becomes the gap after it.
    pub(super) fn insert(
        &mut self,
        run: usize,
        off: u32,
        start: Before,
        new: Run,
        text: &str,
        next_gap: Option<u32>,
    ) -> (usize, Before) {
        let (mut at, mut before) = (run, start);
        if off > 0 {
            if off < self.runs[run].len {
                let bytes = self.bytes_of(run, off, start.byte);
                let right = self.runs[run].split_off(off, bytes);
                self.runs.insert(run + 1, right);
            } else {
                debug_assert!(next_gap.is_none());
            }
            before = before.after(&self.runs[run]);
            at = run + 1;
        }
        if let Some(gap) = next_gap {
            self.runs[at].gap = gap;
        }
        self.text.insert_str(before.byte as usize, text);
        self.chars += new.chars();
        self.runs.insert(at, new);
        (at, before)
    }

    /// Appends text to a visible run whose text begins at `start`.
    pub(super) fn grow(&mut self, run: usize, start: u32, chars: u32, text: &str) {
        let run = &mut self.runs[run];
        self.text.insert_str(start as usize + usize::from(run.bytes), text);
        run.len += chars;
        run.bytes += text.len() as u16;
        self.chars += chars;
    }

    /// Turns `len` visible nodes of a run, from `off` on, into tombstones, and joins them with adjacent
    /// ones. Returns the run that begins where the run's text began, at `start`.
    pub(super) fn delete(&mut self, run: usize, off: u32, len: u32, start: u32) -> usize {
        let (before, until) = (self.bytes_of(run, off, start), self.bytes_of(run, off + len, start));
        self.chars -= len;
        let start = start as usize;
        self.text.drain(start + usize::from(before)..start + usize::from(until));
        if let Some(from) = self.move_seam(run, off, len, before, until) {
            return from;
        }
        let mut middle = self.runs[run];
        let right = (off + len < middle.len).then(|| middle.split_off(off + len, until));
        let mut left = None;
        if off > 0 {
            let rest = middle.split_off(off, before);
            left = Some(std::mem::replace(&mut middle, rest));
        }
        middle.bytes = 0;
        middle.deleted = true;
        let (mut from, mut to) = (run, run + 1);
        if left.is_none() && run > 0 && middle.continues(&self.runs[run - 1]) {
            from -= 1;
            let tail = middle.len;
            middle = self.runs[from];
            middle.len += tail;
        }
        if right.is_none() && to < self.runs.len() && self.runs[to].continues(&middle) {
            middle.len += self.runs[to].len;
            to += 1;
        }
        let mut at = from;
        for part in [left, Some(middle), right].into_iter().flatten() {
            if at < to {
                self.runs[at] = part;
            } else {
                self.runs.insert(at, part);
            }
            at += 1;
        }
        if at < to {
            self.runs.drain(at..to);
        }
        from
    }

    /// Nodes deleted at one end of a run are often adjacent to a tombstone that they extend, because people
    /// hold the delete key down: then only the boundary between the two moves.
    fn move_seam(&mut self, run: usize, off: u32, len: u32, before: u16, until: u16) -> Option<usize> {
        let this = self.runs[run];
        if off == 0 && len < this.len {
            let tombstone = self.runs[..run].last_mut().filter(|it| it.deleted && this.follows(it))?;
            tombstone.len += len;
            self.runs[run] = self.runs[run].split_off(len, until);
            Some(run - 1)
        } else if off > 0 && off + len == this.len {
            let after = *self.runs.get(run + 1).filter(|it| it.deleted && it.follows(&this))?;
            let gone = self.runs[run].split_off(off, before);
            self.runs[run + 1] = Run { len: gone.len + after.len, bytes: 0, deleted: true, ..gone };
            Some(run)
        } else {
            None
        }
    }

    /// Moves about half of an overfull leaf out: runs and their text.
    pub(super) fn split_off(&mut self) -> (Vec<Run>, String) {
        let (mut at, mut byte) = (self.runs.len() / 2, 0);
        if self.text.len() > MAX_TEXT {
            let half = self.text.len() / 2;
            at = 0;
            while byte + usize::from(self.runs[at].bytes) <= half {
                byte += usize::from(self.runs[at].bytes);
                at += 1;
            }
            // Split the run in the middle: it may be the only one.
            let cut = self.text.floor_char_boundary(half);
            let chars = self.text[byte..cut].chars().count() as u32;
            if chars > 0 {
                let right = self.runs[at].split_off(chars, (cut - byte) as u16);
                at += 1;
                self.runs.insert(at, right);
                byte = cut;
            }
        } else {
            byte = self.before(at).byte as usize;
        }
        let mut runs = Vec::with_capacity(MAX_RUNS + 2);
        runs.extend(self.runs.drain(at..));
        self.chars = self.runs.iter().map(Run::chars).sum();
        (runs, self.text.split_off(byte))
    }
}
