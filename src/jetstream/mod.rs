//! Streams and consumers as state machines, and the API that talks to them.

pub mod consumer;
