//! kill -9 in the middle of everything, again and again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::flags::Flags;
use super::judge::{Depth, drain, judge};
use super::load::{Load, set_up};
use super::rng::Rng;
use super::scratch;
use super::server::Launch;

/// Rounds after which everything is looked at, not only what is new.
const FULL_EVERY: u64 = 25;

/// What is looked at after every round.
const NEWEST: usize = 1500;

/// Some acks never come; this is how long consumers wait for them.
const ACK_WAIT_MS: u64 = 700;

/// How long the clients work before the kill.
const LOAD_MS_MAX: u64 = 120;

/// What the rounds came to.
#[derive(Debug, Default)]
pub struct Figures {
    pub rounds: u64,
    pub confirmations: u64,
    pub double_acks: u64,
}

/// `torture kill`.
pub fn command(flags: &Flags) -> Result<String, String> {
    let (seed, rounds) = (flags.number("seed", 1)?, flags.number("rounds", 500)?);
    let started = Instant::now();
    let figures = run(&binary(flags)?, seed, rounds)?;
    Ok(format!(
        "kill: seed {seed}, {} rounds, {} confirmed operations, {} of them double acks, no broken promise, {:.0} s",
        figures.rounds,
        figures.confirmations,
        figures.double_acks,
        started.elapsed().as_secs_f64()
    ))
}

/// The broker under test: `--broker PATH`, or what cargo built beside this program.
pub fn binary(flags: &Flags) -> Result<PathBuf, String> {
    if let Some(path) = flags.text("broker") {
        return Ok(path.into());
    }
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let built = here.parent().and_then(Path::parent).map(|dir| dir.join("headwater"));
    built.filter(|path| path.exists()).ok_or("build the broker first, or name it with --broker PATH".into())
}

/// So many rounds with a broker; the first broken promise ends them.
pub fn run(binary: &Path, seed: u64, rounds: u64) -> Result<Figures, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let launch = Launch::new(binary, dir.path());
    let load = Load::default();
    let mut rng = Rng::new(seed);
    let server = launch.start()?;
    set_up(launch.port, ACK_WAIT_MS).map_err(|error| error.to_string())?;
    let mut running = Some(server);
    for round in 0..rounds {
        let server = running.take().ok_or("no broker")?;
        let pause = Duration::from_micros(5_000 + rng.below(LOAD_MS_MAX * 1000));
        load.run(launch.port, seed.wrapping_add(round), || {
            std::thread::sleep(pause);
            server.kill();
        });
        running = Some(launch.start()?);
        let depth = if round % FULL_EVERY == FULL_EVERY - 1 || round + 1 == rounds {
            Depth::All
        } else {
            Depth::Newest(NEWEST)
        };
        check(&launch, &load, depth).map_err(|error| failed(&launch, seed, round, &error))?;
    }
    let missed = drain(launch.port, &load).map_err(|error| error.to_string())?;
    load.ledger.lock().broken.extend(missed);
    check(&launch, &load, Depth::All).map_err(|error| failed(&launch, seed, rounds, &error))?;
    let ledger = load.ledger.lock();
    Ok(Figures { rounds, confirmations: ledger.confirmations, double_acks: ledger.acked.len() as u64 })
}

fn check(launch: &Launch, load: &Load, depth: Depth) -> Result<(), String> {
    load.ledger.lock().forget_gone();
    let ledger = load.ledger.lock().clone();
    let mut broken = judge(launch.port, &ledger, depth).map_err(|error| error.to_string())?;
    // A kill leaves a commit unfinished, but damages nothing.
    broken.extend(launch.log().lines().filter(|line| line.contains(" damaged bytes")).map(str::to_owned));
    if broken.is_empty() { Ok(()) } else { Err(broken[..broken.len().min(20)].join("\n")) }
}

/// Keeps the store for a closer look.
fn failed(launch: &Launch, seed: u64, round: u64, error: &str) -> String {
    let kept = std::env::temp_dir().join(format!("torture-kill-{seed}-{round}"));
    scratch::restore(&kept, &scratch::image(&launch.dir));
    format!("seed {seed}, round {round}: {error}\nthe store is kept in {}", kept.display())
}
