//! Every key and name that Inklog uses in a store. One file per store.

pub(crate) mod catalogue;
pub(crate) mod log;
pub mod objects;
pub mod redis;
