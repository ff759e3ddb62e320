//! Every key and name that Inklog uses in a store. One file per store.

pub mod objects;
pub mod redis;
