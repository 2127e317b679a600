//! Publishing while the disk space of messages that are gone is given back.

use std::io;

use super::Load;
use super::round_trip::offered;
use super::setup::{api, create_stream, publish_acked};
use crate::contender::Server;
use crate::contender::Sync::{Always, Relaxed};
use crate::figures::{Run, measure};

const GROUP: &str = "publishing while space is given back";

/// Publishes that are measured, per second.
const OFFERED_PER_SECOND: u32 = 1000;

/// Seconds of them.
const SECONDS: u32 = 6;

/// Messages stored before, of both streams.
const STORED: u64 = 300_000;

pub fn loads() -> Vec<Load> {
    let load = |name: &str, sync, purged| {
        Load::stream(GROUP, name, (sync, sync), STORED, move |server, messages| {
            publish_meanwhile(server, messages, purged)
        })
    };
    vec![
        load("1,000/s offered, both relaxed, nothing to do", Relaxed, false),
        load("1,000/s offered, both relaxed, 180 MB among 120 MB purged before", Relaxed, true),
        load("1,000/s offered, both always, nothing to do", Always, false),
        load("1,000/s offered, both always, 180 MB among 120 MB purged before", Always, true),
    ]
}

/// Three messages in five are of another stream; where they lie between this one's, what is left must be copied to get at
/// their space.
fn publish_meanwhile(server: &mut Server, messages: u64, purged: bool) -> io::Result<Run> {
    let mut client = server.connect()?;
    create_stream(&mut client, "BENCH", "bench.in.*", "")?;
    create_stream(&mut client, "OTHER", "bench.other.*", "")?;
    let stream = |n: u64| if n % 5 < 2 { "in" } else { "other" };
    let (mut client, _) = publish_acked(client, messages, 256, 1024, |n| format!("bench.{}.0", stream(n)))?;
    if purged {
        api(&mut client, "STREAM.PURGE.OTHER", "")?;
    }
    let offers = u64::from(OFFERED_PER_SECOND * SECONDS).min(messages);
    measure(server, offers, || {
        offered(client, offers, OFFERED_PER_SECOND, |_| "bench.in.0".to_owned(), "bench.acks")
    })
}
