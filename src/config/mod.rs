//! nats.conf and its typed form.
//!
//! [`grammar`] turns text into a tree of values with their places; the key tables (one file per block, [`top`] for the
//! rest) read the tree into [`Config`]; [`Config::validate`] checks what goes together; [`diff`] tells a reload what
//! changed. A directive is one row of one table.

pub mod accounts;
pub mod authorization;
pub mod cluster;
pub mod compression;
pub mod defaults;
pub mod diff;
pub mod duration;
pub mod exchange;
pub mod files;
pub mod grammar;
pub mod http_auth;
pub mod jetstream;
mod keys;
pub mod leaf_remote;
pub mod leafnodes;
pub mod log_format;
pub mod mappings;
mod model;
pub mod mqtt;
mod not_served;
pub mod ocsp;
pub mod operator;
pub mod permissions;
mod proxies;
mod read;
mod reload;
mod report;
mod secret;
mod simple_auth;
mod subject;
pub mod tls;
mod top;
mod validate;
pub mod websocket;
mod write_timeout;

pub(crate) use grammar::size as size_from_text;
pub use keys::Key;
pub use log_format::LogFormat;
pub use model::*;
pub(crate) use read::{Port, host_port};
pub use report::{ConfigError, Problem, Report};
pub use secret::Secret;
pub use simple_auth::SimpleAuth;
pub use top::KEYS;
pub use write_timeout::WriteTimeout;

use diff::{Change, Changes};
use grammar::{Map, ProcessSurroundings, Surroundings};

impl Config {
    /// Reads the file at `path`, its includes and variables. What it warns about is in [`Config::warnings`].
    pub fn from_file(path: &str) -> Result<Self, ConfigError> {
        Self::from_file_in(path, &ProcessSurroundings)
    }

    /// As [`Config::from_file`], with files and environment from elsewhere.
    pub fn from_file_in(path: &str, surroundings: &dyn Surroundings) -> Result<Self, ConfigError> {
        Self::from_map(&grammar::parse_file(path, surroundings)?, path)
    }

    /// Reads configuration text; `name` stands for the file in messages.
    pub fn from_text(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::from_map(&grammar::parse_text(text, name, &ProcessSurroundings)?, name)
    }

    /// Checks what goes together; to be called after flags were applied.
    pub fn validate(&self) -> Result<(), ConfigError> {
        validate::check(self)
    }

    /// What has to be done to turn a server that runs with `self` into one that runs with `new`; an error if that
    /// takes a restart.
    pub fn reload_changes(&self, new: &Self) -> Result<Vec<Change>, String> {
        let mut changes = Changes::default();
        KEYS.iter().for_each(|key| (key.changes)(self, new, &mut changes));
        changes.accepted()
    }

    /// Brings [`Config::not_served`] up to date after a change.
    pub fn note_not_served(&mut self) {
        self.not_served = not_served::lines(self);
    }

    fn from_map(map: &Map, path: &str) -> Result<Self, ConfigError> {
        let mut report = Report::default();
        if map.is_empty() {
            report.warn(Problem::general(format!("{path}: config has no values or is empty")));
        }
        let mut config = Self::default();
        keys::read_map(KEYS, keys::unknown_field, &mut config, map, &mut report);
        if !report.errors.is_empty() {
            return Err(ConfigError::Directives(report));
        }
        config.source = Some(Source { path: path.to_owned(), digest: grammar::digest(map) });
        config.warnings = report.warnings.iter().map(Problem::to_string).collect();
        config.note_not_served();
        Ok(config)
    }
}
