//! Which leaf holds a node: ranges of local numbers, each with its leaf.

use std::collections::BTreeMap;

use super::run::Lv;

/// An ordered map from the first number of a range to the range's leaf; a range ends where the next
/// begins. Ranges follow leaves, not runs, so that what happens within a leaf never touches it.
#[derive(Debug, Clone, Default)]
pub(super) struct LeafIndex {
    starts: BTreeMap<Lv, u32>,
    /// Start and leaf of the last range, where nearly all new nodes go.
    last: Option<(Lv, u32)>,
    /// The end of what was ever assigned.
    end: Lv,
}

impl LeafIndex {
    /// The leaf of a node that is in the tree.
    pub fn leaf_of(&self, lv: Lv) -> u32 {
        match self.last {
            Some((start, leaf)) if lv >= start => leaf,
            _ => *self.starts.range(..=lv).next_back().expect("a node in the tree is indexed").1,
        }
    }

    /// Puts `start..end` into `leaf`. What lies beyond keeps its leaf; numbers that are in no leaf
    /// yet may get any, since they are assigned before they are looked up.
    pub fn assign(&mut self, start: Lv, end: Lv, leaf: u32) {
        let is_last = end >= self.end;
        self.end = self.end.max(end);
        if let Some((last_start, last_leaf)) = self.last
            && start >= last_start
            && leaf == last_leaf
        {
            return;
        }
        let beyond = self.starts.range(..=end).next_back().map(|(_, leaf)| *leaf);
        while let Some((&inside, _)) = self.starts.range(start..=end).next() {
            self.starts.remove(&inside);
        }
        let before = self.starts.range(..start).next_back().map(|(_, leaf)| *leaf);
        if before != Some(leaf) {
            self.starts.insert(start, leaf);
        }
        if let Some(beyond) = beyond
            && beyond != leaf
            && !is_last
        {
            self.starts.insert(end, beyond);
        }
        self.last = self.starts.last_key_value().map(|(start, leaf)| (*start, *leaf));
    }

    /// Puts ranges, ascending and leaving nothing out, into an empty index.
    pub fn fill(&mut self, ranges: impl Iterator<Item = (Lv, Lv, u32)>) {
        let mut last = None;
        let end = &mut self.end;
        self.starts = ranges
            .filter_map(|(start, to, leaf)| {
                *end = to;
                let is_new = last != Some(leaf);
                last = Some(leaf);
                is_new.then_some((start, leaf))
            })
            .collect();
        self.last = self.starts.last_key_value().map(|(start, leaf)| (*start, *leaf));
    }
}
