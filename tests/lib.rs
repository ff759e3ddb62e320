//! What the tests of several packages share: the built binaries, a real Redis server, a proxy that counts bytes,
//! stories, and suites run against several implementations. The package's own tests are those that cross crates
//! (`main.rs`).
//!
//! A package of its own and no feature of `inklog-store`, so that a build with tests and one without
//! compile the same crates.

#[path = "support/binaries.rs"]
mod binaries;
#[path = "support/counting_proxy.rs"]
mod counting_proxy;
#[path = "support/redis_name.rs"]
mod redis_name;
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "support/stories.rs"]
pub mod stories;

pub use binaries::{binaries, inklog_binary, is_of_a_package};
pub use counting_proxy::CountingProxy;
pub use redis_name::RedisName;
pub use redis_server::RedisServer;

/// Runs every test of a suite against each implementation of what it is about. A test is a function of the
/// module named; it takes a `Harness`, which has an async constructor for each implementation.
///
/// ```text
/// conformance! {
///     on memory redis;
///     append: an_append_of_nothing_is_fine offsets_count_on;
/// }
/// ```
#[macro_export]
macro_rules! conformance {
    (on $($of:ident)*; $($suite:tt)*) => { $crate::conformance!(@each [$($of)*] {$($suite)*}); };
    (@each [$($of:ident)*] $suite:tt) => { $($crate::conformance!(@one $of $suite);)* };
    (@one $of:ident { $($module:ident: $($test:ident)*;)* }) => {
        mod $of {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$module::$test(super::Harness::$of().await).await;
            })*)*
        }
    };
}
