//! Document order: a B-tree of runs.
//!
//! ```text
//!            [ visible characters | least depth | least gap ]        inner nodes: node.rs
//!               /                   |                   \
//!     leaf <-> leaf <-> leaf <-> leaf <-> leaf <-> leaf <-> leaf     leaf.rs
//!      | runs  (lv, len, depth, gap, parent, deleted) …              run.rs
//!      | text  "the visible characters of these runs"
//!
//!     lv 17 ──> leaf 5                                               index.rs
//!     edited last: leaf 5, leaf 2, …                                 recent.rs
//! ```
//!
//! The Fugue tree itself is not stored: `depth` and `gap` (see [`Run`]) are enough to find where a
//! subtree begins and ends. With the nodes in document order, the subtree of `c`
//!
//! - ends before the first run after `c` whose gap is at most `depth(c)`;
//! - begins at the last run, at or before `c`, whose gap is at most `depth(c)`;
//!
//! and each takes one descent over the least gaps. Every operation takes O(log n), whatever the shape
//! of the document: nothing here recurses, walks a list of siblings or climbs the Fugue tree.

mod build;
mod check;
mod index;
mod leaf;
mod node;
mod recent;
mod run;
mod seek;

pub(crate) use build::{Builder, sort_by_number};
pub(crate) use check::NAIVE_NODES;
pub(crate) use leaf::Leaf;
pub(crate) use run::{Lv, Run, START, Side};
pub(crate) use seek::Column;

use index::LeafIndex;
use leaf::Before;
use node::{Mins, Node, Sum};
use recent::{Place, Recent};

/// The maximum number of runs in a leaf.
const MAX_RUNS: usize = 32;
/// The maximum number of bytes of text in a leaf.
const MAX_TEXT: usize = 2048;
/// Longer insertions are made piece by piece, so that a leaf never has to be split into many.
const MAX_PIECE: usize = 1024;
/// No leaf, no node.
const NONE: u32 = u32::MAX;
/// The first leaf stays the first: in a split, the right half becomes the new leaf.
const FIRST: u32 = 0;

/// Node `off` of run `run` of leaf `leaf`; as an insert position, the gap before that node, where `off` may
/// be the run's length for the gap after its last node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub leaf: u32,
    pub run: usize,
    pub off: u32,
}

/// The kind of numbers that inserted nodes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Just assigned: they are their agent's highest.
    New,
    /// Assigned earlier: higher numbers of the agent may already be in the tree.
    Given,
}

/// The B-tree.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    leaves: Vec<Leaf>,
    nodes: Vec<Node>,
    root: u32,
    last: u32,
    index: LeafIndex,
    recent: Recent,
    /// A leaf, and how many visible characters precede it. Edits within a leaf do not change that.
    start: Option<(u32, usize)>,
    chars: usize,
}

impl Default for Tree {
    fn default() -> Tree {
        let mut root = Node::new(NONE, true);
        root.insert(0, 0, Sum { chars: 0, mins: Mins::NONE });
        Tree {
            leaves: vec![Leaf::new(0, NONE, NONE)],
            nodes: vec![root],
            root: 0,
            last: 0,
            index: LeafIndex::default(),
            recent: Recent::default(),
            start: Some((FIRST, 0)),
            chars: 0,
        }
    }
}

impl Tree {
    /// Visible characters.
    pub fn chars(&self) -> usize {
        self.chars
    }

    pub fn leaf(&self, leaf: u32) -> &Leaf {
        &self.leaves[leaf as usize]
    }

    pub fn run(&self, at: At) -> &Run {
        &self.leaf(at.leaf).runs[at.run]
    }

    /// The leaves in document order.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let leaf = self.leaves.get(at as usize)?;
            at = leaf.next;
            Some(leaf)
        })
    }

    /// The runs in document order.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.leaves().flat_map(|leaf| &leaf.runs)
    }

    /// Inserts the nodes of `run` at a place, with their text if they are visible, and sets the gap after
    /// them to `next_gap`, if given. Sets `run.bytes`.
    pub fn insert(&mut self, at: At, mut run: Run, text: &str, next_gap: Option<u32>, numbers: Numbers) {
        if text.len() <= MAX_PIECE {
            run.bytes = text.len() as u16;
            self.insert_piece(at, run, text, next_gap, numbers);
            return;
        }
        let (mut at, mut next_gap, mut rest) = (at, next_gap, text);
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(rest.floor_char_boundary(MAX_PIECE));
            let chars = piece.chars().count() as u32;
            // `bytes` cannot hold the total length, so each piece has its own.
            let mut this = Run { bytes: piece.len() as u16, ..run };
            if chars < run.len {
                run = this.split_off(chars, this.bytes);
            }
            self.insert_piece(at, this, piece, next_gap.take(), numbers);
            rest = tail;
            if !rest.is_empty() {
                at = self.locate(run.lv - 1);
                at.off += 1;
            }
        }
    }

    fn insert_piece(&mut self, at: At, run: Run, text: &str, next_gap: Option<u32>, numbers: Numbers) {
        let (lv, end) = (run.lv, run.end());
        let reach = match numbers {
            Numbers::New => self.index.add(lv, end, at.leaf),
            Numbers::Given => {
                self.index.assign(lv, end, at.leaf);
                end
            }
        };
        let open = (!run.deleted).then_some(end);
        let chars = run.chars();
        self.chars += chars as usize;
        let before = self.before(at);
        self.visit(at.leaf);
        let leaf = &mut self.leaves[at.leaf as usize];
        let (run, before) = match leaf.runs.get_mut(at.run) {
            Some(last) if at.off == last.len && run.continues(last) => {
                match run.deleted {
                    true => last.len += run.len,
                    false => leaf.grow(at.run, before.byte, run.len, text),
                }
                (at.run, before)
            }
            _ => {
                let inserted = leaf.insert(at.run, at.off, before, run, text, next_gap);
                self.lower_mins(at.leaf, Mins { depth: run.depth, gap: run.gap });
                inserted
            }
        };
        let place = self.recent.first_mut();
        let uncounted = place.uncounted + chars as i32;
        *place = Place { leaf: at.leaf, run, before, open, reach, uncounted };
        self.split_if_overfull(at.leaf);
    }

    /// Inserts `chars` new nodes from `lv` on, each the right child of the one before, if the node before
    /// them was the last one inserted at one of the recent places: it has no children yet, so no place has
    /// to be found. Nearly all typing is like this. Returns whether it was the case.
    #[inline]
    pub fn type_on(&mut self, lv: Lv, chars: u32, text: &str) -> bool {
        let Some(place) = self.recent.open_at(lv) else { return false };
        let leaf = &mut self.leaves[place.leaf as usize];
        let end = lv + chars;
        if leaf.text.len() + text.len() > MAX_TEXT || end > place.reach {
            return false;
        }
        leaf.grow(place.run, place.before.byte, chars, text);
        place.open = Some(end);
        self.index.reached(end);
        place.uncounted += chars as i32;
        self.chars += chars as usize;
        let leaf = place.leaf;
        self.keep_start_of(leaf);
        true
    }

    /// The same, provided that the nodes also go to a visible index where the last edit was.
    #[inline]
    pub fn type_on_at(&mut self, index: usize, lv: Lv, chars: u32, text: &str) -> bool {
        let Place { leaf, run, before, open, .. } = *self.recent.first();
        let ends_there = |start: usize| {
            let run = &self.leaf(leaf).runs[run];
            start + (before.chars + run.len) as usize == index
        };
        open == Some(lv)
            && self.start.is_some_and(|(start_leaf, start)| start_leaf == leaf && ends_there(start))
            && self.type_on(lv, chars, text)
    }

    /// Turns `len` visible nodes of one run, from `at` on, into tombstones.
    pub fn delete(&mut self, at: At, len: u32) {
        self.chars -= len as usize;
        let before = self.before(at);
        self.visit(at.leaf);
        let run = self.leaves[at.leaf as usize].delete(at.run, at.off, len, before.byte);
        // No part of a run has a lesser depth or gap than its first node, so the minima stay valid.
        let place = self.recent.first_mut();
        (place.run, place.before, place.open) = (run, before, None);
        place.uncounted -= len as i32;
        self.split_if_overfull(at.leaf);
    }

    /// How much of a leaf's text precedes a run's.
    fn before(&self, at: At) -> Before {
        let runs = &self.leaf(at.leaf).runs;
        let (from, before) = match self.recent.in_leaf(at.leaf) {
            Some(place) if place.run <= at.run => (place.run, place.before),
            _ => (0, Before::default()),
        };
        runs[from..at.run].iter().fold(before, |before, run| before.after(run))
    }

    /// Prepares for a change in a leaf.
    #[inline]
    fn visit(&mut self, leaf: u32) {
        if let Some(forgotten) = self.recent.visit(leaf) {
            self.count(forgotten.leaf, forgotten.uncounted);
        }
        self.keep_start_of(leaf);
    }

    /// Follows a change in a leaf, which moves what is after it but not its own start.
    #[inline]
    fn keep_start_of(&mut self, leaf: u32) {
        if self.start.is_some_and(|(start, _)| start != leaf) {
            self.start = None;
        }
    }

    /// Updates the counts above a leaf for characters that it has gained or lost.
    fn count(&mut self, leaf: u32, chars: i32) {
        let (mut child, mut parent) = (leaf, self.leaf(leaf).parent);
        while parent != NONE {
            let node = &mut self.nodes[parent as usize];
            node.add_chars(node.slot_of(child), chars);
            (child, parent) = (parent, node.parent);
        }
    }

    /// Adds everything not counted yet; required before a lookup by index.
    fn count_all(&mut self) {
        while let Some((leaf, chars)) = self.recent.take_uncounted() {
            self.count(leaf, chars);
        }
    }

    /// Ensures that the least depths and gaps above a leaf are no higher than those of a new run. None can
    /// rise: if the gap after the new run does, the new run itself has the old gap.
    fn lower_mins(&mut self, leaf: u32, mins: Mins) {
        let (mut child, mut parent) = (leaf, self.leaf(leaf).parent);
        while parent != NONE {
            let node = &mut self.nodes[parent as usize];
            if !node.lower_mins(node.slot_of(child), mins) {
                return;
            }
            (child, parent) = (parent, node.parent);
        }
    }

    fn split_if_overfull(&mut self, leaf: u32) {
        // Half of the text may contain nearly all runs, so a half may have to be split again.
        while self.leaf(leaf).is_overfull() {
            let right = self.split(leaf);
            if self.leaf(right).is_overfull() {
                self.split(right);
            }
        }
    }

    /// Moves about half of a leaf that was just edited to a new one, and returns the new leaf.
    fn split(&mut self, left: u32) -> u32 {
        let right = self.leaves.len() as u32;
        self.count_all();
        // The place was in this leaf, or in the one from which it was split.
        *self.recent.first_mut() = Place { leaf: left, ..Place::NOWHERE };
        let (runs, text) = self.leaves[left as usize].split_off();
        let mut moved: Vec<(Lv, Lv)> = runs.iter().map(|run| (run.lv, run.end())).collect();
        moved.sort_unstable();
        for joined in moved.chunk_by(|a, b| a.1 == b.0) {
            self.index.assign(joined[0].0, joined[joined.len() - 1].1, right);
        }
        let Leaf { parent, next, .. } = self.leaves[left as usize];
        self.leaves.push(Leaf::of(runs, text, parent, left, next));
        self.leaves[left as usize].next = right;
        match next {
            NONE => self.last = right,
            next => self.leaves[next as usize].prev = right,
        }
        self.insert_child(parent, left, self.leaf(left).sum(), right, self.leaf(right).sum());
        right
    }

    /// Inserts `right` after `left` in their parent, splitting the nodes above as long as they are full.
    fn insert_child(&mut self, parent: u32, left: u32, left_sum: Sum, right: u32, right_sum: Sum) {
        let (mut parent, mut left, mut left_sum) = (parent, left, left_sum);
        let (mut right, mut right_sum) = (right, right_sum);
        loop {
            if parent == NONE {
                parent = self.nodes.len() as u32;
                let mut root = Node::new(NONE, false);
                root.insert(0, left, left_sum);
                root.insert(1, right, right_sum);
                self.nodes.push(root);
                self.nodes[left as usize].parent = parent;
                self.nodes[right as usize].parent = parent;
                self.root = parent;
                return;
            }
            let node = &mut self.nodes[parent as usize];
            let slot = node.slot_of(left);
            node.set_sum(slot, left_sum);
            if !node.is_full() {
                node.insert(slot + 1, right, right_sum);
                return;
            }
            let mut upper = node.split_off();
            match (slot + 1).checked_sub(node.children().len()) {
                // At the boundary, the new child goes to the lower half, beside its sibling.
                None | Some(0) => node.insert(slot + 1, right, right_sum),
                Some(slot) => upper.insert(slot, right, right_sum),
            }
            let (grandparent, above_leaves) = (node.parent, node.above_leaves);
            (left_sum, right_sum) = (node.sum(), upper.sum());
            let new = self.nodes.len() as u32;
            for child in upper.children().iter().copied() {
                match above_leaves {
                    true => self.leaves[child as usize].parent = new,
                    false => self.nodes[child as usize].parent = new,
                }
            }
            self.nodes.push(upper);
            (left, right, parent) = (parent, new, grandparent);
        }
    }
}
