//! Streams and consumers for the loads, and publishing into them.

use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::round_trip::request_number;
use crate::wire::{BURST_BYTES, Client, Reader, publish};

/// Subject of the answers to API requests.
const API_INBOX: &str = "bench.api.answer";

/// Subscription of [`API_INBOX`].
const API_SID: u64 = 9001;

/// Asks the JetStream API; an answer with an error is an error here.
pub fn api(client: &mut Client, subject: &str, request: &str) -> io::Result<Value> {
    client.subscribe(API_INBOX, "", API_SID)?;
    let answer = client.request(&format!("$JS.API.{subject}"), API_INBOX, request.as_bytes())?;
    client.send(format!("UNSUB {API_SID}\r\n").as_bytes())?;
    let answer: Value = serde_json::from_slice(&answer)?;
    match answer.get("error") {
        Some(error) => Err(io::Error::other(format!("{subject}: {error}"))),
        None => Ok(answer),
    }
}

/// Creates a stream with file storage; `more` is further configuration, beginning with a comma.
pub fn create_stream(client: &mut Client, name: &str, subjects: &str, more: &str) -> io::Result<()> {
    let config = format!(
        r#"{{"name":"{name}","subjects":["{subjects}"],"retention":"limits","storage":"file","num_replicas":1{more}}}"#
    );
    api(client, &format!("STREAM.CREATE.{name}"), &config).map(drop)
}

/// Creates a consumer; `config` are the members of its configuration.
pub fn create_consumer(client: &mut Client, stream: &str, name: &str, config: &str) -> io::Result<()> {
    let request = format!(r#"{{"stream_name":"{stream}","config":{{"name":"{name}",{config}}}}}"#);
    api(client, &format!("CONSUMER.CREATE.{stream}.{name}"), &request).map(drop)
}

/// Publishes `messages` with at most `in_flight` that are not acknowledged, to the subjects `subject` answers; what it
/// took until each ack came.
pub fn publish_acked(
    client: Client,
    messages: u64,
    in_flight: u64,
    size: usize,
    subject: impl Fn(u64) -> String,
) -> io::Result<(Client, Vec<Duration>)> {
    let mut client = client;
    client.subscribe("bench.acks.*", "", 77)?;
    client.flush()?;
    let body = vec![b'x'; size];
    let mut sent = Vec::with_capacity(usize::try_from(messages).unwrap_or(0));
    let mut took = Vec::with_capacity(sent.capacity());
    let mut gathered = Vec::new();
    while (took.len() as u64) < messages {
        while (sent.len() as u64) < messages.min(took.len() as u64 + in_flight)
            && gathered.len() < BURST_BYTES
        {
            let n = sent.len() as u64;
            gathered.extend(publish(&subject(n), &format!("bench.acks.{n}"), &body));
            sent.push(Instant::now());
        }
        client.send(&gathered)?;
        gathered.clear();
        take_acks(client.reader(), &sent, &mut took)?;
    }
    client.send(b"UNSUB 77\r\n")?;
    Ok((client, took))
}

/// Takes one ack, and those that came with it.
fn take_acks(reader: &mut Reader, sent: &[Instant], took: &mut Vec<Duration>) -> io::Result<()> {
    loop {
        let ack = reader.next()?;
        if !ack.payload.starts_with(b"{\"stream\"") {
            return Err(io::Error::other(String::from_utf8_lossy(ack.payload).into_owned()));
        }
        took.push(sent[request_number(ack.subject)].elapsed());
        if reader.is_drained() {
            return Ok(());
        }
    }
}
