//! Publish and subscribe without streams.

use std::io;
use std::thread;

use super::Load;
use crate::contender::Server;
use crate::figures::{Run, measure};
use crate::wire::{Client, publish};

const GROUP: &str = "core";

/// Subscriptions of the wildcard load.
const WILDCARD_SUBSCRIPTIONS: u64 = 100_000;

pub fn loads() -> Vec<Load> {
    let mut loads = Vec::new();
    for (size, messages) in [(16, 2_000_000), (128, 2_000_000), (1024, 1_000_000), (65536, 30_000)] {
        loads.push(Load::core(
            GROUP,
            format!("publish only, {size} B"),
            messages,
            move |server, messages| publish_only(server, messages, size),
        ));
    }
    for (size, messages) in
        [(16, 2_000_000), (128, 2_000_000), (1024, 800_000), (4096, 250_000), (65536, 25_000)]
    {
        loads.push(Load::core(GROUP, format!("1 to 1, {size} B"), messages, move |server, messages| {
            Flow { publishers: 1, subscribers: 1, queue: "", size }.run(server, messages)
        }));
    }
    let flows = [
        ("1 to 10, 128 B", 200_000, Flow { publishers: 1, subscribers: 10, queue: "", size: 128 }),
        ("1 to 100, 128 B", 20_000, Flow { publishers: 1, subscribers: 100, queue: "", size: 128 }),
        ("10 to 1, 128 B", 2_000_000, Flow { publishers: 10, subscribers: 1, queue: "", size: 128 }),
        (
            "queue group of 4, 128 B",
            1_500_000,
            Flow { publishers: 1, subscribers: 4, queue: "workers", size: 128 },
        ),
    ];
    for (name, messages, flow) in flows {
        loads.push(Load::core(GROUP, name, messages, move |server, messages| flow.run(server, messages)));
    }
    loads.push(Load::core(GROUP, "100,000 wildcard subscriptions, 128 B", 1_000_000, wildcards));
    loads
}

fn publish_only(server: &mut Server, messages: u64, size: usize) -> io::Result<Run> {
    let operation = publish("bench.alone", "", &vec![b'x'; size]);
    measure(server, messages, || send(server, &operation, messages).map(|()| Vec::new()))
}

/// Publishers and subscribers of one subject.
#[derive(Clone, Copy)]
pub struct Flow {
    pub publishers: u64,
    pub subscribers: u64,
    /// Their queue group; empty for none.
    pub queue: &'static str,
    /// Bytes of a message.
    pub size: usize,
}

impl Flow {
    /// `messages` are published in all; every subscriber outside of a queue group gets each of them.
    pub fn run(self, server: &mut Server, messages: u64) -> io::Result<Run> {
        let each = messages / self.publishers;
        let published = each * self.publishers;
        let in_group = !self.queue.is_empty();
        let subscribers = self.subscribe(server)?;
        let delivered = if in_group { published } else { published * self.subscribers };
        let operation = publish("bench.flow", "", &vec![b'x'; self.size]);
        let stop = publish("bench.stop", "", b"");
        measure(server, delivered, || {
            thread::scope(|scope| {
                let receivers: Vec<_> = subscribers
                    .into_iter()
                    .map(|client| {
                        scope.spawn(move || receive(client, if in_group { None } else { Some(published) }))
                    })
                    .collect();
                let senders: Vec<_> =
                    (0..self.publishers).map(|_| scope.spawn(|| send(server, &operation, each))).collect();
                for sender in senders {
                    join(sender)?;
                }
                let mut last = server.connect()?;
                last.send(&stop)?;
                let mut received = 0;
                for receiver in receivers {
                    received += join(receiver)?;
                }
                if received == delivered { Ok(Vec::new()) } else { Err(lost(received, delivered)) }
            })
        })
    }

    fn subscribe(self, server: &Server) -> io::Result<Vec<Client>> {
        (0..self.subscribers)
            .map(|_| {
                let mut client = server.connect()?;
                client.subscribe("bench.flow", self.queue, 1)?;
                client.subscribe("bench.stop", "", 2)?;
                client.flush()?;
                Ok(client)
            })
            .collect()
    }
}

/// Receives `expected` messages, or all until the one that says there are no more.
fn receive(mut client: Client, expected: Option<u64>) -> io::Result<u64> {
    let mut received = 0;
    while Some(received) != expected {
        if client.reader().next()?.subject == b"bench.stop" {
            break;
        }
        received += 1;
    }
    Ok(received)
}

fn send(server: &Server, operation: &[u8], times: u64) -> io::Result<()> {
    let (mut writer, mut reader) = server.connect()?.split();
    writer.flood(operation, times)?;
    writer.send(b"PING\r\n")?;
    reader.pong()
}

/// One subscriber with many subscriptions of which each message matches one.
fn wildcards(server: &mut Server, messages: u64) -> io::Result<Run> {
    let mut subscriber = server.connect()?;
    for sid in 0..WILDCARD_SUBSCRIPTIONS {
        subscriber.subscribe(&format!("bench.{sid}.*"), "", sid + 1)?;
    }
    subscriber.flush()?;
    let body = [b'x'; 128];
    let operations: Vec<u8> = (0..512u64)
        .flat_map(|n| publish(&format!("bench.{}.a", n * 7919 % WILDCARD_SUBSCRIPTIONS), "", &body))
        .collect();
    let rounds = (messages / 512).max(1);
    measure(server, rounds * 512, || {
        thread::scope(|scope| {
            let receiver = scope.spawn(move || subscriber.reader().drain(rounds * 512));
            let mut publisher = server.connect()?;
            for _ in 0..rounds {
                publisher.send(&operations)?;
            }
            join(receiver)?;
            Ok(Vec::new())
        })
    })
}

fn join<T>(handle: thread::ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    handle.join().unwrap_or_else(|_| Err(io::Error::other("a thread of the load panicked")))
}

fn lost(received: u64, expected: u64) -> io::Error {
    io::Error::other(format!("{received} of {expected} messages arrived"))
}
