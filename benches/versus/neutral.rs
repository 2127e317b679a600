//! A second opinion: `nats bench`, the incumbent's own load generator, against both servers.

use std::io;
use std::process::{Command, Stdio};

use crate::contender::{Contender, Sync};
use crate::figures::{Run, measure, median};
use crate::front::Front;

/// Arguments of `nats bench`, and how many messages they move. Where there are several, they follow each other.
const BENCHES: [(&str, &[&str], u64); 4] = [
    ("pub, 128 B", &["bench pub bench.a --msgs 1000000 --size 128 --no-progress"], 1_000_000),
    (
        "js pub async, 128 B",
        &["bench js pub async bench.a --create --purge --msgs 200000 --size 128 --batch 256 --no-progress"],
        200_000,
    ),
    (
        "js pub async, then fetch",
        &[
            "bench js pub async bench.a --create --purge --msgs 200000 --size 128 --batch 256 --no-progress",
            "bench js fetch --msgs 200000 --size 128 --batch 256 --acks none --no-progress",
        ],
        400_000,
    ),
    ("kv put, 128 B", &["bench kv put --msgs 20000 --size 128 --no-progress"], 20_000),
];

/// Prints what `nats bench` moves per second and what that costs the servers.
pub fn print(contenders: &[Contender], rounds: usize) -> io::Result<()> {
    println!("\n### nats bench\n");
    println!(
        "| | server | messages/s, start of the client included | server CPU, s per million |\n|---|---|---|---|"
    );
    for (name, commands, messages) in BENCHES {
        for contender in contenders {
            let runs: io::Result<Vec<Run>> =
                (0..rounds).map(|_| bench(contender, commands, messages)).collect();
            let run = median(&runs?);
            println!(
                "| {name} | {} | {:.0} | {:.2} |",
                contender.name, run.per_second, run.cpu_seconds_per_million
            );
        }
    }
    Ok(())
}

fn bench(contender: &Contender, commands: &[&str], messages: u64) -> io::Result<Run> {
    let server = contender.start(Sync::Relaxed, Front::Plain)?;
    measure(&server, messages, || {
        for command in commands {
            let url = format!("nats://{}", server.door().addr);
            let status = Command::new("nats")
                .args(["-s", &url])
                .args(command.split(' '))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            if !status.success() {
                return Err(io::Error::other(format!("nats {command}: {status}")));
            }
        }
        Ok(Vec::new())
    })
}
