//! A small file system that fills up under the real binary: publishes are refused, reads go on, deletes and purges make room,
//! and nothing acknowledged is lost, not even to a kill.
//!
//! The file system is a tmpfs in a mount namespace of its own, which root may make, and on most systems everybody.

mod kit;
mod store_support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kit::jetstream::{Client, NO_ROOM};
use kit::{MODERN, Peer};
use store_support::small_disk::way;
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker on a file system of so many bytes. When it is killed, it is started once more on the same file system.
struct SmallDisk {
    dir: TempDir,
    port: u16,
    shell: Child,
}

impl SmallDisk {
    fn start(bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("store")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{0}/store\", max_file_store: 10G }}\n",
            dir.path().display(),
        );
        std::fs::write(dir.path().join("nats.conf"), config).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={bytes} tmpfs '{0}/store' && for _ in 1 2; do \
             '{1}' -c '{0}/nats.conf' -P '{0}/pid' -l '{0}/log'; done",
            dir.path().display(),
            env!("CARGO_BIN_EXE_headwater"),
        );
        let way = way();
        let shell =
            Command::new(way[0]).args(&way[1..]).args(["sh", "-c", &script]).stdin(Stdio::null()).spawn();
        Self { dir, port, shell: shell.unwrap() }
    }

    fn client(&self) -> Client {
        let start = Instant::now();
        while std::fs::read(self.pid_file()).map_or(0, |pid| pid.len()) == 0 {
            assert!(start.elapsed() < PATIENCE, "the broker does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut peer = Peer::dial(([127, 0, 0, 1], self.port).into());
        peer.read_info();
        peer.send(&format!("CONNECT {MODERN}\r\n"));
        peer.fence();
        Client::over(peer)
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.path().join("pid")
    }

    /// Ends the broker without a warning; the next one comes up in its place.
    fn kill(&self) {
        kill(&self.pid_file());
        let start = Instant::now();
        while self.pid_file().exists() {
            assert!(start.elapsed() < PATIENCE, "the pid file stays");
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        while self.shell.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill(&self.pid_file());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Kills whom the file names, if there is one, and removes the file.
fn kill(pid_file: &Path) {
    let Ok(pid) = std::fs::read_to_string(pid_file) else { return };
    let killed = Command::new("kill").args(["-9", pid.trim()]).stderr(Stdio::null()).status();
    assert!(killed.is_ok(), "kill -9");
    let _ = std::fs::remove_file(pid_file);
}

/// Publishes until there is no room; returns the last sequence.
fn fill(client: &mut Client, body: &str) -> u64 {
    let mut last = 0;
    loop {
        let ack = client.json("s.a", body);
        match ack["seq"].as_u64().filter(|seq| *seq > 0) {
            Some(seq) => last = seq,
            None => {
                assert_eq!(client.error("s.a", body), NO_ROOM, "{ack}");
                return last;
            }
        }
    }
}

/// Publishes until that works; returns the sequence.
fn store_at_last(client: &mut Client, body: &str) -> u64 {
    let start = Instant::now();
    loop {
        if let Some(seq) = client.json("s.a", body)["seq"].as_u64().filter(|seq| *seq > 0) {
            return seq;
        }
        assert!(start.elapsed() < PATIENCE, "no room after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read(client: &mut Client, seq: u64) -> String {
    client.ask("$JS.API.DIRECT.GET.S", &format!("{{\"seq\":{seq}}}"))
}

const STREAM: &str = r#"{"name":"S","subjects":["s.>"],"allow_direct":true}"#;

#[test]
fn a_full_disk_refuses_publishes_until_a_purge_and_loses_nothing_to_a_kill() {
    let disk = SmallDisk::start(72 << 20);
    let mut client = disk.client();
    client.api("STREAM.CREATE.S", STREAM);
    let body = "x".repeat(100_000);
    let last = fill(&mut client, &body);
    assert!(last > 300, "{last} messages");
    for seq in [1, last / 2, last] {
        assert!(read(&mut client, seq).ends_with(&body), "{seq}");
    }
    client.peer.send("PUB inbox.core 2\r\nhi\r\n");
    assert_eq!(client.answer(), "hi");
    disk.kill();
    let mut client = disk.client();
    assert_eq!(client.messages("S"), last);
    assert!(read(&mut client, last).ends_with(&body));
    assert_eq!(client.error("s.a", &body), NO_ROOM);
    assert_eq!(client.api("STREAM.PURGE.S", "")["purged"], last);
    assert_eq!(store_at_last(&mut client, &body), last + 1);
    while store_at_last(&mut client, &body) < last + 300 {}
}

#[test]
fn deletes_of_single_messages_make_room_too() {
    let disk = SmallDisk::start(72 << 20);
    let mut client = disk.client();
    client.api("STREAM.CREATE.S", STREAM);
    let body = "x".repeat(100_000);
    let last = fill(&mut client, &body);
    for seq in (1..=last).filter(|seq| seq % 20 != 0) {
        client.api("STREAM.MSG.DELETE.S", &format!("{{\"seq\":{seq}}}"));
    }
    let next = store_at_last(&mut client, &body);
    assert!(next > last);
    while store_at_last(&mut client, &body) < next + 200 {}
    for seq in (20..=last).step_by(20) {
        assert!(read(&mut client, seq).ends_with(&body), "{seq}");
    }
}
