//! Decimal numbers as text, without allocation.

/// Digits in `u64::MAX`.
pub const DIGITS_MAX: usize = 20;

/// The numbers below a hundred, two digits each.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// A number written out.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    digits: [u8; DIGITS_MAX],
    start: usize,
}

impl Text {
    /// Writes `number` out.
    #[inline]
    pub fn new(number: u64) -> Self {
        let mut digits = [b'0'; DIGITS_MAX];
        let start = write_before(&mut digits, number);
        Text { digits, start }
    }

    /// The digits.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// Writes `number` to the end of `out`, which must have room for it; returns where it begins.
#[inline]
pub(crate) fn write_before(out: &mut [u8], mut number: u64) -> usize {
    let mut start = out.len();
    while number >= 10 {
        start -= 2;
        out[start..start + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    if number > 0 || start == out.len() {
        start -= 1;
        out[start] = b'0' + number as u8;
    }
    start
}

/// Appends `number` to `out`.
#[inline]
pub fn push_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(Text::new(number).as_bytes());
}

/// Appends `value` in decimal, with a minus if negative.
pub fn push_i64(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_u64(out, value.unsigned_abs());
}

/// Reads a number of digits alone.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Reads a number of digits, with an optional sign.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text.split_first()? {
        (b'-', digits) => 0i64.checked_sub_unsigned(parse_u64(digits)?),
        (b'+', digits) => i64::try_from(parse_u64(digits)?).ok(),
        _ => i64::try_from(parse_u64(text)?).ok(),
    }
}

/// A size on a control line: 1 to 9 decimal digits, nothing else.
#[inline]
pub fn parse_size(text: &[u8]) -> Option<usize> {
    const SIZE_DIGITS_MAX: usize = 9;
    if text.is_empty() || text.len() > SIZE_DIGITS_MAX {
        return None;
    }
    text.iter().try_fold(0, |size: usize, digit| {
        let value = digit.wrapping_sub(b'0');
        (value < 10).then(|| size * 10 + usize::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_one_to_nine_plain_digits() {
        assert_eq!(parse_size(b"0"), Some(0));
        assert_eq!(parse_size(b"002"), Some(2));
        assert_eq!(parse_size(b"999999999"), Some(999_999_999));
        for bad in ["", "-1", "+1", "1x", " 1", "0000000001"] {
            assert_eq!(parse_size(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_written_as_the_standard_library_does(number: u64) {
            let text = Text::new(number);
            prop_assert_eq!(std::str::from_utf8(text.as_bytes()).unwrap(), number.to_string());
        }

        #[test]
        fn every_number_survives_being_written(signed: i64, unsigned: u64) {
            let mut out = Vec::new();
            push_i64(&mut out, signed);
            prop_assert_eq!(parse_i64(&out), Some(signed));
            out.clear();
            push_u64(&mut out, unsigned);
            prop_assert_eq!(parse_u64(&out), Some(unsigned));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", "+", "1a", " 1", "--1", "9223372036854775808", "1.0"] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_u64(b"18446744073709551616"), None);
    }
}
