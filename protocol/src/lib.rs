//! What goes over a NATS wire, and nothing else: no sockets, no clock, no async runtime.
//!
//! | module | what it holds |
//! |---|---|
//! | [`subject`] | subject validation, tokens, wildcard matching |
//! | [`headers`] | the `NATS/1.0` header block |
//! | [`client`] | client operations: parser and encoder |
//! | [`jetstream`] | the JetStream API as data: configs, requests, responses, error table, ack tokens |
//! | [`websocket`] | WebSocket frames |
//! | [`decimal`] | numbers as text |
#![forbid(unsafe_code)]
#![deny(unused_must_use)]
#![warn(missing_docs)]

pub mod client;
pub mod decimal;
pub mod headers;
pub mod jetstream;
pub mod subject;
pub mod websocket;
