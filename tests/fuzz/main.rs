//! Fuzzing: whatever reads bytes from outside, given bytes that nobody of ours has written.
//!
//! ```text
//!   driver.rs      runs a target: its corpus, then inputs made from a seed; shrinks what fails
//!   meter.rs       what an input may cost in memory and time
//!   made.rs        valid material: agents, numbers at their limits, events, histories
//!   mutate.rs      bytes, changed        json.rs   JSON, changed
//!   targets/       one file a decoder: how its inputs are made, and what must hold of what it reads
//!   limits.rs      the wire at, under and over every limit, with the answer that the protocol promises
//!   corpus/TARGET  inputs that once failed, and small samples of each format; each test replays its own
//! ```
//!
//! Every run of a seed makes the same inputs. `INKLOG_SEED` sets another seed, `INKLOG_FUZZ_SECONDS` how long each
//! target goes on (`make fuzz SECONDS=600`), `INKLOG_FUZZ_INPUT=FILE` replays one file instead.
//!
//! `arbitrary` turns random bytes into choices. It is what `cargo fuzz` uses, so that the same functions would run
//! below a fuzzer that is guided by coverage; it needs no nightly compiler and brings no other crate. `proptest` and
//! `bolero` would bring the loop as well, but keep seeds or choices as their corpus, which mean something else as soon
//! as a generator changes. Here an input is the decoder's own bytes: a file in the corpus stays what it is, and
//! shrinking changes what the decoder reads.

mod driver;
mod json;
mod limits;
mod made;
mod meter;
mod mutate;
mod targets;
