//! What crosses crates.
//!
//! - `harness`: stores behind the real clients or in memory, and a clock that tests move; `taps`: what steps in
//! - `socket`: a WebSocket client that speaks raw JSON, for tests that look at single frames
//! - `slow_reader`: one client that does not read, beside others, on the whole stack
//! - `client`: the Rust client on a socket, and real stacks that forget
//! - `access`: every action by every role, and that whoever is refused has changed and read nothing
//! - `authorized`: access on the wire: the stack with tokens, and the built binaries, asked by every role
//! - `rates`: who asks for too much
//! - `pipeline`: one keystroke through every stage, and what clients see of it
//! - `conformance`: one suite a store, for what is in memory and for the real client on what is embedded
//! - `materializer`: its batches: failures, poison, newer encodings, missing bases
//! - `many_documents`: thousands that are new, and the catalogue
//! - `states`: many who join at once, slow readers, readers that read nothing
//! - `without_redis`: joining where Redis is full, away, foreign or damaged
//! - `redis_tls`: a Redis whose certificate a private authority has signed
//! - `full_redis`: documents that a Redis has no room for, or whose snapshot is lost, beside others
//! - `full_document`: a document at its limit: what is refused, what still works, how it gets smaller
//! - `waiting`: many events that wait: what they cost, and that all of them show in the end
//! - `broadcaster`: who is sent what, retries, giving up, connections that are gone
//! - `presence`: who sees where whom, and how it ends, on the whole stack
//! - `rebuild`: what must not come between reading the log and putting a base in
//! - `compaction`: what leaves the log, in which order, and that nothing is lost
//! - `snapshotter`: its runs and sweeps, of which each is too short for all
//! - `killed`: a process that dies between any two calls of its stores
//! - `forgetful`: a server that forgot: the log's name, and its word on what a client is ahead of
//! - `redis_cost`: bytes in Redis for one edit, counted
//! - `command`: the `inklog` command as a process: kill -9, a flushed Redis, how it fails
//! - `rules`: the tests that CONTRIBUTING.md names for each rule are there; no store is doubled; links lead somewhere
//! - `structure`: which crate may use which, and what meets the local stack
//! - `throttled`: deletes from the log that DynamoDB takes only in part
//! - `failing_aws`: errors of AWS that must not be taken for answers
//! - `verify`: stores that disagree, how long it waits for what is on its way, damaged bases
//! - `operator`: what an operator is told of all documents, of one, and of one that is not there
//! - `model`: the simulator's model: against vectors and the CRDT, and that its check finds each breach
//! - `readme`: every command of the README is run
//! - `server_stories`: what a server gets and answers, as data, on the whole stack
//! - `sam`: `template.yaml`, read
//! - `template`: the template held against the code
//! - `cloudformation`: the template held against CloudFormation, where linters say nothing
//! - `typescript`: the CRDT and the client's, through the same sessions, byte for byte; and what the server packs, opened
//! - `lambda_binaries`: each Lambda's binary on a stand-in of Lambda, with AWS's events

mod access;
mod authorized;
mod broadcaster;
mod client;
mod cloudformation;
mod command;
mod compaction;
mod conformance;
mod failing_aws;
mod forgetful;
mod full_document;
mod full_redis;
mod harness;
mod killed;
mod lambda_binaries;
mod many_documents;
mod materializer;
mod model;
mod operator;
mod pipeline;
mod presence;
mod rates;
mod readme;
mod rebuild;
mod redis_cost;
mod redis_tls;
mod rules;
mod sam;
mod server_stories;
mod slow_reader;
mod snapshotter;
mod socket;
mod states;
mod structure;
mod taps;
mod template;
mod throttled;
mod typescript;
mod verify;
mod waiting;
mod without_redis;
