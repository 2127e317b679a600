//! Decimal numbers as text, without allocation.

/// Digits in `u64::MAX`.
const DIGITS_MAX: usize = 20;

/// A number written out.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    digits: [u8; DIGITS_MAX],
    start: usize,
}

impl Text {
    /// Writes `number` out.
    #[inline]
    pub fn new(mut number: u64) -> Self {
        let mut digits = [b'0'; DIGITS_MAX];
        let mut start = DIGITS_MAX;
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Text { digits, start };
            }
        }
    }

    /// The digits.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// Appends `number` to `out`.
#[inline]
pub fn push(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(Text::new(number).as_bytes());
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
    }
}
