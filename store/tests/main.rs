//! The tests of the stores, as one binary.
//!
//! - `support`: events, clocks, and a live state of either kind to test; no tests
//! - `live`: the conformance suite that both live states pass, and what only a real Redis can show
//! - `connections`: the same for connections and presence
//!
//! They start `redis-server` processes of their own, and fail where it is not installed.

mod connections;
mod live;
mod support;
