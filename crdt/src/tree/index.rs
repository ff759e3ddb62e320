//! Which leaf holds a node: ranges of local numbers, each with its leaf.

use super::run::Lv;

/// Most entries of a block: what a lookup and a shift get through quickly.
const BLOCK: usize = 256;

/// The first number of a range, and the range's leaf. A range ends where the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    start: Lv,
    leaf: u32,
}

/// An ordered map from numbers to leaves, in blocks of entries. Ranges follow leaves, not runs, so that
/// what happens within a leaf never touches it.
#[derive(Debug, Clone, Default)]
pub(super) struct LeafIndex {
    /// No block is empty.
    blocks: Vec<Vec<Entry>>,
    /// The first number of each block.
    firsts: Vec<Lv>,
    /// The last range, where nearly all new nodes go.
    last: Option<Entry>,
    /// The end of what was ever assigned.
    end: Lv,
}

impl LeafIndex {
    /// The leaf of a node that is in the tree.
    pub fn leaf_of(&self, lv: Lv) -> u32 {
        match self.last {
            Some(Entry { start, leaf }) if lv >= start => leaf,
            _ => self.range_at(lv).expect("a node in the tree is indexed").0.leaf,
        }
    }

    /// The range that a number lies in, and where the next one begins.
    fn range_at(&self, lv: Lv) -> Option<(Entry, Option<Lv>)> {
        let block = self.firsts.partition_point(|first| *first <= lv).checked_sub(1)?;
        let entries = &self.blocks[block];
        let at = entries.partition_point(|entry| entry.start <= lv) - 1;
        let next = entries.get(at + 1).map(|next| next.start);
        Some((entries[at], next.or_else(|| self.firsts.get(block + 1).copied())))
    }

    /// Puts numbers that were given just now, the highest of their agent, into `leaf`. Returns up to
    /// where the index has that leaf: further numbers of the agent that go there, up to that, need not
    /// be added.
    ///
    /// Numbers may have been set aside below and above, see `doc/ids.rs`: those are in no leaf, and
    /// until they are added it does not matter which the index names. So that it stays right about
    /// those of the next block, a range begins wherever something is put behind such a hole.
    pub fn add(&mut self, start: Lv, end: Lv, leaf: u32) -> Lv {
        if start >= self.end {
            let goes_on = start == self.end && self.last.is_some_and(|last| last.leaf == leaf);
            self.end = end;
            if !goes_on {
                self.insert(Entry { start, leaf });
            }
            return Lv::MAX;
        }
        let is_there =
            |entry: &Entry, next: Option<Lv>| entry.leaf == leaf && next.is_none_or(|next| end <= next);
        match self.range_at(start) {
            Some((entry, next)) if is_there(&entry, next) => next.unwrap_or(Lv::MAX),
            _ => {
                self.remove(start, end - 1);
                self.insert(Entry { start, leaf });
                self.set_last();
                self.range_at(start).and_then(|(_, next)| next).unwrap_or(Lv::MAX)
            }
        }
    }

    /// Puts `start..end` into `leaf`, wherever they were. What lies beyond keeps its leaf.
    pub fn assign(&mut self, start: Lv, end: Lv, leaf: u32) {
        let beyond = self.range_at(end).filter(|_| end < self.end);
        self.end = self.end.max(end);
        self.remove(start, end);
        self.insert(Entry { start, leaf });
        if let Some((beyond, _)) = beyond {
            self.insert(Entry { start: end, ..beyond });
        }
        self.set_last();
    }

    fn set_last(&mut self) {
        self.last = self.blocks.last().and_then(|block| block.last().copied());
    }

    /// Adds a range that begins where none did.
    fn insert(&mut self, entry: Entry) {
        let block = self.firsts.partition_point(|first| *first <= entry.start).saturating_sub(1);
        if self.blocks.is_empty() {
            self.blocks.push(Vec::new());
            self.firsts.push(entry.start);
        }
        let entries = &mut self.blocks[block];
        let at = entries.partition_point(|other| other.start < entry.start);
        entries.insert(at, entry);
        self.firsts[block] = entries[0].start;
        if entries.len() > BLOCK {
            // At the end of all, where nothing comes between any more, the old block stays full.
            let is_end = block + 1 == self.firsts.len() && at + 1 == entries.len();
            let upper = entries.split_off(if is_end { BLOCK } else { BLOCK / 2 });
            self.firsts.insert(block + 1, upper[0].start);
            self.blocks.insert(block + 1, upper);
        }
        if self.last.is_none_or(|last| last.start <= entry.start) {
            self.last = Some(entry);
        }
    }

    /// Removes the ranges that begin in `from..=to`.
    fn remove(&mut self, from: Lv, to: Lv) {
        let mut block = self.firsts.partition_point(|first| *first <= from).saturating_sub(1);
        while block < self.blocks.len() && self.firsts[block] <= to {
            let entries = &mut self.blocks[block];
            let first = entries.partition_point(|entry| entry.start < from);
            let until = entries.partition_point(|entry| entry.start <= to);
            entries.drain(first..until);
            match entries.first() {
                Some(entry) => {
                    self.firsts[block] = entry.start;
                    block += 1;
                }
                None => {
                    self.blocks.remove(block);
                    self.firsts.remove(block);
                }
            }
        }
    }

    /// Puts ranges, ascending and leaving nothing out up to `end`, into an empty index.
    pub fn fill(&mut self, ranges: impl Iterator<Item = (Lv, u32)>, end: Lv) {
        let mut entries: Vec<Entry> = Vec::with_capacity(ranges.size_hint().0);
        for (start, leaf) in ranges {
            if entries.last().is_none_or(|last| last.leaf != leaf) {
                entries.push(Entry { start, leaf });
            }
        }
        self.end = end;
        self.last = entries.last().copied();
        // Not quite full, so that the first changes don't split every block.
        self.blocks = entries.chunks(BLOCK / 4 * 3).map(<[Entry]>::to_vec).collect();
        self.firsts = self.blocks.iter().map(|block| block[0].start).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Assignments as leaf splits and typing make them, against one leaf per number.
    #[test]
    fn ranges_are_what_single_numbers_would_be() {
        let (mut index, mut naive) = (LeafIndex::default(), Vec::new());
        let mut state = 7u64;
        let mut below = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % end) as u32
        };
        for step in 0..20_000u32 {
            let leaf = below(50);
            let (start, end) = match naive.len() as u32 {
                len if len == 0 || step % 3 > 0 => (len, len + 1 + below(3)),
                len => {
                    let start = below(u64::from(len));
                    (start, start + 1 + below(u64::from(len - start).min(40)))
                }
            };
            naive.resize(naive.len().max(end as usize), 0);
            naive[start as usize..end as usize].fill(leaf);
            index.assign(start, end, leaf);
            let probe = below(naive.len() as u64);
            for lv in [start, end - 1, probe, start.saturating_sub(1), end.min(naive.len() as u32 - 1)] {
                assert_eq!(index.leaf_of(lv), naive[lv as usize], "number {lv} after step {step}");
            }
        }
        let mut filled = LeafIndex::default();
        filled.fill((0..).zip(naive.iter().copied()), naive.len() as Lv);
        assert!((0..).zip(&naive).all(|(lv, leaf)| filled.leaf_of(lv) == *leaf));
        assert!((0..).zip(&naive).all(|(lv, leaf)| index.leaf_of(lv) == *leaf));
    }
}
