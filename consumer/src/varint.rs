//! Numbers of as few bytes as they need: seven bits a byte, lowest first (LEB128); signed ones zigzagged.

use std::fmt;

/// Why bytes are no consumer state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateError {
    /// They end too early.
    Truncated,
    /// They are of a version this broker does not know.
    Version(u8),
    /// They say what cannot be.
    Malformed(&'static str),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::Truncated => f.write_str("consumer state ends too early"),
            StateError::Version(version) => {
                write!(f, "consumer state is of unknown version {version}")
            }
            StateError::Malformed(what) => write!(f, "consumer state is damaged: {what}"),
        }
    }
}

impl std::error::Error for StateError {}

/// Appends an unsigned number.
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The mask leaves seven bits.
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

/// Appends the way from one number to another, whatever its direction.
pub fn put_step(out: &mut Vec<u8>, from: u64, to: u64) {
    put_signed(out, as_signed(to.wrapping_sub(from)));
}

/// Appends a signed number.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, (as_unsigned(value) << 1) ^ as_unsigned(value >> 63));
}

/// The same bits with a sign.
pub fn as_signed(value: u64) -> i64 {
    i64::from_ne_bytes(value.to_ne_bytes())
}

/// The same bits without a sign.
pub fn as_unsigned(value: i64) -> u64 {
    u64::from_ne_bytes(value.to_ne_bytes())
}

/// Reads what the functions above wrote.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, StateError> {
        let (first, rest) = self.0.split_first().ok_or(StateError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    /// An unsigned number.
    pub fn number(&mut self) -> Result<u64, StateError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(StateError::Malformed("number"))
    }

    /// The other end of a step.
    pub fn step(&mut self, from: u64) -> Result<u64, StateError> {
        Ok(from.wrapping_add(as_unsigned(self.signed()?)))
    }

    /// A signed number.
    pub fn signed(&mut self) -> Result<i64, StateError> {
        let value = self.number()?;
        Ok(as_signed(value >> 1) ^ -as_signed(value & 1))
    }

    /// What is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(unsigned: u64, signed: i64, other: u64) {
            let mut bytes = Vec::new();
            put(&mut bytes, unsigned);
            put_signed(&mut bytes, signed);
            put_step(&mut bytes, unsigned, other);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.number(), Ok(unsigned));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.step(unsigned), Ok(other));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_a_number_or_an_error(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.number().is_ok() {}
        }
    }

    #[test]
    fn small_numbers_take_one_byte() {
        let mut bytes = Vec::new();
        put_step(&mut bytes, 1_000_000, 1_000_001);
        put_signed(&mut bytes, -1);
        assert_eq!(bytes.len(), 2);
    }
}
