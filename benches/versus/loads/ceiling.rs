//! A stream much larger than the memory the server may take.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Load;
use super::jetstream::{create_pull_consumer, pull_all};
use super::setup::{create_stream, publish_acked};
use crate::contender::Server;
use crate::contender::Sync::{Always, Relaxed};
use crate::figures::{Run, measure};
use crate::front::Door;
use crate::wire::{Client, publish};

const GROUP: &str = "publish, pull and direct gets together, latency of the gets";

/// What the server may take.
const CEILING_MB: u64 = 64;

const SUBJECTS: u64 = 1_000_000;

/// Publishes that may wait for their acks.
const IN_FLIGHT: u64 = 512;

/// Messages published in one go.
const BATCH: u64 = 100_000;

/// Bytes of a message.
const SIZE: usize = 60;

/// Pause between two gets.
const GET_PAUSE: Duration = Duration::from_millis(5);

pub fn loads() -> Vec<Load> {
    let name = format!("20,000,000 messages in 1,000,000 subjects, in {CEILING_MB} MB");
    vec![Load::stream(GROUP, name, (Relaxed, Always), 20_000_000, together)]
}

fn together(server: &mut Server, messages: u64) -> io::Result<Run> {
    server.restart_below(CEILING_MB)?;
    let mut publisher = server.connect()?;
    create_stream(&mut publisher, "BENCH", "bench.in.*", r#","allow_direct":true"#)?;
    let mut consumer = server.connect()?;
    create_pull_consumer(&mut consumer, "explicit")?;
    let door = server.door().clone();
    measure(server, messages, || {
        let pulling = thread::spawn(move || pull_all(&mut consumer, messages, true));
        let published = Arc::new(AtomicBool::new(false));
        let ended = published.clone();
        let getting = thread::spawn(move || get_until(&door, &ended));
        publish_all(publisher, messages)?;
        published.store(true, Ordering::Relaxed);
        let panicked = || io::Error::other("a client panicked");
        pulling.join().map_err(|_| panicked())??;
        getting.join().map_err(|_| panicked())?
    })
}

fn publish_all(client: Client, messages: u64) -> io::Result<()> {
    let mut client = client;
    for from in (0..messages).step_by(BATCH as usize) {
        let batch = BATCH.min(messages - from);
        let subject = |n: u64| format!("bench.in.{}", (from + n).wrapping_mul(7919) % SUBJECTS);
        client = publish_acked(client, batch, IN_FLIGHT, SIZE, subject)?.0;
    }
    Ok(())
}

/// Asks for the last message of one subject after the other; what each answer took.
fn get_until(door: &Door, ended: &AtomicBool) -> io::Result<Vec<Duration>> {
    let mut client = Client::connect(door)?;
    client.subscribe("bench.got", "", 6)?;
    let mut took = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let subject = took.len() as u64 * 104_729 % SUBJECTS;
        let request = format!("$JS.API.DIRECT.GET.BENCH.bench.in.{subject}");
        let asked = Instant::now();
        client.send(&publish(&request, "bench.got", b""))?;
        client.reader().next()?;
        took.push(asked.elapsed());
        thread::sleep(GET_PAUSE);
    }
    Ok(took)
}
