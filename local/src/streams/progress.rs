//! Tracks which records of a shard are done, and derives the checkpoint from that.
//!
//! Lanes finish out of order; the checkpoint may only pass a record when every record before it in
//! the shard is done too.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct Progress {
    window: Mutex<Window>,
    state: watch::Sender<State>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The sequence number up to which everything is done.
    pub checkpoint: Option<String>,
    /// Records that were read and are not below the checkpoint.
    pub outstanding: usize,
}

#[derive(Debug, Default)]
struct Window {
    first: u64,
    records: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    sequence_number: String,
    done: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self { window: Mutex::default(), state: watch::Sender::new(State::default()) }
    }

    /// Registers the next record of the shard; the result identifies it for `done`.
    pub fn admit(&self, sequence_number: String) -> u64 {
        let mut window = self.window.lock().expect("nothing panics while holding it");
        window.records.push_back(Entry { sequence_number, done: false });
        let outstanding = window.records.len();
        self.state.send_modify(|state| state.outstanding = outstanding);
        window.first + window.records.len() as u64 - 1
    }

    /// Marks records as done. Doing so again changes nothing.
    pub fn done(&self, indexes: impl IntoIterator<Item = u64>) {
        let mut window = self.window.lock().expect("nothing panics while holding it");
        for index in indexes {
            let at = index.checked_sub(window.first).and_then(|at| usize::try_from(at).ok());
            if let Some(entry) = at.and_then(|at| window.records.get_mut(at)) {
                entry.done = true;
            }
        }
        let mut checkpoint = None;
        while let Some(entry) = window.records.pop_front_if(|entry| entry.done) {
            window.first += 1;
            checkpoint = Some(entry.sequence_number);
        }
        let outstanding = window.records.len();
        if checkpoint.is_some() {
            self.state.send_modify(|state| *state = State { checkpoint, outstanding });
        }
    }

    /// The state, to be watched.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkpoint_waits_for_the_slowest() {
        let progress = Progress::new();
        let state = progress.watch();
        let checkpoint = || state.borrow().checkpoint.clone();
        let indexes: Vec<u64> = ["a", "b", "c", "d"].map(|s| progress.admit(s.to_owned())).to_vec();
        progress.done([indexes[1], indexes[2]]);
        assert_eq!(checkpoint(), None);
        progress.done([indexes[0]]);
        assert_eq!(checkpoint().as_deref(), Some("c"));
        progress.done([indexes[0], indexes[1]]);
        assert_eq!(checkpoint().as_deref(), Some("c"));
        let last = progress.admit("e".to_owned());
        progress.done([last, indexes[3]]);
        assert_eq!(*state.borrow(), State { checkpoint: Some("e".to_owned()), outstanding: 0 });
    }
}
