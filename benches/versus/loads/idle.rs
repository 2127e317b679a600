//! What a server takes when nothing happens.

use std::io;
use std::thread;
use std::time::Duration;

use super::Load;
use crate::contender::Server;
use crate::figures::Run;

const GROUP: &str = "at rest";

/// How long the server is left alone before its memory is read.
const REST: Duration = Duration::from_secs(2);

/// Most connections this process can have open, with room for other files.
const CONNECTIONS_MAX: u64 = 8_000;

pub fn loads() -> Vec<Load> {
    vec![
        Load::core(GROUP, "resident, just started", 1, |server, _| {
            thread::sleep(REST);
            Ok(Run::special("KiB", server.usage()?.rss_bytes as f64 / 1024.0))
        }),
        Load::core(GROUP, "each idle connection", CONNECTIONS_MAX, connections),
    ]
}

fn connections(server: &mut Server, count: u64) -> io::Result<Run> {
    let before = server.usage()?.rss_bytes;
    let clients = (0..count).map(|_| server.connect()).collect::<io::Result<Vec<_>>>()?;
    thread::sleep(REST);
    let grown = server.usage()?.rss_bytes.saturating_sub(before);
    Ok(Run::special("KiB", grown as f64 / 1024.0 / clients.len() as f64))
}
