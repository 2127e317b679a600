//! Connections that come and go.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

use super::server::{Census, Launch, Server};
use super::visitor::{arrive, log_in};

/// Visits begun at a time.
const TICK: Duration = Duration::from_millis(10);

/// Visits under way at once, at most.
const VISITS_MAX: usize = 2_000;

/// How long the broker may take to be rid of the last of them.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// What so many visits left behind.
#[derive(Debug)]
pub struct Figures {
    pub visits: u64,
    pub seconds: f64,
    pub before: Census,
    /// Resident memory in the course of it, at equal intervals, in KiB.
    pub rss_kib: Vec<u64>,
    pub after: Census,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (self.before, self.after);
        writeln!(
            f,
            "churn: {} visits, {:.0} a second; resident KiB in its course {:?}",
            self.visits,
            self.visits as f64 / self.seconds,
            self.rss_kib
        )?;
        write!(f, "before: {before:?}\nafter:  {after:?}")
    }
}

/// Has so many connections come and go each second.
pub async fn run(launch: &Launch, per_second: u64, seconds: u64) -> Result<Figures, String> {
    try_run(launch, per_second, seconds).await.map_err(|error| format!("churn: {error}"))
}

async fn try_run(launch: &Launch, per_second: u64, seconds: u64) -> io::Result<Figures> {
    let server = launch.start().map_err(io::Error::other)?;
    let before = server.census()?;
    let started = Instant::now();
    let (visits, rss_kib) = flow(&server, per_second, Duration::from_secs(seconds)).await?;
    let seconds = started.elapsed().as_secs_f64();
    let gone = |census: &Census| census.connections == 0 && census.open_files <= before.open_files;
    let after = server.census_when(GONE_WITHIN, gone).await?;
    Ok(Figures { visits, seconds, before, rss_kib, after })
}

/// Visits at an even pace; returns how many were made, and ten readings of memory.
async fn flow(server: &Server, per_second: u64, time: Duration) -> io::Result<(u64, Vec<u64>)> {
    let (made, under_way) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(VISITS_MAX)));
    let (started, mut ticks) = (Instant::now(), tokio::time::interval(TICK));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut begun, mut rss_kib) = (0, Vec::new());
    while started.elapsed() < time {
        ticks.tick().await;
        let due = started.elapsed().as_millis() as u64 * per_second / 1000;
        while begun < due {
            let permit = under_way.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (addr, number, made) = (server.clients, begun, made.clone());
            tokio::spawn(async move {
                made.fetch_add(u64::from(visit(addr, number).await.is_ok()), Ordering::Relaxed);
                drop(permit);
            });
            begun += 1;
        }
        if started.elapsed() * 10 >= time * (rss_kib.len() as u32 + 1) {
            rss_kib.push(server.census()?.rss_kib);
        }
    }
    let _all = under_way.acquire_many(VISITS_MAX as u32).await.map_err(io::Error::other)?;
    match made.load(Ordering::Relaxed) {
        made if made == begun => Ok((made, rss_kib)),
        made => Err(io::Error::other(format!("{begun} came, {made} were served"))),
    }
}

/// Every other one leaves without a word.
async fn visit(addr: SocketAddr, number: u64) -> io::Result<()> {
    let mut stream = arrive(addr, number).await?;
    log_in(&mut stream).await?;
    if number % 2 == 0 {
        stream.set_zero_linger()?;
    }
    Ok(())
}
