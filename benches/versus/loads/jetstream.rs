//! Streams: publishing into them and consuming from them.

use std::io;
use std::thread;

use super::Load;
use super::round_trip::offered;
use super::setup::{api, create_consumer, create_stream, publish_acked};
use crate::contender::Sync::{Always, Relaxed};
use crate::contender::{Server, Sync};
use crate::figures::{Run, measure};
use crate::wire::{Client, publish};

const PUBLISH: &str = "JetStream publish";
const CONSUME: &str = "JetStream consume";

/// Messages asked for in one pull.
const PULL_BATCH: u64 = 256;

/// Publishes that may wait for their acks where many are in flight.
const IN_FLIGHT: u64 = 256;

pub fn loads() -> Vec<Load> {
    let mut loads = publishing();
    loads.extend(consuming());
    loads
}

fn publishing() -> Vec<Load> {
    let load = |name: &str, syncs: (Sync, Sync), messages: u64, in_flight: u64, size: usize| {
        Load::stream(PUBLISH, name, syncs, messages, move |server, messages| {
            publish_into(server, messages, in_flight, size)
        })
    };
    vec![
        load("1 in flight, both relaxed, 128 B", (Relaxed, Relaxed), 40_000, 1, 128),
        load("1 in flight, both always, 128 B", (Always, Always), 2_000, 1, 128),
        load("256 in flight, both relaxed, 128 B", (Relaxed, Relaxed), 400_000, IN_FLIGHT, 128),
        load("256 in flight, theirs relaxed, ours always, 128 B", (Relaxed, Always), 400_000, IN_FLIGHT, 128),
        load("2,000 in flight, theirs relaxed, ours always, 128 B", (Relaxed, Always), 600_000, 2_000, 128),
        load("256 in flight, both always, 256 B", (Always, Always), 40_000, IN_FLIGHT, 256),
        load("256 in flight, both relaxed, 1 KiB", (Relaxed, Relaxed), 200_000, IN_FLIGHT, 1024),
        load("8 in flight, both relaxed, 64 KiB", (Relaxed, Relaxed), 6_000, 8, 65536),
        Load::stream(
            PUBLISH,
            "1,000 streams, 256 in flight, both relaxed",
            (Relaxed, Relaxed),
            200_000,
            many_streams,
        ),
        paced("2,000/s offered, both relaxed, 128 B", (Relaxed, Relaxed), 2_000),
        paced("200/s offered, both always, 128 B", (Always, Always), 200),
    ]
}

/// Publishes at a fixed rate, for what a single one then takes.
fn paced(name: &str, syncs: (Sync, Sync), per_second: u32) -> Load {
    Load::stream(PUBLISH, name, syncs, u64::from(per_second) * 8, move |server, messages| {
        let mut client = server.connect()?;
        create_stream(&mut client, "BENCH", "bench.in.*", "")?;
        measure(server, messages, || {
            offered(client, messages, per_second, |_| "bench.in.0".to_owned(), "bench.acks")
        })
    })
}

pub fn publish_into(server: &mut Server, messages: u64, in_flight: u64, size: usize) -> io::Result<Run> {
    let mut client = server.connect()?;
    create_stream(&mut client, "BENCH", "bench.in.*", "")?;
    measure(server, messages, || {
        publish_acked(client, messages, in_flight, size, |n| format!("bench.in.{}", n % 100))
            .map(|(_, took)| took)
    })
}

/// 1,024 publishes in four bursts of 256, each burst acknowledged before the next.
pub fn exact_publishes(server: &Server) -> io::Result<()> {
    let mut client = server.connect()?;
    create_stream(&mut client, "BENCH", "bench.in.*", "")?;
    for _ in 0..4 {
        client = publish_acked(client, 256, 256, 256, |_| "bench.in.0".to_owned())?.0;
    }
    Ok(())
}

fn many_streams(server: &mut Server, messages: u64) -> io::Result<Run> {
    let streams = 1000.min(messages);
    let mut client = server.connect()?;
    for n in 0..streams {
        create_stream(&mut client, &format!("S{n}"), &format!("bench.in.{n}"), "")?;
    }
    measure(server, messages, || {
        publish_acked(client, messages, IN_FLIGHT, 128, |n| format!("bench.in.{}", n % streams))
            .map(|(_, took)| took)
    })
}

fn consuming() -> Vec<Load> {
    let load = |name: &str, messages: u64, run: fn(&mut Server, u64) -> io::Result<Run>| {
        Load::stream(CONSUME, name, (Relaxed, Relaxed), messages, run)
    };
    vec![
        load("pull, batches of 256, no acks", 400_000, |server, messages| {
            pull(server, messages, "none", "limits")
        }),
        load("pull, batches of 256, explicit acks", 300_000, |server, messages| {
            pull(server, messages, "explicit", "limits")
        }),
        load("work queue, batches of 256, explicit acks", 200_000, |server, messages| {
            pull(server, messages, "explicit", "workqueue")
        }),
        load("push, no acks", 400_000, push),
        load("ordered consumer", 400_000, ordered),
        load("publish and pull together", 200_000, together),
    ]
}

/// A stream with `messages` of 128 bytes in it.
fn filled(server: &Server, messages: u64, retention: &str) -> io::Result<Client> {
    let mut client = server.connect()?;
    let config = format!(
        r#"{{"name":"BENCH","subjects":["bench.in.*"],"retention":"{retention}","storage":"file","num_replicas":1}}"#
    );
    api(&mut client, "STREAM.CREATE.BENCH", &config)?;
    let subject = |n| format!("bench.in.{}", n % 100);
    publish_acked(client, messages, IN_FLIGHT, 128, subject).map(|(client, _)| client)
}

fn pull(server: &mut Server, messages: u64, ack_policy: &str, retention: &str) -> io::Result<Run> {
    let mut client = filled(server, messages, retention)?;
    create_pull_consumer(&mut client, ack_policy)?;
    measure(server, messages, || {
        pull_all(&mut client, messages, ack_policy == "explicit")?;
        Ok(Vec::new())
    })
}

/// A pull consumer named `c`.
pub fn create_pull_consumer(client: &mut Client, ack_policy: &str) -> io::Result<()> {
    let config = format!(r#""durable_name":"c","ack_policy":"{ack_policy}","max_ack_pending":10000"#);
    create_consumer(client, "BENCH", "c", &config)
}

/// Pulls until `messages` have come; acks each if told to, and waits until the server has seen the acks.
pub fn pull_all(client: &mut Client, messages: u64, acks: bool) -> io::Result<()> {
    client.subscribe("bench.pulled", "", 3)?;
    let body = format!(r#"{{"batch":{PULL_BATCH},"expires":10000000000}}"#);
    let request = publish("$JS.API.CONSUMER.MSG.NEXT.BENCH.c", "bench.pulled", body.as_bytes());
    let mut received = 0;
    let mut answers = Vec::new();
    let mut wanted = 0;
    while received < messages {
        if wanted == 0 {
            client.send(&request)?;
            wanted = PULL_BATCH;
        }
        let message = client.reader().next()?;
        if message.reply.is_empty() {
            wanted = 0;
            continue;
        }
        if acks {
            answers.extend_from_slice(b"PUB ");
            answers.extend_from_slice(message.reply);
            answers.extend_from_slice(b" 4\r\n+ACK\r\n");
        }
        received += 1;
        wanted -= 1;
        if client.reader().is_drained() || wanted == 0 {
            client.send(&answers)?;
            answers.clear();
        }
    }
    client.send(b"UNSUB 3\r\n")?;
    client.flush()
}

fn push(server: &mut Server, messages: u64) -> io::Result<Run> {
    let mut client = filled(server, messages, "limits")?;
    client.subscribe("bench.pushed", "", 4)?;
    measure(server, messages, || {
        let config = r#""deliver_subject":"bench.pushed","ack_policy":"none""#;
        create_consumer(&mut server.connect()?, "BENCH", "p", config)?;
        client.reader().drain(messages)?;
        Ok(Vec::new())
    })
}

/// What clients call an ordered consumer: pushed with flow control, in memory.
fn ordered(server: &mut Server, messages: u64) -> io::Result<Run> {
    let mut client = filled(server, messages, "limits")?;
    client.subscribe("bench.ordered", "", 5)?;
    let config = r#""deliver_subject":"bench.ordered","ack_policy":"none","flow_control":true,"idle_heartbeat":5000000000,"mem_storage":true,"max_deliver":1,"num_replicas":1"#;
    measure(server, messages, || {
        create_consumer(&mut server.connect()?, "BENCH", "p", config)?;
        let (mut writer, mut reader) = client.split();
        let mut received = 0;
        while received < messages {
            let message = reader.next()?;
            if !message.headers.is_empty() && message.payload.is_empty() {
                if !message.reply.is_empty() {
                    let answer = publish(&String::from_utf8_lossy(message.reply), "", b"");
                    writer.send(&answer)?;
                }
                continue;
            }
            received += 1;
        }
        Ok(Vec::new())
    })
}

fn together(server: &mut Server, messages: u64) -> io::Result<Run> {
    let mut publisher = server.connect()?;
    create_stream(&mut publisher, "BENCH", "bench.in.*", "")?;
    let mut consumer = server.connect()?;
    create_pull_consumer(&mut consumer, "explicit")?;
    measure(server, messages, || {
        thread::scope(|scope| {
            let pulling = scope.spawn(move || pull_all(&mut consumer, messages, true));
            let subject = |n| format!("bench.in.{}", n % 100);
            let (_, took) = publish_acked(publisher, messages, IN_FLIGHT, 128, subject)?;
            pulling.join().unwrap_or_else(|_| Err(io::Error::other("the consumer panicked")))?;
            Ok(took)
        })
    })
}
