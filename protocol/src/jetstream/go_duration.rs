//! Durations in Go's notation: `1h30m`, `1.5s`, `100ms`, `-2µs`. All values are nanoseconds.

use std::fmt;

/// Nanoseconds in a microsecond.
pub const MICROSECOND: i64 = 1_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND: i64 = 1_000 * MICROSECOND;
/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000 * MILLISECOND;
/// Nanoseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Nanoseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;

/// The nanoseconds `text` says, or `None` if Go would not take it for a duration.
pub fn parse(text: &str) -> Option<i64> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if magnitude == "0" {
        return Some(0);
    }
    let nanos = parse_parts(magnitude)?;
    if negative { 0i64.checked_sub_unsigned(nanos) } else { i64::try_from(nanos).ok() }
}

/// One or more numbers, each with its unit.
fn parse_parts(text: &str) -> Option<u64> {
    let mut nanos = 0u64;
    let mut rest = text;
    while {
        let (part, tail) = parse_part(rest)?;
        nanos = nanos.checked_add(part)?;
        rest = tail;
        !rest.is_empty()
    } {}
    (nanos <= 1 << 63).then_some(nanos)
}

/// The first number with its unit, and what follows.
fn parse_part(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) = split_unit(rest)?;
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let nanos = whole.checked_mul(unit)?.checked_add(fraction_nanos(fraction, unit))?;
    Some((nanos, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The unit up to the next digit or point, in nanoseconds.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().position(|byte| byte == b'.' || byte.is_ascii_digit()).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let unit = match name {
        "ns" => 1,
        "us" | "µs" | "μs" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    };
    Some((unit.unsigned_abs(), rest))
}

/// `0.<digits>` units. An hour has 13 digits of nanoseconds, so digits beyond the 18th say nothing.
fn fraction_nanos(digits: &str, unit: u64) -> u64 {
    let (mut numerator, mut denominator) = (0u128, 1u128);
    for digit in digits.bytes().take(18) {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    u64::try_from(numerator * u128::from(unit) / denominator).unwrap_or(0)
}

/// Shows nanoseconds as Go prints a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoDuration(pub i64);

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let nanos = self.0.unsigned_abs();
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write_decimal(f, nanos, 3, "µs"),
            1_000_000..1_000_000_000 => write_decimal(f, nanos, 6, "ms"),
            _ => write_clock(f, nanos),
        }
    }
}

/// `1h2m3.5s`, from the first part that is not zero.
fn write_clock(f: &mut fmt::Formatter<'_>, nanos: u64) -> fmt::Result {
    let minute = MINUTE.unsigned_abs();
    let minutes = nanos / minute;
    if minutes >= 60 {
        write!(f, "{}h", minutes / 60)?;
    }
    if minutes > 0 {
        write!(f, "{}m", minutes % 60)?;
    }
    write_decimal(f, nanos % minute, 9, "s")
}

/// `value` divided by 10^`digits`, without trailing zeros.
fn write_decimal(f: &mut fmt::Formatter<'_>, value: u64, digits: u32, unit: &str) -> fmt::Result {
    let scale = 10u64.pow(digits);
    write!(f, "{}", value / scale)?;
    let (mut fraction, mut width) = (value % scale, digits as usize);
    if fraction > 0 {
        while fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        write!(f, ".{fraction:0width$}")?;
    }
    f.write_str(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_go_reads_them() {
        let cases = [
            ("0", 0),
            ("+0", 0),
            ("0s", 0),
            ("5s", 5 * SECOND),
            ("1h30m", 90 * MINUTE),
            ("1.5s", 1_500 * MILLISECOND),
            ("100ms", 100 * MILLISECOND),
            ("-2us", -2_000),
            ("3µs", 3_000),
            ("3μs", 3_000),
            (".5m", 30 * SECOND),
            ("1.h", HOUR),
            ("0.1234567890123456789999h", 444_444_440_444),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse(text), Some(nanos), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_no_duration() {
        for text in ["", "-", "+", "5", "s", ".s", ".", "1d", "1 s", " 1s", "1s ", "--1s", "1e3s", "1S", "é"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        for text in ["9223372036854775808ns", "3000000h", "18446744073709551616ns"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (SECOND, "1s"),
            (1_500 * MILLISECOND, "1.5s"),
            (2 * MINUTE, "2m0s"),
            (HOUR, "1h0m0s"),
            (HOUR + 2 * MINUTE + 3 * SECOND + 4, "1h2m3.000000004s"),
            (-MINUTE, "-1m0s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(GoDuration(nanos).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn every_duration_survives_being_printed(nanos: i64) {
            prop_assert_eq!(parse(&GoDuration(nanos).to_string()), Some(nanos));
        }

        #[test]
        fn no_text_makes_the_parser_fall(text in ".{0,24}") {
            let _ = parse(&text);
        }
    }
}
