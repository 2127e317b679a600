//! `--signal <command>[=<pid>|<pid file>]`: telling a running server something.

use rustix::process::{Pid, Signal, getpid, kill_process};

use super::Answer;

/// How a server's process is called.
const PROCESS_NAME: &str = "nats-server";
/// Under its own name it is found too.
const OWN_PROCESS_NAME: &str = "headwater";

/// A signal and whom to send it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalRequest {
    command: String,
    target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// The one server that runs.
    TheOnlyOne,
    Pid(i32),
    /// All whose process id starts with these digits.
    Prefix(String),
}

impl SignalRequest {
    /// Reads the value of the flag.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('=');
        let command = parts.next().unwrap_or_default().to_owned();
        let target = match parts.next() {
            None | Some("") => Target::TheOnlyOne,
            Some(target) => Target::parse(&from_pid_file(target))?,
        };
        let rest: Vec<&str> = parts.collect();
        if rest.is_empty() {
            Ok(Self { command, target })
        } else {
            Err(format!("invalid signal parameters: [{}]", rest.join(" ")))
        }
    }
}

impl Target {
    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_suffix('*').unwrap_or(text);
        let is_prefix = digits.len() < text.len();
        match digits.parse::<i32>() {
            Ok(pid) if pid > 0 && !is_prefix => Ok(Self::Pid(pid)),
            Ok(pid) if pid > 0 => Ok(Self::Prefix(digits.to_owned())),
            _ if is_prefix && digits.is_empty() => Ok(Self::Prefix(String::new())),
            _ => Err(format!("invalid pid: {digits}")),
        }
    }
}

/// The content of the file, if there is one of this name.
fn from_pid_file(text: &str) -> String {
    std::fs::read_to_string(text).map_or_else(|_| text.to_owned(), |content| content.trim().to_owned())
}

/// Sends the signal.
pub fn deliver(request: &SignalRequest) -> Answer {
    match send(request) {
        Ok(()) => Answer::default(),
        Err(reason) => Answer::failure(reason),
    }
}

fn send(request: &SignalRequest) -> Result<(), String> {
    let pids = pids(&request.target)?;
    let signal = signal(&request.command)?;
    let mut failures = String::new();
    for pid in pids {
        let sent = match Pid::from_raw(pid) {
            Some(target) => kill_process(target, signal).map_err(reason),
            None => Err("no such process".to_owned()),
        };
        if let Err(reason) = sent {
            failures.push_str(&format!("\nsignal {:?} {pid}: {reason}", request.command));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

fn reason(error: rustix::io::Errno) -> String {
    crate::config::grammar::io_reason(&error.into())
}

fn signal(command: &str) -> Result<Signal, String> {
    match command {
        "ldm" => Ok(Signal::USR2),
        "stop" => Ok(Signal::KILL),
        "quit" => Ok(Signal::INT),
        "term" => Ok(Signal::TERM),
        "reopen" => Ok(Signal::USR1),
        "reload" => Ok(Signal::HUP),
        _ => Err(format!("unknown signal {command:?}")),
    }
}

fn pids(target: &Target) -> Result<Vec<i32>, String> {
    let found = match target {
        Target::Pid(pid) => return Ok(vec![*pid]),
        Target::TheOnlyOne => running()?,
        Target::Prefix(digits) => {
            running()?.into_iter().filter(|pid| pid.to_string().starts_with(digits)).collect()
        }
    };
    match (found.as_slice(), target) {
        ([], _) => Err(format!("no {PROCESS_NAME} processes running")),
        ([_, _, ..], Target::TheOnlyOne) => {
            let list: String = found.iter().map(|pid| format!("\n{pid}")).collect();
            Err(format!("multiple {PROCESS_NAME} processes running:{list}"))
        }
        _ => Ok(found),
    }
}

/// Process ids of servers other than this program itself.
fn running() -> Result<Vec<i32>, String> {
    let own = getpid().as_raw_nonzero().get();
    let entries =
        std::fs::read_dir("/proc").map_err(|_| "unable to resolve pid, try providing one".to_owned())?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut pids: Vec<i32> = pids.filter(|&pid| pid != own && is_server(pid)).collect();
    pids.sort_unstable();
    Ok(pids)
}

fn is_server(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.contains(PROCESS_NAME) || name.trim() == OWN_PROCESS_NAME)
}
