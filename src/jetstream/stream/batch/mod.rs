//! Batches: many messages that are stored all or none ([`atomic`]).

pub mod atomic;
mod checks;
mod staged;
mod tally;

/// The longest id of a batch, in bytes.
const ID_BYTES_MAX: usize = 64;
