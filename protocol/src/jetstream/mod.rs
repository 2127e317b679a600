//! The JetStream API as data.
