//! The same loads on nats-server and on Headwater, in turn, on the same machine, with equal settings.
//!
//! ```text
//! cargo bench --bench versus -- --theirs /path/to/nats-server
//! ```
//!
//! Each round runs every load on the one server and then on the other, each freshly started on an empty store; the
//! tables show medians over the rounds. Run by `cargo test`, it does a little of every load on Headwater alone.

mod chart;
mod contender;
mod exact;
mod figures;
mod front;
mod loads;
mod neutral;
mod table;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::contender::{Ceiling, Contender};
use crate::figures::{Run, median};
use crate::loads::Load;
use crate::table::Row;

/// Of a load's messages, the share that `cargo test` runs.
const SMOKE_SHARE: f64 = 0.001;

#[derive(Parser)]
struct Options {
    /// nats-server's program.
    #[arg(long, default_value = "nats-server")]
    theirs: PathBuf,
    /// Headwater's program.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_headwater"))]
    ours: PathBuf,
    /// How often each load is run on each server.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The share of each load's messages.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Only loads with this in "group: name".
    #[arg(long, default_value = "")]
    only: String,
    /// Write all figures here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw the ratios here, as SVG.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Also count what is exact, with strace: syncs and bytes written.
    #[arg(long)]
    exact: bool,
    /// Also ask `nats bench`, which neither of the two projects' loads have a say in.
    #[arg(long)]
    neutral: bool,
    /// Run the loads on Headwater only; nats-server's columns stay empty.
    #[arg(long)]
    alone: bool,
    /// Given by `cargo bench`; without it the loads are only tried.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = raise_open_files_limit()
        .and_then(|()| if options.bench { compare(&options) } else { smoke(&options) });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("versus: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The loads need thousands of sockets, in this process and in the servers it starts.
fn raise_open_files_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

fn chosen(options: &Options) -> Vec<Load> {
    let mut loads = loads::all();
    loads.retain(|load| format!("{}: {}", load.group, load.name).contains(&options.only));
    loads
}

fn messages(load: &Load, scale: f64) -> u64 {
    ((load.messages as f64 * scale) as u64).max(1)
}

fn compare(options: &Options) -> io::Result<()> {
    let theirs =
        Contender { name: "nats-server", binary: options.theirs.clone(), ceiling: Ceiling::GoEnvironment };
    let ours = Contender { name: "Headwater", binary: options.ours.clone(), ceiling: Ceiling::Setting };
    let loads = chosen(options);
    let mut runs: BTreeMap<(usize, &str), Vec<Run>> = BTreeMap::new();
    for round in 1..=options.rounds {
        for (at, load) in loads.iter().enumerate() {
            eprintln!("round {round} of {}: {}, {}", options.rounds, load.group, load.name);
            let count = messages(load, options.scale);
            let mut turns = [(&theirs, load.theirs), (&ours, load.ours)];
            if round % 2 == 0 {
                turns.reverse();
            }
            for (contender, sync) in
                turns.into_iter().filter(|(turn, _)| !options.alone || turn.name == ours.name)
            {
                let run = (load.run)(&mut contender.start(sync, load.front)?, count).map_err(|error| {
                    io::Error::other(format!("{} on {}: {error}", load.name, contender.name))
                })?;
                runs.entry((at, contender.name)).or_default().push(run);
            }
        }
    }
    let of = |at: usize, name| runs.get(&(at, name)).map(|runs| median(runs)).unwrap_or_default();
    let rows: Vec<Row> = loads
        .iter()
        .enumerate()
        .map(|(at, load)| Row::new(load, of(at, theirs.name), of(at, ours.name)))
        .collect();
    table::print(&rows);
    if options.exact {
        exact::print(&[theirs.clone(), ours.clone()])?;
    }
    if options.neutral {
        neutral::print(&[theirs, ours], options.rounds)?;
    }
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&rows)?)?;
    }
    if let Some(file) = &options.svg {
        std::fs::write(file, chart::draw(&rows))?;
    }
    Ok(())
}

/// A little of every load on Headwater: that they run and lose nothing.
fn smoke(options: &Options) -> io::Result<()> {
    let ours = Contender { name: "Headwater", binary: options.ours.clone(), ceiling: Ceiling::Setting };
    let loads = chosen(options);
    let mut failed = 0;
    for load in &loads {
        let done = ours
            .start(load.ours, load.front)
            .and_then(|mut server| (load.run)(&mut server, messages(load, SMOKE_SHARE)));
        match done {
            Ok(_) => println!("load {}: {} ... ok", load.group, load.name),
            Err(error) => {
                println!("load {}: {} ... FAILED: {error}", load.group, load.name);
                failed += 1;
            }
        }
    }
    let passed = loads.len() - failed;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored");
    if failed == 0 { Ok(()) } else { Err(io::Error::other("loads failed")) }
}
