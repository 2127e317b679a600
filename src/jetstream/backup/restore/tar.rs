//! Backups of servers before 2.15: the files of the stream, in a tar file.
//!
//! ```text
//! meta.inf              the stream's configuration, JSON
//! msgs/<n>.blk          messages, in order
//! msgs/index.db         which of them are deleted
//! obs/<name>/meta.inf   a consumer's configuration, JSON
//! obs/<name>/o.dat      where it stands
//! errors.txt            why there is no more
//! ```
//!
//! Everything else (checksums of files, indexes of older versions) is passed over, as is what follows the end.

use std::collections::BTreeMap;

use headwater_protocol::jetstream::timestamp::{Timestamp, ZonedTime};
use serde::Deserialize;

use super::super::{RestoreError, because, consumer_entry};
use super::blocks::Block;
use super::building::Building;
use super::consumer_file;
use super::index::Index;

const HEADER_BYTES: usize = 512;
/// The longest member that is read as a whole: a consumer with more than a million pending messages.
const WHOLE_BYTES_MAX: u64 = 32 << 20;
/// The longest member of all.
const MEMBER_BYTES_MAX: u64 = 1 << 36;

/// Reads a tar file.
pub struct Tar {
    stream: String,
    part: Part,
    /// What a PAX header said of the member that follows it.
    longer_name: Option<String>,
    index: Index,
    consumers: BTreeMap<String, Consumer>,
    meta_was_read: bool,
    ended: bool,
}

/// What is being read.
enum Part {
    Header(Vec<u8>),
    Member { kind: Kind, left: u64, padding: u64 },
    Padding(u64),
}

/// What a member is.
enum Kind {
    Whole(Whole, Vec<u8>),
    Block(Box<Block>),
    Index,
    Passed,
}

/// Members that are read as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whole {
    Pax,
    StreamMeta,
    ConsumerMeta(String),
    ConsumerState(String),
    Errors,
}

/// A consumer of which both files are needed.
#[derive(Default)]
struct Consumer {
    meta: Vec<u8>,
    state: Vec<u8>,
}

/// What the meta files say besides the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    name: String,
    created: String,
}

impl Tar {
    /// Of a stream of this name.
    pub fn new(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            part: Part::Header(Vec::new()),
            longer_name: None,
            index: Index::default(),
            consumers: BTreeMap::new(),
            meta_was_read: false,
            ended: false,
        }
    }

    /// Takes a piece.
    pub fn feed(&mut self, mut plain: &[u8], building: &mut Building) -> Result<(), RestoreError> {
        while !plain.is_empty() && !self.ended {
            let taken = self.take(plain, building)?;
            plain = plain.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Adds what could not be added before everything was read. `false` if the end was never read.
    pub fn finish(self, building: &mut Building) -> Result<bool, RestoreError> {
        if !self.ended || !self.meta_was_read {
            return Ok(false);
        }
        self.index.apply(building)?;
        let last_seq = building.last_seq();
        for (name, consumer) in self.consumers {
            let failed = |error: String| because(format!("error restoring consumer [{name:?}]: {error}"));
            let json = std::str::from_utf8(&consumer.meta).map_err(|error| failed(error.to_string()))?;
            let meta = Meta::read(&consumer.meta).map_err(failed)?;
            let config = consumer_entry::read_config(json).map_err(failed)?;
            let standing = match consumer.state.as_slice() {
                [] => None,
                state => Some(consumer_file::read(state).map_err(|error| failed(error.to_owned()))?),
            };
            building.consumer(&name, config, Some(meta.created()), standing.as_ref(), last_seq)?;
        }
        Ok(true)
    }

    /// Returns how many bytes were taken.
    fn take(&mut self, plain: &[u8], building: &mut Building) -> Result<usize, RestoreError> {
        match &mut self.part {
            Part::Header(header) => {
                let taken = (HEADER_BYTES - header.len()).min(plain.len());
                header.extend_from_slice(plain.get(..taken).unwrap_or_default());
                if header.len() == HEADER_BYTES {
                    let header = std::mem::take(header);
                    self.begin_member(&header)?;
                }
                Ok(taken)
            }
            Part::Member { kind, left, .. } => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(plain.len());
                *left -= taken as u64;
                let piece = plain.get(..taken).unwrap_or_default();
                match kind {
                    Kind::Whole(_, whole) => whole.extend_from_slice(piece),
                    Kind::Block(block) => block.feed(piece, building)?,
                    Kind::Index => self.index.feed(piece),
                    Kind::Passed => {}
                }
                if *left == 0 {
                    self.end_member(building)?;
                }
                Ok(taken)
            }
            Part::Padding(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(plain.len());
                *left -= taken as u64;
                if *left == 0 {
                    self.part = Part::Header(Vec::new());
                }
                Ok(taken)
            }
        }
    }

    fn begin_member(&mut self, header: &[u8]) -> Result<(), RestoreError> {
        self.part = Part::Header(Vec::new());
        if header.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(());
        }
        let Header { name, bytes, kind } = Header::read(header)?;
        let name = self.longer_name.take().unwrap_or(name);
        let kind = match kind {
            b'x' => Kind::Whole(Whole::Pax, Vec::new()),
            b'0' | 0 => self.kind(&name)?,
            _ => return Err(because("unexpected content")),
        };
        if matches!(kind, Kind::Whole(..)) && bytes > WHOLE_BYTES_MAX || bytes > MEMBER_BYTES_MAX {
            return Err(because(format!("{name:?} is too long")));
        }
        let padding = bytes.next_multiple_of(HEADER_BYTES as u64) - bytes;
        if bytes > 0 {
            self.part = Part::Member { kind, left: bytes, padding };
        }
        Ok(())
    }

    fn kind(&self, name: &str) -> Result<Kind, RestoreError> {
        let whole = |whole| Ok(Kind::Whole(whole, Vec::new()));
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["meta.inf"] => whole(Whole::StreamMeta),
            ["errors.txt"] => whole(Whole::Errors),
            ["msgs", "index.db"] => Ok(Kind::Index),
            ["msgs", file] => match file.strip_suffix(".blk") {
                Some(number) => {
                    let number = number.parse().map_err(|_| because("unexpected content"))?;
                    Ok(Kind::Block(Box::new(Block::new(&self.stream, number))))
                }
                None => Ok(Kind::Passed),
            },
            ["obs", consumer, "meta.inf"] => whole(Whole::ConsumerMeta((*consumer).to_owned())),
            ["obs", consumer, "o.dat"] => whole(Whole::ConsumerState((*consumer).to_owned())),
            _ => Ok(Kind::Passed),
        }
    }

    fn end_member(&mut self, building: &mut Building) -> Result<(), RestoreError> {
        let ended = std::mem::replace(&mut self.part, Part::Header(Vec::new()));
        let Part::Member { kind, padding, .. } = ended else { return Ok(()) };
        if padding > 0 {
            self.part = Part::Padding(padding);
        }
        match kind {
            Kind::Whole(whole, bytes) => self.take_whole(whole, bytes, building),
            Kind::Block(block) => block.finish(),
            Kind::Index | Kind::Passed => Ok(()),
        }
    }

    fn take_whole(
        &mut self,
        whole: Whole,
        bytes: Vec<u8>,
        building: &mut Building,
    ) -> Result<(), RestoreError> {
        match whole {
            Whole::Pax => self.longer_name = pax_path(&bytes),
            Whole::ConsumerMeta(name) => self.consumers.entry(name).or_default().meta = bytes,
            Whole::ConsumerState(name) => self.consumers.entry(name).or_default().state = bytes,
            Whole::Errors => return Err(because(String::from_utf8_lossy(&bytes))),
            Whole::StreamMeta => {
                let meta = Meta::read(&bytes).map_err(because)?;
                if meta.name != building.name() {
                    return Err(because("stream names do not match"));
                }
                building.set_created(meta.created());
                self.meta_was_read = true;
            }
        }
        Ok(())
    }
}

impl Meta {
    fn read(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| error.to_string())
    }

    fn created(&self) -> Timestamp {
        ZonedTime::parse(&self.created).map(|time| time.timestamp()).unwrap_or_default()
    }
}

/// What a header says that matters here.
struct Header {
    name: String,
    bytes: u64,
    kind: u8,
}

impl Header {
    fn read(header: &[u8]) -> Result<Self, RestoreError> {
        let field = |from: usize, to: usize| {
            let field = header.get(from..to).unwrap_or_default();
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            field.get(..end).unwrap_or_default()
        };
        let number = |field: &[u8]| {
            let text = std::str::from_utf8(field).ok()?.trim();
            u64::from_str_radix(text, 8).ok()
        };
        let malformed = || because("not a tar file");
        let sum = number(field(148, 156)).ok_or_else(malformed)?;
        let counted = |(at, byte): (usize, &u8)| match at {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        };
        if header.iter().enumerate().map(counted).sum::<u64>() != sum {
            return Err(malformed());
        }
        let name = [field(345, 500), field(0, 100)].map(String::from_utf8_lossy);
        let name = match name.as_slice() {
            [prefix, name] if !prefix.is_empty() => format!("{prefix}/{name}"),
            [_, name] => name.to_string(),
            _ => String::new(),
        };
        let bytes = number(field(124, 136)).ok_or_else(malformed)?;
        Ok(Self { name, bytes, kind: header.get(156).copied().unwrap_or_default() })
    }
}

/// The path in a PAX header: lines of `<length> <key>=<value>`.
fn pax_path(mut bytes: &[u8]) -> Option<String> {
    while let Some(blank) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(bytes.get(..blank)?).ok()?.parse().ok()?;
        let entry = bytes.get(blank + 1..length)?;
        if let Some(path) = entry.strip_prefix(b"path=") {
            return Some(String::from_utf8_lossy(path.strip_suffix(b"\n")?).into_owned());
        }
        bytes = bytes.get(length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_too_long_for_a_header_stands_in_the_one_before() {
        assert_eq!(pax_path(b"30 mtime=1795309198.579415221\n16 path=obs/C/x\n"), Some("obs/C/x".into()));
        assert_eq!(pax_path(b"30 mtime=1795309198.579415221\n"), None);
        assert_eq!(pax_path(b"99 path=x\n"), None);
        assert_eq!(pax_path(b"0 path=x\n"), None);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        assert!(Header::read(&[b'a'; HEADER_BYTES]).is_err());
    }
}
