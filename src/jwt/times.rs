//! Times of day at which a user may be connected.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::doc::Doc;
use super::error::JwtError;
use crate::clock::UnixNanos;

const NANOS_PER_SECOND: UnixNanos = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Spans of the day in one time zone; none of them: always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectTimes {
    /// Start and end in seconds since midnight.
    spans: Vec<(i64, i64)>,
    /// Empty for the system's own.
    location: String,
}

impl ConnectTimes {
    pub(super) fn read(doc: Doc<'_>) -> Result<Self, JwtError> {
        let time = |doc: Doc<'_>, name| time_of_day(doc.str(name)?).ok_or(JwtError::Field("times"));
        let span = |doc| Ok((time(doc, "start")?, time(doc, "end")?));
        let location = doc.text("times_location")?;
        if !location.is_empty() && TimeZone::get(&location).is_err() {
            return Err(JwtError::Field("times_location"));
        }
        Ok(Self { spans: doc.list("times")?.map(span).collect::<Result<_, _>>()?, location })
    }

    /// Until when the user may be connected if it connects at `now`: `None` if it may not, `i64::MAX` if there is no end.
    pub fn until(&self, now: UnixNanos) -> Option<UnixNanos> {
        if self.spans.is_empty() {
            return Some(UnixNanos::MAX);
        }
        let zone = match self.location.as_str() {
            "" => TimeZone::system(),
            location => TimeZone::get(location).ok()?,
        };
        let moment = Timestamp::from_nanosecond(i128::from(now)).ok()?;
        let local = moment.as_second() + i64::from(zone.to_offset(moment).seconds());
        let of_day = local.rem_euclid(SECONDS_PER_DAY);
        let left = self.spans.iter().filter_map(|span| seconds_left(*span, of_day)).max()?;
        Some(now.saturating_add(left.saturating_mul(NANOS_PER_SECOND)))
    }
}

/// How long a span still lasts at this time of day, if it does. It may cross midnight.
fn seconds_left((start, end): (i64, i64), now: i64) -> Option<i64> {
    let inside = if start <= end { start < now && now < end } else { now > start || now < end };
    inside.then(|| (end - now).rem_euclid(SECONDS_PER_DAY))
}

/// `15:04:05` as seconds since midnight.
fn time_of_day(text: &str) -> Option<i64> {
    let number = |text: &str, bound: i64| {
        let digits = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number < bound)
    };
    let mut parts = text.split(':');
    let (hours, minutes) = (number(parts.next()?, 24)?, number(parts.next()?, 60)?);
    let seconds = number(parts.next()?, 60)?;
    parts.next().is_none().then_some((hours * 60 + minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(start: &str, end: &str) -> ConnectTimes {
        let json = serde_json::json!({"times": [{"start": start, "end": end}], "times_location": "UTC"});
        ConnectTimes::read(Doc(Some(&json))).unwrap()
    }

    fn at(hour: i64) -> UnixNanos {
        hour * 3600 * 1_000_000_000
    }

    #[test]
    fn inside_a_span_the_connection_ends_with_it() {
        let times = times("11:00:00", "22:00:00");
        assert_eq!(times.until(at(13)), Some(at(22)));
        assert_eq!(times.until(at(10)), None);
        assert_eq!(times.until(at(23)), None);
    }

    #[test]
    fn a_span_may_cross_midnight() {
        let times = times("22:00:00", "06:00:00");
        assert_eq!(times.until(at(5)), Some(at(6)));
        assert_eq!(times.until(at(23)), Some(at(24 + 6)));
        assert_eq!(times.until(at(12)), None);
    }

    #[test]
    fn without_spans_there_is_no_end() {
        assert_eq!(ConnectTimes::default().until(0), Some(UnixNanos::MAX));
    }
}
