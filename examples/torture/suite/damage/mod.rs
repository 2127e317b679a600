//! Damage anywhere in a closed store costs at most what was hit, and is never passed over in silence.

pub mod base;
pub mod real;
pub mod strike;
pub mod verdict;

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use headwater::store::{RecoveredStream, Store, StoreError};

use self::base::{Base, Content, Expected, options};
use self::strike::Strike;
use self::verdict::{Excuse, Judge, Losses, excuses};
use super::flags::Flags;
use super::kill::binary;
use super::rng::Rng;
use super::{log_lines, scratch};

/// A case is opened again so often while the index turns out to be damaged.
const REOPENINGS_MAX: usize = 4;

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Figures {
    pub positions: u64,
    /// Cases in which a message was lost.
    pub lossy: u64,
    pub messages_lost: u64,
    pub reopened: u64,
    pub broken: Vec<String>,
}

/// `torture damage`.
pub fn command(flags: &Flags) -> Result<String, String> {
    let (seed, positions) = (flags.number("seed", 1)?, flags.number("positions", 6000)?);
    let first = flags.number("first", 0)?;
    base::ENCRYPTED.store(flags.number("encrypted", 0)? > 0, Ordering::Relaxed);
    let started = Instant::now();
    let figures = sweep(seed, first..first + positions);
    let summary = format!(
        "damage: seed {seed}, {} positions, {} with a loss ({} messages), {} reopened for their catalogue, {} broken promises, {:.0} s",
        figures.positions,
        figures.lossy,
        figures.messages_lost,
        figures.reopened,
        figures.broken.len(),
        started.elapsed().as_secs_f64()
    );
    let real = flags.number("real", 40)?;
    let lost = real::flips(&binary(flags)?, seed, real)?;
    let summary = format!("{summary}\nwith the real binary: {real} positions, {lost} with a loss");
    if figures.broken.is_empty() {
        Ok(summary)
    } else {
        Err(format!("{}\n{summary}", figures.broken.join("\n")))
    }
}

/// Strikes at so many positions, on as many threads as there are processors.
pub fn sweep(seed: u64, numbers: std::ops::Range<u64>) -> Figures {
    log_lines::watch();
    silence_panics();
    let base = Base::new(seed);
    let next = AtomicU64::new(numbers.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<Figures> = std::thread::scope(|scope| {
        let run = || work(&base, seed, &next, numbers.end);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker")).collect()
    });
    parts.into_iter().fold(Figures::default(), Figures::plus)
}

impl Figures {
    fn plus(mut self, other: Self) -> Self {
        self.positions += other.positions;
        self.lossy += other.lossy;
        self.messages_lost += other.messages_lost;
        self.reopened += other.reopened;
        self.broken.extend(other.broken);
        self
    }

    fn count(&mut self, case: Result<Case, String>, name: String) {
        self.positions += 1;
        match case {
            Ok(case) => {
                self.lossy += u64::from(!case.losses.messages.is_empty());
                self.messages_lost += case.losses.messages.len() as u64;
                self.reopened += u64::from(case.reopened);
            }
            Err(error) => self.broken.push(format!("{name}: {error}")),
        }
    }
}

fn work(base: &Base, seed: u64, next: &AtomicU64, end: u64) -> Figures {
    let dir = scratch::directory();
    let mut figures = Figures::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return figures;
        }
        let mut rng = Rng::new(seed ^ (number << 20));
        let strike = Strike::new(base, number, &mut rng);
        scratch::restore(dir.path(), &strike.apply(&base.image));
        let excuses = excuses(base, &strike);
        let judged = catch_unwind(AssertUnwindSafe(|| {
            case(dir.path(), &base.streams, &excuses, strike.catalog, rng.percent(50))
        }));
        let judged = judged.unwrap_or_else(|_| Err("panicked".into()));
        figures.count(judged, format!("position {number} ({strike:?})"));
    }
}

/// What became of one damaged store.
#[derive(Debug, Default)]
pub struct Case {
    pub losses: Losses,
    pub reopened: bool,
}

/// Opens a damaged store, holds it against what must be there, goes on with it, and opens it again.
pub fn case(
    dir: &Path,
    streams: &Streams,
    excuses: &HashSet<Excuse>,
    catalog: bool,
    maintain: bool,
) -> Result<Case, String> {
    let complaints = log_lines::complaints();
    let mut reopened = false;
    for _ in 0..REOPENINGS_MAX {
        let (found, mut opened) = open_and_judge(dir, &Judge { streams, excuses }, catalog)?;
        reopened |= found.reopened;
        if !found.losses.messages.is_empty() && !excuses.contains(&Excuse::End) {
            is_told(dir, &opened, log_lines::complaints() > complaints)?;
        }
        let written = match go_on(&mut opened, streams, maintain) {
            Err(StoreError::Poisoned(_)) => {
                reopened = true;
                continue;
            }
            written => written.map_err(|error| format!("going on: {error}"))?,
        };
        drop(opened);
        let judge = Judge { streams: &written, excuses };
        let lost = open_again(dir, &judge, &found.losses, catalog)?;
        return Ok(Case { losses: found.losses, reopened: reopened || lost });
    }
    Err("the index stays unreadable".into())
}

/// Whether the index had to be made anew once more.
fn open_again(dir: &Path, judge: &Judge<'_>, before: &Losses, catalog: bool) -> Result<bool, String> {
    let (again, opened) = open_and_judge(dir, judge, catalog)?;
    opened.0.try_close().map_err(|error| format!("second close: {error}"))?;
    match again.losses.messages.difference(&before.messages).next() {
        Some(lost) => Err(format!("message {lost:?} is lost with the second opening")),
        None => Ok(again.reopened),
    }
}

/// Writes to each stream, does the housekeeping, and closes the store; returns what must be there then.
fn go_on(opened: &mut Open, streams: &Streams, maintain: bool) -> Result<Streams, StoreError> {
    let mut streams = streams.clone();
    for stream in &mut opened.1 {
        append(stream, &mut streams)?;
    }
    opened.0.flush()?;
    if maintain {
        opened.0.maintain()?;
    }
    opened.0.try_close()?;
    Ok(streams)
}

/// Streams by number, as they must be found.
pub type Streams = BTreeMap<u32, Expected>;

type Open = (Arc<Store>, Vec<RecoveredStream>, headwater::store::RecoveryReport);

fn open_and_judge(dir: &Path, judge: &Judge<'_>, catalog: bool) -> Result<(Case, Open), String> {
    for attempt in 0..REOPENINGS_MAX {
        let opened = Store::open(dir, options(catalog)).map_err(|error| format!("refused: {error}"))?;
        let losses = judge.streams(&opened.1)?;
        if !losses.poisoned {
            return Ok((Case { losses, reopened: attempt > 0 }, opened));
        }
        opened.0.close();
    }
    Err("the index stays unreadable".into())
}

/// A loss is logged, counted and set aside.
fn is_told(dir: &Path, (store, _, report): &Open, logged: bool) -> Result<(), String> {
    let stats = store.stats();
    let counted = stats.damage_regions + stats.damaged_reads + stats.lost_segments > 0;
    let nothing_left = !report.lost_segments.is_empty();
    let set_aside = nothing_left
        || std::fs::read_dir(dir.join("quarantine")).is_ok_and(|mut files| files.next().is_some());
    match (logged, counted, set_aside) {
        (true, true, true) => Ok(()),
        _ => Err(format!("a loss: logged {logged}, counted {counted}, set aside {set_aside}")),
    }
}

/// The next sequence is one that was never given.
fn append(stream: &mut RecoveredStream, streams: &mut Streams) -> Result<(), StoreError> {
    let Some(expected) = streams.get_mut(&stream.id.0) else { return Ok(()) };
    let seq = stream.log.state().last_seq + 1;
    let content: Content = (b"subject.after".to_vec(), Vec::new(), b"went on".to_vec());
    stream.log.append(&base::message(seq, &content))?;
    expected.messages.insert(seq, content);
    expected.last_seq = seq;
    Ok(())
}

/// sled panics on damaged files; the catalogue catches that, and thousands of reports would hide what matters.
fn silence_panics() {
    if std::env::var_os("TORTURE_LOG").is_some() {
        return;
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let ours = panic.location().is_some_and(|at| !at.file().contains("sled-"));
        if ours {
            usual(panic);
        }
    }));
}
