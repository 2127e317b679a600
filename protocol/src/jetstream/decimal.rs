//! Decimal numbers into and out of byte buffers, without allocation: they are in every delivered message.

/// Digits of `u64::MAX`.
const DIGITS_MAX: usize = 20;

/// Appends `value` in decimal.
pub(super) fn push_u64(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [b'0'; DIGITS_MAX];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(DIGITS_MAX - used));
}

/// Appends `value` in decimal, with a minus if negative.
pub(super) fn push_i64(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_u64(out, value.unsigned_abs());
}

/// Reads a number of digits alone.
pub(super) fn parse_u64(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Reads a number of digits, with an optional sign.
pub(super) fn parse_i64(text: &[u8]) -> Option<i64> {
    match text.split_first()? {
        (b'-', digits) => 0i64.checked_sub_unsigned(parse_u64(digits)?),
        (b'+', digits) => i64::try_from(parse_u64(digits)?).ok(),
        _ => i64::try_from(parse_u64(text)?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_survives_being_written(signed: i64, unsigned: u64) {
            let mut out = Vec::new();
            push_i64(&mut out, signed);
            prop_assert_eq!(String::from_utf8_lossy(&out), signed.to_string());
            prop_assert_eq!(parse_i64(&out), Some(signed));
            out.clear();
            push_u64(&mut out, unsigned);
            prop_assert_eq!(parse_u64(&out), Some(unsigned));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "-",
            "+",
            "1a",
            " 1",
            "--1",
            "9223372036854775808",
            "1.0",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
    }
}
