//! How much memory and processor time the process uses, from `/proc/self`.

use parking_lot::Mutex;

use crate::clock::UnixNanos;

/// The least time that a processor load is averaged over.
const LOAD_WINDOW_NANOS: UnixNanos = 1_000_000_000;

/// What the process uses at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessUse {
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Percent of one core since the last look, at least a second ago; rounded to a tenth.
    pub cpu_percent: f64,
}

/// Measures the process; one for all who ask.
#[derive(Debug)]
pub struct ProcessMeter(Mutex<Window>);

#[derive(Debug, Clone, Copy)]
struct Window {
    start: UnixNanos,
    cpu_nanos_at_start: u64,
    cpu_percent: f64,
}

impl ProcessMeter {
    /// Starts to measure now.
    pub fn new(now: UnixNanos) -> Self {
        Self(Mutex::new(Window { start: now, cpu_nanos_at_start: cpu_nanos(), cpu_percent: 0.0 }))
    }

    /// What the process uses now. Zeros where the system does not tell.
    pub fn measure(&self, now: UnixNanos) -> ProcessUse {
        let mut window = self.0.lock();
        window.advance(now, cpu_nanos());
        ProcessUse { resident_bytes: resident_bytes(), cpu_percent: window.cpu_percent }
    }
}

impl Window {
    fn advance(&mut self, now: UnixNanos, cpu_nanos: u64) {
        let elapsed = now.saturating_sub(self.start);
        if elapsed < LOAD_WINDOW_NANOS {
            return;
        }
        let used = cpu_nanos.saturating_sub(self.cpu_nanos_at_start);
        let percent = used as f64 * 100.0 / elapsed as f64;
        *self =
            Self { start: now, cpu_nanos_at_start: cpu_nanos, cpu_percent: (percent * 10.0).round() / 10.0 };
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default().saturating_mul(rustix::param::page_size() as u64)
}

/// Processor time used so far.
pub(super) fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = cpu_ticks(&stat).unwrap_or_default();
    ticks.saturating_mul(1_000_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

/// Open files and sockets; 0 where the system does not tell.
pub(super) fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// User and system time. The process name, in parentheses, may itself contain blanks and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_any_process_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 90 0 0 0 12 30 0 0 20 0 9 0 100 5 6 7";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("garbage"), None);
    }

    #[test]
    fn the_load_is_averaged_over_a_second_at_least() {
        let mut window = Window { start: 0, cpu_nanos_at_start: 0, cpu_percent: 0.0 };
        window.advance(LOAD_WINDOW_NANOS / 2, 400_000_000);
        assert_eq!(window.cpu_percent, 0.0);
        window.advance(2 * LOAD_WINDOW_NANOS, 500_000_000);
        assert_eq!(window.cpu_percent, 25.0);
        window.advance(4 * LOAD_WINDOW_NANOS, 500_000_000);
        assert_eq!(window.cpu_percent, 0.0);
    }

    #[test]
    fn a_running_process_has_memory() {
        assert!(ProcessMeter::new(0).measure(1).resident_bytes > 1024);
    }
}
