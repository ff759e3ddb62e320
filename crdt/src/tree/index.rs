//! Which leaf holds a node: ranges of local numbers, each with its leaf.

use super::run::Lv;

/// The maximum number of entries in a block, so that searching and shifting one is quick.
const BLOCK: usize = 256;

/// The first number of a range, and the range's leaf. A range ends where the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    start: Lv,
    leaf: u32,
}

/// An ordered map from numbers to leaves, in blocks of entries. Ranges follow leaves, not runs, so that
/// changes within a leaf never touch it.
#[derive(Debug, Clone, Default)]
pub(super) struct LeafIndex {
    /// No block is empty.
    blocks: Vec<Vec<Entry>>,
    /// The first number of each block.
    firsts: Vec<Lv>,
    /// The last range, where nearly all new nodes go.
    last: Option<Entry>,
    /// The end of all numbers ever assigned.
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

    /// Assigns new numbers, the highest of their agent, to `leaf`. Returns up to where the index names that
    /// leaf: further numbers of the agent in that leaf need not be added up to there, but
    /// [`LeafIndex::reached`] must be called.
    ///
    /// Numbers below and above may be reserved, see `doc/ids.rs`: they are in no leaf, and until they are
    /// added it does not matter which leaf the index names. A range begins after each such hole, so that
    /// the index stays correct for the numbers of the next block.
    pub fn add(&mut self, start: Lv, end: Lv, leaf: u32) -> Lv {
        if start < self.end {
            // The previous number is also the agent's: if it is in the same leaf, so is this one already.
            return match self.range_at(start) {
                Some((entry, next)) if entry.leaf == leaf && next.is_none_or(|next| end <= next) => {
                    next.unwrap_or(Lv::MAX)
                }
                _ => self.put(start, end, leaf, false),
            };
        }
        let goes_on = start == self.end && self.last.is_some_and(|last| last.leaf == leaf);
        self.end = end;
        if !goes_on {
            self.put(start, end, leaf, false);
        }
        Lv::MAX
    }

    /// Numbers below `end` are in leaves now.
    #[inline]
    pub fn reached(&mut self, end: Lv) {
        self.end = self.end.max(end);
    }

    /// Moves `start..end` to `leaf`, wherever they were. Later numbers keep their leaf.
    pub fn assign(&mut self, start: Lv, end: Lv, leaf: u32) {
        let keeps_beyond = end < self.end;
        self.end = self.end.max(end);
        self.put(start, end, leaf, keeps_beyond);
    }

    /// Makes `start..end` a range, replacing those that begin there, and returns where the next one begins.
    fn put(&mut self, start: Lv, end: Lv, leaf: u32, keeps_beyond: bool) -> Lv {
        if self.blocks.is_empty() {
            self.blocks.push(Vec::new());
            self.firsts.push(start);
        }
        let block = self.firsts.partition_point(|first| *first <= start).saturating_sub(1);
        while self.firsts.get(block + 1).is_some_and(|next| *next < end) {
            let next = self.blocks.remove(block + 1);
            self.firsts.remove(block + 1);
            self.blocks[block].extend(next);
        }
        let entries = &mut self.blocks[block];
        let at = entries.partition_point(|entry| entry.start < start);
        let until = at + entries[at..].iter().take_while(|entry| entry.start < end).count();
        let next = entries.get(until).map(|next| next.start);
        let next = next.or_else(|| self.firsts.get(block + 1).copied()).unwrap_or(Lv::MAX);
        let beyond = until.checked_sub(1).map(|last| Entry { start: end, ..entries[last] });
        let beyond = beyond.filter(|_| keeps_beyond && next != end);
        let this = Entry { start, leaf };
        if until > at {
            entries[at] = this;
            entries.drain(at + 1..until);
        } else {
            entries.insert(at, this);
        }
        if let Some(beyond) = beyond {
            entries.insert(at + 1, beyond);
        }
        self.firsts[block] = entries[0].start;
        // At the very end, nothing will be inserted in between, so the old block stays full.
        let is_end = at + 2 >= entries.len() && block + 1 == self.firsts.len();
        while self.blocks[block].len() > BLOCK {
            let entries = &mut self.blocks[block];
            let upper = entries.split_off(if is_end { BLOCK } else { entries.len() / 2 });
            self.firsts.insert(block + 1, upper[0].start);
            self.blocks.insert(block + 1, upper);
        }
        self.last = self.blocks.last().and_then(|block| block.last().copied());
        next
    }

    /// Fills an empty index with ascending ranges that cover everything up to `end`.
    pub fn fill(&mut self, ranges: impl Iterator<Item = (Lv, u32)>, end: Lv) {
        let mut entries: Vec<Entry> = Vec::with_capacity(ranges.size_hint().0);
        for (start, leaf) in ranges {
            if entries.last().is_none_or(|last| last.leaf != leaf) {
                entries.push(Entry { start, leaf });
            }
        }
        self.end = end;
        self.last = entries.last().copied();
        // Not quite full, so that the first changes do not split every block.
        self.blocks = entries.chunks(BLOCK / 4 * 3).map(<[Entry]>::to_vec).collect();
        self.firsts = self.blocks.iter().map(|block| block[0].start).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Assignments as leaf splits and the typing of several agents make them, against one leaf per
    /// number. Each agent gets its numbers from blocks, of which some are never used up.
    #[test]
    fn ranges_are_what_single_numbers_would_be() {
        const HOLE: u32 = u32::MAX;
        let mut index = LeafIndex::default();
        let mut naive: Vec<u32> = Vec::new();
        let mut rooms = vec![0..0; 3];
        let mut state = 7u64;
        let mut below = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % end) as u32
        };
        // Per agent, the leaf in which it keeps typing, the next number there, and the limit.
        let mut open = [(0, 0, 0); 3];
        for step in 0..20_000u32 {
            let (leaf, agent) = (below(50), below(3) as usize);
            let (start, end);
            if step % 3 > 0 || naive.is_empty() {
                let count = 1 + below(3);
                if rooms[agent].len() < count as usize {
                    let first = naive.len() as u32;
                    rooms[agent] = first..first + count + below(20);
                    naive.resize(rooms[agent].end as usize, HOLE);
                }
                (start, end) = (rooms[agent].start, rooms[agent].start + count);
                rooms[agent].start = end;
                let (here, next, reach) = open[agent];
                if next == start && end <= reach && step % 2 == 0 {
                    naive[start as usize..end as usize].fill(here);
                    index.reached(end);
                    open[agent] = (here, end, reach);
                } else {
                    naive[start as usize..end as usize].fill(leaf);
                    open[agent] = (leaf, end, index.add(start, end, leaf));
                }
            } else {
                // A contiguous stretch in one leaf, as long as possible, or a part of it.
                start = below(naive.len() as u64);
                let left = naive[start as usize];
                let alike = naive[start as usize..].iter().take_while(|leaf| **leaf == left).count() as u64;
                end = start + 1 + below(alike.min(40));
                if left == HOLE {
                    continue;
                }
                // A leaf that is split is new to all of its numbers.
                let right = 50 + step;
                naive[start as usize..end as usize].fill(right);
                index.assign(start, end, right);
                for place in &mut open {
                    place.2 = if place.0 == left { 0 } else { place.2 };
                }
            }
            let probe = below(naive.len() as u64);
            for lv in [start, end - 1, probe, start.saturating_sub(1), end.min(naive.len() as u32 - 1)] {
                if naive[lv as usize] != HOLE {
                    assert_eq!(index.leaf_of(lv), naive[lv as usize], "number {lv} after step {step}");
                }
            }
        }
        let used = |(lv, leaf): (u32, &u32)| *leaf == HOLE || index.leaf_of(lv) == *leaf;
        assert!((0..).zip(&naive).all(used));
        let mut filled = LeafIndex::default();
        filled.fill((0..).zip(naive.iter().copied()), naive.len() as Lv);
        assert!((0..).zip(&naive).all(|(lv, leaf)| filled.leaf_of(lv) == *leaf));
    }

    /// A leaf takes over what was in several blocks of the index, from and to places next to where blocks begin.
    #[test]
    fn ranges_are_replaced_across_blocks() {
        const END: Lv = 4 * BLOCK as Lv;
        const NEW: u32 = END;
        let mut index = LeafIndex::default();
        (0..END).for_each(|lv| {
            index.add(lv, lv + 1, lv);
        });
        let firsts: Vec<Lv> = index.firsts.clone();
        assert!(firsts.len() > 3);
        let ends = firsts.iter().flat_map(|first| [first.saturating_sub(1), *first, first + 1]).chain([END]);
        for (start, end) in ends.clone().flat_map(|start| ends.clone().map(move |end| (start, end))) {
            if start >= end {
                continue;
            }
            let mut index = index.clone();
            index.assign(start, end, NEW);
            for lv in 0..END {
                let leaf = if (start..end).contains(&lv) { NEW } else { lv };
                assert_eq!(index.leaf_of(lv), leaf, "number {lv} of {start}..{end}");
            }
        }
    }
}
