//! JetStream: streams and consumers as state machines, and the rim that hosts them.

pub mod stream;
