//! Flags to configuration to a running broker; nothing else.

use std::io::Write;
use std::process::ExitCode;

use headwater::broker::Broker;
use headwater::cli::{self, Answer, Invocation, Start};
use headwater::logging;

fn main() -> ExitCode {
    match cli::parse(std::env::args().skip(1)) {
        Invocation::Run(start) => run(&start),
        Invocation::Signal(request) => answer(&cli::signal::deliver(&request)),
        Invocation::Answer(text) => answer(&text),
    }
}

fn run(start: &Start) -> ExitCode {
    if let Err(error) = logging::start(&start.config.logging) {
        return answer(&Answer::failure(error));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return answer(&Answer::failure(error)),
    };
    runtime.block_on(async {
        let broker = match Broker::start(&start.config).await {
            Ok(broker) => broker,
            Err(error) => return fatal(&error),
        };
        match broker.run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fatal(&error),
        }
    })
}

fn fatal(error: &dyn std::fmt::Display) -> ExitCode {
    logging::fatal(error);
    ExitCode::FAILURE
}

/// A closed pipe is no reason to fail.
fn answer(answer: &Answer) -> ExitCode {
    let _ = std::io::stdout().write_all(answer.stdout.as_bytes());
    let _ = std::io::stderr().write_all(answer.stderr.as_bytes());
    ExitCode::from(answer.exit_code)
}
