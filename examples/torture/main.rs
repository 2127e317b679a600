//! Proves the store's promises the hard way; docs/DURABILITY.md says which and how to read the figures.

mod suite;

use std::process::ExitCode;

use suite::flags::Flags;

const USAGE: &str = "usage: torture COMMAND [--seed N] ...
  damage [--positions N] [--real N] [--broker PATH]      flip bits and zero sectors in every file of a closed store
  power [--states N] [--millis N] [--without-sync 1] [--broker PATH]   cut the power at every moment of a recorded run
  kill [--rounds N] [--broker PATH]   kill -9 under load from several clients";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let flags = match Flags::parse(words) {
        Ok(flags) => flags,
        Err(error) => return usage(&error),
    };
    let done = match command.as_str() {
        "damage" => suite::damage::command(&flags),
        "power" => suite::power::command(&flags),
        "kill" => suite::kill::command(&flags),
        other => return usage(&format!("no command {other:?}")),
    };
    match done {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            eprintln!("{broken}");
            ExitCode::FAILURE
        }
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("{error}\n{USAGE}");
    ExitCode::from(2)
}
