//! Finding the one bit that was flipped.
//!
//! A CRC changes by a value of its own for every single bit, so that one flipped bit can be told from the difference of the
//! checksums. A region that was torn looks like one flipped bit once in 2³² / bits; so a header counts as repaired only if
//! the body's checksum agrees, and bodies are repaired only where a record is worth more than a message and short.

use super::record::{HEADER_LEN, Header, Kind, Seeds};

/// Castagnoli's polynomial, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Longest body that is repaired.
const BODY_BYTES_MAX: usize = 4096;

/// The header in `bytes` – a whole record or more – with one bit flipped back, if then the body's checksum holds.
pub fn header(bytes: &[u8], seeds: Seeds) -> Option<Header> {
    let damaged: [u8; HEADER_LEN] = *bytes.first_chunk()?;
    let (stored, fields) = damaged.split_first_chunk::<4>()?;
    let difference = crc32c::crc32c_append(seeds.header, fields) ^ u32::from_le_bytes(*stored);
    let mut repaired = damaged;
    match flipped_bit(difference, fields.len()) {
        Some(bit) => flip(repaired.get_mut(4..)?, bit),
        None if difference.count_ones() == 1 => flip(&mut repaired, difference.trailing_zeros() as usize),
        None => return None,
    }
    let header = Header::decode(&repaired, seeds)?;
    let end = header.stored_end()?;
    header.matches_body(bytes.get(HEADER_LEN..end)?, seeds).then_some(header)
}

/// The content of a record other than a message with one bit flipped back.
pub fn body(header: &Header, content: &[u8], seeds: Seeds) -> Option<Vec<u8>> {
    if header.kind == Kind::Message || content.len() > BODY_BYTES_MAX {
        return None;
    }
    let difference = crc32c::crc32c_append(seeds.body, content) ^ header.body_crc;
    let mut repaired = content.to_vec();
    flip(&mut repaired, flipped_bit(difference, content.len())?);
    header.matches_body(&repaired, seeds).then_some(repaired)
}

/// A block that ends with the checksum of what comes before it, with one bit flipped back if then the checksum holds.
pub fn sealed<const LEN: usize>(block: &[u8; LEN]) -> Option<[u8; LEN]> {
    let (fields, stored) = block.split_last_chunk::<4>()?;
    let difference = crc32c::crc32c(fields) ^ u32::from_le_bytes(*stored);
    let bit = match flipped_bit(difference, fields.len()) {
        None if difference.count_ones() == 1 => fields.len() * 8 + difference.trailing_zeros() as usize,
        found => found?,
    };
    let mut repaired = *block;
    flip(&mut repaired, bit);
    Some(repaired)
}

/// Which bit of `len` bytes, flipped, changes their checksum by `difference`.
fn flipped_bit(difference: u32, len: usize) -> Option<usize> {
    let mut change = POLYNOMIAL;
    for from_the_end in 0..len * 8 {
        if change == difference {
            return Some(len * 8 - 1 - from_the_end);
        }
        change = (change >> 1) ^ if change & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    None
}

fn flip(bytes: &mut [u8], bit: usize) {
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Draft;
    use super::*;

    const SEEDS: Seeds = Seeds { header: 17, body: 23 };

    fn encoded(kind: Kind) -> Vec<u8> {
        let mut out = Vec::new();
        let draft =
            Draft { seq: 9, ts: -4, subject: b"name", payload: b"configuration", ..Draft::new(kind, 3) };
        draft.encode(SEEDS, None, &mut out);
        out
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_found() {
        let whole = encoded(Kind::Message);
        for bit in 0..HEADER_LEN * 8 {
            let mut damaged = whole.clone();
            flip(&mut damaged, bit);
            assert_eq!(header(&damaged, SEEDS), Header::decode(&whole, SEEDS), "bit {bit}");
        }
    }

    #[test]
    fn any_flipped_bit_of_a_configuration_is_found() {
        let whole = encoded(Kind::StreamPut);
        let decoded = Header::decode(&whole, SEEDS).unwrap();
        let content = &whole[HEADER_LEN..HEADER_LEN + 17];
        for bit in 0..content.len() * 8 {
            let mut damaged = content.to_vec();
            flip(&mut damaged, bit);
            assert_eq!(body(&decoded, &damaged, SEEDS).as_deref(), Some(content), "bit {bit}");
        }
    }

    #[test]
    fn two_flipped_bits_are_not_taken_for_one() {
        let whole = encoded(Kind::StreamPut);
        for bits in [(40, 41), (50, 170), (300, 33)] {
            let mut damaged = whole.clone();
            flip(&mut damaged, bits.0);
            flip(&mut damaged, bits.1);
            assert_eq!(header(&damaged, SEEDS), None);
        }
    }
}
