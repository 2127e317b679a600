//! Bytes as frames of S2, or of Snappy for those who read no more.

use super::s2_block::{self, COMPRESS_BYTES_MAX, Dialect};

/// What stands at the beginning.
const S2_STREAM_ID: &[u8] = b"\xff\x06\x00\x00S2sTwO";
const SNAPPY_STREAM_ID: &[u8] = b"\xff\x06\x00\x00sNaPpY";
/// Bytes in a frame, before they are compressed.
const FRAME_BYTES: usize = COMPRESS_BYTES_MAX;
const COMPRESSED: u8 = 0;
const UNCOMPRESSED: u8 = 1;

/// Compresses what is written to it.
pub struct Compressor {
    dialect: Dialect,
    plain: Vec<u8>,
    scratch: Vec<u8>,
    framed: Vec<u8>,
}

impl Compressor {
    /// One that has written nothing but the beginning.
    pub fn new() -> Self {
        Self::speaking(Dialect::S2, S2_STREAM_ID)
    }

    /// One whose frames are Snappy's.
    pub fn snappy() -> Self {
        Self::speaking(Dialect::Snappy, SNAPPY_STREAM_ID)
    }

    fn speaking(dialect: Dialect, stream_id: &[u8]) -> Self {
        let plain = Vec::with_capacity(FRAME_BYTES);
        Self { dialect, plain, scratch: Vec::new(), framed: stream_id.to_vec() }
    }

    /// Adds bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = FRAME_BYTES - self.plain.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.plain.extend_from_slice(now);
            if self.plain.len() == FRAME_BYTES {
                self.finish_frame();
            }
            bytes = later;
        }
    }

    /// Writes what has not made a whole frame.
    pub fn finish_frame(&mut self) {
        if self.plain.is_empty() {
            return;
        }
        s2_block::compress(&self.plain, self.dialect, &mut self.scratch);
        let (kind, body) = if self.scratch.len() < self.plain.len() {
            (COMPRESSED, &self.scratch)
        } else {
            (UNCOMPRESSED, &self.plain)
        };
        let frame_bytes = u32::try_from(body.len() + 4).unwrap_or(0).to_le_bytes();
        self.framed.push(kind);
        self.framed.extend(frame_bytes.iter().take(3));
        self.framed.extend(checksum(&self.plain).to_le_bytes());
        self.framed.extend_from_slice(body);
        self.plain.clear();
    }

    /// Bytes of finished frames that wait to be taken.
    pub fn len(&self) -> usize {
        self.framed.len()
    }

    /// Whether no finished frame waits.
    pub fn is_empty(&self) -> bool {
        self.framed.is_empty()
    }

    /// Takes up to `count` bytes of finished frames.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.framed.split_off(count.min(self.framed.len()));
        std::mem::replace(&mut self.framed, rest)
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

impl std::io::Write for Compressor {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The checksum of a frame: CRC-32C, masked so that data which holds checksums of itself has another.
pub(super) fn checksum(plain: &[u8]) -> u32 {
    crc32c::crc32c(plain).rotate_right(15).wrapping_add(0xa282_ead8)
}
