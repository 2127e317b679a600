//! A key-value bucket as the clients use one.

use std::io;
use std::time::Instant;

use super::Load;
use super::round_trip::request_number;
use super::setup::{api, create_consumer, publish_acked};
use crate::contender::Server;
use crate::contender::Sync::Relaxed;
use crate::figures::{Run, measure};
use crate::wire::{Client, publish};

const GROUP: &str = "key-value";

/// Keys of the bucket.
const KEYS: u64 = 10_000;

/// Operations that may wait for their answers.
const IN_FLIGHT: u64 = 64;

pub fn loads() -> Vec<Load> {
    let load = |name: &str, messages: u64, run: fn(&mut Server, u64) -> io::Result<Run>| {
        Load::stream(GROUP, name, (Relaxed, Relaxed), messages, run)
    };
    vec![
        load("put, 64 in flight", 200_000, put),
        load("get, 64 in flight", 300_000, get),
        load("watch all of 10,000 keys", KEYS, watch),
    ]
}

fn bucket(server: &Server) -> io::Result<Client> {
    let mut client = server.connect()?;
    let config = r#"{"name":"KV_BENCH","subjects":["$KV.BENCH.>"],"retention":"limits","storage":"file","num_replicas":1,"max_msgs_per_subject":1,"discard":"new","allow_rollup_hdrs":true,"deny_delete":true,"allow_direct":true}"#;
    api(&mut client, "STREAM.CREATE.KV_BENCH", config)?;
    Ok(client)
}

fn key(n: u64) -> String {
    format!("$KV.BENCH.device.{}", n % KEYS)
}

fn filled(server: &Server) -> io::Result<Client> {
    publish_acked(bucket(server)?, KEYS, IN_FLIGHT, 128, key).map(|(client, _)| client)
}

fn put(server: &mut Server, messages: u64) -> io::Result<Run> {
    let client = bucket(server)?;
    measure(server, messages, || publish_acked(client, messages, IN_FLIGHT, 128, key).map(|(_, took)| took))
}

fn get(server: &mut Server, messages: u64) -> io::Result<Run> {
    let mut client = filled(server)?;
    client.subscribe("bench.got.*", "", 6)?;
    let request = |n: u64| {
        publish(&format!("$JS.API.DIRECT.GET.KV_BENCH.{}", key(n * 7919)), &format!("bench.got.{n}"), b"")
    };
    measure(server, messages, || {
        let (mut writer, mut reader) = client.split();
        let mut sent = Vec::new();
        let mut took = Vec::new();
        let mut gathered = Vec::new();
        while (took.len() as u64) < messages {
            if sent.is_empty() || reader.is_drained() {
                while (sent.len() as u64) < messages.min(took.len() as u64 + IN_FLIGHT) {
                    gathered.extend(request(sent.len() as u64));
                    sent.push(Instant::now());
                }
                writer.send(&gathered)?;
                gathered.clear();
            }
            let answer = reader.next()?;
            if answer.payload.len() != 128 {
                return Err(io::Error::other("a key was not found"));
            }
            took.push(sent[request_number(answer.subject)].elapsed());
        }
        Ok(took)
    })
}

/// The last value of every key, as a watcher gets them when it starts, over and over.
fn watch(server: &mut Server, messages: u64) -> io::Result<Run> {
    let mut client = filled(server)?;
    client.subscribe("bench.watch", "", 7)?;
    let rounds = (messages / 500).clamp(1, 20);
    measure(server, rounds * KEYS, || {
        let mut creator = server.connect()?;
        for round in 0..rounds {
            let config = r#""deliver_subject":"bench.watch","ack_policy":"none","deliver_policy":"last_per_subject","filter_subject":"$KV.BENCH.>","mem_storage":true,"num_replicas":1"#;
            create_consumer(&mut creator, "KV_BENCH", &format!("w{round}"), config)?;
            client.reader().drain(KEYS)?;
            api(&mut creator, &format!("CONSUMER.DELETE.KV_BENCH.w{round}"), "")?;
        }
        Ok(Vec::new())
    })
}
