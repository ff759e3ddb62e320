//! The whole pipeline in one process: emulators of the AWS services between the Lambdas, and embedded
//! stores behind them.
//!
//! A client's WebSocket ends in [`gateway`], which passes each message to the function of its route, as
//! API Gateway does. A function writes to DynamoDB ([`embedded`], or a real one); [`streams`] reads
//! the table's stream, woken by the write, and delivers the records to the stream functions; those push
//! to clients through the gateway's `@connections`. [`schedule`] calls the scheduled functions.
//!
//! The emulators are generic over the functions they call and know nothing of documents. They keep
//! AWS's limits, event shapes and error behaviour, so that what works here works there. [`stack`]
//! wires them to the functions, [`operator`] offers the operator's jobs on the running stack, [`pipeline`] lets people watch events pass, and [`editor`] serves the browser's side.

pub mod editor;
pub mod embedded;
mod functions;
pub mod gateway;
mod in_process;
pub mod operator;
pub mod pipeline;
pub mod schedule;
pub mod stack;
pub mod streams;

pub use embedded::{EmbeddedDynamoDb, EmbeddedError, EmbeddedS3};
pub use gateway::{
    Authorization, Authorizer, BoxError, Gateway, GatewayConfig, Leave, Routes, WebSocketFunction, serve,
};
pub use schedule::{Schedule, ScheduledFunction};
pub use stack::{Auth, Data, Stack, StackConfig, StackError, StoppedStack, open_stopped};
pub use streams::{
    EventFilter, FileCheckpoints, Latency, Mapping, MappingConfig, RunningMapping, StreamFunction,
    WriteSignal, signal_on_write, streams_client,
};
