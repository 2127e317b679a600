//! The disk: the one place that does file IO.
//!
//! The journal holds the truth, the catalogue is its index, and the catalogue can always be rebuilt from the journal.
//! Above this module a stream is a [`MessageLog`]; whether it lives in the journal or in memory shows only in
//! [`StorageKind`].

mod log_trait;

pub use log_trait::*;
