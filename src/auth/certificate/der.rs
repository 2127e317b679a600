//! As much of DER as reading a certificate needs: values with a tag and a length, one after the other.

/// One value: its tag and what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub tag: u8,
    pub body: &'a [u8],
    /// Tag, length and body together.
    pub whole: &'a [u8],
}

pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_ID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// The values that `body` is a concatenation of; ends at the first that is malformed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a>(pub &'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let (&tag, after_tag) = self.0.split_first()?;
        let (length, header_bytes) = read_length(after_tag)?;
        let end = header_bytes.checked_add(1)?.checked_add(length)?;
        let (whole, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(Value { tag, body: whole.get(header_bytes + 1..)?, whole })
    }
}

impl<'a> Value<'a> {
    /// What is inside, read as values.
    pub fn children(&self) -> Values<'a> {
        Values(self.body)
    }
}

/// The length that starts `bytes`, and how many bytes it takes up itself.
fn read_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), 1));
    }
    let count = usize::from(first & 0x7f);
    // Four bytes of length are more than a handshake can carry.
    let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
    let length = digits
        .iter()
        .try_fold(0usize, |sum, digit| sum.checked_mul(256)?.checked_add(usize::from(*digit)))?;
    Some((length, count + 1))
}
