//! Where the last edits were: the next one is likely next to one of them. Several are remembered,
//! because several people type at once, each at their own place.

use super::NONE;
use super::leaf::Before;
use super::run::Lv;

/// How many places are remembered.
const PLACES: usize = 4;

/// A place in a leaf that was edited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub leaf: u32,
    /// A run of the leaf, and how much of the leaf's text precedes it.
    pub run: usize,
    pub before: Before,
    /// The number after the run's last node, if that node is visible and has no right child: a node with
    /// this number and that parent then goes directly after it.
    pub open: Option<Lv>,
    /// Up to here, the index names this leaf for numbers from `open` on.
    pub reach: Lv,
    /// Visible characters that the leaf has gained and that are not yet counted above it.
    pub uncounted: i32,
}

impl Place {
    pub const NOWHERE: Place = Place {
        leaf: NONE,
        run: 0,
        before: Before { byte: 0, chars: 0 },
        open: None,
        reach: 0,
        uncounted: 0,
    };
}

/// At most one place per leaf, the latest first. Every change to a leaf makes its place the first.
#[derive(Debug, Clone)]
pub(super) struct Recent([Place; PLACES]);

impl Default for Recent {
    fn default() -> Recent {
        Recent([Place::NOWHERE; PLACES])
    }
}

impl Recent {
    pub fn first(&self) -> &Place {
        &self.0[0]
    }

    pub fn first_mut(&mut self) -> &mut Place {
        &mut self.0[0]
    }

    /// The place in a leaf.
    #[inline]
    pub fn in_leaf(&self, leaf: u32) -> Option<&Place> {
        self.0.iter().find(|place| place.leaf == leaf)
    }

    /// All of them.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().filter(|place| place.leaf != NONE)
    }

    /// Takes what is not counted yet from a place: its leaf, and how many characters.
    pub fn take_uncounted(&mut self) -> Option<(u32, i32)> {
        let place = self.0.iter_mut().find(|place| place.uncounted != 0)?;
        Some((place.leaf, std::mem::take(&mut place.uncounted)))
    }

    /// Moves the place whose run node `lv` continues to the front, if there is one.
    #[inline]
    pub fn open_at(&mut self, lv: Lv) -> Option<&mut Place> {
        let at = self.0.iter().position(|place| place.open == Some(lv))?;
        self.0[..=at].rotate_right(1);
        Some(&mut self.0[0])
    }

    /// Moves the place in a leaf to the front. If it is new, the last place is forgotten, and returned if it
    /// still has something to count.
    #[inline]
    pub fn visit(&mut self, leaf: u32) -> Option<Place> {
        if self.0[0].leaf == leaf {
            return None;
        }
        let known = self.0.iter().position(|place| place.leaf == leaf);
        self.0[..=known.unwrap_or(PLACES - 1)].rotate_right(1);
        if known.is_some() {
            return None;
        }
        let forgotten = std::mem::replace(&mut self.0[0], Place { leaf, ..Place::NOWHERE });
        (forgotten.uncounted != 0).then_some(forgotten)
    }
}
