//! A broker process under test: started on a fixed port and store, killed, started again.

#[allow(clippy::duplicate_mod)] // Some tests use the kit as well.
#[path = "../kit/ports.rs"]
pub mod ports;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use self::ports::free_port;

/// A debug build on a busy machine still answers well within this.
const START_TIME_MAX: Duration = Duration::from_secs(30);
const LOG_LINES_SHOWN: usize = 40;

/// A running broker; dropping it kills the process and removes its store.
pub struct Broker {
    binary: PathBuf,
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Broker {
    /// Starts the broker under test on a free port, with JetStream on an empty store.
    pub fn under_test() -> Broker {
        Broker::under_test_with("")
    }

    /// The same with a configuration file of this content; port and store come from flags.
    pub fn under_test_with(config: &str) -> Broker {
        match std::env::var_os("HEADWATER_INTEROP_BROKER") {
            Some(path) => Broker::start(Path::new(&path), config),
            None => Broker::start(Path::new(env!("CARGO_BIN_EXE_headwater")), config),
        }
    }

    /// Starts `binary`, which takes nats-server's flags.
    pub fn start(binary: &Path, config: &str) -> Broker {
        let folder = tempfile::tempdir().expect("a folder for the store");
        std::fs::write(folder.path().join("nats.conf"), config).expect("a configuration file");
        let port = free_port();
        let child = spawn(binary, folder.path(), port);
        let mut broker = Broker { binary: binary.to_owned(), folder, port, child };
        broker.wait_until_it_greets();
        broker
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The most memory that the process had at any time, as Linux counts resident bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the status of a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        kib * 1024
    }

    /// What a client connects to.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// SIGKILL: no chance to flush or to say goodbye.
    pub fn kill(&mut self) {
        let already = self.child.try_wait().expect("the broker's state");
        assert!(already.is_none(), "the broker ended by itself: {already:?}\n{}", self.log_tail());
        self.child.kill().expect("kill -9");
        self.child.wait().expect("the broker is gone");
    }

    /// Starts the killed broker again on the same port and store.
    pub fn restart(&mut self) {
        self.child = spawn(&self.binary, self.folder.path(), self.port);
        self.wait_until_it_greets();
    }

    /// Puts another configuration in place of the one it was started with; it is not told.
    pub fn write_config(&self, config: &str) {
        std::fs::write(self.folder.path().join("nats.conf"), config).expect("a configuration file");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a running process");
    }

    /// All that the broker logged.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of what the broker logged, for a failure report.
    pub fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    fn wait_until_it_greets(&mut self) {
        let deadline = Instant::now() + START_TIME_MAX;
        while !greets(self.port) {
            let ended = self.child.try_wait().expect("the broker's state");
            assert!(ended.is_none(), "{} ended: {ended:?}\n{}", self.binary.display(), self.log_tail());
            assert!(Instant::now() < deadline, "no INFO from {}\n{}", self.binary.display(), self.log_tail());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(binary: &Path, folder: &Path, port: u16) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
    Command::new(binary)
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(folder.join("store"))
        .arg("-c")
        .arg(folder.join("nats.conf"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()))
}

fn greets(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a read timeout");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("INFO ")
}
