//! A seeded simulator of everything that must survive a crash.
//!
//! ```text
//! cargo run --release --example simulate -- --seed N [--steps M] [--aloud]   replays one run exactly
//! cargo run --release --example simulate -- --seeds A..B [--steps M]         makes many
//! ```
//!
//! JetStream as it runs in the broker, with its pumps, timers and API, on a disk ([`disk`]) and in a time ([`world`]) that are
//! the simulator's. Random clients ([`clients`]) use it, everything that can fail does, and a model ([`model`]) says what must
//! be true. docs/DURABILITY.md lists the promises.

mod broken;
mod clients;
mod disk;
mod dump;
mod model;
mod plan;
mod rng;
mod run;
#[cfg(test)]
mod tests;
mod trace;
mod world;

use std::ops::Range;
use std::process::ExitCode;

use disk::Lie;
use run::{Outcome, run};

/// Steps of a run, if not told.
const STEPS: u64 = 400;

/// What the command line asks for.
struct Asked {
    seeds: Range<u64>,
    steps: u64,
    aloud: bool,
}

fn main() -> ExitCode {
    let asked = match read_arguments(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(problem) => {
            eprintln!("{problem}\nusage: simulate --seed N | --seeds A..B  [--steps M] [--aloud]");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let (mut made, mut failed) = (0, 0);
    for seed in asked.seeds.clone() {
        let outcome = run(seed, asked.steps, Lie::None, asked.aloud);
        made += outcome.steps;
        if let Some(story) = story(seed, asked.steps, &outcome) {
            println!("{story}");
            failed += 1;
        } else if asked.seeds.end - asked.seeds.start == 1 {
            println!("seed {seed}: {} steps, trace {:016x}", outcome.steps, outcome.hash);
        }
    }
    let seeds = asked.seeds.end - asked.seeds.start;
    println!("{seeds} seeds, {made} steps, {failed} broken");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a broken run tells; `None` for one in which all promises held.
pub fn story(seed: u64, steps: u64, outcome: &Outcome) -> Option<String> {
    let (broken, events) = outcome.broken.as_ref()?;
    let replay = format!("cargo run --release --example simulate -- --seed {seed} --steps {steps}");
    let step = outcome.steps;
    Some(format!("{}\nseed {seed}, step {step}\n{broken}\nreplay: {replay}\n", events.join("\n")))
}

fn read_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked { seeds: 0..1, steps: STEPS, aloud: false };
    while let Some(name) = arguments.next() {
        if name == "--aloud" {
            asked.aloud = true;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match name.as_str() {
            "--seed" => asked.seeds = number(&value)?..number(&value)? + 1,
            "--seeds" => {
                let (from, to) = value.split_once("..").ok_or_else(|| format!("{value} is no range"))?;
                asked.seeds = number(from)?..number(to)?;
            }
            "--steps" => asked.steps = number(&value)?,
            _ => return Err(format!("{name} is not known")),
        }
    }
    Ok(asked)
}
