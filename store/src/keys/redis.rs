//! The keys in Redis.
