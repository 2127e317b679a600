//! Cron with six fields: second, minute, hour, day of month, month, day of week.
//!
//! A field is a list of `*`, `n`, `a-b`, each with an optional `/step`; months and days of the week may be named. The days
//! match if both fields do, or, if neither holds a `*`, if one of them does. A local time that a change of the clocks
//! leaves out is no time at all; one that comes twice counts twice.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::clock::UnixNanos;

/// A time that does not come within so many years never comes.
const YEARS_MAX: i16 = 5;
/// Set if a field holds a `*`.
const STAR: u64 = 1 << 63;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When something happens: for each field, the values that match as bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Cron {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    zone: TimeZone,
}

/// What a field may hold.
struct Field {
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

impl Cron {
    /// Reads the six fields.
    pub fn parse(text: &str, zone: TimeZone) -> Option<Self> {
        let mut fields = text.split_whitespace();
        let mut field = |min, max, names| Field { min, max, names }.parse(fields.next()?);
        let cron = Self {
            seconds: field(0, 59, &[])?,
            minutes: field(0, 59, &[])?,
            hours: field(0, 23, &[])?,
            days: field(1, 31, &[])?,
            months: field(1, 12, &MONTHS)?,
            weekdays: field(0, 6, &WEEKDAYS)?,
            zone,
        };
        fields.next().is_none().then_some(cron)
    }

    /// The next time after `after`, if there is one.
    pub fn next(&self, after: UnixNanos) -> Option<UnixNanos> {
        let start = Timestamp::from_second(after.div_euclid(1_000_000_000) + 1).ok()?;
        let mut time = start.to_zoned(self.zone.clone());
        let last_year = time.year().saturating_add(YEARS_MAX);
        while time.year() <= last_year {
            match self.step(&time)? {
                Step::Matches => return i64::try_from(time.timestamp().as_nanosecond()).ok(),
                Step::On(later) => time = later,
            }
        }
        None
    }

    /// The moment `nanos` as Go writes it, in the time zone of the schedule.
    pub fn show(&self, nanos: UnixNanos) -> String {
        let moment = Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default();
        let zoned = moment.to_zoned(self.zone.clone());
        let format =
            if zoned.offset().seconds() == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
        zoned.strftime(format).to_string()
    }

    /// Whether `time` matches; if not, the start of the next month, day, hour, minute or second that might.
    fn step(&self, time: &Zoned) -> Option<Step> {
        let has = |bits: u64, value: i8| bits >> value & 1 == 1;
        let (second, minute) = (time.second(), time.minute());
        let later = if !has(self.months, time.month()) {
            time.date().last_of_month().tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?
        } else if !self.day_matches(time) {
            time.date().tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?
        } else if !has(self.hours, time.hour()) {
            after(time, 3600 - i64::from(minute) * 60 - i64::from(second))?
        } else if !has(self.minutes, minute) {
            after(time, 60 - i64::from(second))?
        } else if !has(self.seconds, second) {
            after(time, 1)?
        } else {
            return Some(Step::Matches);
        };
        Some(Step::On(later))
    }

    fn day_matches(&self, time: &Zoned) -> bool {
        let day = self.days >> time.day() & 1 == 1;
        let weekday = self.weekdays >> time.weekday().to_sunday_zero_offset() & 1 == 1;
        if (self.days | self.weekdays) & STAR != 0 { day && weekday } else { day || weekday }
    }
}

enum Step {
    Matches,
    On(Zoned),
}

fn after(time: &Zoned, seconds: i64) -> Option<Zoned> {
    time.checked_add(SignedDuration::from_secs(seconds)).ok()
}

impl Field {
    /// The values as bits; a field that nothing matches is none.
    fn parse(&self, text: &str) -> Option<u64> {
        let mut parts = text.split(',').filter(|part| !part.is_empty()).map(|part| self.parse_part(part));
        parts.try_fold(0, |bits, part| Some(bits | part?)).filter(|bits| *bits != 0)
    }

    fn parse_part(&self, part: &str) -> Option<u64> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (first, Some(last)),
            None => (range, None),
        };
        let star = matches!(first, "*" | "?");
        let start = if star { self.min } else { self.value(first)? };
        let end = match last {
            _ if star => self.max,
            Some(last) => self.value(last)?,
            // `n/step` goes on to the end.
            None if step.is_some() => self.max,
            None => start,
        };
        let step = step.unwrap_or(1);
        if start < self.min || end > self.max || start > end || step == 0 {
            return None;
        }
        let bits = (start..=end).step_by(step as usize).fold(0, |bits, value| bits | 1 << value);
        Some(if star && step == 1 { bits | STAR } else { bits })
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        match named {
            Some(position) => u32::try_from(position).ok().map(|position| position + self.min),
            None => number(text),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.starts_with('+') { None } else { digits.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_in(zone: &str, cron: &str, after: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let cron = Cron::parse(cron, zone).unwrap();
        let after: Timestamp = after.parse().unwrap();
        let next = cron.next(after.as_nanosecond() as i64);
        next.map_or("never".into(), |next| cron.show(next))
    }

    fn next(cron: &str, after: &str) -> String {
        next_in("UTC", cron, after)
    }

    #[test]
    fn the_next_time_is_the_first_that_matches_every_field() {
        let start = "2024-01-31T23:59:59Z";
        assert_eq!(next("* * * * * *", start), "2024-02-01T00:00:00Z");
        assert_eq!(next("0 */15 * * * *", "2024-01-31T10:00:00Z"), "2024-01-31T10:15:00Z");
        assert_eq!(next("30 5 12 * * *", start), "2024-02-01T12:05:30Z");
        assert_eq!(next("0 0 0 29 2 *", "2024-02-29T00:00:00Z"), "2028-02-29T00:00:00Z");
        assert_eq!(next("0 0 9-17/4 * * mon-fri", "2024-02-02T17:00:00Z"), "2024-02-05T09:00:00Z");
        assert_eq!(next("5/20 0 0 1 JAN,jul ?", start), "2024-07-01T00:00:05Z");
    }

    #[test]
    fn with_both_days_given_one_is_enough() {
        assert_eq!(next("0 0 0 13 * fri", "2024-02-01T00:00:00Z"), "2024-02-02T00:00:00Z");
        assert_eq!(next("0 0 0 13 * fri", "2024-02-09T00:00:00Z"), "2024-02-13T00:00:00Z");
        assert_eq!(next("0 0 0 */1 * fri", "2024-02-03T00:00:00Z"), "2024-02-09T00:00:00Z");
    }

    #[test]
    fn a_day_that_never_comes_is_never() {
        assert_eq!(next("0 0 0 30 2 *", "2024-01-01T00:00:00Z"), "never");
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let zone = "Europe/Amsterdam";
        assert_eq!(next_in(zone, "0 0 12 * * *", "2024-01-01T11:00:00Z"), "2024-01-02T12:00:00+01:00");
        assert_eq!(next_in(zone, "0 0 12 * * *", "2024-07-01T09:00:00Z"), "2024-07-01T12:00:00+02:00");
        assert_eq!(next_in("Europe/London", "0 0 0 * * *", "2024-01-01T00:00:00Z"), "2024-01-02T00:00:00Z");
    }

    #[test]
    fn an_hour_that_is_left_out_is_none_and_one_that_comes_twice_counts_twice() {
        let zone = "America/New_York";
        assert_eq!(next_in(zone, "0 30 2 * * *", "2024-03-10T00:00:00-05:00"), "2024-03-11T02:30:00-04:00");
        assert_eq!(next_in(zone, "0 30 1 * * *", "2024-11-03T00:00:00-04:00"), "2024-11-03T01:30:00-04:00");
        assert_eq!(next_in(zone, "0 30 1 * * *", "2024-11-03T01:30:00-04:00"), "2024-11-03T01:30:00-05:00");
    }

    #[test]
    fn what_is_no_cron_is_refused() {
        let bad = [
            "",
            ", * * * * *",
            "* * * * *",
            "* * * * * * *",
            "60 * * * * *",
            "* * 24 * * *",
            "* * * 0 * *",
            "* * * 32 * *",
            "* * * * 13 *",
            "* * * * * 7",
            "5-1 * * * * *",
            "*/0 * * * * *",
            "1-2-3 * * * * *",
            "1/2/3 * * * * *",
            "a * * * * *",
            "-1 * * * * *",
            "1- * * * * *",
            "* * * * foo *",
        ];
        for text in bad {
            assert_eq!(Cron::parse(text, TimeZone::UTC), None, "{text}");
        }
    }
}
