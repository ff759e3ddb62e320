//! Every name that Inklog gives to something in a store. One file a store.

pub mod objects;
pub mod redis;
