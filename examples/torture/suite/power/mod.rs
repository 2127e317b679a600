//! Power cuts of the real binary, at every moment of a recorded run.

pub mod disk;
pub mod record;
pub mod trace;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use self::disk::PowerDisk;
use self::record::{ACK_WAIT_MS, Recording, record};
use self::trace::Event;
use super::embedded::Embedded;
use super::flags::Flags;
use super::judge::{Depth, judge, redelivered};
use super::kill::binary;
use super::ledger::{Ledger, Replay};
use super::rng::Rng;
use super::scratch;
use super::server::Launch;

/// Of so many states, one is tried on the real binary; the others on a broker in this process.
const REAL_EVERY: u64 = 100;

/// Of so many states, one is watched until every ack is overdue.
const WAIT_EVERY: u64 = 10;

/// Of so many states, one is looked at wholly, the others at their newest messages.
const ALL_EVERY: u64 = 25;

/// So many of them.
const NEWEST: usize = 300;

/// What the states came to.
#[derive(Debug, Default)]
pub struct Figures {
    pub states: u64,
    pub real: u64,
    pub broken: Vec<String>,
    pub broken_states: u64,
}

/// `torture power`.
pub fn command(flags: &Flags) -> Result<String, String> {
    let (seed, states) = (flags.number("seed", 1)?, flags.number("states", 5000)?);
    let without_sync = flags.number("without-sync", 0)? > 0;
    let (binary, started) = (binary(flags)?, Instant::now());
    let recording = record(&binary, seed, flags.number("millis", 8000)?, without_sync)?;
    println!(
        "recorded: {} calls, {} syncs, {} confirmations",
        recording.events.len(),
        recording.syncs,
        recording.told.len()
    );
    let figures = run(&recording, &binary, seed, states)?;
    let summary = format!(
        "power: seed {seed}, {} states, {} of them on the real binary, {} with a broken promise, {:.0} s",
        figures.states,
        figures.real,
        figures.broken_states,
        started.elapsed().as_secs_f64()
    );
    let examples = figures.broken[..figures.broken.len().min(10)].join("\n");
    match (without_sync, figures.broken_states) {
        (false, 0) => Ok(summary),
        (true, 1..) => Ok(format!("{examples}\n{summary}: as it must be without syncs")),
        (true, 0) => Err(format!("{summary}: nobody noticed that there were no syncs")),
        (false, _) => Err(format!("{examples}\n{summary}")),
    }
}

/// Cuts the power at so many moments of a recording and holds each state against what had been confirmed by then.
pub fn run(recording: &Recording, binary: &Path, seed: u64, states: u64) -> Result<Figures, String> {
    let mut time = Time::new(recording);
    let mut clients = Replay::new(&recording.log);
    let mut figures = Figures::default();
    let dir = scratch::directory();
    for (number, line) in cuts(recording, seed, states)? {
        time.advance(line);
        clients.advance(|op| recording.told.get(op).is_some_and(|told| *told < line));
        let mut rng = Rng::new(seed ^ (number << 24));
        let mood = time.disk.leave(&mut rng, dir.path()).map_err(|error| error.to_string())?;
        let real = number % REAL_EVERY == REAL_EVERY - 1;
        let broken = if real {
            on_binary(binary, dir.path(), &clients.ledger)
        } else {
            in_process(dir.path(), &clients.ledger, number)
        };
        let broken = broken.unwrap_or_else(|error| vec![error]);
        figures.count(real, broken, &format!("state {number} (line {line}, {mood:?})"));
    }
    Ok(figures)
}

/// The disk as the recording goes on.
struct Time<'a> {
    events: &'a [Event],
    disk: PowerDisk,
    /// The event that begins next.
    next: usize,
    /// Events on their way by the line they end in.
    ends: BTreeMap<usize, Vec<&'a Event>>,
}

impl<'a> Time<'a> {
    fn new(recording: &'a Recording) -> Self {
        let disk = PowerDisk::new(&recording.root);
        Self { events: &recording.events, disk, next: 0, ends: BTreeMap::new() }
    }

    /// Everything before `line` happens.
    fn advance(&mut self, line: usize) {
        while let Some(event) = self.events.get(self.next).filter(|event| event.begin < line) {
            self.end_before(event.begin);
            self.disk.begin(event);
            self.ends.entry(event.end).or_default().push(event);
            self.next += 1;
        }
        self.end_before(line);
    }

    fn end_before(&mut self, line: usize) {
        let left = self.ends.split_off(&line);
        for event in std::mem::replace(&mut self.ends, left).into_values().flatten() {
            self.disk.end(event);
        }
    }
}

impl Figures {
    fn count(&mut self, real: bool, broken: Vec<String>, name: &str) {
        self.states += 1;
        self.real += u64::from(real);
        self.broken_states += u64::from(!broken.is_empty());
        if self.broken.len() < 1000 {
            self.broken.extend(broken.into_iter().take(3).map(|what| format!("{name}: {what}")));
        }
    }
}

/// The moments, in order: half of them just behind a confirmation, when a promise is youngest.
fn cuts(recording: &Recording, seed: u64, states: u64) -> Result<Vec<(u64, usize)>, String> {
    let told: Vec<usize> = recording.told.values().copied().collect();
    let first = *told.iter().min().ok_or("nothing was confirmed")?;
    let last = recording.events.last().map_or(first, |event| event.begin) + 1;
    let mut rng = Rng::new(seed);
    let mut lines: Vec<usize> = (0..states)
        .map(|number| match number % 2 {
            0 => rng.pick(&told) + 1 + rng.below(3) as usize,
            _ => first + rng.below((last - first) as u64 + 1) as usize,
        })
        .collect();
    lines.sort_unstable();
    Ok((0..).zip(lines).collect())
}

fn in_process(dir: &Path, ledger: &Ledger, number: u64) -> Result<Vec<String>, String> {
    let broker = Embedded::start(&dir.join("store"))?;
    let depth = if number % ALL_EVERY == 0 { Depth::All } else { Depth::Newest(NEWEST) };
    let expires_ms = if number % WAIT_EVERY == 0 { ACK_WAIT_MS * 2 } else { 1 };
    ask(broker.port(), ledger, depth, expires_ms)
}

fn on_binary(binary: &Path, dir: &Path, ledger: &Ledger) -> Result<Vec<String>, String> {
    let launch = Launch::new(binary, dir);
    let _server = launch.start()?;
    ask(launch.port, ledger, Depth::All, ACK_WAIT_MS * 2)
}

fn ask(port: u16, ledger: &Ledger, depth: Depth, expires_ms: u64) -> Result<Vec<String>, String> {
    let mut broken = judge(port, ledger, depth).map_err(|error| error.to_string())?;
    broken.extend(redelivered(port, ledger, expires_ms).map_err(|error| error.to_string())?);
    Ok(broken)
}
