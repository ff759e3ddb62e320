//! The crate's tests that go through its public face, as one binary.
//!
//! - `oracle`: a naive document that follows the rules word by word, to compare with
//! - `random`: random edits, events and deliveries against the oracle; the bulk of the checking
//! - `vectors`: recorded cases, this repository's own and, where they are there, the project's
//! - `shapes`: adversarial documents and histories, with bounds on the time they take
//! - `edits`: local edits at their limits
//! - `states`: encoding, decoding and merging of states, damaged ones included; composing
//! - `traces`: recorded editing sessions, where they are there
//! - `json`, `prng`: what these share

mod edits;
mod json;
mod oracle;
mod prng;
mod random;
mod shapes;
mod states;
mod traces;
mod vectors;
