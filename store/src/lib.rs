//! The disk: the one place that does file IO.
//!
//! The journal holds the truth, the catalogue is its index, and the catalogue can always be rebuilt from the journal.
//! Above this module a stream is a [`MessageLog`]; whether it lives in the journal or in memory shows only in
//! [`StorageKind`].
//!
//! | module | what it holds |
//! |---|---|
//! | `log_trait` | the contract: [`MessageLog`] and its words |
//! | `facade` | [`Store`]: streams and consumers by name, commits, closing |
//! | [`journal`] | records, segments, commits, reading it all back |
//! | [`index`] | where a stream's messages lie and which subjects they have |
//! | `journal_log`, `load_each`, `stream_index` | one stream's messages in the journal |
//! | `memory` | its twin in memory |
//! | `registry` | which streams and consumers there are, and where their records lie |
//! | `recovery` | opening |
//! | [`doctor`] | looking at a closed store, putting it in order |
//! | `janitor`, `compact` | segments made ready, copied forward, given back |
//! | `catalog`, `checkpoint`, `restore`, `lost` | the index kept in sled between runs |
//! | `sealing` | encryption at rest |
//! | [`disk`] | what the store needs of a disk, and the real one |

#![deny(unsafe_code, unused_must_use)]

mod catalog;
mod checkpoint;
mod checkpoint_record;
mod compact;
pub mod disk;
pub mod doctor;
mod error;
mod facade;
pub mod index;
mod index_meter;
mod janitor;
pub mod journal;
mod journal_log;
mod load_each;
mod log_trait;
mod lost;
mod memory;
mod options;
mod page_file;
mod recovery;
mod registry;
mod report;
mod restore;
mod sealing;
mod signal;
pub mod sled_panics;
mod stats;
mod stored_message;
mod stream_index;

pub use disk::journal_bytes;
pub use facade::{InDoubt, Opened, RecoveredConsumer, RecoveredStream, Store};
pub use journal::observers::CommitObserver;
pub use log_trait::*;
pub use memory::MemoryLog;
pub use options::{StoreOptions, SyncPolicy};
pub use report::{RecoveryReport, Region};
pub use sealing::{Cipher, Encryption, SegmentKeys};
pub use stats::StoreStats;
pub use stored_message::StoredMessage;

/// A moment, in nanoseconds since the Unix epoch, UTC. The store has no clock: whoever stores says when that was.
pub type UnixNanos = i64;

/// A stream's number. No number is ever used again, so that a stream never sees what a former one of its name stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);
