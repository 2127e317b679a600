//! Where the real clients are. The first call installs them; later ones find them in place.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The virtual environment's Python, with nats-py.
pub fn python() -> PathBuf {
    installed("python/bin/python")
}

/// Node.js: the machine's own, or the one that `setup` had to bring.
pub fn node() -> PathBuf {
    let folder = std::fs::read_to_string(installed("node.path")).expect("setup names the folder of node");
    Path::new(folder.trim()).join("node")
}

/// The `nats` CLI.
pub fn nats_cli() -> PathBuf {
    installed("bin/nats")
}

/// The nats-server to compare with.
pub fn nats_server() -> PathBuf {
    match std::env::var_os("HEADWATER_NATS_SERVER") {
        Some(path) => PathBuf::from(path),
        None => installed("python/bin/nats-server"),
    }
}

/// A browser: the one that is named, the machine's own, or one that `setup` installs.
pub fn chromium() -> PathBuf {
    if let Some(path) = std::env::var_os("HEADWATER_CHROMIUM") {
        return PathBuf::from(path);
    }
    run_setup(&["chromium"]);
    PathBuf::from(
        std::fs::read_to_string(installed("chromium.path")).expect("setup names the browser").trim(),
    )
}

/// A file below the installation.
pub fn installed(path: &str) -> PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(install).join(path)
}

/// A client program as it lies in the source tree.
pub fn source(path: &str) -> PathBuf {
    here().join("clients").join(path)
}

fn install() -> PathBuf {
    run_setup(&[]);
    root()
}

fn run_setup(more: &[&str]) {
    let status = Command::new(here().join("setup")).arg(root()).args(more).status();
    let status = status.expect("setup is a bash script");
    assert!(status.success(), "the clients could not be installed; what setup printed above says why");
}

fn root() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's tmp lies in target");
    target.join("interop")
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}
