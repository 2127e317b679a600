//! What the crowd's commands and the short tests share.
#![allow(dead_code)] // The tests do not use all that the commands do.

pub mod churn;
#[path = "../../torture/suite/flags.rs"]
pub mod flags;
pub mod idle;
pub mod server;
pub mod strangers;
pub mod visitor;

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Thousands of sockets are needed, in this process and in the broker it starts.
pub fn raise_open_files_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// The broker under test: `--broker PATH`, or what cargo built beside this program.
pub fn binary(flags: &flags::Flags) -> Result<PathBuf, String> {
    if let Some(path) = flags.text("broker") {
        return Ok(path.into());
    }
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let built = here.parent().and_then(Path::parent).map(|dir| dir.join("headwater"));
    built.filter(|path| path.exists()).ok_or("build the broker first, or name it with --broker PATH".into())
}
