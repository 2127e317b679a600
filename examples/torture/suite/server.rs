//! The broker under test, as a process that can be killed.

#[path = "../../../tests/kit/ports.rs"]
mod ports;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use self::ports::free_port;

const START_TIME_MAX: Duration = Duration::from_secs(60);

/// How to start a broker.
#[derive(Debug, Clone)]
pub struct Launch {
    pub binary: PathBuf,
    /// What the binary is run under, if anything.
    pub wrapper: Vec<String>,
    pub port: u16,
    /// Holds the store and the log.
    pub dir: PathBuf,
}

/// A running broker; dropping it kills it.
pub struct Server {
    child: Child,
    launch: Launch,
}

impl Launch {
    /// `binary` on a free port with its store in `dir`.
    pub fn new(binary: &Path, dir: &Path) -> Self {
        Self { binary: binary.into(), wrapper: Vec::new(), port: free_port(), dir: dir.into() }
    }

    /// Where JetStream keeps its files.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Starts it and waits until it greets.
    pub fn start(&self) -> Result<Server, String> {
        let log = File::options().create(true).append(true).open(self.dir.join("log"));
        let log = log.map_err(|error| format!("log: {error}"))?;
        let second = log.try_clone().map_err(|error| format!("log: {error}"))?;
        let program: Vec<String> =
            self.wrapper.iter().cloned().chain([self.binary.to_string_lossy().into_owned()]).collect();
        let child = Command::new(&program[0])
            .args(&program[1..])
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "-sd"])
            .arg(self.store())
            .stdin(Stdio::null())
            .stdout(second)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{}: {error}", program[0]))?;
        let mut server = Server { child, launch: self.clone() };
        server.wait_until_it_greets()?;
        Ok(server)
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.join("log")).unwrap_or_default()).into_owned()
    }
}

impl Server {
    /// kill -9.
    pub fn kill(mut self) {
        self.end();
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and waits until it has closed its store in order.
    pub fn stop(mut self) -> Result<(), String> {
        let pid = rustix::process::Pid::from_child(&self.child);
        let told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        told.map_err(|error| error.to_string())?;
        self.child.wait().map(drop).map_err(|error| error.to_string())
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) {
        let _ = self.child.wait();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait_until_it_greets(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_TIME_MAX;
        while !greets(self.launch.port) {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the broker ended: {status}\n{}", self.launch.log()));
            }
            if Instant::now() > deadline {
                return Err(format!("the broker does not greet\n{}", self.launch.log()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn greets(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let patient = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut line = String::new();
    patient.is_ok() && BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("INFO ")
}
