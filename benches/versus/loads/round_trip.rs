//! Requests and their answers.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::Load;
use crate::contender::Server;
use crate::figures::{Run, measure};
use crate::wire::{BURST_BYTES, Client, Reader, Writer, publish};

const GROUP: &str = "request and reply";

/// Requests per second of the load with a fixed rate.
const OFFERED_PER_SECOND: u32 = 4000;

pub fn loads() -> Vec<Load> {
    let mut loads = Vec::new();
    for (in_flight, messages) in [(1, 60_000), (64, 500_000)] {
        loads.push(Load::core(
            GROUP,
            format!("{in_flight} in flight, 128 B"),
            messages,
            move |server, messages| {
                round_trips(server, messages, |requester| closed(requester, messages, in_flight))
            },
        ));
    }
    loads.push(Load::core(
        GROUP,
        format!("{OFFERED_PER_SECOND} requests/s offered"),
        20_000,
        |server, messages| {
            round_trips(server, messages, |requester| {
                offered(
                    requester,
                    messages,
                    OFFERED_PER_SECOND,
                    |_| "bench.service".to_owned(),
                    "bench.inbox",
                )
            })
        },
    ));
    loads
}

fn round_trips(
    server: &mut Server,
    messages: u64,
    requests: impl FnOnce(Client) -> io::Result<Vec<Duration>>,
) -> io::Result<Run> {
    let mut responder = server.connect()?;
    responder.subscribe("bench.service", "", 1)?;
    responder.flush()?;
    let requester = server.connect()?;
    let server = &*server;
    thread::scope(|scope| {
        let answering = scope.spawn(move || {
            let (writer, reader) = responder.split();
            answer(writer, reader, messages)
        });
        let run = measure(server, messages, || requests(requester))?;
        answering.join().unwrap_or_else(|_| Err(io::Error::other("the responder panicked")))?;
        Ok(run)
    })
}

/// Answers so many requests, those that came together together.
fn answer(mut writer: Writer, mut reader: Reader, requests: u64) -> io::Result<()> {
    let body = [b'y'; 128];
    let mut answers = Vec::new();
    for _ in 0..requests {
        let request = reader.next()?;
        answers.extend_from_slice(b"PUB ");
        answers.extend_from_slice(request.reply);
        answers.extend_from_slice(b" 128\r\n");
        answers.extend_from_slice(&body);
        answers.extend_from_slice(b"\r\n");
        if reader.is_drained() || answers.len() > BURST_BYTES {
            writer.send(&answers)?;
            answers.clear();
        }
    }
    Ok(())
}

/// A new request for every answer.
fn closed(mut requester: Client, messages: u64, in_flight: u64) -> io::Result<Vec<Duration>> {
    requester.subscribe("bench.inbox.*", "", 1)?;
    requester.flush()?;
    let (mut writer, mut reader) = requester.split();
    let body = [b'x'; 128];
    let mut sent = Vec::with_capacity(usize::try_from(messages).unwrap_or(0));
    let mut took = Vec::with_capacity(sent.capacity());
    let mut requests = Vec::new();
    for n in 0..in_flight.min(messages) {
        requests.extend(publish("bench.service", &format!("bench.inbox.{n}"), &body));
        sent.push(Instant::now());
    }
    writer.send(&requests)?;
    requests.clear();
    while (took.len() as u64) < messages {
        let n = request_number(reader.next()?.subject);
        took.push(sent[n].elapsed());
        if (sent.len() as u64) < messages {
            requests.extend(publish("bench.service", &format!("bench.inbox.{}", sent.len()), &body));
            sent.push(Instant::now());
        }
        if reader.is_drained() && !requests.is_empty() {
            writer.send(&requests)?;
            requests.clear();
        }
    }
    Ok(took)
}

/// Requests at a fixed rate, whatever the answers do, to the subjects `subject` answers, with inboxes below `inbox`;
/// measured from when each should have been sent.
pub fn offered(
    mut requester: Client,
    messages: u64,
    per_second: u32,
    subject: impl Fn(u32) -> String + Send,
    inbox: &str,
) -> io::Result<Vec<Duration>> {
    requester.subscribe(&format!("{inbox}.*"), "", 1)?;
    requester.flush()?;
    let (mut writer, mut reader) = requester.split();
    let pause = Duration::from_secs(1) / per_second;
    let started = Instant::now();
    let due = move |n: u32| started + pause * n;
    thread::scope(|scope| {
        let sending = scope.spawn(move || {
            let body = [b'x'; 128];
            for n in 0..u32::try_from(messages).unwrap_or(u32::MAX) {
                thread::sleep(due(n).saturating_duration_since(Instant::now()));
                writer.send(&publish(&subject(n), &format!("{inbox}.{n}"), &body))?;
            }
            Ok(())
        });
        let mut took = Vec::new();
        for _ in 0..messages {
            let n = request_number(reader.next()?.subject);
            took.push(due(u32::try_from(n).unwrap_or(0)).elapsed());
        }
        sending.join().unwrap_or_else(|_| Err(io::Error::other("the requester panicked")))?;
        Ok(took)
    })
}

/// The last token of an inbox subject.
pub fn request_number(subject: &[u8]) -> usize {
    let digits = subject.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
}
