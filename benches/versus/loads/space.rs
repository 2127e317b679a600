//! What is left on disk when much more was written than is kept.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::Load;
use super::jetstream::{create_pull_consumer, pull_all};
use super::setup::{api, publish_acked};
use crate::contender::Server;
use crate::contender::Sync::Relaxed;
use crate::figures::Run;
use crate::wire::Client;

const GROUP: &str = "disk taken beyond 1.3 times what is kept, 10 GB written";

/// Bytes of a message.
const SIZE: usize = 1024;

/// Publishes that may wait for their acks.
const IN_FLIGHT: u64 = 256;

/// Messages that are sent between two looks at the disk.
const BATCH: u64 = 100_000;

/// The server is left alone until it has given nothing back for so long.
const REST: Duration = Duration::from_secs(10);

/// How long it is left alone at most.
const REST_MAX: Duration = Duration::from_secs(60);

pub fn loads() -> Vec<Load> {
    let load = |name: &str, run: fn(&mut Server, u64) -> io::Result<Run>| {
        Load::stream(GROUP, name, (Relaxed, Relaxed), 10_000_000, run)
    };
    vec![
        load("a stream limited to 500 MB", limited),
        load("a work queue, every message acknowledged", work_queue),
        load("a bucket of 500,000 keys, overwritten at random", bucket),
    ]
}

fn limited(server: &mut Server, messages: u64) -> io::Result<Run> {
    let bytes_max = messages * SIZE as u64 / 20;
    let more = format!(r#""subjects":["bench.in.*"],"retention":"limits","max_bytes":{bytes_max}"#);
    write(server, &more, messages, |n| format!("bench.in.{}", n % 100))
}

fn bucket(server: &mut Server, messages: u64) -> io::Result<Run> {
    let more = r#""subjects":["bench.in.*"],"retention":"limits","max_msgs_per_subject":1"#;
    let keys = (messages / 20).max(1);
    write(server, more, messages, |n| format!("bench.in.{}", scattered(n) % keys))
}

fn work_queue(server: &mut Server, messages: u64) -> io::Result<Run> {
    let mut consumer = server.connect()?;
    create(&mut consumer, r#""subjects":["bench.in.*"],"retention":"workqueue""#)?;
    create_pull_consumer(&mut consumer, "explicit")?;
    let publisher = server.connect()?;
    let working = thread::spawn(move || pull_all(&mut consumer, messages, true));
    publish_in_batches(publisher, messages, &|_| "bench.in.0".to_owned())?;
    working.join().unwrap_or_else(|_| Err(io::Error::other("the consumer panicked")))?;
    taken(server)
}

fn write(server: &Server, config: &str, messages: u64, subject: impl Fn(u64) -> String) -> io::Result<Run> {
    let mut client = server.connect()?;
    create(&mut client, config)?;
    publish_in_batches(client, messages, &subject)?;
    taken(server)
}

fn create(client: &mut Client, config: &str) -> io::Result<()> {
    let config = format!(r#"{{"name":"BENCH","storage":"file","num_replicas":1,{config}}}"#);
    api(client, "STREAM.CREATE.BENCH", &config).map(drop)
}

fn publish_in_batches(client: Client, messages: u64, subject: &dyn Fn(u64) -> String) -> io::Result<()> {
    let mut client = client;
    for from in (0..messages).step_by(BATCH as usize) {
        let batch = BATCH.min(messages - from);
        client = publish_acked(client, batch, IN_FLIGHT, SIZE, |n| subject(from + n))?.0;
    }
    Ok(())
}

/// MiB on disk above 1.3 times what the stream says it holds.
fn taken(server: &Server) -> io::Result<Run> {
    let disk_bytes = disk_bytes_at_rest(server)?;
    let info = api(&mut server.connect()?, "STREAM.INFO.BENCH", "")?;
    let kept = info["state"]["bytes"].as_u64().ok_or_else(|| io::Error::other("no state"))?;
    let beyond = disk_bytes as f64 - 1.3 * kept as f64;
    Ok(Run::special("MiB", beyond / 1048576.0))
}

fn disk_bytes_at_rest(server: &Server) -> io::Result<u64> {
    let (start, mut before) = (Instant::now(), u64::MAX);
    loop {
        let now = server.disk_bytes()?;
        if now >= before || start.elapsed() > REST_MAX {
            return Ok(now);
        }
        before = now;
        thread::sleep(REST);
    }
}

/// Numbers without a pattern, the same in every run.
fn scattered(n: u64) -> u64 {
    let mixed = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
