//! What changed in a consumer's state, as bytes: a list of [`Op`]s, runs of like ones in one entry.
//!
//! ```text
//! version  1 byte, 1
//! entry    kind byte, then by kind:
//!   1 deliver      sequence step, consumer sequence step, time step, count of consecutive ones
//!   2 redeliver    sequence step, consumer sequence step, time step
//!   3 ack          sequence step, time step, count of consecutive ones
//!   4 ack through  sequence step, consumer sequence step, time step
//!   5 restart      sequence step, time step
//!   6 give up      sequence step
//!   7 undeliver    sequence step
//!   8 purge        sequence step; read, but written as 10
//!   9 replace      a snapshot that takes the place of all before, to the end
//!  10 purge        sequence step, time step
//! ```
//!
//! Steps count from the last value of the same kind in the same list, at first from 0.

use headwater_store::UnixNanos;

use super::ack_timer::AckWait;
use super::snapshot;
use super::state::{ConsumerState, Op};
use super::varint::{Reader, StateError, as_signed, as_unsigned, put, put_step};

const VERSION: u8 = 1;

const DELIVER: u8 = 1;
const REDELIVER: u8 = 2;
const ACK: u8 = 3;
const ACK_THROUGH: u8 = 4;
const RESTART: u8 = 5;
const GIVE_UP: u8 = 6;
const UNDELIVER: u8 = 7;
const UNDATED_PURGE: u8 = 8;
const REPLACE: u8 = 9;
const PURGE: u8 = 10;

/// When a list grows beyond this a snapshot takes its place.
const DELTA_BYTES_MAX: usize = 1024 * 1024;
/// Longest run written as one entry.
const RUN_MAX: u64 = 1 << 16;

/// The values steps count from.
#[derive(Debug, Default, Clone, Copy)]
struct Base {
    seq: u64,
    consumer_seq: u64,
    time: u64,
}

/// An entry that may still grow.
#[derive(Debug, Clone, Copy)]
struct Run {
    op: Op,
    count: u64,
}

/// Gathers changes until they are taken.
#[derive(Debug, Default)]
pub struct Recorder {
    out: Vec<u8>,
    base: Base,
    run: Option<Run>,
    replace: bool,
}

impl Recorder {
    /// Notes a change.
    pub fn record(&mut self, op: Op) {
        if self.replace {
            return;
        }
        if let Some(run) = &mut self.run {
            if continues(*run, op) {
                run.count += 1;
                return;
            }
        }
        self.flush();
        self.run = Some(Run { op, count: 1 });
        if self.out.len() > DELTA_BYTES_MAX {
            self.record_all();
        }
    }

    /// What changed cannot be told in ops: the next list holds the whole state.
    pub fn record_all(&mut self) {
        *self = Self { replace: true, ..Self::default() };
    }

    /// Whether there is anything to take.
    pub fn is_empty(&self) -> bool {
        !self.replace && self.run.is_none() && self.out.is_empty()
    }

    /// The changes since the last time, `None` without any.
    pub fn take(&mut self, state: &ConsumerState) -> Option<Vec<u8>> {
        if self.is_empty() {
            return None;
        }
        self.flush();
        let gathered = std::mem::take(self);
        let mut list = Vec::with_capacity(1 + gathered.out.len());
        list.push(VERSION);
        if gathered.replace {
            list.push(REPLACE);
            list.extend(snapshot::encode(state));
        } else {
            list.extend(gathered.out);
        }
        Some(list)
    }

    fn flush(&mut self) {
        if let Some(run) = self.run.take() {
            self.write(run);
        }
    }

    fn write(&mut self, Run { op, count }: Run) {
        match op {
            Op::Deliver { seq, consumer_seq, at } => {
                self.start(DELIVER, seq);
                self.consumer_seq(consumer_seq);
                self.time(at);
                put(&mut self.out, count);
                self.base.seq = seq.wrapping_add(count - 1);
                self.base.consumer_seq = consumer_seq.wrapping_add(count - 1);
            }
            Op::Redeliver { seq, consumer_seq, at } => {
                self.start(REDELIVER, seq);
                self.consumer_seq(consumer_seq);
                self.time(at);
            }
            Op::Ack { seq, at } => {
                self.start(ACK, seq);
                self.time(at);
                put(&mut self.out, count);
                self.base.seq = seq.wrapping_add(count - 1);
            }
            Op::AckThrough { seq, consumer_seq, at } => {
                self.start(ACK_THROUGH, seq);
                self.consumer_seq(consumer_seq);
                self.time(at);
            }
            Op::Restart { seq, since } => {
                self.start(RESTART, seq);
                self.time(since);
            }
            Op::GiveUp { seq } => self.start(GIVE_UP, seq),
            Op::Undeliver { seq } => self.start(UNDELIVER, seq),
            Op::Purge { first_seq, at } => {
                self.start(PURGE, first_seq);
                self.time(at);
            }
        }
    }

    fn start(&mut self, kind: u8, seq: u64) {
        self.out.push(kind);
        put_step(&mut self.out, self.base.seq, seq);
        self.base.seq = seq;
    }

    fn consumer_seq(&mut self, consumer_seq: u64) {
        put_step(&mut self.out, self.base.consumer_seq, consumer_seq);
        self.base.consumer_seq = consumer_seq;
    }

    fn time(&mut self, time: UnixNanos) {
        put_step(&mut self.out, self.base.time, as_unsigned(time));
        self.base.time = as_unsigned(time);
    }
}

/// Whether `op` is the next of a run of consecutive sequences at the same moment.
fn continues(run: Run, op: Op) -> bool {
    if run.count >= RUN_MAX {
        return false;
    }
    match (run.op, op) {
        (
            Op::Deliver { seq, consumer_seq, at },
            Op::Deliver { seq: next, consumer_seq: next_consumer, at: then },
        ) => {
            next == seq.wrapping_add(run.count)
                && next_consumer == consumer_seq.wrapping_add(run.count)
                && then == at
        }
        (Op::Ack { seq, at }, Op::Ack { seq: next, at: then }) => {
            next == seq.wrapping_add(run.count) && then == at
        }
        _ => false,
    }
}

/// Applies a list to a state; any bytes are fine or an error. After an error the state is not to be used.
pub fn apply(
    state: &mut ConsumerState,
    list: &[u8],
    awaits_acks: bool,
    wait: &AckWait,
) -> Result<(), StateError> {
    let mut reader = Reader::new(list);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(StateError::Version(version));
    }
    let mut base = Base::default();
    while !reader.is_empty() {
        let kind = reader.byte()?;
        if kind == REPLACE {
            *state = snapshot::decode(reader.rest(), awaits_acks, wait.clone())?;
        } else {
            apply_entry(state, kind, &mut reader, &mut base)?;
        }
    }
    Ok(())
}

fn apply_entry(
    state: &mut ConsumerState,
    kind: u8,
    reader: &mut Reader<'_>,
    base: &mut Base,
) -> Result<(), StateError> {
    base.seq = reader.step(base.seq)?;
    let seq = base.seq;
    match kind {
        DELIVER => apply_deliveries(state, reader, base)?,
        ACK => apply_acks(state, reader, base)?,
        REDELIVER => {
            let (consumer_seq, at) = (read_consumer_seq(reader, base)?, read_time(reader, base)?);
            state.apply(Op::Redeliver { seq, consumer_seq, at });
        }
        ACK_THROUGH => {
            let (consumer_seq, at) = (read_consumer_seq(reader, base)?, read_time(reader, base)?);
            state.apply(Op::AckThrough { seq, consumer_seq, at });
        }
        RESTART => {
            let since = read_time(reader, base)?;
            state.apply(Op::Restart { seq, since });
        }
        GIVE_UP => state.apply(Op::GiveUp { seq }),
        UNDELIVER => state.apply(Op::Undeliver { seq }),
        UNDATED_PURGE => state.apply(Op::Purge { first_seq: seq, at: as_signed(base.time) }),
        PURGE => {
            let at = read_time(reader, base)?;
            state.apply(Op::Purge { first_seq: seq, at });
        }
        _ => return Err(StateError::Malformed("unknown kind of change")),
    }
    Ok(())
}

fn apply_deliveries(
    state: &mut ConsumerState,
    reader: &mut Reader<'_>,
    base: &mut Base,
) -> Result<(), StateError> {
    let (consumer_seq, at) = (read_consumer_seq(reader, base)?, read_time(reader, base)?);
    let (seq, count) = (base.seq, run_count(reader)?);
    for i in 0..count {
        state.apply(Op::Deliver { seq: seq.wrapping_add(i), consumer_seq: consumer_seq.wrapping_add(i), at });
    }
    base.seq = seq.wrapping_add(count - 1);
    base.consumer_seq = consumer_seq.wrapping_add(count - 1);
    Ok(())
}

fn apply_acks(state: &mut ConsumerState, reader: &mut Reader<'_>, base: &mut Base) -> Result<(), StateError> {
    let at = read_time(reader, base)?;
    let (seq, count) = (base.seq, run_count(reader)?);
    for i in 0..count {
        state.apply(Op::Ack { seq: seq.wrapping_add(i), at });
    }
    base.seq = seq.wrapping_add(count - 1);
    Ok(())
}

fn read_consumer_seq(reader: &mut Reader<'_>, base: &mut Base) -> Result<u64, StateError> {
    base.consumer_seq = reader.step(base.consumer_seq)?;
    Ok(base.consumer_seq)
}

fn read_time(reader: &mut Reader<'_>, base: &mut Base) -> Result<UnixNanos, StateError> {
    base.time = reader.step(base.time)?;
    Ok(as_signed(base.time))
}

/// The length of a run. One that is longer than any written is damage that would take all memory.
fn run_count(reader: &mut Reader<'_>) -> Result<u64, StateError> {
    match reader.number()? {
        count @ 1..=RUN_MAX => Ok(count),
        _ => Err(StateError::Malformed("length of a run")),
    }
}
