//! permessage-deflate (RFC 7692) without context takeover: every message is compressed by itself.

use std::cell::RefCell;
use std::io;

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};

/// What a compressed message ends with, and what is not sent.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Room made for compressed bytes at a time.
const STEP_BYTES: usize = 4096;

/// Compressed input that is kept before its end: no more than one read brings.
const PENDING_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// A compressor is large, and only needed while something is written.
    static COMPRESSOR: RefCell<Option<Box<CompressorOxide>>> = const { RefCell::new(None) };
}

/// A compressed message on its way in: takes what has come and gives as much as there is room for.
pub(super) struct Inflater {
    state: Box<InflateState>,
    pending: Vec<u8>,
    at: usize,
    /// The message has come to its end.
    is_complete: bool,
    has_ended: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        let state = InflateState::new_boxed(DataFormat::Raw);
        Self { state, pending: Vec::new(), at: 0, is_complete: false, has_ended: false }
    }

    /// Takes a part of the message.
    pub(super) fn feed(&mut self, bytes: &[u8], ends_message: bool) -> io::Result<()> {
        self.pending.drain(..self.at);
        self.at = 0;
        if self.pending.len() + bytes.len() > PENDING_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too much compressed input at once"));
        }
        self.pending.extend_from_slice(bytes);
        if ends_message {
            self.pending.extend_from_slice(&TAIL);
            self.is_complete = true;
        }
        Ok(())
    }

    /// Gives some of the message; 0 bytes when more input is needed.
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.has_ended {
            return Ok(0);
        }
        let input = self.pending.get(self.at..).unwrap_or_default();
        let result = inflate(&mut self.state, input, room, MZFlush::None);
        self.at += result.bytes_consumed;
        match result.status {
            Ok(miniz_oxide::MZStatus::StreamEnd) => self.has_ended = true,
            Ok(_) | Err(miniz_oxide::MZError::Buf) => {}
            Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "bad compressed message")),
        }
        Ok(result.bytes_written)
    }

    /// Whether the message has come to its end; to be asked when nothing more can be [`read`](Self::read).
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }
}

/// Appends `message` compressed.
pub(super) fn compress(out: &mut Vec<u8>, message: &[u8]) -> io::Result<()> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = slot.get_or_insert_with(new_compressor);
        compressor.reset();
        compress_with(compressor, out, message)
    })
}

fn compress_with(compressor: &mut CompressorOxide, out: &mut Vec<u8>, mut message: &[u8]) -> io::Result<()> {
    loop {
        let start = out.len();
        out.resize(start + message.len() / 2 + STEP_BYTES, 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let room_bytes = room.len();
        let result = deflate(compressor, message, room, MZFlush::Sync);
        out.truncate(start + result.bytes_written);
        message = message.get(result.bytes_consumed..).unwrap_or_default();
        match result.status {
            Ok(_) | Err(miniz_oxide::MZError::Buf) => {}
            Err(error) => return Err(io::Error::other(format!("{error:?}"))),
        }
        if message.is_empty() && result.bytes_written < room_bytes {
            let end = out.len() - if out.ends_with(&TAIL) { TAIL.len() } else { 0 };
            out.truncate(end);
            return Ok(());
        }
    }
}

fn new_compressor() -> Box<CompressorOxide> {
    // The fastest level, and no zlib header.
    Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(1, -15, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflated(compressed: &[u8], feed_bytes: usize, room_bytes: usize) -> Vec<u8> {
        let mut inflater = Inflater::new();
        let (mut plain, mut room) = (Vec::new(), vec![0; room_bytes]);
        let pieces = compressed.chunks(feed_bytes).count();
        for (at, piece) in compressed.chunks(feed_bytes).enumerate() {
            inflater.feed(piece, at + 1 == pieces).unwrap();
            loop {
                match inflater.read(&mut room).unwrap() {
                    0 => break,
                    bytes => plain.extend_from_slice(&room[..bytes]),
                }
            }
        }
        assert!(inflater.is_complete());
        plain
    }

    #[test]
    fn what_is_compressed_comes_out_the_same() {
        let noise: Vec<u8> = (0..70_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for message in [b"PING\r\n".to_vec(), vec![b'x'; 200_000], noise, b"hello".repeat(100)] {
            let mut compressed = Vec::new();
            compress(&mut compressed, &message).unwrap();
            for (feed_bytes, room_bytes) in [(1, 7), (100, 64), (32 * 1024, 64 * 1024)] {
                assert!(inflated(&compressed, feed_bytes, room_bytes) == message);
            }
        }
    }

    #[test]
    fn text_gets_smaller() {
        let mut compressed = Vec::new();
        compress(&mut compressed, &b"MSG a.b.c 1 5\r\nhello\r\n".repeat(100)).unwrap();
        assert!(compressed.len() < 200, "{}", compressed.len());
    }

    #[test]
    fn what_is_not_compressed_is_refused() {
        let mut inflater = Inflater::new();
        inflater.feed(&[0xff; 50], true).unwrap();
        assert!(inflater.read(&mut [0; 100]).is_err());
        assert!(inflater.feed(&[0; PENDING_BYTES_MAX + 1], false).is_err());
    }
}
