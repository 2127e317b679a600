//! Which calls fail.

use std::io;

use super::eio;
use crate::rng::Rng;

/// Kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Reading a file, or its length.
    Read,
    /// Writing a file, or allocating it.
    Write,
    /// Syncing a file.
    Sync,
    /// Opening or locking a file.
    Open,
    /// Creating a file.
    Create,
    /// Creating a directory.
    CreateDir,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Listing a directory.
    List,
    /// Syncing a directory.
    SyncDir,
}

/// How often calls fail; 0 for never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// One read in so many.
    pub reads: u64,
    /// One write in so many.
    pub writes: u64,
    /// One sync of a file in so many.
    pub syncs: u64,
    /// One of all other calls in so many.
    pub others: u64,
    /// The power goes during this call, counted from now; 0 for never.
    pub power_goes_in: u64,
}

/// A disk that does not do what it says, to show that the checks would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It is honest.
    None,
    /// Syncing a file does nothing.
    SyncData,
    /// Syncing a directory does nothing.
    SyncDir,
    /// Syncing a file leaves out what was written last.
    SyncLate,
    /// Removed files are back after a power cut.
    Resurrect,
    /// Some writes go to the sector behind the one they are meant for.
    Misplace,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It works.
    Works,
    /// It fails, having done all, nothing, or part of its work.
    Fails,
    /// The power goes before it returns.
    PowerGoes,
}

impl Faults {
    /// What becomes of the next call.
    pub(super) fn fate(&mut self, call: Call, rng: &mut Rng) -> Fate {
        if self.power_goes_in > 0 {
            self.power_goes_in -= 1;
            if self.power_goes_in == 0 {
                return Fate::PowerGoes;
            }
        }
        let one_in = match call {
            Call::Read => self.reads,
            Call::Write => self.writes,
            Call::Sync => self.syncs,
            _ => self.others,
        };
        if rng.one_in(one_in) { Fate::Fails } else { Fate::Works }
    }
}

impl Fate {
    /// What the caller is told.
    pub(super) fn outcome<T>(self, done: T) -> io::Result<T> {
        match self {
            Fate::Works => Ok(done),
            Fate::Fails | Fate::PowerGoes => Err(eio()),
        }
    }
}
