//! A broker at work under strace.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::trace::{Call, Event, parse};
use crate::suite::ledger::{Op, Step};
use crate::suite::load::{Load, set_up};
use crate::suite::server::Launch;

const CALLS: &str = "trace=openat,creat,write,pwrite64,writev,fdatasync,fsync,rename,renameat,renameat2,unlink,unlinkat,rmdir,ftruncate,fallocate,mkdir,mkdirat,sendto,sendmsg";

/// So short that what a power cut made a consumer forget is offered again soon.
pub const ACK_WAIT_MS: u64 = 60;

/// Turns every sync into nothing, as a broker without them would be.
const NO_SYNC: &str = "int fdatasync(int fd) { return 0; }\nint fsync(int fd) { return 0; }\n";

/// What went on.
pub struct Recording {
    pub events: Vec<Event>,
    /// In which line each confirmation was written to its socket.
    pub told: HashMap<Op, usize>,
    /// What every client did.
    pub log: Vec<(ThreadId, Step)>,
    /// The directory that the broker's `store_dir` was in.
    pub root: String,
    /// Calls of sync in it.
    pub syncs: usize,
}

/// Runs a broker under load for `millis`, then ends it in order. `broken`: without syncs.
pub fn record(binary: &Path, seed: u64, millis: u64, broken: bool) -> Result<Recording, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let trace = dir.path().join("trace");
    let mut launch = Launch::new(binary, dir.path());
    launch.wrapper = wrapper(&trace, if broken { Some(no_sync(dir.path())?) } else { None });
    let load = Load::default();
    load.ledger.lock().log = Some(Vec::new());
    let server = launch.start()?;
    set_up(launch.port, ACK_WAIT_MS).map_err(|error| error.to_string())?;
    load.run(launch.port, seed, || thread::sleep(Duration::from_millis(millis)));
    terminate(&trace)?;
    server.wait();
    let text = fs::read_to_string(&trace).map_err(|error| format!("{}: {error}", trace.display()))?;
    let events = parse(&text);
    let told = told(&events);
    let log = load.ledger.lock().log.take().unwrap_or_default();
    let syncs = events.iter().filter(|event| matches!(event.call, Call::Sync(_))).count();
    Ok(Recording { events, told, log, root: dir.path().to_string_lossy().into_owned(), syncs })
}

fn wrapper(trace: &Path, preload: Option<PathBuf>) -> Vec<String> {
    let words = ["strace", "-f", "-y", "-xx", "-s", "10000000", "-e", CALLS, "-o"];
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    words.push(trace.to_string_lossy().into_owned());
    if let Some(library) = preload {
        words.push("-E".into());
        words.push(format!("LD_PRELOAD={}", library.display()));
    }
    words
}

/// A library that takes the place of the C library's syncs.
fn no_sync(dir: &Path) -> Result<PathBuf, String> {
    let (source, library) = (dir.join("no_sync.c"), dir.join("no_sync.so"));
    fs::write(&source, NO_SYNC).map_err(|error| error.to_string())?;
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    match built {
        Ok(status) if status.success() => Ok(library),
        other => Err(format!("cc: {other:?}")),
    }
}

/// The broker itself gets the signal, not strace: its process is the one in the first line.
fn terminate(trace: &Path) -> Result<(), String> {
    let text = fs::read(trace).map_err(|error| error.to_string())?;
    let digits: Vec<u8> = text.into_iter().take_while(u8::is_ascii_digit).collect();
    let pid = String::from_utf8_lossy(&digits).parse().ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or("no process in the trace")?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|error| error.to_string())
}

/// Reads what was written to each client, to know when which answer was complete.
fn told(events: &[Event]) -> HashMap<Op, usize> {
    let mut streams: HashMap<&str, Vec<u8>> = HashMap::new();
    let mut told = HashMap::new();
    for event in events {
        let Call::Send { socket, data } = &event.call else { continue };
        let unread = streams.entry(socket).or_default();
        unread.extend_from_slice(data);
        while let Some((subject, len)) = complete(unread) {
            if let Some(op) = subject.as_deref().and_then(Op::parse) {
                told.entry(op).or_insert(event.begin);
            }
            unread.drain(..len);
        }
    }
    told
}

/// The length of the first operation in a stream if all of it is there, and its subject if it is a message.
fn complete(stream: &[u8]) -> Option<(Option<String>, usize)> {
    let end = stream.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8_lossy(&stream[..end]).into_owned();
    let words: Vec<&str> = line.split(' ').collect();
    if !matches!(words[0], "MSG" | "HMSG") {
        return Some((None, end + 2));
    }
    let len = end + 4 + words.last()?.parse::<usize>().ok()?;
    (stream.len() >= len).then(|| (Some(words[1].to_owned()), len))
}
