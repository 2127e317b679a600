//! Times of day at which a user may be connected.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use super::doc::Doc;
use super::error::JwtError;
use crate::clock::UnixNanos;

/// Spans of the day in one time zone; none of them: always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectTimes {
    spans: Vec<(Time, Time)>,
    /// Empty for the system's own.
    location: String,
}

impl ConnectTimes {
    pub(super) fn read(doc: Doc<'_>) -> Result<Self, JwtError> {
        let time = |doc: Doc<'_>, name| -> Result<Time, JwtError> {
            Time::strptime("%H:%M:%S", doc.str(name)?).map_err(|_| JwtError::Field("times"))
        };
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
        let now = Timestamp::from_nanosecond(i128::from(now)).ok()?.to_zoned(zone);
        let ends = self.spans.iter().filter_map(|span| end_of(span, &now));
        ends.map(|end| UnixNanos::try_from(end.timestamp().as_nanosecond()).unwrap_or(UnixNanos::MAX)).max()
    }
}

/// The end of the span that `now` lies in. A span may cross midnight.
fn end_of((start, end): &(Time, Time), now: &Zoned) -> Option<Zoned> {
    let at = |time: Time| now.with().time(time).build().ok();
    let (from, to) = (at(*start)?, at(*end)?);
    if from < *now && *now < to {
        return Some(to);
    }
    if start <= end {
        return None;
    }
    if *now < to {
        return Some(to);
    }
    let tomorrow = to.checked_add(1.day()).ok()?;
    (from < *now).then_some(tomorrow)
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
