//! Durations as Go writes and reads them: `1h30m`, `250ms`, `-1.5s`.

use nom::bytes::complete::{take_till, take_while1};
use nom::{IResult, Parser};

const SECOND: f64 = 1e9;

/// Reads a duration; the result is in nanoseconds and may be negative. The errors are Go's.
pub fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let (unsigned, negative) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (rest, text.starts_with('-')),
        None => (text, false),
    };
    // Go reads a lone zero without a unit.
    if unsigned == "0" {
        return Ok(0);
    }
    let mut rest = unsigned;
    let mut nanos = 0.0;
    while !rest.is_empty() || unsigned.is_empty() {
        let (after, (number, unit)) = term(rest).map_err(|_| invalid())?;
        let value: f64 = number.parse().map_err(|_| invalid())?;
        nanos += value * unit_nanos(unit, text)?;
        rest = after;
    }
    // Go's limit is an i64 of nanoseconds; the largest f64 below it is far enough.
    if nanos >= i64::MAX as f64 {
        return Err(invalid());
    }
    let nanos = nanos.round() as i64;
    Ok(if negative { -nanos } else { nanos })
}

/// A number, perhaps with a fraction, and the letters after it.
fn term(input: &str) -> IResult<&str, (&str, &str)> {
    let in_number = |c: char| c == '.' || c.is_ascii_digit();
    (take_while1(in_number), take_till(in_number)).parse_complete(input)
}

fn unit_nanos(unit: &str, text: &str) -> Result<f64, String> {
    match unit {
        "ns" => Ok(1.0),
        "us" | "µs" | "μs" => Ok(1e3),
        "ms" => Ok(1e6),
        "s" => Ok(SECOND),
        "m" => Ok(60.0 * SECOND),
        "h" => Ok(3600.0 * SECOND),
        "" => Err(format!("time: missing unit in duration {}", quoted(text))),
        other => Err(format!("time: unknown unit {} in duration {}", quoted(other), quoted(text))),
    }
}

/// Writes a duration as Go does: `2m0s`, `1.5s`, `250ms`, `0s`.
pub fn show(duration: std::time::Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(nanos, 1_000_000)),
        _ => show_long(nanos),
    }
}

fn show_long(nanos: u128) -> String {
    const MINUTE: u128 = 60_000_000_000;
    let seconds = fraction(nanos % MINUTE, 1_000_000_000);
    let minutes = nanos / MINUTE;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `nanos / unit` in decimal, without trailing zeros.
fn fraction(nanos: u128, unit: u128) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", nanos / unit, nanos % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A text in the quotes Go puts around it.
pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}
