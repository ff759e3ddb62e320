//! What the tests of several packages share: a real Redis server, and a proxy that counts bytes. The
//! package's own tests are those that cross crates (`main.rs`).
//!
//! A package of its own and no feature of `inklog-store`, so that a build with tests and one without
//! compile the same crates.

#[path = "support/counting_proxy.rs"]
mod counting_proxy;
#[path = "support/redis_server.rs"]
mod redis_server;

pub use counting_proxy::CountingProxy;
pub use redis_server::RedisServer;
