//! Where log lines go besides standard error and files, and what they look like there.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use headwater::clock::ManualClock;
use headwater::config::{Config, LogFormat, Logging};
use headwater::logging::{Logger, Sink};
use log::{Level, Record};

/// 2006-01-02 15:04:05.000006 UTC
const MOMENT: i64 = 1_136_214_245_000_006_000;
const PATIENCE: Duration = Duration::from_secs(20);

fn start(settings: &Logging) -> Arc<Logger> {
    let sink = Sink::open(settings).unwrap();
    Logger::start(settings, sink, Arc::new(ManualClock::at(MOMENT))).unwrap()
}

fn say(logger: &Logger, level: Level, text: &str) {
    logger.write(&Record::builder().level(level).target("headwater").args(format_args!("{text}")).build());
}

#[test]
fn a_line_can_be_an_object() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let settings = Logging { file: Some(path.clone()), format: LogFormat::Json, ..Logging::default() };
    let logger = start(&settings);
    say(&logger, Level::Warn, "a \"quoted\" word\nand a line");
    say(&logger, Level::Info, "Server is ready");
    logger.flush_for(PATIENCE);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["level"], &lines[0]["message"]),
        (&"warn".into(), &"a \"quoted\" word\nand a line".into())
    );
    assert_eq!(
        (&lines[1]["time"], &lines[1]["pid"]),
        (&"2006-01-02T15:04:05.000006Z".into(), &std::process::id().into())
    );
}

#[test]
fn a_daemon_elsewhere_gets_a_datagram_per_line() {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    daemon.set_read_timeout(Some(PATIENCE)).unwrap();
    let remote = format!("udp://{}", daemon.local_addr().unwrap());
    let logger = start(&Logging { remote_syslog: Some(remote), ..Logging::default() });
    say(&logger, Level::Error, "no\nroom");
    say(&logger, Level::Info, "fine");
    let mut lines = Vec::new();
    for _ in 0..2 {
        let mut bytes = [0; 500];
        let length = daemon.recv(&mut bytes).unwrap();
        lines.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    let tag = format!("headwater[{}]:", std::process::id());
    assert!(
        lines[0].starts_with("<27>2006-01-02T15:04:05Z ") && lines[0].ends_with(&format!("{tag} no room\n")),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("<29>") && lines[1].ends_with(&format!("{tag} fine\n")), "{lines:?}");
}

#[test]
fn a_daemon_that_was_restarted_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("daemon");
    let first = UnixDatagram::bind(&path).unwrap();
    let remote = Some(format!("unix://{}", path.display()));
    let logger = start(&Logging { remote_syslog: remote, ..Logging::default() });
    drop(first);
    std::fs::remove_file(&path).unwrap();
    let second = UnixDatagram::bind(&path).unwrap();
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    say(&logger, Level::Info, "still here");
    let mut bytes = [0; 500];
    let length = second.recv(&mut bytes).unwrap();
    assert!(String::from_utf8_lossy(&bytes[..length]).ends_with(": still here\n"));
}

#[test]
fn a_destination_that_does_not_exist_is_an_error() {
    for remote in ["unix:///nonexistent/daemon", "carrier://pigeon", "localhost:514"] {
        let settings = Logging { remote_syslog: Some(remote.to_owned()), ..Logging::default() };
        assert!(Sink::open(&settings).is_err(), "{remote}");
    }
}

#[test]
fn the_form_is_configured() {
    let config = Config::from_text("log_format: json", "c.conf").unwrap();
    assert_eq!(config.logging.format, LogFormat::Json);
    assert!(Config::from_text("log_format: xml", "c.conf").is_err());
}
