//! Backups: a stream with its consumers as one run of bytes, sent in chunks, and brought back from them.
//!
//! What is written is the archive of nats-server 2.15: entries in a row, compressed. What is read is that, and the tar file
//! with the message blocks that older servers write. Nothing holds more than a few chunks and one message at a time.
//!
//! | file | what it does |
//! |---|---|
//! | [`sending`] | sends the chunks, as fast as they are confirmed |
//! | [`snapshot`] | makes the bytes |
//! | [`receiving`] | takes the chunks |
//! | [`restore`] | makes a stream of the bytes |
//! | [`entry`], [`consumer_entry`] | what an archive is made of |
//! | [`compress`], [`decompress`], [`s2_block`] | compression: S2 out, S2 and Snappy in |
//! | [`gather`] | items of a stream of bytes that comes in pieces |

pub mod compress;
pub mod consumer_entry;
pub mod decompress;
pub mod entry;
pub mod gather;
pub mod receiving;
pub mod restore;
pub mod s2_block;
pub mod sending;
pub mod snapshot;

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};

/// Backups and restores under way at the same time, on the whole server.
pub const TRANSFERS_MAX: usize = 32;

/// Why a backup cannot be read, or not be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreError {
    /// For this reason.
    Because(String),
    /// With an error that the API has a code of its own for.
    Api(ApiError),
}

impl RestoreError {
    /// As the API tells it.
    pub fn into_api_error(self) -> ApiError {
        match self {
            Self::Because(reason) => ErrorCode::StreamRestore.with(reason),
            Self::Api(error) => error,
        }
    }
}

impl std::fmt::Display for RestoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Because(reason) => f.write_str(reason),
            Self::Api(error) => f.write_str(&error.description),
        }
    }
}

/// A reason in words.
fn because(reason: impl Into<String>) -> RestoreError {
    RestoreError::Because(reason.into())
}
