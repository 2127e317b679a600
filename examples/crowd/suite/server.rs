//! A broker as a process, and what can be seen of it from outside.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const START_TIME_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// How long strangers have until they must have logged in.
pub const LOGIN_TIME: Duration = Duration::from_secs(20);

/// How to start a broker.
#[derive(Debug, Clone)]
pub struct Launch {
    binary: PathBuf,
    login_time: Duration,
}

/// A running broker; dropping it kills it.
pub struct Server {
    child: Child,
    pub clients: SocketAddr,
    monitoring: SocketAddr,
    _dir: TempDir,
}

/// What a broker has and holds at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Census {
    pub rss_kib: u64,
    pub open_files: usize,
    /// Connections that `/connz` tells of.
    pub connections: u64,
    /// Subscriptions that `/varz` tells of.
    pub subscriptions: u64,
}

impl Launch {
    /// This broker, with a user `u` whose password is `p`.
    pub fn new(binary: &Path) -> Self {
        Self { binary: binary.into(), login_time: LOGIN_TIME }
    }

    /// The same with another limit for logging in.
    pub fn login_time(self, login_time: Duration) -> Self {
        Self { login_time, ..self }
    }

    /// Starts it on free ports.
    pub fn start(&self) -> Result<Server, String> {
        self.try_start().map_err(|error| format!("{}: {error}", self.binary.display()))
    }

    fn try_start(&self) -> io::Result<Server> {
        let dir = tempfile::tempdir()?;
        let (clients, monitoring) = (free_address()?, free_address()?);
        let config = format!(
            "listen: \"{clients}\"\nhttp: \"{monitoring}\"\nmax_closed_clients: 500\n\
             authorization {{ user: u, password: p, timeout: {} }}\n",
            self.login_time.as_secs()
        );
        let file = dir.path().join("nats.conf");
        std::fs::write(&file, config)?;
        let mut command = Command::new(&self.binary);
        let command = command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server { child: command.spawn()?, clients, monitoring, _dir: dir };
        let started = Instant::now();
        while server.census().is_err() {
            if started.elapsed() > START_TIME_MAX {
                return Err(io::Error::other("it does not answer"));
            }
            std::thread::sleep(POLL);
        }
        Ok(server)
    }
}

impl Server {
    /// Looks at it now.
    pub fn census(&self) -> io::Result<Census> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(proc.join("status"))?;
        Ok(Census {
            rss_kib: number_behind(&status, "VmRSS:"),
            open_files: std::fs::read_dir(proc.join("fd"))?.count(),
            connections: number_behind(&self.get("/connz?limit=1")?, "\"total\":"),
            subscriptions: number_behind(&self.get("/varz")?, "\"subscriptions\":"),
        })
    }

    /// Looks until it likes what it sees, or the time is over; what it saw last.
    pub async fn census_when(&self, within: Duration, likes: impl Fn(&Census) -> bool) -> io::Result<Census> {
        let started = Instant::now();
        loop {
            let census = self.census()?;
            if likes(&census) || started.elapsed() > within {
                return Ok(census);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.monitoring)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn number_behind(text: &str, name: &str) -> u64 {
    let rest = text.split_once(name).map_or("", |(_, rest)| rest);
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}
