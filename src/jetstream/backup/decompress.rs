//! Frames of Snappy or S2, taken in as they come.

use super::compress::checksum;
use super::gather::Gather;
use super::s2_block::{self, BLOCK_BYTES_MAX};
use super::{RestoreError, because};

const COMPRESSED: u8 = 0x00;
const UNCOMPRESSED: u8 = 0x01;
const STREAM_ID: u8 = 0xff;
/// From here on, frames of a kind that is not known may be passed over.
const SKIPPABLE_FROM: u8 = 0x80;
/// The longest frame: a block that compression made longer, and its checksum.
const FRAME_BYTES_MAX: usize = BLOCK_BYTES_MAX + BLOCK_BYTES_MAX / 6 + 64;

/// Takes frames apart.
#[derive(Debug, Default)]
pub struct Decompressor {
    frames: Gather,
    begun: bool,
    block: Vec<u8>,
}

impl Decompressor {
    /// Takes a piece in; what became whole is handed to `plain`, a few MiB at a time at most.
    pub fn feed(
        &mut self,
        piece: &[u8],
        plain: &mut dyn FnMut(&[u8]) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        let Self { frames, begun, block } = self;
        frames.feed(piece, |bytes| {
            let Some((kind, body)) = frame(bytes)? else { return Ok(None) };
            if !*begun && kind != STREAM_ID {
                return Err(because("not a compressed stream"));
            }
            *begun = true;
            decode(kind, body, block, plain)?;
            Ok(Some(4 + body.len()))
        })
    }

    /// Whether what came so far ends with a whole frame.
    pub fn is_at_an_end(&self) -> bool {
        self.frames.is_empty()
    }
}

fn frame(bytes: &[u8]) -> Result<Option<(u8, &[u8])>, RestoreError> {
    let Some((&[kind, a, b, c], rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(because("compressed frame is too long"));
    }
    Ok(rest.get(..length).map(|body| (kind, body)))
}

fn decode(
    kind: u8,
    body: &[u8],
    block: &mut Vec<u8>,
    plain: &mut dyn FnMut(&[u8]) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    let corrupt = || because("compressed data is corrupt");
    match kind {
        STREAM_ID => {
            let known = [&b"sNaPpY"[..], b"S2sTwO"].contains(&body);
            if known { Ok(()) } else { Err(because("not a compressed stream")) }
        }
        COMPRESSED | UNCOMPRESSED => {
            let (expected, data) = body.split_first_chunk::<4>().ok_or_else(corrupt)?;
            let data = if kind == COMPRESSED {
                s2_block::decompress(data, block).map_err(|_| corrupt())?;
                block.as_slice()
            } else {
                data
            };
            if checksum(data) != u32::from_le_bytes(*expected) {
                return Err(corrupt());
            }
            plain(data)
        }
        SKIPPABLE_FROM.. => Ok(()),
        _ => Err(corrupt()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::compress::Compressor;
    use super::*;

    fn compressed(data: &[u8]) -> Vec<u8> {
        let mut compressor = Compressor::new();
        compressor.push(data);
        compressor.finish_frame();
        compressor.take(usize::MAX)
    }

    fn decompressed(bytes: &[u8], cut: usize) -> Result<Vec<u8>, RestoreError> {
        let (mut decompressor, mut out) = (Decompressor::default(), Vec::new());
        for piece in bytes.chunks(cut) {
            decompressor.feed(piece, &mut |plain| {
                out.extend_from_slice(plain);
                Ok(())
            })?;
        }
        if decompressor.is_at_an_end() { Ok(out) } else { Err(because("cut short")) }
    }

    #[test]
    fn what_was_compressed_comes_back_however_it_is_cut() {
        let data: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let bytes = compressed(&data);
        assert!(bytes.len() < data.len());
        for cut in [1000, 65_537, usize::MAX] {
            assert_eq!(decompressed(&bytes, cut).unwrap(), data);
        }
        assert_eq!(decompressed(&compressed(b""), 1).unwrap(), b"");
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let bytes = compressed(b"a message, a message, a message");
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            assert!(decompressed(&bad, 5).is_err(), "byte {at}");
        }
    }

    #[test]
    fn what_begins_otherwise_is_refused() {
        assert_eq!(decompressed(b"this is no backup", 17), Err(because("compressed frame is too long")));
        assert_eq!(decompressed(b"\x01\x05\x00\x00abcde", 9), Err(because("not a compressed stream")));
    }
}
