//! The entries of an archive, see [`entry`](super::super::entry).

use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::stream_info::StreamState;

use super::super::entry::{CONSUMER_PREFIX, Entry, STATE_NAME};
use super::super::gather::Gather;
use super::super::{RestoreError, because, consumer_entry};
use super::building::Building;

/// The longest `state.json`.
const STATE_BYTES_MAX: u64 = 1 << 20;
/// The longest consumer: enough for more than a million pending messages.
const CONSUMER_BYTES_MAX: u64 = 128 << 20;

/// Reads an archive.
#[derive(Debug, Default)]
pub struct Archive {
    entries: Gather,
    expected: Expected,
}

/// Which entry comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    State,
    /// So many of them, then messages up to a sequence.
    Consumers(u64, u64),
    Messages(u64),
    /// The end has come; what follows does not matter.
    Nothing,
}

impl Archive {
    /// Takes what follows the magic.
    pub fn feed(&mut self, plain: &[u8], building: &mut Building) -> Result<(), RestoreError> {
        let Self { entries, expected } = self;
        entries.feed(plain, |bytes| {
            let most = match expected {
                Expected::State => STATE_BYTES_MAX,
                Expected::Consumers(..) => CONSUMER_BYTES_MAX,
                Expected::Messages(_) => building.message_bytes_max(),
                Expected::Nothing => return Ok(Some(bytes.len())),
            };
            let entry = Entry::read(bytes, most).map_err(|_| because("entry is malformed or too long"))?;
            let Some((entry, length)) = entry else { return Ok(None) };
            *expected = expected.take(&entry, building)?;
            Ok(Some(length))
        })
    }

    /// Whether its end has come.
    pub fn is_whole(&self) -> bool {
        self.expected == Expected::Nothing
    }
}

impl Expected {
    /// Takes an entry; returns what is expected after it.
    fn take(&self, entry: &Entry<'_>, building: &mut Building) -> Result<Self, RestoreError> {
        match *self {
            Self::State => begin(entry, building),
            Self::Consumers(left, last_seq) => {
                take_consumer(entry, last_seq, building)?;
                Ok(Self::consumers(left.saturating_sub(1), last_seq))
            }
            Self::Messages(_) if entry.is_end() => Ok(Self::Nothing),
            Self::Messages(last_seq) => {
                building.message(entry)?;
                Ok(Self::Messages(last_seq))
            }
            Self::Nothing => Ok(Self::Nothing),
        }
    }

    fn consumers(left: u64, last_seq: u64) -> Self {
        if left == 0 { Self::Messages(last_seq) } else { Self::Consumers(left, last_seq) }
    }
}

fn begin(entry: &Entry<'_>, building: &mut Building) -> Result<Expected, RestoreError> {
    if entry.name != STATE_NAME {
        return Err(because("expected state.json first"));
    }
    let state: StreamState =
        decode(entry.payload, false).map_err(|error| because(format!("error in state.json: {error}")))?;
    let last_ts = if state.last_ts.is_zero() { 0 } else { state.last_ts.0 };
    building.begin_at(state.first_seq, last_ts)?;
    building.end_at(state.last_seq, last_ts);
    Ok(Expected::consumers(state.consumer_count, state.last_seq))
}

fn take_consumer(entry: &Entry<'_>, last_seq: u64, building: &mut Building) -> Result<(), RestoreError> {
    let name = std::str::from_utf8(entry.name).ok().and_then(|name| name.strip_prefix(CONSUMER_PREFIX));
    let Some(name) = name else {
        return Err(because(format!("expected consumer, found {:?}", String::from_utf8_lossy(entry.name))));
    };
    let (config, standing) = consumer_entry::read(entry.payload)
        .map_err(|error| because(format!("failed to decode consumer {name:?}: {error}")))?;
    building.consumer(name, config, None, Some(&standing), last_seq)
}
