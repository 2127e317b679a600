//! When a connection has to do something although nothing happens.
//!
//! Pure: told what happened and when, says what is due. The session keeps one timer for the earliest of all deadlines and
//! does not move it for messages, only when it fires or when a deadline comes nearer.

use std::time::{Duration, Instant};

/// A round trip measured longer ago than this is measured again.
const RTT_VALID: Duration = Duration::from_secs(3600);

/// When a short first PING comes, at most.
const FIRST_PING: Duration = Duration::from_secs(2);

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct Timers {
    ping_interval: Duration,
    pings_out_max: u32,
    write_deadline: Duration,
    next_ping: Instant,
    pings_out: u32,
    last_input: Instant,
    ping_sent: Option<Instant>,
    rtt_measured: bool,
    login_deadline: Option<Instant>,
    expiry: Option<Instant>,
    blocked_since: Option<Instant>,
}

/// Something to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing; sleep on.
    Nothing,
    /// Send a PING.
    Ping,
    /// Too many PINGs are unanswered.
    Stale,
    /// The client has not logged in.
    LoginTimeout,
    /// The login has ended.
    LoginExpired,
    /// The client takes nothing.
    WriteDeadline,
}

/// The settings behind the deadlines.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimerSettings {
    pub ping_interval: Duration,
    pub pings_out_max: u32,
    pub write_deadline: Duration,
    pub short_first_ping: bool,
    /// `None` when nobody has to log in.
    pub login_timeout: Option<Duration>,
    /// 0 to 255: how much of the first interval's jitter to use.
    pub jitter: u8,
}

impl Timers {
    /// For a connection that was accepted at `now`.
    pub(super) fn new(settings: TimerSettings, now: Instant) -> Self {
        Self {
            ping_interval: settings.ping_interval,
            pings_out_max: settings.pings_out_max,
            write_deadline: settings.write_deadline,
            next_ping: now + first_ping_after(settings),
            pings_out: 0,
            last_input: now,
            ping_sent: None,
            rtt_measured: false,
            login_deadline: settings.login_timeout.map(|timeout| now + timeout),
            expiry: None,
            blocked_since: None,
        }
    }

    /// The client has logged in.
    pub(super) fn logged_in(&mut self, settings: TimerSettings, now: Instant) {
        self.login_deadline = None;
        self.next_ping = now + first_ping_after(settings);
    }

    /// The login ends at this moment, or never.
    pub(super) fn expire_at(&mut self, expiry: Option<Instant>) {
        self.expiry = expiry;
    }

    /// The settings have changed.
    pub(super) fn adjust(&mut self, settings: TimerSettings) {
        self.ping_interval = settings.ping_interval;
        self.pings_out_max = settings.pings_out_max;
        self.write_deadline = settings.write_deadline;
    }

    /// Something came in.
    pub(super) fn input(&mut self, now: Instant) {
        self.last_input = now;
    }

    /// A PONG came in. Returns the round trip if it can be told.
    pub(super) fn pong(&mut self, now: Instant) -> Option<Duration> {
        self.pings_out = 0;
        self.rtt_measured = true;
        self.ping_sent.map(|sent| now.saturating_duration_since(sent))
    }

    /// Output is blocked, or has moved on.
    pub(super) fn output(&mut self, blocked: bool, progress: bool, now: Instant) {
        self.blocked_since = match (blocked, self.blocked_since) {
            (false, _) => None,
            (true, Some(since)) if !progress => Some(since),
            (true, _) => Some(now),
        };
    }

    /// When to ask [`due`](Self::due) again.
    pub(super) fn next(&self) -> Instant {
        let blocked = self.blocked_since.map(|since| since + self.write_deadline);
        let others = [self.login_deadline, self.expiry, blocked];
        others.into_iter().flatten().fold(self.next_ping, Instant::min)
    }

    /// What is due.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| now >= deadline);
        if passed(self.login_deadline) {
            return Due::LoginTimeout;
        }
        if passed(self.expiry) {
            return Due::LoginExpired;
        }
        if passed(self.blocked_since.map(|since| since + self.write_deadline)) {
            return Due::WriteDeadline;
        }
        if now < self.next_ping {
            return Due::Nothing;
        }
        self.next_ping = now + self.ping_interval;
        self.ping_due(now)
    }

    fn ping_due(&mut self, now: Instant) -> Due {
        let quiet = now.saturating_duration_since(self.last_input) >= self.ping_interval;
        let rtt_old = self.ping_sent.is_none_or(|sent| now.saturating_duration_since(sent) > RTT_VALID);
        if !quiet && !rtt_old && self.rtt_measured {
            return Due::Nothing;
        }
        if self.pings_out >= self.pings_out_max {
            return Due::Stale;
        }
        self.pings_out += 1;
        self.ping_sent = Some(now);
        Due::Ping
    }
}

fn first_ping_after(settings: TimerSettings) -> Duration {
    let interval = settings.ping_interval;
    let first = if settings.short_first_ping { interval.min(FIRST_PING) } else { interval };
    first + first.mul_f64(0.2 * f64::from(settings.jitter) / 256.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings() -> TimerSettings {
        TimerSettings {
            ping_interval: 10 * SECOND,
            pings_out_max: 2,
            write_deadline: 5 * SECOND,
            short_first_ping: true,
            login_timeout: Some(SECOND),
            jitter: 0,
        }
    }

    fn logged_in(start: Instant) -> Timers {
        let mut timers = Timers::new(settings(), start);
        timers.logged_in(settings(), start);
        timers
    }

    #[test]
    fn a_client_that_does_not_log_in_is_timed_out() {
        let start = Instant::now();
        let mut timers = Timers::new(settings(), start);
        assert_eq!(timers.next(), start + SECOND);
        assert_eq!(timers.due(start), Due::Nothing);
        assert_eq!(timers.due(start + SECOND), Due::LoginTimeout);
    }

    #[test]
    fn the_first_ping_comes_early_and_measures_the_round_trip() {
        let start = Instant::now();
        let mut timers = logged_in(start);
        assert_eq!(timers.next(), start + 2 * SECOND);
        timers.input(start + 2 * SECOND);
        assert_eq!(timers.due(start + 2 * SECOND), Due::Ping);
        assert_eq!(timers.pong(start + 3 * SECOND), Some(SECOND));
    }

    #[test]
    fn a_busy_client_is_not_pinged() {
        let start = Instant::now();
        let mut timers = logged_in(start);
        assert_eq!(timers.due(start + 2 * SECOND), Due::Ping);
        timers.pong(start + 2 * SECOND);
        timers.input(start + 11 * SECOND);
        assert_eq!(timers.due(start + 12 * SECOND), Due::Nothing);
        assert_eq!(timers.due(start + 22 * SECOND), Due::Ping);
    }

    #[test]
    fn unanswered_pings_make_it_stale() {
        let start = Instant::now();
        let mut timers = logged_in(start);
        let due: Vec<Due> = [2, 12, 22].map(|after| timers.due(start + after * SECOND)).into();
        assert_eq!(due, [Due::Ping, Due::Ping, Due::Stale]);
    }

    #[test]
    fn blocked_output_without_progress_runs_into_the_write_deadline() {
        let start = Instant::now();
        let mut timers = logged_in(start);
        timers.due(start + 2 * SECOND);
        timers.output(true, false, start + 3 * SECOND);
        timers.output(true, true, start + 5 * SECOND);
        timers.output(true, false, start + 7 * SECOND);
        assert_eq!(timers.next(), start + 10 * SECOND);
        assert_eq!(timers.due(start + 9 * SECOND), Due::Nothing);
        assert_eq!(timers.due(start + 10 * SECOND), Due::WriteDeadline);
        timers.output(false, true, start + 10 * SECOND);
        assert_eq!(timers.due(start + 11 * SECOND), Due::Nothing);
    }

    #[test]
    fn a_login_ends_when_it_expires() {
        let start = Instant::now();
        let mut timers = Timers::new(settings(), start);
        timers.logged_in(settings(), start);
        timers.expire_at(Some(start + SECOND));
        assert_eq!(timers.due(start + SECOND), Due::LoginExpired);
    }

    #[test]
    fn the_first_ping_is_spread() {
        let late = first_ping_after(TimerSettings { jitter: 255, ..settings() });
        assert!(late > 2 * SECOND && late < Duration::from_millis(2400));
    }
}
