//! The two servers: started with the same configuration, watched from outside.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::front::{Door, Front};
use crate::wire::Client;

/// Longest a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait between two looks at a server that starts.
const START_POLL: Duration = Duration::from_millis(1);

/// When a stream's messages are made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Before the ack.
    Always,
    /// Every two minutes, as nats-server does unless told otherwise.
    Relaxed,
}

/// A server that can be started.
#[derive(Debug, Clone)]
pub struct Contender {
    /// How it is called in the tables.
    pub name: &'static str,
    /// Its program.
    pub binary: PathBuf,
    /// How it is told what memory it may take.
    pub ceiling: Ceiling,
}

/// How a server is told what memory it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceiling {
    /// By a setting.
    Setting,
    /// By what Go's runtime reads.
    GoEnvironment,
}

/// How a server's process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As `kill -9` does.
    Kill,
    /// In order.
    Terminate,
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it lets clients in.
    door: Door,
    /// What its configuration says about that.
    listeners: String,
    sync: Sync,
    dir: TempDir,
    contender: Contender,
}

/// What a server process has used since it was started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu_seconds: f64,
    /// Bytes it caused to be written to the disk.
    pub written_bytes: u64,
    /// Largest resident set so far.
    pub rss_peak_bytes: u64,
    /// Resident set now.
    pub rss_bytes: u64,
}

impl Contender {
    /// Starts it on an empty store, to let clients in through `front`.
    pub fn start(&self, sync: Sync, front: Front) -> io::Result<Server> {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let (listeners, door) = front.open(free_address()?, dir.path())?;
        let child = self.spawn(dir.path(), &listeners, sync, None)?;
        let server = Server { child, door, listeners, sync, dir, contender: self.clone() };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    fn spawn(&self, dir: &Path, listeners: &str, sync: Sync, ceiling_mb: Option<u64>) -> io::Result<Child> {
        let interval = match sync {
            Sync::Always => "always",
            Sync::Relaxed => "2m",
        };
        let store = dir.join("store");
        let mut config = format!(
            "{listeners}max_connections: 20000\njetstream {{ store_dir: {store:?}, sync_interval: {interval}, \
             max_file_store: 50GB, max_memory_store: 1GB }}\n"
        );
        let file = dir.join("server.conf");
        let mut command = Command::new(&self.binary);
        match (ceiling_mb, self.ceiling) {
            (Some(mb), Ceiling::Setting) => config.push_str(&format!("memory_ceiling: {mb}MB\n")),
            (Some(mb), Ceiling::GoEnvironment) => drop(command.env("GOMEMLIMIT", format!("{mb}MiB"))),
            (None, _) => {}
        }
        fs::write(&file, config)?;
        command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    }
}

impl Server {
    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where clients are let in.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// A new client.
    pub fn connect(&self) -> io::Result<Client> {
        Client::connect(&self.door)
    }

    /// What the process has used so far.
    pub fn usage(&self) -> io::Result<Usage> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(proc.join("status"))?;
        let io = fs::read_to_string(proc.join("io"))?;
        Ok(Usage {
            cpu_seconds: cpu_seconds(&fs::read_to_string(proc.join("stat"))?),
            written_bytes: field(&io, "write_bytes:"),
            rss_peak_bytes: field(&status, "VmHWM:") * 1024,
            rss_bytes: field(&status, "VmRSS:") * 1024,
        })
    }

    /// Ends the process and starts it again on what it left; answers how long it took from the start of the process until
    /// `is_up` was content.
    pub fn restart(&mut self, end: End, is_up: impl Fn(&Door) -> io::Result<bool>) -> io::Result<Duration> {
        self.end(end)?;
        let started = Instant::now();
        self.child = self.contender.spawn(self.dir.path(), &self.listeners, self.sync, None)?;
        while !is_up(&self.door).unwrap_or(false) {
            if started.elapsed() > START_TIMEOUT {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(START_POLL);
        }
        Ok(started.elapsed())
    }

    /// Starts it again, with so many megabytes of memory to work with.
    pub fn restart_below(&mut self, ceiling_mb: u64) -> io::Result<()> {
        self.end(End::Kill)?;
        self.child = self.contender.spawn(self.dir.path(), &self.listeners, self.sync, Some(ceiling_mb))?;
        self.wait_until_it_answers()
    }

    /// Bytes of disk that everything it has stored takes.
    pub fn disk_bytes(&self) -> io::Result<u64> {
        disk_bytes(&self.dir.path().join("store"))
    }

    fn end(&mut self, end: End) -> io::Result<()> {
        match end {
            End::Kill => self.child.kill()?,
            End::Terminate => kill_process(Pid::from_child(&self.child), Signal::TERM)?,
        }
        self.child.wait().map(drop)
    }

    fn wait_until_it_answers(&self) -> io::Result<()> {
        let started = Instant::now();
        while TcpStream::connect(self.door.addr).is_err() {
            if started.elapsed() > START_TIMEOUT {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(START_POLL);
        }
        self.connect().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn disk_bytes(path: &Path) -> io::Result<u64> {
    let found = match fs::symlink_metadata(path) {
        // What the server removes meanwhile takes nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        found => found?,
    };
    if !found.is_dir() {
        return Ok(found.blocks() * 512);
    }
    fs::read_dir(path)?.map(|entry| disk_bytes(&entry?.path())).sum()
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// User and system time of a `/proc/PID/stat` line, whose second field may hold anything between its parentheses.
fn cpu_seconds(stat: &str) -> f64 {
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// The number behind `name` in a file of `/proc`.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
