//! What a panic comes to: nothing in memory can be trusted after one, what is on disk can. So the process begins anew.
//!
//! The release profile does not unwind: a lock that was held, a half-made change, a thread that is gone would stay behind, and
//! the tables to unwind by are an eighth of the binary. Not every box has a supervisor, so the process takes its own place
//! (execve(2)): the same pid and arguments, and clients are back within milliseconds. Panics in quick succession end it for good.

use std::io;
use std::os::unix::process::CommandExt;
use std::panic;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::store::sled_panics;

/// Panics, each within [`CALM`] of a start, after which the process ends.
const IN_A_ROW_MAX: u32 = 5;

/// A process that has lived so long does not count the panics before it.
const CALM: Duration = Duration::from_secs(60);

/// In the environment, how many panics there were in a row.
const IN_A_ROW: &str = "HEADWATER_PANICS_IN_A_ROW";

/// In the environment, that the last one was caused by the catalogue.
const CATALOGUE: &str = "HEADWATER_CATALOGUE_PANICKED";

/// From now on this process begins anew if it panics, after `say` was told why.
pub fn begin_anew(say: impl Fn(&str) + Send + Sync + 'static) {
    if std::env::var_os(CATALOGUE).is_some() {
        sled_panics::distrust();
    }
    let started = Instant::now();
    panic::set_hook(Box::new(move |panic| {
        say(&panic.to_string().replace('\n', " "));
        let before = std::env::var(IN_A_ROW).ok();
        if let Some(in_a_row) = counted(before.as_deref(), started.elapsed()) {
            say(&format!("cannot begin anew: {}", take_over(in_a_row)));
        }
    }));
}

/// How many panics in a row this one makes; `None` if they are too many.
fn counted(before: Option<&str>, lived: Duration) -> Option<u32> {
    let before = before.filter(|_| lived < CALM).and_then(|count| count.parse().ok()).unwrap_or(0);
    (before < IN_A_ROW_MAX).then_some(before + 1)
}

/// Puts a new process in the place of this one; returns only if that fails.
fn take_over(in_a_row: u32) -> io::Error {
    let mut args = std::env::args_os();
    let mut next = Command::new("/proc/self/exe");
    next.arg0(args.next().unwrap_or_default()).args(args).env(IN_A_ROW, in_a_row.to_string());
    if sled_panics::is_this() {
        next.env(CATALOGUE, "1");
    } else {
        next.env_remove(CATALOGUE);
    }
    next.exec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_panics_right_after_each_start_ends_for_good() {
        let mut count = None;
        for expected in 1..=IN_A_ROW_MAX {
            let next = counted(count.as_deref(), Duration::from_secs(1));
            assert_eq!(next, Some(expected));
            count = next.map(|count| count.to_string());
        }
        assert_eq!(counted(count.as_deref(), Duration::from_secs(1)), None);
    }

    #[test]
    fn a_process_that_lived_long_enough_begins_to_count_again() {
        assert_eq!(counted(Some("5"), CALM), Some(1));
    }

    #[test]
    fn a_count_that_is_none_is_not_believed() {
        assert_eq!(counted(Some("many"), Duration::ZERO), Some(1));
    }
}
