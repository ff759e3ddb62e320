//! jumprope: a rope, as a bound on what editing by position costs when nothing has to be merged. Its
//! buffered form puts off what is typed or deleted at one place until something else is asked for.

use jumprope::{JumpRope, JumpRopeBuf};

use super::Subject;
use crate::trace::{Edit, Unit};

/// Both forms of the rope.
pub trait Text: Default {
    const NAME: &'static str;
    fn remove(&mut self, range: std::ops::Range<usize>);
    fn insert(&mut self, at: usize, text: &str);
    fn text(&self) -> String;
}

macro_rules! text {
    ($rope:ty, $name:literal) => {
        impl Text for $rope {
            const NAME: &'static str = $name;

            fn remove(&mut self, range: std::ops::Range<usize>) {
                self.remove(range);
            }

            fn insert(&mut self, at: usize, text: &str) {
                self.insert(at, text);
            }

            fn text(&self) -> String {
                self.to_string()
            }
        }
    };
}

text!(JumpRope, "jumprope");
text!(JumpRopeBuf, "jumprope-buf");

pub struct Rope<T>(T);

pub type Jumprope = Rope<JumpRope>;
pub type BufferedJumprope = Rope<JumpRopeBuf>;

impl<T: Text> Subject for Rope<T> {
    const NAME: &'static str = T::NAME;
    const UNIT: Unit = Unit::CodePoints;
    const ONLY_LOCAL: Option<&'static str> = Some("it is a rope, and merges nothing");

    fn new(_: usize) -> Self {
        Rope(T::default())
    }

    fn edit(&mut self, edit: &Edit) {
        if edit.deleted > 0 {
            self.0.remove(edit.at..edit.at + edit.deleted);
        }
        if !edit.inserted.is_empty() {
            self.0.insert(edit.at, &edit.inserted);
        }
    }

    fn edit_and_send(&mut self, _: &Edit) -> Vec<u8> {
        unreachable!("it runs only local")
    }

    fn receive(&mut self, _: &[u8]) {
        unreachable!("it runs only local")
    }

    fn text(&self) -> String {
        self.0.text()
    }

    fn state(&self) -> Vec<u8> {
        unreachable!("it runs only local")
    }

    fn load(_: usize, _: &[u8]) -> Self {
        unreachable!("it runs only local")
    }

    fn histories(&self, _: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, &'static str> {
        unreachable!("it runs only local")
    }
}
