//! A consumer's whole state as bytes.
//!
//! ```text
//! version           1 byte, 1
//! delivered         consumer, stream          numbers
//! ack floor         consumer, stream          steps from delivered
//! next sequence     step from delivered stream
//! last per subject  0, or 1 + through
//! delivered at      0, or 1 and signed        acked at likewise
//! pending count     then per message: sequence step, consumer sequence step, since step, deliveries
//! given up count    then per message: sequence step, deliveries
//! ```
//!
//! Numbers are those of [`super::varint`]; steps count from the field of the same kind before.

use headwater_store::UnixNanos;

use super::ack_timer::AckWait;
use super::pending::PendingAck;
use super::state::{ConsumerState, SequencePair};
use super::varint::{Reader, StateError, as_signed, as_unsigned, put, put_signed, put_step};

const VERSION: u8 = 1;

/// Writes the whole state.
pub fn encode(state: &ConsumerState) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + state.acks.len() * 8 + state.given_up.len() * 4);
    out.push(VERSION);
    put(&mut out, state.delivered.consumer);
    put(&mut out, state.delivered.stream);
    put_step(&mut out, state.delivered.consumer, state.ack_floor.consumer);
    put_step(&mut out, state.delivered.stream, state.ack_floor.stream);
    put_step(&mut out, state.delivered.stream, state.next_seq);
    put(&mut out, state.last_per_subject_through.map_or(0, |through| through.saturating_add(1)));
    put_time(&mut out, state.delivered_at);
    put_time(&mut out, state.acked_at);
    put_pending(&mut out, state);
    put_given_up(&mut out, state);
    out
}

/// Reads the whole state; any bytes are fine or an error.
pub fn decode(bytes: &[u8], awaits_acks: bool, wait: AckWait) -> Result<ConsumerState, StateError> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(StateError::Version(version));
    }
    let mut state = ConsumerState::starting_at(1, awaits_acks, wait);
    state.delivered = SequencePair { consumer: reader.number()?, stream: reader.number()? };
    state.ack_floor.consumer = reader.step(state.delivered.consumer)?;
    state.ack_floor.stream = reader.step(state.delivered.stream)?;
    state.next_seq = reader.step(state.delivered.stream)?;
    state.last_per_subject_through = reader.number()?.checked_sub(1);
    state.delivered_at = time(&mut reader)?;
    state.acked_at = time(&mut reader)?;
    read_pending(&mut reader, &mut state)?;
    read_given_up(&mut reader, &mut state)?;
    if reader.is_empty() { Ok(state) } else { Err(StateError::Malformed("something follows")) }
}

fn put_time(out: &mut Vec<u8>, time: Option<UnixNanos>) {
    match time {
        None => put(out, 0),
        Some(time) => {
            put(out, 1);
            put_signed(out, time);
        }
    }
}

fn time(reader: &mut Reader<'_>) -> Result<Option<UnixNanos>, StateError> {
    match reader.number()? {
        0 => Ok(None),
        1 => reader.signed().map(Some),
        _ => Err(StateError::Malformed("time")),
    }
}

fn put_pending(out: &mut Vec<u8>, state: &ConsumerState) {
    put(out, u64::try_from(state.acks.len()).unwrap_or(0));
    let (mut seq, mut consumer_seq, mut since) = (0, 0, 0u64);
    for entry in state.acks.pending().iter() {
        put_step(out, seq, entry.seq);
        put_step(out, consumer_seq, entry.consumer_seq);
        put_step(out, since, as_unsigned(entry.since));
        put(out, entry.deliveries.into());
        (seq, consumer_seq, since) = (entry.seq, entry.consumer_seq, as_unsigned(entry.since));
    }
}

fn read_pending(reader: &mut Reader<'_>, state: &mut ConsumerState) -> Result<(), StateError> {
    let (mut seq, mut consumer_seq, mut since) = (0, 0, 0u64);
    for index in 0..reader.number()? {
        let before = seq;
        seq = reader.step(seq)?;
        if index > 0 && seq <= before {
            return Err(StateError::Malformed("pending sequences out of order"));
        }
        consumer_seq = reader.step(consumer_seq)?;
        since = reader.step(since)?;
        let deliveries = deliveries(reader)?;
        state.acks.restore(PendingAck::new(seq, consumer_seq, as_signed(since)).delivered(deliveries));
    }
    state.acks.restored();
    Ok(())
}

fn put_given_up(out: &mut Vec<u8>, state: &ConsumerState) {
    put(out, u64::try_from(state.given_up.len()).unwrap_or(0));
    let mut before = 0;
    for (seq, deliveries) in &state.given_up {
        put_step(out, before, *seq);
        put(out, (*deliveries).into());
        before = *seq;
    }
}

fn read_given_up(reader: &mut Reader<'_>, state: &mut ConsumerState) -> Result<(), StateError> {
    let mut seq = 0;
    for _ in 0..reader.number()? {
        seq = reader.step(seq)?;
        let deliveries = deliveries(reader)?;
        state.given_up.insert(seq, deliveries);
    }
    Ok(())
}

fn deliveries(reader: &mut Reader<'_>) -> Result<u32, StateError> {
    u32::try_from(reader.number()?).map_err(|_| StateError::Malformed("deliveries"))
}
