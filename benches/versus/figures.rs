//! What a load came to, and medians over rounds.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::contender::Server;

/// One run of one load on one server.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Run {
    /// Messages (or operations) per second.
    pub per_second: f64,
    /// User and system time of the server per million messages.
    pub cpu_seconds_per_million: f64,
    /// Largest resident set of the server up to the load's end.
    pub rss_peak_bytes: f64,
    /// Bytes the server caused to be written per message.
    pub written_bytes_per_message: f64,
    /// Round trips, where the load has such.
    pub latency: Option<Latency>,
    /// What else this load measures, with its unit in the name: less is better.
    pub special: Option<(&'static str, f64)>,
}

/// Quantiles of round trips, in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// Half were faster.
    pub p50_us: f64,
    /// 99 % were faster.
    pub p99_us: f64,
    /// 99.9 % were faster.
    pub p999_us: f64,
}

impl Run {
    /// Only the load's own figure counts.
    pub fn special(name: &'static str, value: f64) -> Self {
        Self { special: Some((name, value)), ..Self::default() }
    }
}

impl Latency {
    /// The quantiles of what was measured.
    pub fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let at = |share: f64| {
            let index = ((samples.len() as f64 * share) as usize).min(samples.len().saturating_sub(1));
            samples.get(index).map_or(0.0, |sample| sample.as_secs_f64() * 1e6)
        };
        Self { p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999) }
    }
}

/// Runs `work`, which moves `messages` messages, and measures the server meanwhile.
pub fn measure(
    server: &Server,
    messages: u64,
    work: impl FnOnce() -> io::Result<Vec<Duration>>,
) -> io::Result<Run> {
    let before = server.usage()?;
    let started = Instant::now();
    let samples = work()?;
    let seconds = started.elapsed().as_secs_f64();
    let after = server.usage()?;
    let count = messages as f64;
    Ok(Run {
        per_second: count / seconds,
        cpu_seconds_per_million: (after.cpu_seconds - before.cpu_seconds) / count * 1e6,
        rss_peak_bytes: after.rss_peak_bytes as f64,
        written_bytes_per_message: (after.written_bytes - before.written_bytes) as f64 / count,
        latency: (!samples.is_empty()).then(|| Latency::of(samples)),
        special: None,
    })
}

/// The median of each figure over several runs.
pub fn median(runs: &[Run]) -> Run {
    let of = |figure: &dyn Fn(&Run) -> f64| middle(runs.iter().map(figure).collect());
    let latency = |figure: &dyn Fn(&Latency) -> f64| {
        middle(runs.iter().filter_map(|run| run.latency.as_ref().map(figure)).collect())
    };
    let measured_latency = runs.iter().any(|run| run.latency.is_some());
    let special = runs.iter().find_map(|run| run.special).map(|(name, _)| name);
    Run {
        per_second: of(&|run| run.per_second),
        cpu_seconds_per_million: of(&|run| run.cpu_seconds_per_million),
        rss_peak_bytes: of(&|run| run.rss_peak_bytes),
        written_bytes_per_message: of(&|run| run.written_bytes_per_message),
        latency: measured_latency.then(|| Latency {
            p50_us: latency(&|it| it.p50_us),
            p99_us: latency(&|it| it.p99_us),
            p999_us: latency(&|it| it.p999_us),
        }),
        special: special.map(|name| (name, of(&|run| run.special.map_or(0.0, |(_, value)| value)))),
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
