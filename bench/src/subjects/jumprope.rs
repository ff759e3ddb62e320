//! jumprope: a rope, as a bound on what editing by position costs when nothing has to be merged.

use jumprope::JumpRopeBuf;

use super::Subject;
use crate::trace::{Edit, Unit};

pub struct Jumprope(JumpRopeBuf);

impl Subject for Jumprope {
    const NAME: &'static str = "jumprope";
    const UNIT: Unit = Unit::CodePoints;
    const ONLY_LOCAL: Option<&'static str> = Some("it is a rope, and merges nothing");

    fn new(_: usize) -> Jumprope {
        Jumprope(JumpRopeBuf::new())
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
        self.0.to_string()
    }

    fn state(&self) -> Vec<u8> {
        unreachable!("it runs only local")
    }

    fn load(_: usize, _: &[u8]) -> Jumprope {
        unreachable!("it runs only local")
    }

    fn histories(&self, _: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, &'static str> {
        unreachable!("it runs only local")
    }
}
