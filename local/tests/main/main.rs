//! The emulators against real clients: a WebSocket client and the AWS SDK.
//!
//! - `gateway`: upgrades, limits, close codes, concurrency and `@connections`
//! - `streams`: event source mappings on an embedded DynamoDB
//! - `embedded`: what the embedded stores promise; `dynamodb`: the protocol of one of them
//! - `pipeline`: what a developer sees pass, and how a document stands
//! - `editor`: the browser editor's files
//! - `support`: clients, and functions that record what they get; `http`: requests written by hand

mod dynamodb;
mod editor;
mod embedded;
mod gateway;
mod http;
mod pipeline;
mod streams;
mod support;
