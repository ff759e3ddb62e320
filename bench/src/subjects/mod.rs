//! The subjects: Inklog and its peers, all behind one trait, so that every workload is the same code
//! for all of them.

mod automerge;
mod cola;
mod diamond;
mod inklog;
mod jumprope;
mod loro;
mod yrs;

pub use automerge::Automerge;
pub use cola::Cola;
pub use diamond::Diamond;
pub use inklog::Inklog;
pub use jumprope::{BufferedJumprope, Jumprope};
pub use loro::Loro;
pub use yrs::Yrs;

use crate::trace::{Edit, Unit};

/// One replica of one document.
pub trait Subject: Sized {
    /// As the tables and `bench.json` call it.
    const NAME: &'static str;
    /// What positions count in [`Subject::edit`].
    const UNIT: Unit;
    /// Why it runs only the workload `local`, if so.
    const ONLY_LOCAL: Option<&'static str> = None;

    /// An empty replica of the author with this number.
    fn new(author: usize) -> Self;
    /// A local edit.
    fn edit(&mut self, edit: &Edit);
    /// A local edit, and the message that tells other replicas of it.
    fn edit_and_send(&mut self, edit: &Edit) -> Vec<u8>;
    /// Another replica's edit, which comes after all that it was made on.
    fn receive(&mut self, message: &[u8]);
    fn text(&self) -> String;
    /// The form that [`Subject::load`] reads quickest, which a server would keep.
    fn state(&self) -> Vec<u8>;
    fn load(author: usize, state: &[u8]) -> Self;
    /// The forms of its state that can still merge whatever comes; the smallest counts, by itself and
    /// after zstd.
    fn small_states(&self) -> Vec<Vec<u8>> {
        vec![self.state()]
    }
    /// The forms of the whole history, from which every earlier text can be had, where
    /// `messages` are all that were sent; the smallest counts.
    /// An error says why there is none.
    fn histories(&self, messages: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, &'static str>;
}
