//! Batches: many messages that are stored all or none ([`atomic`]), or as they come with few acknowledgements ([`fast`]).

pub mod atomic;
mod checks;
pub mod fast;
pub(super) mod fast_reply;
mod staged;
mod tally;

/// The longest id of a batch, in bytes.
const ID_BYTES_MAX: usize = 64;
