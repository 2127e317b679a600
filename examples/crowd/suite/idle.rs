//! Connections that are logged in, have one subscription, and rest.

use std::fmt;
use std::io;
use std::time::Duration;

use super::server::Launch;
use super::visitor::{arrive, log_in};

/// How long the broker is left alone before its memory is read.
const REST: Duration = Duration::from_secs(3);

/// What they cost.
#[derive(Debug)]
pub struct Figures {
    pub connections: u64,
    pub rss_kib_before: u64,
    pub rss_kib: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.rss_kib.saturating_sub(self.rss_kib_before) as f64 / self.connections as f64;
        let (mib, mib_before) = (self.rss_kib / 1024, self.rss_kib_before / 1024);
        write!(
            f,
            "idle: {} connections, {mib} MiB resident, {mib_before} before, {each:.1} KiB each",
            self.connections
        )
    }
}

/// Has so many connections rest.
pub async fn run(launch: &Launch, connections: u64) -> Result<Figures, String> {
    try_run(launch, connections).await.map_err(|error| format!("idle: {error}"))
}

async fn try_run(launch: &Launch, connections: u64) -> io::Result<Figures> {
    let server = launch.start().map_err(io::Error::other)?;
    let before = server.census()?;
    let mut visitors = Vec::new();
    for number in 0..connections {
        let mut visitor = arrive(server.clients, number).await?;
        log_in(&mut visitor).await?;
        visitors.push(visitor);
    }
    tokio::time::sleep(REST).await;
    let census = server.census()?;
    if census.connections != connections {
        return Err(io::Error::other(format!("{} connections are left", census.connections)));
    }
    Ok(Figures { connections, rss_kib_before: before.rss_kib, rss_kib: census.rss_kib })
}
