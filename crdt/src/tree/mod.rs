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
//! ```
//!
//! The Fugue tree itself is nowhere: `depth` and `gap` (see [`Run`]) are enough to find where a
//! subtree begins and ends. With the nodes in document order, the subtree of `c`
//!
//! - ends before the first run after `c` whose gap is at most `depth(c)`;
//! - begins at the last run, at or before `c`, whose gap is at most `depth(c)`;
//!
//! and both are one descent over the least gaps. Every operation takes O(log n), whatever the shape
//! of the document: nothing here recurses, walks a list of siblings or climbs the Fugue tree.

mod build;
mod check;
mod index;
mod leaf;
mod node;
mod run;
mod seek;

pub(crate) use build::Builder;
pub(crate) use check::NAIVE_NODES;
pub(crate) use leaf::Leaf;
pub(crate) use run::{Lv, Run, START, Side};
pub(crate) use seek::Column;

use index::LeafIndex;
use leaf::Before;
use node::{Node, Sum};

/// Most runs that stay in a leaf.
const MAX_RUNS: usize = 32;
/// Most bytes of text that stay in a leaf.
const MAX_TEXT: usize = 2048;
/// Longer insertions go in piece by piece, so that no leaf ever has to be split in more than two.
const MAX_PIECE: usize = 1024;
/// No leaf, no node.
const NONE: u32 = u32::MAX;
/// The first leaf: a split makes the right half the new one, so this one stays.
const FIRST: u32 = 0;

/// Node `off` of run `run` of leaf `leaf`; or, as a place to insert at, the gap before that node,
/// `off` being the run's length for the gap after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub leaf: u32,
    pub run: usize,
    pub off: u32,
}

/// A run, and where its text begins in its leaf's.
#[derive(Debug, Clone, Copy)]
struct Hint {
    leaf: u32,
    run: usize,
    before: Before,
}

/// The B-tree.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    leaves: Vec<Leaf>,
    nodes: Vec<Node>,
    root: u32,
    last: u32,
    index: LeafIndex,
    /// Where the last edit was; the next one is likely beside it.
    hint: Hint,
    /// A leaf, and how many visible characters stand before it. Edits within a leaf leave that as it is.
    start: Option<(u32, usize)>,
    /// The way up from the leaf whose sums changed last, as nodes and slots, until a split changes it.
    path: Vec<(u32, usize)>,
    path_leaf: u32,
    chars: usize,
}

impl Default for Tree {
    fn default() -> Tree {
        let mut root = Node::new(NONE, true);
        root.insert(0, 0, Sum::EMPTY);
        Tree {
            leaves: vec![Leaf::new(0, NONE, NONE)],
            nodes: vec![root],
            root: 0,
            last: 0,
            index: LeafIndex::default(),
            hint: Hint { leaf: FIRST, run: 0, before: Before::default() },
            start: Some((FIRST, 0)),
            path: Vec::new(),
            path_leaf: NONE,
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

    /// Inserts the nodes of `run` at a place, with their text if they are visible, and gives the gap
    /// after them the value `next_gap`, if any. `run.bytes` is set here.
    pub fn insert(&mut self, at: At, mut run: Run, text: &str, next_gap: Option<u32>) {
        if text.len() <= MAX_PIECE {
            run.bytes = text.len() as u16;
            self.insert_piece(at, run, text, next_gap);
            return;
        }
        let (mut at, mut next_gap, mut rest) = (at, next_gap, text);
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(rest.floor_char_boundary(MAX_PIECE));
            let chars = piece.chars().count() as u32;
            // `bytes` cannot hold the length of all, so each piece brings its own.
            let mut this = Run { bytes: piece.len() as u16, ..run };
            if chars < run.len {
                run = this.split_off(chars, this.bytes);
            }
            self.insert_piece(at, this, piece, next_gap.take());
            rest = tail;
            if !rest.is_empty() {
                at = self.locate(run.lv - 1);
                at.off += 1;
            }
        }
    }

    fn insert_piece(&mut self, at: At, run: Run, text: &str, next_gap: Option<u32>) {
        self.index.assign(run.lv, run.end(), at.leaf);
        self.chars += run.chars() as usize;
        self.edited(at.leaf);
        let before = self.before(at);
        let leaf = &mut self.leaves[at.leaf as usize];
        match leaf.runs.get_mut(at.run) {
            Some(last) if at.off == last.len && run.continues(last) => {
                match run.deleted {
                    true => last.len += run.len,
                    false => leaf.grow(at.run, before.byte, run.len, text),
                }
                self.hint = Hint { leaf: at.leaf, run: at.run, before };
                self.add_chars(at.leaf, run.chars() as i32);
            }
            _ => {
                let (run, before) = leaf.insert(at.run, at.off, before, run, text, next_gap);
                self.hint = Hint { leaf: at.leaf, run, before };
                self.update_sums(at.leaf);
            }
        }
        self.split_if_overfull(at.leaf);
    }

    /// Inserts `chars` nodes from `lv` on, each the right child of the one before, when that is the
    /// newest node there is and ends the run last edited: nothing hangs at the newest node yet, so no
    /// place has to be looked for. That is what nearly all typing is. Answers whether it was so.
    pub fn type_on(&mut self, lv: Lv, chars: u32, text: &str) -> bool {
        let Hint { leaf: no, run, before } = self.hint;
        let leaf = &mut self.leaves[no as usize];
        match leaf.runs.get(run) {
            Some(last) if last.end() == lv && !last.deleted && leaf.text.len() + text.len() <= MAX_TEXT => {}
            _ => return false,
        }
        leaf.grow(run, before.byte, chars, text);
        self.chars += chars as usize;
        self.index.assign(lv, lv + chars, no);
        self.edited(no);
        self.add_chars(no, chars as i32);
        true
    }

    /// The same, if the run last edited also ends at a visible index.
    pub fn type_on_at(&mut self, index: usize, lv: Lv, chars: u32, text: &str) -> bool {
        let Hint { leaf, run, before } = self.hint;
        let ends_there = |(start_leaf, start)| {
            let run = self.leaf(leaf).runs.get(run);
            start_leaf == leaf
                && run.is_some_and(|run| start + before.chars as usize + run.len as usize == index)
        };
        self.start.is_some_and(ends_there) && self.type_on(lv, chars, text)
    }

    /// Makes tombstones of `len` visible nodes of one run, from `at` on.
    pub fn delete(&mut self, at: At, len: u32) {
        self.chars -= len as usize;
        self.edited(at.leaf);
        let before = self.before(at);
        let run = self.leaves[at.leaf as usize].delete(at.run, at.off, len, before.byte);
        self.hint = Hint { leaf: at.leaf, run, before };
        // Parts of a run have no lesser depth or gap than its first node, so the sums of those hold.
        self.add_chars(at.leaf, -(len as i32));
        self.split_if_overfull(at.leaf);
    }

    /// Where the text of a run begins in its leaf's.
    fn before(&self, at: At) -> Before {
        let Hint { leaf, run, before } = self.hint;
        let runs = &self.leaf(at.leaf).runs;
        match at.run.wrapping_sub(run) {
            0 if at.leaf == leaf => before,
            1 if at.leaf == leaf => before.after(&runs[run]),
            _ => self.leaf(at.leaf).before(at.run),
        }
    }

    /// An edit in one leaf moves what is after it.
    fn edited(&mut self, leaf: u32) {
        if self.start.is_some_and(|(start, _)| start != leaf) {
            self.start = None;
        }
    }

    fn add_chars(&mut self, leaf: u32, delta: i32) {
        if delta == 0 {
            return;
        }
        if self.path_leaf != leaf {
            self.find_path(leaf);
        }
        for (node, slot) in &self.path {
            self.nodes[*node as usize].add_chars(*slot, delta);
        }
    }

    /// Brings the sums above a leaf up to date.
    fn update_sums(&mut self, leaf: u32) {
        if self.path_leaf != leaf {
            self.find_path(leaf);
        }
        let mut sum = self.leaf(leaf).sum();
        for (node, slot) in &self.path {
            let node = &mut self.nodes[*node as usize];
            if node.sum_at(*slot) == sum {
                return;
            }
            node.set_sum(*slot, sum);
            sum = node.sum();
        }
    }

    fn find_path(&mut self, leaf: u32) {
        self.path_leaf = leaf;
        self.path.clear();
        let (mut child, mut parent) = (leaf, self.leaf(leaf).parent);
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            self.path.push((parent, node.slot_of(child)));
            (child, parent) = (parent, node.parent);
        }
    }

    fn split_if_overfull(&mut self, leaf: u32) {
        if self.leaf(leaf).is_overfull() {
            self.split(leaf);
        }
    }

    fn split(&mut self, left: u32) {
        let right = self.leaves.len() as u32;
        self.path_leaf = NONE;
        self.hint = Hint { leaf: left, run: 0, before: Before::default() };
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
    }

    /// Lists `right` after `left` at their parent, splitting the nodes above while they are full.
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
                // At the seam the new child goes to the lower half, beside its sibling.
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
