//! A stream made of the bytes of a backup.
//!
//! | file | what it does |
//! |---|---|
//! | [`building`] | the stream while it is not whole |
//! | [`adopting`] | the stream taken into the account, whole |
//! | [`archive`] | backups of nats-server 2.15 and of our own |
//! | [`tar`] | backups of older servers: members of a tar file |
//! | [`blocks`], [`index`], [`consumer_file`] | what those members hold |
//! | [`highway`] | the checksum of message blocks |

pub mod adopting;
pub mod archive;
pub mod blocks;
pub mod building;
pub mod consumer_file;
pub mod highway;
pub mod index;
pub mod tar;

use std::sync::Arc;

use super::decompress::Decompressor;
use super::entry::MAGIC;
use super::{RestoreError, because};
use crate::jetstream::host::StreamHost;
use archive::Archive;
use building::Building;
use tar::Tar;

/// A restore under way.
pub struct Restorer {
    building: Building,
    decompressor: Decompressor,
    format: Format,
}

enum Format {
    /// What has come is too short to tell.
    Unknown(Vec<u8>),
    Archive(Archive),
    Tar(Box<Tar>),
}

impl Restorer {
    /// One that has seen nothing of its backup.
    pub fn new(building: Building) -> Self {
        Self { building, decompressor: Decompressor::default(), format: Format::Unknown(Vec::new()) }
    }

    /// Takes a piece of the backup. After an error nothing more is to be given.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), RestoreError> {
        let Self { building, decompressor, format } = self;
        decompressor.feed(piece, &mut |plain| format.feed(plain, building))
    }

    /// The backup has come to its end: the stream goes into service.
    pub fn finish(self) -> Result<Arc<StreamHost>, RestoreError> {
        let Self { mut building, decompressor, format } = self;
        let whole = match format {
            _ if !decompressor.is_at_an_end() => false,
            Format::Unknown(_) => false,
            Format::Archive(archive) => archive.is_whole(),
            Format::Tar(tar) => tar.finish(&mut building)?,
        };
        if whole { building.finish() } else { Err(because("backup was truncated")) }
    }
}

impl Format {
    fn feed(&mut self, plain: &[u8], building: &mut Building) -> Result<(), RestoreError> {
        match self {
            Self::Archive(archive) => archive.feed(plain, building),
            Self::Tar(tar) => tar.feed(plain, building),
            Self::Unknown(begin) => {
                begin.extend_from_slice(plain);
                let Some(magic) = begin.first_chunk::<8>() else { return Ok(()) };
                let next = if magic == MAGIC {
                    Self::Archive(Archive::default())
                } else {
                    Self::Tar(Box::new(Tar::new(building.name())))
                };
                let Self::Unknown(begin) = std::mem::replace(self, next) else { return Ok(()) };
                let passed = if begin.starts_with(MAGIC) { MAGIC.len() } else { 0 };
                self.feed(begin.get(passed..).unwrap_or_default(), building)
            }
        }
    }
}
