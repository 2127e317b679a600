//! Shows what a crowd costs: connections that never log in, that rest, that come and go. docs/OPERATIONS.md has the figures.

mod suite;

use std::process::ExitCode;

use suite::flags::Flags;
use suite::server::Launch;

const USAGE: &str = "usage: crowd COMMAND [--broker PATH] ...
  strangers [--connections N]                connections that say much and never log in
  idle [--connections N]                     connections that are logged in and rest
  churn [--per-second N] [--seconds N]       connections that come and go

--broker may name a nats-server.";

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    match command().await {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn command() -> Result<String, String> {
    suite::raise_open_files_limit().map_err(|error| error.to_string())?;
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let flags = Flags::parse(words)?;
    let launch = Launch::new(&suite::binary(&flags)?);
    let number = |name, default| flags.number(name, default);
    match command.as_str() {
        "strangers" => Ok(suite::strangers::run(&launch, number("connections", 10_000)?).await?.to_string()),
        "idle" => Ok(suite::idle::run(&launch, number("connections", 10_000)?).await?.to_string()),
        "churn" => {
            let (per_second, seconds) = (number("per-second", 1_000)?, number("seconds", 60)?);
            Ok(suite::churn::run(&launch, per_second, seconds).await?.to_string())
        }
        _ => Err(USAGE.to_owned()),
    }
}
