//! The journal: one sequence of segment files that takes the records of all streams of all accounts.
//!
//! | module | what it holds |
//! |---|---|
//! | [`record`], [`segment`], [`body`] | the format, see docs/FORMAT.md |
//! | [`files`] | the directory: segments made ready, opened, recycled, removed |
//! | [`core`], [`pending`], [`deferred`] | the writing end as a state machine |
//! | [`handle`] | the journal as all hold it: append, read, how far it has come |
//! | [`commit`] | one write and one fdatasync for everything that waits |
//! | [`committer`], [`in_place`] | who commits: a thread, or where that is quick whoever appends |
//! | [`observers`] | who is told |
//! | [`stretch`] | records that are wanted together, read together |
//! | [`tail`] | recent bytes, for readers near the tail |
//! | [`read_ahead`] | bytes to come, for readers in sequence |
//! | [`usage`] | how much of each segment is still wanted |
//! | [`scan`], [`replay`], [`model`] | reading it all back |
//! | [`assure`] | what was read is made certain before anything is built on it |
//! | [`quarantine`], `repair` | damaged bytes, set aside; single flipped bits, flipped back |

pub mod assure;
pub mod body;
pub mod commit;
pub mod committer;
pub mod core;
pub mod deferred;
pub mod files;
pub mod handle;
pub mod in_place;
pub mod model;
pub mod observers;
pub mod pending;
pub mod quarantine;
pub mod read_ahead;
pub mod record;
mod repair;
pub mod replay;
pub mod scan;
pub mod segment;
pub mod stretch;
pub mod tail;
pub mod usage;

pub use handle::Journal;

use bytes::Bytes;

use super::{Lsn, StoreError};
use record::{Header, Location};

/// Bytes read to learn a record's subject without its body; most subjects fit.
const SUBJECT_READ_BYTES: usize = record::HEADER_LEN + 152;

/// Reads headers and subjects of records, wherever they are.
pub trait RecordReader {
    /// The header and subject of the record of `len` bytes at `at`; `None` when they cannot be read.
    fn read_subject(&self, at: Location, len: usize) -> Result<Option<(Header, Bytes)>, StoreError>;
}

impl From<Location> for Lsn {
    /// Segment and offset make a position: it grows from record to record, and jumps from segment to segment.
    fn from(at: Location) -> Self {
        Lsn(u64::from(at.segment) << 32 | u64::from(at.offset))
    }
}

impl From<Lsn> for Location {
    fn from(lsn: Lsn) -> Self {
        Location { segment: (lsn.0 >> 32) as u32, offset: lsn.0 as u32 }
    }
}
