//! `o.dat`: where a consumer stands.
//!
//! ```text
//! 22, version 1 or 2
//! ack floor: consumer, stream; delivered: consumer, stream
//! number of pending, then if any: seconds*, then for each: sequence, consumer sequence (version 2), seconds*
//! number of redelivered, then for each: sequence, how often
//! ```
//!
//! Numbers are varints, those with * zigzag. Sequences count from the ack floor, consumer sequences too. Version 2 counts
//! seconds back from the first, version 1 on from it.

use super::super::consumer_entry::{Pending, Position, Standing};
use super::super::entry::{self, take};

const MAGIC: u8 = 22;
const SECOND: i64 = 1_000_000_000;
const MALFORMED: &str = "its state is malformed";

/// Reads the file.
pub fn read(bytes: &[u8]) -> Result<Standing, &'static str> {
    let (&[magic, version], mut rest) = bytes.split_first_chunk::<2>().ok_or(MALFORMED)?;
    if magic != MAGIC || !(1..=2).contains(&version) {
        return Err(MALFORMED);
    }
    let rest = &mut rest;
    let ack_floor = Position { consumer_seq: number(rest)?, stream_seq: number(rest)? };
    let mut delivered = Position { consumer_seq: number(rest)?, stream_seq: number(rest)? };
    if version == 1 {
        let beyond = |seq: u64, floor: u64| seq.saturating_add(floor.saturating_sub(1));
        delivered.consumer_seq = beyond(delivered.consumer_seq, ack_floor.consumer_seq);
        delivered.stream_seq = beyond(delivered.stream_seq, ack_floor.stream_seq);
    }
    let mut standing = Standing { delivered, ack_floor, ..Standing::default() };
    read_pending(rest, version, &mut standing)?;
    for _ in 0..number(rest)? {
        let (seq, again) = (number(rest)?.saturating_add(ack_floor.stream_seq), number(rest)?);
        standing.redelivered.insert(seq, again);
    }
    Ok(standing)
}

fn read_pending(rest: &mut &[u8], version: u8, standing: &mut Standing) -> Result<(), &'static str> {
    let count = number(rest)?;
    if count == 0 {
        return Ok(());
    }
    let floor = standing.ack_floor;
    let base = signed(rest)?;
    for _ in 0..count {
        let seq = number(rest)?.saturating_add(floor.stream_seq);
        let consumer_seq = if version == 2 { number(rest)?.saturating_add(floor.consumer_seq) } else { 0 };
        let step = signed(rest)?;
        let seconds = if version == 2 { base.saturating_sub(step) } else { base.saturating_add(step) };
        standing.pending.insert(seq, Pending { consumer_seq, since: seconds.saturating_mul(SECOND) });
    }
    Ok(())
}

fn number(rest: &mut &[u8]) -> Result<u64, &'static str> {
    take(rest).ok().flatten().ok_or(MALFORMED)
}

fn signed(rest: &mut &[u8]) -> Result<i64, &'static str> {
    number(rest).map(entry::signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_messages_count_from_the_ack_floor_and_back_in_time() {
        // Floor 1/1, delivered 4/7, pending 3 (2nd delivery, 1 s before second 100) and 7, 3 redelivered twice.
        let bytes = [22, 2, 1, 1, 4, 7, 2, 200, 1, 2, 1, 2, 6, 3, 0, 1, 2, 2];
        let standing = read(&bytes).unwrap();
        assert_eq!(standing.delivered, Position { consumer_seq: 4, stream_seq: 7 });
        assert_eq!(standing.pending[&3], Pending { consumer_seq: 2, since: 99 * SECOND });
        assert_eq!(standing.pending[&7], Pending { consumer_seq: 4, since: 100 * SECOND });
        assert_eq!(standing.redelivered.into_iter().collect::<Vec<_>>(), [(3, 2)]);
    }

    #[test]
    fn a_file_cut_short_is_an_error() {
        let bytes = [22, 2, 1, 1, 4, 7, 2, 200, 1, 2, 1, 2, 6, 3, 0, 1, 2, 2];
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Err(MALFORMED));
        }
    }
}
