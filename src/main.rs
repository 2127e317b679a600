//! Flags to configuration to a running broker; nothing else.

use std::io::Write;
use std::process::ExitCode;

use headwater::broker::Broker;
use headwater::cli::{self, Answer, Invocation, Start};
use headwater::memory::{self, Shares};
use headwater::{fatal, logging, panics, threads};

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    match cli::parse(args) {
        Invocation::Answer(answer) => say(&answer),
        Invocation::Doctor(request) => {
            panics::begin_anew(|panic| eprintln!("headwater: {panic}"));
            say(&request.run())
        }
        Invocation::Signal(request) => say(&cli::deliver(&request)),
        Invocation::Run(start) => run(*start),
    }
}

fn run(start: Start) -> ExitCode {
    memory::allocator::give_memory_back(Shares::configured(start.config.memory_ceiling_bytes).ceiling);
    let log = match logging::start(&start.config.logging) {
        Ok(log) => log,
        Err(error) => return say(&Answer::failure(format_args!("error opening file: {error}"))),
    };
    let telling = log.clone();
    panics::begin_anew(move |panic| {
        fatal!("{panic}");
        telling.flush();
    });
    let ended = serve(start, &log);
    if let Err(error) = &ended {
        fatal!("{error}");
    }
    log.flush();
    ExitCode::from(u8::from(ended.is_err()))
}

fn serve(start: Start, log: &logging::LogHandle) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = threads::runtime()?;
    runtime.block_on(async {
        let broker = Broker::start(&start.config).await?;
        broker.run(log, || start.read_again()).await?;
        Ok(())
    })
}

fn say(answer: &Answer) -> ExitCode {
    // If nobody listens, the exit code still says it.
    let _ = std::io::stdout().write_all(answer.stdout.as_bytes());
    let _ = std::io::stderr().write_all(answer.stderr.as_bytes());
    ExitCode::from(answer.exit_code)
}
