//! diamond-types as crates.io has it: messages are patches of its file format.

use diamond_types::AgentId;
use diamond_types::list::ListCRDT;
use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH, EncodeOptions};

use super::Subject;
use crate::trace::{Edit, Unit};

pub struct Diamond {
    list: ListCRDT,
    agent: AgentId,
}

impl Diamond {
    fn around(mut list: ListCRDT, author: usize) -> Diamond {
        let agent = list.get_or_create_agent_id(&format!("author{author}"));
        Diamond { list, agent }
    }
}

impl Subject for Diamond {
    const NAME: &'static str = "diamond-types";
    const UNIT: Unit = Unit::CodePoints;

    fn new(author: usize) -> Diamond {
        Diamond::around(ListCRDT::new(), author)
    }

    fn edit(&mut self, edit: &Edit) {
        if edit.deleted > 0 {
            self.list.delete_without_content(self.agent, edit.at..edit.at + edit.deleted);
        }
        if !edit.inserted.is_empty() {
            self.list.insert(self.agent, edit.at, &edit.inserted);
        }
    }

    fn edit_and_send(&mut self, edit: &Edit) -> Vec<u8> {
        let before = self.list.oplog.local_version();
        self.edit(edit);
        self.list.oplog.encode_from(ENCODE_PATCH, &before)
    }

    fn receive(&mut self, message: &[u8]) {
        self.list.merge_data_and_ff(message).expect("it was encoded here");
    }

    fn text(&self) -> String {
        self.list.branch.content().to_string()
    }

    fn state(&self) -> Vec<u8> {
        self.list.oplog.encode(ENCODE_FULL)
    }

    fn load(author: usize, state: &[u8]) -> Diamond {
        Diamond::around(ListCRDT::load_from(state).expect("it was encoded here"), author)
    }

    fn small_states(&self) -> Vec<Vec<u8>> {
        // Its own compression can hinder zstd.
        let plain = EncodeOptions { compress_content: false, ..ENCODE_FULL };
        vec![self.state(), self.list.oplog.encode(plain)]
    }

    fn histories(&self, _: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, &'static str> {
        Ok(self.small_states())
    }
}
