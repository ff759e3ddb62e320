//! An inner node of the B-tree: its children and what is below each.

/// The maximum number of children of an inner node.
pub(super) const FANOUT: usize = 16;

/// The least depth of a run's first node and the least gap before a run, in a part of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mins {
    pub depth: u32,
    pub gap: u32,
}

impl Mins {
    /// The minima of nothing.
    pub const NONE: Mins = Mins { depth: u32::MAX, gap: u32::MAX };
}

/// The totals of a part of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    /// Visible characters.
    pub chars: u32,
    pub mins: Mins,
}

/// One array per field, because a search looks at one field of every child.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub parent: u32,
    /// Whether the children are leaves.
    pub above_leaves: bool,
    len: u8,
    children: [u32; FANOUT],
    chars: [u32; FANOUT],
    min_depth: [u32; FANOUT],
    min_gap: [u32; FANOUT],
}

impl Node {
    pub fn new(parent: u32, above_leaves: bool) -> Node {
        let none = [u32::MAX; FANOUT];
        Node {
            parent,
            above_leaves,
            len: 0,
            children: none,
            chars: [0; FANOUT],
            min_depth: none,
            min_gap: none,
        }
    }

    pub fn children(&self) -> &[u32] {
        &self.children[..usize::from(self.len)]
    }

    pub fn chars(&self) -> &[u32] {
        &self.chars[..usize::from(self.len)]
    }

    pub fn min_depth(&self) -> &[u32] {
        &self.min_depth[..usize::from(self.len)]
    }

    pub fn min_gap(&self) -> &[u32] {
        &self.min_gap[..usize::from(self.len)]
    }

    pub fn is_full(&self) -> bool {
        usize::from(self.len) == FANOUT
    }

    /// The slot of `child`. A parent pointer always has its counterpart.
    pub fn slot_of(&self, child: u32) -> usize {
        self.children().iter().position(|c| *c == child).expect("a child is listed at its parent")
    }

    pub fn sum_at(&self, slot: usize) -> Sum {
        Sum { chars: self.chars[slot], mins: self.mins_at(slot) }
    }

    fn mins_at(&self, slot: usize) -> Mins {
        Mins { depth: self.min_depth[slot], gap: self.min_gap[slot] }
    }

    pub fn set_sum(&mut self, slot: usize, sum: Sum) {
        self.chars[slot] = sum.chars;
        self.set_mins(slot, sum.mins);
    }

    fn set_mins(&mut self, slot: usize, mins: Mins) {
        self.min_depth[slot] = mins.depth;
        self.min_gap[slot] = mins.gap;
    }

    /// Lowers a child's minima to `mins`, and returns whether that changed anything.
    pub fn lower_mins(&mut self, slot: usize, mins: Mins) -> bool {
        let now = self.mins_at(slot);
        let lower = Mins { depth: now.depth.min(mins.depth), gap: now.gap.min(mins.gap) };
        self.set_mins(slot, lower);
        lower != now
    }

    pub fn add_chars(&mut self, slot: usize, delta: i32) {
        self.chars[slot] = self.chars[slot].wrapping_add_signed(delta);
    }

    pub fn sum(&self) -> Sum {
        Sum { chars: self.chars().iter().sum(), mins: self.mins() }
    }

    fn mins(&self) -> Mins {
        let least = |column: &[u32]| column.iter().copied().min().unwrap_or(u32::MAX);
        Mins { depth: least(self.min_depth()), gap: least(self.min_gap()) }
    }

    /// Makes room at `slot`; the node must not be full.
    pub fn insert(&mut self, slot: usize, child: u32, sum: Sum) {
        let len = usize::from(self.len);
        debug_assert!(len < FANOUT && slot <= len);
        for column in [&mut self.children, &mut self.chars, &mut self.min_depth, &mut self.min_gap] {
            column.copy_within(slot..len, slot + 1);
        }
        self.len += 1;
        self.children[slot] = child;
        self.set_sum(slot, sum);
    }

    /// Moves the upper half of the children to a new node.
    pub fn split_off(&mut self) -> Node {
        let (len, keep) = (usize::from(self.len), usize::from(self.len) / 2);
        let mut right = Node::new(self.parent, self.above_leaves);
        for slot in keep..len {
            right.insert(slot - keep, self.children[slot], self.sum_at(slot));
        }
        self.len = keep as u8;
        right
    }
}
