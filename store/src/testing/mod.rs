//! For the workspace's tests, behind the feature `testing`: a real Redis server, and a proxy that
//! counts bytes.

mod counting_proxy;
mod redis_server;

pub use counting_proxy::CountingProxy;
pub use redis_server::RedisServer;
