//! When a scheduled message is due: `@at`, `@every`, cron and its short forms (ADR-51).

use headwater_protocol::jetstream::go_duration::{self, SECOND};
use headwater_protocol::jetstream::timestamp::{Timestamp, ZonedTime};
use jiff::tz::TimeZone;

use super::cron::Cron;
use crate::clock::UnixNanos;

/// A schedule's times.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// Once.
    At(UnixNanos),
    /// Every so many nanoseconds, a second at least, counted from full seconds.
    Every(i64),
    /// By the calendar.
    Cron(Box<Cron>),
}

impl Pattern {
    /// Reads `Nats-Schedule`. Only cron may have a time zone; without one it is UTC.
    pub fn parse(text: &str, zone: Option<TimeZone>) -> Option<Self> {
        if let Some(moment) = text.strip_prefix("@at ") {
            let moment = ZonedTime::parse(moment).ok().filter(|_| zone.is_none())?;
            return Some(Self::At(moment.timestamp().0));
        }
        if let Some(interval) = text.strip_prefix("@every ") {
            let interval = go_duration::parse(interval).filter(|_| zone.is_none())?;
            return (interval >= SECOND).then_some(Self::Every(interval));
        }
        let cron = match text {
            "@yearly" | "@annually" => "0 0 0 1 1 *",
            "@monthly" => "0 0 0 1 * *",
            "@weekly" => "0 0 0 * * 0",
            "@daily" | "@midnight" => "0 0 0 * * *",
            "@hourly" => "0 0 * * * *",
            text => text,
        };
        Some(Self::Cron(Box::new(Cron::parse(cron, zone.unwrap_or(TimeZone::UTC))?)))
    }

    /// When it is due after it was stored, or due last, at `last`. Of times that have passed by `now`, none counts.
    pub fn next(&self, last: UnixNanos, now: UnixNanos) -> Option<UnixNanos> {
        match self {
            Self::At(moment) => Some(*moment),
            Self::Every(interval) => {
                let next = round_to_second(last).checked_add(*interval)?;
                if next < now { round_to_second(now).checked_add(*interval) } else { Some(next) }
            }
            Self::Cron(cron) => {
                let next = cron.next(last)?;
                if next < now { cron.next(round_to_second(now)) } else { Some(next) }
            }
        }
    }

    /// When it is due if it was stored at `stored` and was due last not after `seen`. What was missed since is due once.
    pub fn next_after(&self, stored: UnixNanos, seen: UnixNanos) -> Option<UnixNanos> {
        match self {
            Self::At(moment) => Some(*moment),
            Self::Every(interval) => {
                let first = round_to_second(stored).checked_add(*interval)?;
                let passed = if seen < first { 0 } else { (seen - first) / interval + 1 };
                first.checked_add(interval.checked_mul(passed)?)
            }
            Self::Cron(cron) => cron.next(stored.max(seen)),
        }
    }

    /// Whether it is due more than once.
    pub fn repeats(&self) -> bool {
        !matches!(self, Self::At(_))
    }

    /// A moment of this schedule as Go writes it.
    pub fn show(&self, moment: UnixNanos) -> String {
        match self {
            Self::Cron(cron) => cron.show(moment),
            _ => Timestamp(moment).to_string(),
        }
    }
}

/// The nearest full second; halves go up.
fn round_to_second(moment: UnixNanos) -> UnixNanos {
    moment.saturating_add(SECOND / 2).div_euclid(SECOND).saturating_mul(SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Pattern> {
        Pattern::parse(text, None)
    }

    #[test]
    fn once_is_once_wherever_it_lies() {
        let at = read("@at 2009-11-10T23:00:00.5Z").unwrap();
        assert_eq!(at.next(0, i64::MAX), Some(1_257_894_000_500_000_000));
        assert!(!at.repeats());
    }

    #[test]
    fn an_interval_counts_from_full_seconds_and_skips_what_was_missed() {
        let every = read("@every 1m").unwrap();
        assert_eq!(every.next(10 * SECOND + 1, 10 * SECOND + 1), Some(70 * SECOND));
        assert_eq!(every.next(9 * SECOND + SECOND / 2, 0), Some(70 * SECOND));
        assert_eq!(every.next(10 * SECOND, 500 * SECOND), Some(560 * SECOND));
    }

    #[test]
    fn after_a_restart_an_interval_goes_on_in_step() {
        let every = read("@every 1m").unwrap();
        assert_eq!(every.next_after(10 * SECOND, 10 * SECOND), Some(70 * SECOND));
        assert_eq!(every.next_after(10 * SECOND, 70 * SECOND), Some(130 * SECOND));
        assert_eq!(every.next_after(10 * SECOND, 129 * SECOND), Some(130 * SECOND));
    }

    #[test]
    fn short_forms_stand_for_cron() {
        for (short, cron) in [
            ("@yearly", "0 0 0 1 1 *"),
            ("@annually", "0 0 0 1 1 *"),
            ("@monthly", "0 0 0 1 * *"),
            ("@weekly", "0 0 0 * * 0"),
            ("@daily", "0 0 0 * * *"),
            ("@midnight", "0 0 0 * * *"),
            ("@hourly", "0 0 * * * *"),
        ] {
            assert_eq!(read(short), read(cron), "{short}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "bogus", "@at tomorrow", "@every soon", "@every 999ms", "@every -5s", "@never", "@at"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Pattern::parse("@every 5s", Some(TimeZone::UTC)), None);
        assert_eq!(Pattern::parse("@at 2009-11-10T23:00:00Z", Some(TimeZone::UTC)), None);
    }
}
