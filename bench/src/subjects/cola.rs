//! cola, which orders edits but holds no text, with the rope crop: messages are cola's edits in
//! bincode (which cola itself uses) with the inserted text beside them.

use bincode::{deserialize_from, serialize_into};
use cola::{Deletion, EncodedReplica, Insertion, Replica};
use crop::Rope;

use super::Subject;
use crate::trace::{Edit, Unit};

pub struct Cola {
    replica: Replica,
    text: Rope,
}

impl Cola {
    fn delete(&mut self, edit: &Edit) -> Deletion {
        self.text.delete(edit.at..edit.at + edit.deleted);
        self.replica.deleted(edit.at..edit.at + edit.deleted)
    }

    fn insert(&mut self, edit: &Edit) -> Insertion {
        self.text.insert(edit.at, &edit.inserted);
        self.replica.inserted(edit.at, edit.inserted.len())
    }
}

impl Subject for Cola {
    const NAME: &'static str = "cola+crop";
    const UNIT: Unit = Unit::Bytes;

    fn new(author: usize) -> Cola {
        // Replicas that are to merge have to be forks of one.
        let first = Replica::new(1, 0);
        let replica = if author == 0 { first } else { first.fork(author as u64 + 1) };
        Cola { replica, text: Rope::new() }
    }

    fn edit(&mut self, edit: &Edit) {
        if edit.deleted > 0 {
            self.delete(edit);
        }
        if !edit.inserted.is_empty() {
            self.insert(edit);
        }
    }

    fn edit_and_send(&mut self, edit: &Edit) -> Vec<u8> {
        let mut message = vec![u8::from(edit.deleted > 0)];
        if edit.deleted > 0 {
            serialize_into(&mut message, &self.delete(edit)).expect("it can be written");
        }
        if !edit.inserted.is_empty() {
            serialize_into(&mut message, &self.insert(edit)).expect("it can be written");
            message.extend_from_slice(edit.inserted.as_bytes());
        }
        message
    }

    fn receive(&mut self, message: &[u8]) {
        let mut rest = &message[1..];
        if message[0] == 1 {
            let deletion: Deletion = deserialize_from(&mut rest).expect("it was encoded here");
            for range in self.replica.integrate_deletion(&deletion).into_iter().rev() {
                self.text.delete(range);
            }
        }
        if !rest.is_empty() {
            let insertion: Insertion = deserialize_from(&mut rest).expect("it was encoded here");
            let at = self.replica.integrate_insertion(&insertion).expect("what it hangs at came before");
            self.text.insert(at, std::str::from_utf8(rest).expect("it was encoded here"));
        }
    }

    fn text(&self) -> String {
        self.text.to_string()
    }

    fn state(&self) -> Vec<u8> {
        let mut state = bincode::serialize(&self.replica.encode()).expect("it can be written");
        state.extend_from_slice(self.text.to_string().as_bytes());
        state
    }

    fn load(author: usize, state: &[u8]) -> Cola {
        let mut rest = state;
        let replica: EncodedReplica = deserialize_from(&mut rest).expect("it was encoded here");
        let replica = Replica::decode(author as u64 + 1, &replica).expect("it was encoded here");
        Cola { replica, text: Rope::from(std::str::from_utf8(rest).expect("it was encoded here")) }
    }

    fn histories(&self, _: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, &'static str> {
        Err("it keeps no history")
    }
}
