//! From the start of the process to the first ack, after a kill and after an orderly stop.

use std::io;

use super::Load;
use super::setup::{create_stream, publish_acked};
use crate::contender::Sync::{Always, Relaxed};
use crate::contender::{End, Server};
use crate::figures::Run;
use crate::front::Door;
use crate::wire::Client;

const GROUP: &str = "exec to first ack";

pub fn loads() -> Vec<Load> {
    vec![
        Load::stream(
            GROUP,
            "kill -9, 1,000,000 messages in 100 subjects",
            (Relaxed, Relaxed),
            1_000_000,
            |server, messages| recover(server, messages, 128, 100, End::Kill),
        ),
        Load::stream(
            GROUP,
            "kill -9, 1,000,000 messages in as many subjects",
            (Relaxed, Relaxed),
            1_000_000,
            |server, messages| recover(server, messages, 128, messages, End::Kill),
        ),
        Load::stream(
            GROUP,
            "kill -9, 10,000,000 messages in 1,000,000 subjects",
            (Relaxed, Relaxed),
            10_000_000,
            |server, messages| recover(server, messages, 128, messages / 10, End::Kill),
        ),
        Load::stream(
            GROUP,
            "kill -9, 1 GB, theirs relaxed, ours always",
            (Relaxed, Always),
            1_000_000,
            |server, messages| recover(server, messages, 1024, 100, End::Kill),
        ),
        Load::stream(
            GROUP,
            "stopped, 1 GB, theirs relaxed, ours always",
            (Relaxed, Always),
            1_000_000,
            |server, messages| recover(server, messages, 1024, 100, End::Terminate),
        ),
    ]
}

fn recover(server: &mut Server, messages: u64, size: usize, subjects: u64, end: End) -> io::Result<Run> {
    let mut client = server.connect()?;
    create_stream(&mut client, "BENCH", "bench.in.*", "")?;
    publish_acked(client, messages, 256, size, |n| format!("bench.in.{}", n % subjects.max(1)))?;
    let took = server.restart(end, acknowledges)?;
    Ok(Run::special("ms", took.as_secs_f64() * 1e3))
}

/// Whether a publish is acknowledged now.
fn acknowledges(door: &Door) -> io::Result<bool> {
    let mut client = Client::connect(door)?;
    client.subscribe("bench.first", "", 1)?;
    client.request("bench.in.0", "bench.first", b"x").map(|ack| ack.starts_with(b"{\"stream\""))
}
