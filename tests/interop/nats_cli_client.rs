//! The `nats` CLI in the crash test: processes for every message, so fewer messages than with the other clients.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use crate::client::Phase;
use crate::message::{digest, payload, subject};
use crate::provision;

const PAUSE: Duration = Duration::from_millis(100);
/// What the CLI prints between a message's headers and its payload.
const DATA: &[u8] = b"\nData:\n\n\n";

type Lines = SyncSender<String>;

/// Does the phase and sends the lines; ends early when nobody listens any more.
pub fn run(phase: Phase, lines: Lines) {
    let nobody_listens = match phase {
        Phase::Publish { url, messages, .. } => publish(&Cli { url }, messages, &lines),
        Phase::Consume { url, ack_wait_seconds } => consume(&Cli { url }, ack_wait_seconds, &lines),
    };
    if nobody_listens.is_some() {
        let _ = lines.send("done".into());
    }
}

/// A command that runs.
pub struct Running(Child);

/// What it prints.
pub struct Printed(Receiver<String>);

impl Running {
    /// Its lines as they come. Once only.
    pub fn lines(&mut self) -> Printed {
        let output = self.0.stdout.take().expect("not taken yet");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        Printed(receiver)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Printed {
    /// The next line, if it comes in time.
    pub fn next_within(&mut self, most: Duration) -> Option<String> {
        self.0.recv_timeout(most).ok()
    }
}

/// The CLI, pointed at one broker and at no context of the person who runs the tests.
pub struct Cli {
    pub url: String,
}

impl Cli {
    /// Runs the CLI with `input` on its standard input.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new(provision::nats_cli())
            .args(["--no-context", "--timeout", "6s", "--server", &self.url])
            .args(arguments)
            .env_remove("NATS_CONTEXT")
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the nats CLI starts");
        let mut pipe = child.stdin.take().expect("stdin is piped");
        // A command that does not read its input may be gone already.
        let _ = pipe.write_all(input);
        drop(pipe);
        child.wait_with_output().expect("the nats CLI ends")
    }

    /// Starts a command that does not end by itself; it ends with what is returned.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let child = Command::new(provision::nats_cli())
            .args(["--no-context", "--timeout", "6s", "--server", &self.url])
            .args(arguments)
            .env_remove("NATS_CONTEXT")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Running(child.expect("the nats CLI starts"))
    }

    fn insist(&self, arguments: &[&str]) -> Output {
        loop {
            let output = self.run(arguments, b"");
            if output.status.success() {
                return output;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

fn publish(cli: &Cli, messages: u64, lines: &Lines) -> Option<()> {
    cli.insist(&["stream", "add", "CRASH", "--subjects", "crash.*", "--storage", "file", "--defaults"]);
    for index in 0..messages {
        let sequence = loop {
            match stored_as(cli, index) {
                Some(sequence) => break sequence,
                None => std::thread::sleep(PAUSE),
            }
        };
        lines.send(format!("ack {index} {sequence}")).ok()?;
    }
    Some(())
}

fn stored_as(cli: &Cli, index: u64) -> Option<u64> {
    let (id, note) = (format!("Nats-Msg-Id:{index}"), format!("Note:message {index}"));
    let subject = subject(index);
    let arguments = ["pub", "-J", "--force-stdin", "--no-templates", "-H", &id, "-H", &note, &subject];
    let output = cli.run(&arguments, &payload(index));
    let said = String::from_utf8_lossy(&output.stderr);
    let number = said.split("Sequence: ").nth(1)?.split_whitespace().next()?;
    number.replace(',', "").parse().ok()
}

fn consume(cli: &Cli, ack_wait_seconds: u64, lines: &Lines) -> Option<()> {
    let wait = format!("{ack_wait_seconds}s");
    let add = ["consumer", "add", "CRASH", "worker", "--pull", "--ack", "explicit", "--deliver", "all"];
    cli.insist(&[&add[..], &["--wait", &wait, "--max-pending", "1000", "--defaults"]].concat());
    loop {
        let Some(delivery) = next(cli) else {
            if is_finished(cli) {
                return Some(());
            }
            continue;
        };
        lines.send(delivery.line()).ok()?;
        if confirm(cli, &delivery) {
            lines.send(format!("acked {}", delivery.sequence)).ok()?;
        }
    }
}

struct Delivery {
    subject: String,
    deliveries: u64,
    consumer_sequence: u64,
    sequence: u64,
    index: u64,
    digest: String,
}

impl Delivery {
    fn line(&self) -> String {
        let Delivery { sequence, deliveries, subject, index, digest, .. } = self;
        format!("got {sequence} {deliveries} {subject} {index} {digest}")
    }
}

fn next(cli: &Cli) -> Option<Delivery> {
    let output = cli.run(&["consumer", "next", "CRASH", "worker", "--count", "1", "--no-ack"], b"");
    delivery(&output.stdout)
}

/// `[12:00:00] subj: S / tries: T / cons seq: C / str seq: Q / pending: P`, headers, then the payload.
fn delivery(said: &[u8]) -> Option<Delivery> {
    let head_size = memchr::memmem::find(said, DATA)?;
    let head = std::str::from_utf8(&said[..head_size]).ok()?;
    let body = said[head_size + DATA.len()..].strip_suffix(b"\n")?;
    let field = |name: &str| head.split_once(name)?.1.split([' ', '\n']).next();
    Some(Delivery {
        subject: field("subj: ")?.to_owned(),
        deliveries: field("tries: ")?.parse().ok()?,
        consumer_sequence: field("cons seq: ")?.parse().ok()?,
        sequence: field("str seq: ")?.parse().ok()?,
        index: field("Nats-Msg-Id: ")?.parse().ok()?,
        digest: digest(body),
    })
}

/// The CLI's own ack asks for no reply, so the double ack is a request to the ack subject. A broker goes by the three
/// sequences in it; the time stamp and the pending count that follow are for the client.
fn confirm(cli: &Cli, delivery: &Delivery) -> bool {
    let Delivery { deliveries, sequence, consumer_sequence, .. } = delivery;
    let subject = format!("$JS.ACK.CRASH.worker.{deliveries}.{sequence}.{consumer_sequence}.0.0");
    let output = cli.run(&["request", "--no-templates", &subject, "+ACK"], b"");
    output.status.success() && String::from_utf8_lossy(&output.stderr).contains("Received with rtt")
}

fn is_finished(cli: &Cli) -> bool {
    let output = cli.insist(&["consumer", "info", "CRASH", "worker", "--json"]);
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).expect("consumer info as JSON");
    info["num_pending"] == 0 && info["num_ack_pending"] == 0
}
