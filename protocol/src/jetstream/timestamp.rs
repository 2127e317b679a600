//! Points in time as JSON carries them: RFC 3339 with up to nine digits of a second, trailing zeros dropped.
//!
//! [`Timestamp`] is the broker's own time, UTC; [`ZonedTime`] is a time a client sent, given back in its zone.

use std::fmt;

use serde::{Serialize, Serializer};

use super::from_json::{FromJson, JsonError, Place};
use super::go_duration::SECOND;
use super::json::{Json, quoted};
use crate::decimal;

/// Seconds from Go's zero time, 0001-01-01, to 1970-01-01.
const YEAR_ONE: i64 = -62_135_596_800;
const DAY_SECONDS: i64 = 86_400;

/// `-292277026596-12-31T23:59:59.999999999+23:59`, the longest that can be said.
const TEXT_BYTES_MAX: usize = 44;

/// Nanoseconds since 1970-01-01 UTC, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Go's zero time, written `0001-01-01T00:00:00Z`: never, or not known.
    pub const ZERO: Timestamp = Timestamp(i64::MIN);

    /// Whether this is the zero time.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// As JSON and headers carry it.
    pub fn text(self) -> TimeText {
        ZonedTime::from(self).text()
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<Timestamp> for ZonedTime {
    fn from(time: Timestamp) -> Self {
        if time.is_zero() {
            return Self::default();
        }
        let nanos = u32::try_from(time.0.rem_euclid(SECOND)).unwrap_or(0);
        Self { seconds: time.0.div_euclid(SECOND), nanos, offset_seconds: 0 }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().as_str())
    }
}

impl FromJson for Timestamp {
    fn read(&mut self, json: Json, place: &Place<'_>) -> Result<(), JsonError> {
        let mut zoned = ZonedTime::from(*self);
        zoned.read(json, place)?;
        *self = zoned.timestamp();
        Ok(())
    }
}

/// A time with the zone it was given in. Unlike [`Timestamp`] it holds any year from 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZonedTime {
    /// Seconds since 1970-01-01 UTC.
    seconds: i64,
    /// Nanoseconds of the second, below 1e9.
    nanos: u32,
    /// Seconds east of UTC.
    offset_seconds: i32,
}

impl ZonedTime {
    /// Reads RFC 3339; the error is Go's.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        parse_rfc3339(text.as_bytes()).map_err(|problem| JsonError::new(parse_complaint(text, problem)))
    }

    /// Whether this is the zero time, in whatever zone.
    pub fn is_zero(&self) -> bool {
        self.seconds == YEAR_ONE && self.nanos == 0
    }

    /// The same moment written in UTC.
    pub fn utc(self) -> Self {
        Self { offset_seconds: 0, ..self }
    }

    /// The same moment; [`Timestamp::ZERO`] if zero, the nearest representable one if beyond years 1677 to 2262.
    pub fn timestamp(&self) -> Timestamp {
        if self.is_zero() {
            return Timestamp::ZERO;
        }
        let nanos = i128::from(self.seconds) * i128::from(SECOND) + i128::from(self.nanos);
        let nearest = nanos.clamp(i128::from(i64::MIN + 1), i128::from(i64::MAX));
        Timestamp(i64::try_from(nearest).unwrap_or(i64::MAX))
    }

    /// As JSON and headers carry it.
    pub fn text(&self) -> TimeText {
        let local = self.seconds.saturating_add(self.offset_seconds.into());
        let (year, month, day) = civil_from_days(local.div_euclid(DAY_SECONDS));
        let second = local.rem_euclid(DAY_SECONDS);
        let mut text = TimeText::default();
        text.push_year(year);
        for (mark, part) in
            [(b'-', month), (b'-', day), (b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)]
        {
            text.push(&[mark]);
            text.push(&two_digits(part));
        }
        text.push_fraction(self.nanos);
        text.push_offset(self.offset_seconds);
        text
    }
}

/// A time written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeText {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

impl TimeText {
    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The same.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn push(&mut self, text: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + text.len()) {
            place.copy_from_slice(text);
            self.len += text.len();
        }
    }

    /// Four digits; a zone may bring a day before the year 0 or after 9999.
    fn push_year(&mut self, year: i64) {
        if year < 0 {
            self.push(b"-");
        }
        let width = if year < 0 { 3 } else { 4 };
        let digits = decimal::Text::new(year.unsigned_abs());
        let zeros = width - digits.as_bytes().len().min(width);
        self.push(b"0000".get(..zeros).unwrap_or_default());
        self.push(digits.as_bytes());
    }

    fn push_fraction(&mut self, nanos: u32) {
        if nanos == 0 {
            return;
        }
        let mut digits = [b'0'; 9];
        decimal::write_before(&mut digits, nanos.min(999_999_999).into());
        let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        self.push(b".");
        self.push(digits.get(..significant).unwrap_or_default());
    }

    fn push_offset(&mut self, offset_seconds: i32) {
        if offset_seconds == 0 {
            return self.push(b"Z");
        }
        let minutes = i64::from(offset_seconds).abs() / 60;
        self.push(if offset_seconds < 0 { b"-" } else { b"+" });
        self.push(&two_digits(minutes / 60));
        self.push(b":");
        self.push(&two_digits(minutes % 60));
    }
}

impl Default for TimeText {
    fn default() -> Self {
        Self { bytes: [0; TEXT_BYTES_MAX], len: 0 }
    }
}

/// Of a number from 0 to 99.
fn two_digits(number: i64) -> [u8; 2] {
    let mut digits = [b'0'; 2];
    decimal::write_before(&mut digits, number.clamp(0, 99).unsigned_abs());
    digits
}

impl Default for ZonedTime {
    fn default() -> Self {
        Self { seconds: YEAR_ONE, nanos: 0, offset_seconds: 0 }
    }
}

impl fmt::Display for ZonedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl Serialize for ZonedTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().as_str())
    }
}

impl FromJson for ZonedTime {
    fn read(&mut self, json: Json, _: &Place<'_>) -> Result<(), JsonError> {
        match json {
            Json::Null => {}
            Json::Text(text) => *self = Self::parse(&text)?,
            _ => {
                return Err(JsonError::new("Time.UnmarshalJSON: input is not a JSON string"));
            }
        }
        Ok(())
    }
}

/// What is wrong with a text that is no time.
enum Problem {
    /// Not written as RFC 3339.
    Form,
    /// This part of it has an impossible value.
    Range(&'static str),
}

fn parse_complaint(text: &str, problem: Problem) -> String {
    let text = quoted(text);
    match problem {
        Problem::Range(part) => format!("parsing time {text}: {part} out of range"),
        Problem::Form => {
            format!("parsing time {text} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text} as \"2006\"")
        }
    }
}

fn parse_rfc3339(text: &[u8]) -> Result<ZonedTime, Problem> {
    let mut rest = text;
    let year = number(&mut rest, 4)?;
    let month = part(&mut rest, b"-", 1..=12, "month")?;
    let day = part(&mut rest, b"-", 1..=days_in_month(year, month), "day")?;
    let hour = part(&mut rest, b"T", 0..=23, "hour")?;
    let minute = part(&mut rest, b":", 0..=59, "minute")?;
    let second = part(&mut rest, b":", 0..=59, "second")?;
    let nanos = fraction(&mut rest)?;
    let offset = offset(&mut rest)?;
    if !rest.is_empty() {
        return Err(Problem::Form);
    }
    let clock = hour * 3600 + minute * 60 + second;
    let seconds = days_from_civil(year, month, day) * DAY_SECONDS + clock - i64::from(offset);
    Ok(ZonedTime { seconds, nanos, offset_seconds: offset })
}

/// One of the separators, then two digits within `range`.
fn part(
    rest: &mut &[u8],
    separators: &[u8],
    range: std::ops::RangeInclusive<i64>,
    name: &'static str,
) -> Result<i64, Problem> {
    match rest.split_first() {
        Some((first, tail)) if separators.contains(first) => *rest = tail,
        _ => return Err(Problem::Form),
    }
    let value = number(rest, 2)?;
    if range.contains(&value) { Ok(value) } else { Err(Problem::Range(name)) }
}

/// Exactly `digits` digits.
fn number(rest: &mut &[u8], digits: usize) -> Result<i64, Problem> {
    let (head, tail) = rest.split_at_checked(digits).ok_or(Problem::Form)?;
    if !head.iter().all(u8::is_ascii_digit) {
        return Err(Problem::Form);
    }
    *rest = tail;
    Ok(head.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// `.5` or `,5`; digits after the ninth are dropped.
fn fraction(rest: &mut &[u8]) -> Result<u32, Problem> {
    let Some((b'.' | b',', tail)) = rest.split_first() else {
        return Ok(0);
    };
    let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return Err(Problem::Form);
    }
    let (digits, after) = tail.split_at(digits);
    *rest = after;
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    Ok(padded.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0')))
}

/// `Z`, or hours and minutes east of UTC, in seconds.
fn offset(rest: &mut &[u8]) -> Result<i32, Problem> {
    let sign = match rest.split_first() {
        Some((b'Z', tail)) => {
            *rest = tail;
            return Ok(0);
        }
        Some((b'-', _)) => -1,
        _ => 1,
    };
    let hours = part(rest, b"+-", 0..=24, "time zone offset hour")?;
    let minutes = part(rest, b":", 0..=60, "time zone offset minute")?;
    i32::try_from(sign * (hours * 3600 + minutes * 60)).map_err(|_| Problem::Form)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that a leap day
/// is the last of its year, and in eras of 400 years, which are all equally long.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let march_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (march_year.div_euclid(400), march_year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date `days` after 1970-01-01: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn echo(text: &str) -> String {
        ZonedTime::parse(text).unwrap().to_string()
    }

    #[test]
    fn the_zero_time_is_the_first_of_january_of_year_one() {
        assert_eq!(Timestamp::ZERO.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(ZonedTime::default().to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(ZonedTime::parse("0001-01-01T00:00:00Z").unwrap().timestamp(), Timestamp::ZERO);
    }

    #[test]
    fn fractions_lose_their_trailing_zeros() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(1_700_000_000_120_000_000).to_string(), "2023-11-14T22:13:20.12Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn a_time_comes_back_in_the_zone_it_was_sent_in() {
        assert_eq!(echo("2020-01-01T02:00:00+02:00"), "2020-01-01T02:00:00+02:00");
        assert_eq!(echo("2024-02-29T00:00:00.500-05:30"), "2024-02-29T00:00:00.5-05:30");
        assert_eq!(echo("2024-01-01T00:00:00-00:00"), "2024-01-01T00:00:00Z");
        assert_eq!(echo("2024-01-01T00:00:00,5Z"), "2024-01-01T00:00:00.5Z");
        assert_eq!(echo("2024-01-01T00:00:00.1234567899Z"), "2024-01-01T00:00:00.123456789Z");
        let zoned = ZonedTime::parse("2020-01-01T02:00:00+02:00").unwrap();
        assert_eq!(zoned.utc().to_string(), "2020-01-01T00:00:00Z");
    }

    #[test]
    fn years_beyond_what_nanoseconds_can_say_are_kept() {
        assert_eq!(echo("9999-12-31T23:59:59Z"), "9999-12-31T23:59:59Z");
        assert_eq!(ZonedTime::parse("9999-12-31T23:59:59Z").unwrap().timestamp(), Timestamp(i64::MAX));
        assert!(!ZonedTime::parse("0000-01-01T00:00:00Z").unwrap().timestamp().is_zero());
    }

    #[test]
    fn a_zone_may_lead_out_of_the_years_of_four_digits() {
        assert_eq!(echo("9999-12-31T23:59:59+00:01"), "9999-12-31T23:59:59+00:01");
        let late = ZonedTime { offset_seconds: 60, ..ZonedTime::parse("9999-12-31T23:59:59Z").unwrap() };
        assert_eq!(late.to_string(), "10000-01-01T00:00:59+00:01");
        let early = ZonedTime { offset_seconds: -60, ..ZonedTime::parse("0000-01-01T00:00:00Z").unwrap() };
        assert_eq!(early.to_string(), "-001-12-31T23:59:00-00:01");
        let last = ZonedTime { seconds: i64::MAX, nanos: 999_999_999, offset_seconds: 0 };
        assert!(last.to_string().ends_with(".999999999Z"), "{last}");
    }

    #[test]
    fn what_is_no_time_is_refused_in_the_words_of_go() {
        let refusal = |text| ZonedTime::parse(text).unwrap_err().to_string();
        assert_eq!(
            refusal("2024-02-30T00:00:00Z"),
            r#"parsing time "2024-02-30T00:00:00Z": day out of range"#
        );
        assert_eq!(
            refusal("2024-01-01T24:00:00Z"),
            r#"parsing time "2024-01-01T24:00:00Z": hour out of range"#
        );
        assert_eq!(
            refusal("never"),
            r#"parsing time "never" as "2006-01-02T15:04:05Z07:00": cannot parse "never" as "2006""#
        );
        for text in
            ["", "2024-01-01", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00", "2024-01-01T00:00:00Zx", "é"]
        {
            assert!(ZonedTime::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_timestamp_survives_being_written(nanos: i64) {
            let time = Timestamp(nanos);
            prop_assert_eq!(ZonedTime::parse(&time.to_string()).unwrap().timestamp(), time);
        }

        #[test]
        fn no_text_makes_the_parser_fall(text in ".{0,40}") {
            let _ = ZonedTime::parse(&text);
        }
    }
}
