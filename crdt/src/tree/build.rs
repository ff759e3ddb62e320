//! Builds a whole tree at once, from its runs in document order.

use super::leaf::Leaf;
use super::node::{FANOUT, Node, Sum};
use super::run::{Lv, Run};
use super::{MAX_RUNS, MAX_TEXT, NONE, Tree};

/// Leaves and nodes are left a quarter empty, so that the first edits do not split every one of them.
const RUNS: usize = MAX_RUNS / 4 * 3;
const TEXT: usize = MAX_TEXT / 4 * 3;
const CHILDREN: usize = FANOUT / 4 * 3;

/// Takes runs in document order.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    /// The rest of the visible text.
    text: &'a str,
    is_ascii: bool,
    leaves: Vec<Leaf>,
    /// The contents so far of the leaf under construction: its runs, and how much of `text`. It allocates
    /// only the memory that it needs.
    runs: Vec<Run>,
    bytes: usize,
    /// By chain, the leaves of its first and of its latest node.
    chains: Vec<(u32, u32)>,
    /// Where a chain moves to another leaf: the node, and the leaf.
    moves: Vec<(Lv, u32)>,
}

impl<'a> Builder<'a> {
    /// For this text, and nodes in this many chains.
    pub fn new(text: &'a str, chains: usize) -> Builder<'a> {
        Builder {
            text,
            is_ascii: text.is_ascii(),
            leaves: Vec::new(),
            runs: Vec::with_capacity(RUNS),
            bytes: 0,
            chains: vec![(NONE, NONE); chains],
            moves: Vec::new(),
        }
    }

    /// Appends a part of a chain, after those with lower numbers. Its depth and gap are set; its text is
    /// taken from the rest.
    #[inline]
    pub fn push(&mut self, chain: u32, mut run: Run) {
        while !run.deleted {
            let (chars, bytes) = self.that_fit(run.len);
            if chars == run.len {
                run.bytes = bytes as u16;
                break;
            }
            // Split it, unless that would be near its beginning.
            if TEXT - self.bytes >= TEXT / 4 {
                let mut piece = Run { bytes: bytes as u16, ..run };
                run = piece.split_off(chars, bytes as u16);
                self.push_piece(chain, piece);
            }
            self.finish_leaf();
        }
        self.push_piece(chain, run);
    }

    /// How many of the next `chars` characters fit into the leaf under construction, and how many bytes
    /// they take.
    #[inline]
    fn that_fit(&self, chars: u32) -> (u32, usize) {
        let room = TEXT - self.bytes;
        if self.is_ascii {
            let fit = room.min(chars as usize);
            return (fit as u32, fit);
        }
        let text = &self.text[self.bytes..];
        let text = &text[..text.floor_char_boundary(room)];
        match text.char_indices().nth(chars as usize) {
            Some((bytes, _)) => (chars, bytes),
            None => (text.chars().count() as u32, text.len()),
        }
    }

    #[inline]
    fn push_piece(&mut self, chain: u32, run: Run) {
        let joins = self.runs.last().is_some_and(|before| run.continues(before));
        if !joins && self.runs.len() == RUNS {
            self.finish_leaf();
        }
        let this = self.leaves.len() as u32;
        let (first, last) = &mut self.chains[chain as usize];
        if *last != this {
            match *first {
                NONE => *first = this,
                _ => self.moves.push((run.lv, this)),
            }
            *last = this;
        }
        self.bytes += usize::from(run.bytes);
        match self.runs.last_mut() {
            Some(before) if joins => {
                before.len += run.len;
                before.bytes += run.bytes;
            }
            _ => self.runs.push(run),
        }
    }

    fn finish_leaf(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        let this = self.leaves.len() as u32;
        let (prev, next) = (this.checked_sub(1).unwrap_or(NONE), this + 1);
        let (text, rest) = self.text.split_at(self.bytes);
        self.leaves.push(Leaf::of(self.runs.clone(), text.to_owned(), NONE, prev, next));
        (self.text, self.bytes) = (rest, 0);
        self.runs.clear();
    }

    /// The tree. `first` holds the chains' first numbers, ascending and all below `end`.
    pub fn finish(mut self, first: impl Iterator<Item = Lv>, end: Lv) -> Tree {
        self.finish_leaf();
        let mut tree = Tree::default();
        let Some(last) = self.leaves.last_mut() else { return tree };
        last.next = NONE;
        tree.leaves = self.leaves;
        tree.last = tree.leaves.len() as u32 - 1;
        tree.nodes.clear();
        sort_by_number(&mut self.moves, end);
        let mut moves = self.moves.into_iter().peekable();
        let mut chains = first.zip(self.chains).map(|(lv, (leaf, _))| (lv, leaf)).peekable();
        let ranges = std::iter::from_fn(|| match (chains.peek(), moves.peek()) {
            (Some(chain), Some(moved)) if moved.0 < chain.0 => moves.next(),
            (None, _) => moves.next(),
            _ => chains.next(),
        });
        tree.index.fill(ranges, end);
        let mut level: Vec<(u32, Sum)> = (0..).zip(tree.leaves.iter().map(Leaf::sum)).collect();
        let mut above_leaves = true;
        loop {
            let mut upper = Vec::with_capacity(level.len() / CHILDREN + 1);
            for children in level.chunks(CHILDREN) {
                let number = tree.nodes.len() as u32;
                let mut node = Node::new(NONE, above_leaves);
                for (slot, (child, sum)) in children.iter().enumerate() {
                    node.insert(slot, *child, *sum);
                    match above_leaves {
                        true => tree.leaves[*child as usize].parent = number,
                        false => tree.nodes[*child as usize].parent = number,
                    }
                }
                upper.push((number, node.sum()));
                tree.nodes.push(node);
            }
            above_leaves = false;
            level = upper;
            if let [(root, sum)] = level[..] {
                tree.root = root;
                tree.chars = sum.chars as usize;
                return tree;
            }
        }
    }
}

/// A stable sort of pairs by their numbers, which are all below `end`: a radix sort from the lowest digit,
/// because a document has many numbers and they are small.
pub(crate) fn sort_by_number(pairs: &mut Vec<(Lv, u32)>, end: Lv) {
    const BITS: u32 = 11;
    if pairs.len() < 1 << (BITS - 3) {
        return pairs.sort_by_key(|pair| pair.0);
    }
    let mut sorted = vec![(0, 0); pairs.len()];
    for shift in (0..u32::BITS - end.leading_zeros()).step_by(BITS as usize) {
        let digit = |lv: Lv| (lv >> shift) as usize & ((1 << BITS) - 1);
        let mut places = [0u32; 1 << BITS];
        pairs.iter().for_each(|(lv, _)| places[digit(*lv)] += 1);
        let mut next = 0;
        for place in &mut places {
            next += std::mem::replace(place, next);
        }
        for pair in pairs.iter() {
            let place = &mut places[digit(pair.0)];
            sorted[*place as usize] = *pair;
            *place += 1;
        }
        std::mem::swap(pairs, &mut sorted);
    }
}
