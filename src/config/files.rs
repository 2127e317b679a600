//! Files for whoever started the server: its process id and its ports.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Writes the process id, digits only: readers do not trim.
pub fn write_pid_file(path: &Path) -> io::Result<()> {
    fs::write(path, std::process::id().to_string())
}

/// The URLs at which the server can be reached; lists that are empty are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Ports {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nats: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monitoring: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub websocket: Vec<String>,
}

/// `scheme://address`; a listener on all addresses is shown with the one that every client on the machine can reach.
pub fn url(scheme: &str, listener: SocketAddr) -> String {
    let reachable: IpAddr = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(reachable, listener.port()))
}

/// The ports file of this process in `dir`: `<program>_<pid>.ports`.
pub fn ports_file(dir: &Path) -> PathBuf {
    let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    dir.join(format!("{program}_{}.ports", std::process::id()))
}

/// Writes the ports file so that nobody can see half of it.
pub fn write_ports_file(path: &Path, ports: &Ports) -> io::Result<()> {
    let beside = path.with_extension("ports.tmp");
    fs::write(&beside, serde_json::to_vec(ports)?)?;
    fs::rename(&beside, path)
}

/// Removes the ports file; that it is gone already is fine.
pub fn remove_ports_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
