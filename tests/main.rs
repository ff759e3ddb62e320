//! What crosses crates.
//!
//! - `harness`: embedded stores behind the real clients, a clock that tests move, calls to step in
//! - `socket`: a WebSocket client that speaks raw JSON, for tests that look at single frames
//! - `pipeline`: one keystroke through every stage, and what clients see of it
//! - `materializer`: its batches: failures, poison, newer encodings, missing bases
//! - `compaction`: what leaves the log, in which order, and that nothing is lost
//! - `redis_cost`: bytes in Redis for one edit, counted

mod compaction;
mod harness;
mod materializer;
mod pipeline;
mod redis_cost;
mod socket;
