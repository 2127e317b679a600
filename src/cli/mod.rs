//! The command line: nats-server's flags, words and exit codes, so that a unit file only has to name another program.
//!
//! [`go_syntax`] understands how Go programs read their arguments, [`Flags`] is the one list of flags (clap), [`apply`]
//! lays them over a configuration. [`parse`] decides what the program was asked to do; nothing here starts anything.

mod apply;
mod doctor;
mod flags;
mod go_syntax;
mod help;
mod signal;

use crate::config::{Config, ConfigError};

pub use doctor::DoctorRequest;
pub use flags::Flags;
pub use signal::{SignalRequest, deliver};

/// The nats-server release whose behaviour this server shows, as clients and tools compare it.
pub const NATS_SERVER_VERSION: &str = "2.15.1";
/// This server's own release.
pub const HEADWATER_VERSION: &str = env!("CARGO_PKG_VERSION");
/// How messages of the command line begin; harnesses look for it.
const PROGRAM: &str = "nats-server";

/// What the program was asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Invocation {
    /// Run a server.
    Run(Box<Start>),
    /// Send a signal to a server that runs.
    Signal(SignalRequest),
    /// Look at a store.
    Doctor(DoctorRequest),
    /// Print something and exit.
    Answer(Answer),
}

/// How a server is started.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Read, with flags applied, and valid.
    pub config: Config,
    /// Kept because a reload applies them again.
    pub flags: Flags,
}

/// Output and exit code of a program that does not run a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    pub stdout: String,
    pub stderr: String,
    pub exit_code: u8,
}

impl Start {
    /// Reads the configuration file again, as a reload does.
    pub fn read_again(&self) -> Result<Config, ConfigError> {
        match &self.flags.config {
            Some(_) => configure(&self.flags),
            None => {
                let reason = "can only reload config when a file is provided using -c or --config";
                Err(ConfigError::Invalid(reason.to_owned()))
            }
        }
    }
}

impl Answer {
    fn printed(stdout: String) -> Self {
        Self { stdout, ..Self::default() }
    }

    /// A complaint, after which the program exits with 1.
    pub fn failure(reason: impl std::fmt::Display) -> Self {
        Self { stderr: format!("{PROGRAM}: {reason}\n"), exit_code: 1, ..Self::default() }
    }
}

/// Reads the arguments (without the program's name) and the configuration they name.
pub fn parse(args: impl IntoIterator<Item = String>) -> Invocation {
    let args: Vec<String> = args.into_iter().collect();
    if let Some(("doctor", words)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return DoctorRequest::parse(words).map_or_else(Invocation::Answer, Invocation::Doctor);
    }
    let parsed = match go_syntax::parse(args, &Flags::definition()) {
        Ok(parsed) => parsed,
        // Go's flag package complains, prints the usage and exits as if that had been asked for.
        Err(complaint) => {
            return Invocation::Answer(Answer {
                stdout: help::usage(),
                stderr: format!("{complaint}\n"),
                exit_code: 0,
            });
        }
    };
    match Flags::from_normalised(parsed.flags) {
        Ok(flags) => decide(flags, &parsed.words),
        Err(error) => Invocation::Answer(Answer::failure(error)),
    }
}

fn decide(flags: Flags, words: &[String]) -> Invocation {
    let informed = if flags.version == Some(true) {
        Some(version())
    } else if flags.help == Some(true) {
        Some(help::usage())
    } else if flags.help_tls == Some(true) {
        Some(help::tls())
    } else if flags.about == Some(true) {
        Some(about())
    } else {
        None
    };
    if let Some(text) = informed {
        return Invocation::Answer(Answer::printed(text));
    }
    if let Some(word) = words.first() {
        return Invocation::Answer(subcommand(word));
    }
    match &flags.signal {
        Some(signal) if !signal.is_empty() => match SignalRequest::parse(signal) {
            Ok(request) => Invocation::Signal(request),
            Err(reason) => Invocation::Answer(Answer::failure(reason)),
        },
        _ if flags.test_config == Some(true) => Invocation::Answer(test_config(&flags)),
        _ => start(flags),
    }
}

/// Words instead of flags; the place for subcommands.
fn subcommand(word: &str) -> Answer {
    match word.to_lowercase().as_str() {
        "version" => Answer::printed(version()),
        "help" => Answer::printed(help::usage()),
        _ => Answer::failure(format!("unrecognized command: {word:?}")),
    }
}

fn version() -> String {
    format!("{PROGRAM}: v{NATS_SERVER_VERSION}\n")
}

fn about() -> String {
    format!("headwater {HEADWATER_VERSION} (compatible with {PROGRAM} {NATS_SERVER_VERSION})\n")
}

fn test_config(flags: &Flags) -> Answer {
    let Some(path) = &flags.config else {
        return Answer::failure("must specify [-c, --config] option to check configuration file syntax");
    };
    let checked = Config::from_file(path).and_then(check_exchange);
    match checked {
        Err(error) => Answer::failure(error),
        Ok(config) if !config.warnings.is_empty() => Answer::failure(config.warnings.join("\n") + "\n"),
        Ok(config) => {
            let digest = config.source.map(|source| source.digest).unwrap_or_default();
            Answer {
                stderr: format!("{PROGRAM}: configuration file {path} is valid ({digest})\n"),
                ..Answer::default()
            }
        }
    }
}

fn start(flags: Flags) -> Invocation {
    match configure(&flags) {
        Ok(config) => Invocation::Run(Box::new(Start { config, flags })),
        Err(error) => Invocation::Answer(Answer::failure(error)),
    }
}

fn configure(flags: &Flags) -> Result<Config, ConfigError> {
    let mut config = match &flags.config {
        Some(path) => Config::from_file(path)?,
        None => Config::default(),
    };
    config.apply_flags(flags)?;
    config.validate()?;
    check_exchange(config)
}

fn check_exchange(config: Config) -> Result<Config, ConfigError> {
    crate::assemble::check_exchange(&config).map_err(ConfigError::Invalid)?;
    Ok(config)
}
