//! Connections that say much and never log in.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::server::{Census, LOGIN_TIME, Launch};
use super::visitor::{arrive, log_in};

/// How long the broker may take to be rid of them after their time is over.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// As much of a login as may be: control lines end after 4 KiB.
const HALF_BYTES: usize = 4_000;
const ENDLESS_BYTES: usize = 64 * 1024;

/// What they cost.
#[derive(Debug)]
pub struct Figures {
    pub connections: u64,
    pub before: Census,
    pub during: Census,
    pub after: Census,
}

impl Figures {
    /// What each of them made the broker hold, at most.
    pub fn kib_each(&self) -> f64 {
        self.during.rss_kib.saturating_sub(self.before.rss_kib) as f64 / self.connections as f64
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Census { rss_kib, open_files, .. } = self.after;
        write!(
            f,
            "strangers: {} connections, {} KiB resident before, {} KiB with them, {:.1} KiB each; when they are gone {rss_kib} KiB, \
             {open_files} open files, {} before",
            self.connections,
            self.before.rss_kib,
            self.during.rss_kib,
            self.kib_each(),
            self.before.open_files
        )
    }
}

/// Has so many strangers come; one who logs in must be served all the while.
pub async fn run(launch: &Launch, connections: u64) -> Result<Figures, String> {
    try_run(launch, connections).await.map_err(|error| format!("strangers: {error}"))
}

async fn try_run(launch: &Launch, connections: u64) -> io::Result<Figures> {
    let server = launch.start().map_err(io::Error::other)?;
    let before = server.census()?;
    let mut visitors = Vec::new();
    for number in 0..connections {
        visitors.push(stranger(server.clients, number).await?);
    }
    let during = server.census()?;
    let mut guest = arrive(server.clients, 0).await?;
    log_in(&mut guest).await?;
    drop(guest);
    let gone = |census: &Census| census.open_files <= before.open_files;
    let after = server.census_when(LOGIN_TIME + GONE_WITHIN, gone).await?;
    drop(visitors);
    Ok(Figures { connections, before, during, after })
}

/// Says nothing, half a login, or more than the broker takes: a login or a publish without end.
async fn stranger(addr: SocketAddr, number: u64) -> io::Result<TcpStream> {
    let stream = arrive(addr, number).await?;
    let (start, more) = [
        ("", 0),
        ("CONNECT {\"jwt\":\"", HALF_BYTES),
        ("CONNECT {\"user\":\"", ENDLESS_BYTES),
        ("PUB a 60000\r\n", ENDLESS_BYTES),
    ][(number % 4) as usize];
    let said = [start.as_bytes(), &vec![b'x'; more]].concat();
    // The broker may hang up in the middle.
    let _ = stream.try_write(&said);
    Ok(stream)
}
