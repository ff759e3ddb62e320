//! The emulators against real clients: a WebSocket client and the AWS SDK.
//!
//! - `gateway`: upgrades, limits, close codes, concurrency and `@connections`
//! - `streams`: event source mappings on an embedded DynamoDB
//! - `embedded`: what the embedded stores promise
//! - `support`: clients, and functions that record what they get

mod embedded;
mod gateway;
mod streams;
mod support;
