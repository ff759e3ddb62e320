//! The tests of the stores, as one binary.
//!
//! - `support`: events, and ways to look at Redis; no tests
//! - `live`: the conformance suite that both live states pass, and what only a real Redis can show
//! - `connections`: the same for connections and presence
//! - `tap`: what a tap is told, and what it can do to a call
//! - `disturbed`: what a simulation does to the stores in memory
//! - `audience`: a message that is offered until it is taken
//!
//! The suites of the other stores are in `tests/conformance`: their real ones are embedded there.
//!
//! They start `redis-server` processes of their own, and fail where it is not installed.

mod audience;
mod connections;
mod disturbed;
mod live;
mod support;
mod tap;
