//! What an archive of nats-server 2.15 is made of: a magic, then entries without a gap.
//!
//! ```text
//! magic          "NATSARC1"
//! entry          name length     varint, unsigned
//!                timestamp       varint, zigzag
//!                sequence        varint, unsigned
//!                header length   varint, unsigned
//!                payload length  varint, unsigned
//!                name, header block, payload
//! ```
//!
//! `state.json` comes first and says what the stream holds; then as many `consumers/<name>` as it names, without a
//! sequence; then the messages, each named by its subject; and an entry of zeros alone at the end.

/// What an archive begins with.
pub const MAGIC: &[u8; 8] = b"NATSARC1";
/// The name of the first entry.
pub const STATE_NAME: &[u8] = b"state.json";
/// What the names of consumers' entries begin with.
pub const CONSUMER_PREFIX: &str = "consumers/";
/// The longest name.
const NAME_BYTES_MAX: u64 = 1 << 16;

/// An entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// When it was stored, or written.
    pub ts: i64,
    /// The sequence of a message; 0 for all else.
    pub seq: u64,
    /// The header block of a message.
    pub headers: &'a [u8],
    /// What it holds.
    pub payload: &'a [u8],
}

/// The entry is not what a server writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadEntry;

impl<'a> Entry<'a> {
    /// Whether this is the end.
    pub fn is_end(&self) -> bool {
        *self == Entry::default()
    }

    /// Writes everything before the header block; `payload_bytes` follow it.
    pub fn write_head(&self, payload_bytes: usize, out: &mut Vec<u8>) {
        put(out, self.name.len() as u64);
        put(out, ((self.ts << 1) ^ (self.ts >> 63)) as u64);
        put(out, self.seq);
        put(out, self.headers.len() as u64);
        put(out, payload_bytes as u64);
        out.extend_from_slice(self.name);
    }

    /// The entry that `bytes` begin with and its length; `None` if it is not whole. One whose header block and payload are
    /// longer than `content_bytes_max` is refused as soon as that can be seen.
    pub fn read(bytes: &'a [u8], content_bytes_max: u64) -> Result<Option<(Self, usize)>, BadEntry> {
        let mut rest = bytes;
        let mut numbers = [0u64; 5];
        for number in &mut numbers {
            match take(&mut rest)? {
                Some(value) => *number = value,
                None => return Ok(None),
            }
        }
        let [name_bytes, ts, seq, header_bytes, payload_bytes] = numbers;
        let content_bytes = header_bytes.checked_add(payload_bytes).ok_or(BadEntry)?;
        if name_bytes > NAME_BYTES_MAX || content_bytes > content_bytes_max {
            return Err(BadEntry);
        }
        let Some((name, rest)) = rest.split_at_checked(name_bytes as usize) else { return Ok(None) };
        let Some((headers, rest)) = rest.split_at_checked(header_bytes as usize) else { return Ok(None) };
        let Some((payload, rest)) = rest.split_at_checked(payload_bytes as usize) else { return Ok(None) };
        Ok(Some((Entry { name, ts: signed(ts), seq, headers, payload }, bytes.len() - rest.len())))
    }
}

/// What a zigzag varint stands for.
pub(super) fn signed(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The varint that `rest` begins with; `None` if it is not whole.
pub(super) fn take(rest: &mut &[u8]) -> Result<Option<u64>, BadEntry> {
    let mut value = 0u64;
    for (at, byte) in rest.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shifted = bits.checked_shl(7 * at as u32).filter(|shifted| shifted >> (7 * at) == bits);
        value |= shifted.ok_or(BadEntry)?;
        if *byte < 0x80 {
            *rest = rest.get(at + 1..).unwrap_or_default();
            return Ok(Some(value));
        }
        if at >= 9 {
            return Err(BadEntry);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(entry: &Entry<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        entry.write_head(entry.payload.len(), &mut out);
        out.extend_from_slice(entry.headers);
        out.extend_from_slice(entry.payload);
        out
    }

    #[test]
    fn an_entry_is_written_as_nats_server_writes_it() {
        let entry = Entry { name: b"s.1", ts: -1, seq: 300, headers: b"H", payload: b"ab" };
        assert_eq!(written(&entry), b"\x03\x01\xac\x02\x01\x02s.1Hab");
        assert_eq!(written(&Entry::default()), [0; 5]);
    }

    #[test]
    fn an_entry_that_is_too_long_is_not_waited_for() {
        let entry = Entry { name: b"s", payload: b"abcd", ..Entry::default() };
        assert_eq!(Entry::read(&written(&entry)[..6], 3), Err(BadEntry));
    }

    proptest! {
        #[test]
        fn an_entry_is_read_back_once_it_is_whole(
            name in proptest::collection::vec(any::<u8>(), 0..20),
            ts: i64,
            seq: u64,
            headers in proptest::collection::vec(any::<u8>(), 0..20),
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let entry = Entry { name: &name, ts, seq, headers: &headers, payload: &payload };
            let bytes = written(&entry);
            prop_assert_eq!(Entry::read(&bytes, 300), Ok(Some((entry, bytes.len()))));
            for cut in 0..bytes.len() {
                prop_assert_eq!(Entry::read(&bytes[..cut], 300), Ok(None));
            }
        }

        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Entry::read(&bytes, 1 << 20);
        }
    }
}
