//! A store's directory that is not as it should be: in use by another broker, read-only, with files in it that are nobody's.

mod kit;
mod store_support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use kit::jetstream::Client;
use kit::ports::free_port;
use kit::{MODERN, Peer};
use store_support::small_disk::way;

const PATIENCE: Duration = Duration::from_secs(30);

fn headwater(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.args(["-a", "127.0.0.1"]).args(args).stdin(Stdio::null());
    command
}

/// A running broker, stopped when dropped.
struct Running {
    child: Child,
    port: u16,
}

impl Running {
    fn start(store_dir: &Path, log: &Path) -> Self {
        let port = free_port();
        let (port_text, pid) = (port.to_string(), log.with_extension("pid"));
        let _ = fs::remove_file(&pid);
        let args = ["-p", &port_text, "-js", "-sd", text(store_dir), "-l", text(log), "-P", text(&pid)];
        let child = headwater(&args).spawn().unwrap();
        let start = Instant::now();
        while fs::read(&pid).map_or(0, |pid| pid.len()) == 0 {
            assert!(start.elapsed() < PATIENCE, "the broker does not come up");
            std::thread::yield_now();
        }
        Self { child, port }
    }

    fn client(&self) -> Client {
        let mut peer = Peer::dial(([127, 0, 0, 1], self.port).into());
        peer.read_info();
        peer.send(&format!("CONNECT {MODERN}\r\n"));
        peer.fence();
        Client::over(peer)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The broker ends with 1 and says this.
#[track_caller]
fn refused(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(why), "{why:?} is not in {said}");
}

#[test]
fn a_second_broker_on_a_directory_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let first = Running::start(&store, &dir.path().join("log"));
    let mut client = first.client();
    client.api("STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    let port = free_port().to_string();
    let second = headwater(&["-p", &port, "-js", "-sd", text(&store)]).output().unwrap();
    refused(&second, "another process has the store open");
    assert_eq!(client.stored("s", "one"), 1);
}

#[test]
fn files_that_are_nobody_s_are_left_alone_and_named_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let foreign = [
        ("jetstream/README.txt", "mine"),
        ("jetstream/journal/notes.txt", "mine, too"),
        ("jetstream/journal/0000000077.seg", "no segment"),
        ("jetstream/$G/streams/ORDERS/meta.inf", "of another server"),
    ];
    for (name, content) in foreign {
        let path = store.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let log = dir.path().join("log");
    for round in 1..=2 {
        let broker = Running::start(&store, &log);
        let mut client = broker.client();
        client.api("STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
        assert_eq!(client.stored("s", "one"), round);
    }
    for (name, content) in foreign {
        assert_eq!(fs::read_to_string(store.join(name)).unwrap(), content, "{name}");
    }
    let log = fs::read_to_string(log).unwrap();
    for name in ["README.txt", "0000000077.seg", "$G"] {
        assert!(log.contains(name), "{name} is not in {log}");
    }
}

#[test]
fn a_read_only_directory_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    fs::create_dir(&store).unwrap();
    let port = free_port();
    let script = format!(
        "mount -t tmpfs -o size=1m,ro tmpfs '{0}' && exec '{1}' -a 127.0.0.1 -p {port} -js -sd '{0}'",
        store.display(),
        env!("CARGO_BIN_EXE_headwater"),
    );
    let way = way();
    let output = Command::new(way[0]).args(&way[1..]).args(["sh", "-c", &script]).output().unwrap();
    refused(&output, "could not create storage directory - Read-only file system");
}

#[test]
fn a_store_that_is_a_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("jetstream"), "").unwrap();
    let port = free_port().to_string();
    let output = headwater(&["-p", &port, "-js", "-sd", text(dir.path())]).output().unwrap();
    refused(&output, "storage directory is not a directory");
}

#[test]
fn a_pid_file_that_cannot_be_written_is_refused_and_leaves_the_store_free() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let (port, nowhere) = (free_port().to_string(), dir.path().join("no/such/dir/pid"));
    let args = ["-p", &port, "-js", "-sd", text(&store), "-P", text(&nowhere)];
    refused(&headwater(&args).output().unwrap(), "Could not write pid file");
    drop(Running::start(&store, &dir.path().join("log")));
}
