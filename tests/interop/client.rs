//! A client of the crash test, as a stream of reports, whether it is a program or a thread of ours.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tempfile::NamedTempFile;

/// Keeps a client at most some hundred lines ahead of the driver, so that a kill lands where the driver means it to.
const REPORTS_AHEAD_MAX: usize = 64;
const PIPE_BYTES: usize = 4096;
const NOTES_SHOWN: usize = 15;

/// What a client is asked to do.
#[derive(Clone, Debug)]
pub enum Phase {
    Publish { url: String, messages: u64, window: u64 },
    Consume { url: String, ack_wait_seconds: u64 },
}

/// One line of a client's output.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The broker stored message `index` as `sequence`.
    Ack { index: u64, sequence: u64 },
    /// A delivery to the consumer.
    Got { sequence: u64, deliveries: u64, subject: String, index: u64, digest: String },
    /// The broker confirmed the consumer's ack.
    Acked { sequence: u64 },
    /// The phase is over.
    Done,
}

/// A client at work. Dropping it ends its process.
pub struct Client {
    lines: Receiver<String>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    /// Standard error.
    notes: NamedTempFile,
}

impl Client {
    /// Starts `command` with the phase's arguments.
    pub fn program(command: &[&Path], phase: Phase) -> Client {
        let notes = NamedTempFile::new().expect("a file for what the client notes");
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .args(phase.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(notes.reopen().expect("a second handle"))
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", command[0].display()));
        let output = child.stdout.take().expect("stdout is piped");
        rustix::pipe::fcntl_setpipe_size(&output, PIPE_BYTES).expect("a small pipe");
        let (sender, lines) = sync_channel(REPORTS_AHEAD_MAX);
        std::thread::spawn(move || pass_on(output, sender));
        Client { lines, process: Some(Process { child, notes }) }
    }

    /// Runs `work`, which sends the lines that a program would print, on a thread.
    pub fn thread(phase: Phase, work: fn(Phase, SyncSender<String>)) -> Client {
        let (sender, lines) = sync_channel(REPORTS_AHEAD_MAX);
        std::thread::spawn(move || work(phase, sender));
        Client { lines, process: None }
    }

    /// The next report, or `None` if there is none within `wait`. Panics if the client ended without saying `done`.
    pub fn next(&mut self, wait: Duration) -> Option<Report> {
        match self.lines.recv_timeout(wait) {
            Ok(line) => Some(parse(&line).unwrap_or_else(|| panic!("not a line of a crash client: {line}"))),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the client ended before it was done\n{}", self.notes())
            }
        }
    }

    /// The last of what the client noted for a person.
    pub fn notes(&self) -> String {
        let Some(process) = &self.process else { return String::new() };
        let text = std::fs::read(process.notes.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(NOTES_SHOWN)..].join("\n")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(Process { child, .. }) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Phase {
    fn arguments(&self) -> Vec<String> {
        match self {
            Phase::Publish { url, messages, window } => {
                vec!["publish".into(), url.clone(), messages.to_string(), window.to_string()]
            }
            Phase::Consume { url, ack_wait_seconds } => {
                vec!["consume".into(), url.clone(), ack_wait_seconds.to_string()]
            }
        }
    }
}

fn pass_on(output: ChildStdout, sender: SyncSender<String>) {
    for line in BufReader::with_capacity(PIPE_BYTES, output).lines().map_while(Result::ok) {
        if sender.send(line).is_err() {
            return;
        }
    }
}

fn parse(line: &str) -> Option<Report> {
    let words: Vec<&str> = line.split(' ').collect();
    Some(match words.as_slice() {
        ["ack", index, sequence] => {
            Report::Ack { index: index.parse().ok()?, sequence: sequence.parse().ok()? }
        }
        ["got", sequence, deliveries, subject, index, digest] => Report::Got {
            sequence: sequence.parse().ok()?,
            deliveries: deliveries.parse().ok()?,
            subject: subject.to_string(),
            index: index.parse().ok()?,
            digest: digest.to_string(),
        },
        ["acked", sequence] => Report::Acked { sequence: sequence.parse().ok()? },
        ["done"] => Report::Done,
        _ => return None,
    })
}
