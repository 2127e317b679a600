//! Lines of the log: their form, their levels, where they go, and that nobody waits for them.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use headwater::clock::ManualClock;
use headwater::config::Logging;
use headwater::logging::{BACKLOG_BYTES_MAX, FATAL, Logger, Sink};
use log::{Level, Record};

/// 2006-01-02 15:04:05.000006 UTC
const MOMENT: i64 = 1_136_214_245_000_006_000;
const PATIENCE: Duration = Duration::from_secs(20);

fn utc() -> Logging {
    Logging { time_utc: true, debug: true, trace: true, ..Logging::default() }
}

fn to_file(path: &Path) -> Logging {
    Logging { file: Some(path.to_owned()), ..utc() }
}

fn start(settings: &Logging) -> Arc<Logger> {
    let sink = Sink::open(settings).expect("the log opens");
    Logger::start(settings, sink, Arc::new(ManualClock::at(MOMENT))).expect("the log starts")
}

fn say(logger: &Logger, level: Level, target: &str, text: &str) {
    let metadata = log::Metadata::builder().level(level).target(target).build();
    if logger.takes(&metadata) {
        logger.write(&Record::builder().metadata(metadata).args(format_args!("{text}")).build());
    }
}

fn info(logger: &Logger, text: &str) {
    say(logger, Level::Info, "headwater", text);
}

fn content(path: &Path) -> String {
    std::fs::read_to_string(path).expect("the log is there")
}

#[test]
fn a_line_has_the_form_that_harnesses_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let logger = start(&to_file(&path));
    for (level, target) in [
        (Level::Info, "headwater::net"),
        (Level::Debug, "headwater"),
        (Level::Trace, "headwater"),
        (Level::Warn, "headwater"),
        (Level::Error, "headwater"),
        (Level::Error, FATAL),
    ] {
        say(&logger, level, target, "Server is ready");
    }
    logger.flush_for(PATIENCE);
    let pid = std::process::id();
    let line = |label: &str| format!("[{pid}] 2006/01/02 15:04:05.000006 [{label}] Server is ready\n");
    assert_eq!(content(&path), ["INF", "DBG", "TRC", "WRN", "ERR", "FTL"].map(line).concat());
}

#[test]
fn the_time_can_be_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let logger = start(&Logging { time: false, ..to_file(&path) });
    info(&logger, "hello");
    logger.flush_for(PATIENCE);
    assert_eq!(content(&path), format!("[{}] [INF] hello\n", std::process::id()));
}

#[test]
fn debug_and_trace_are_switched_independently_and_at_run_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let quiet = Logging { debug: false, trace: false, ..to_file(&path) };
    let logger = start(&quiet);
    let say_both = || {
        say(&logger, Level::Debug, "headwater", "debug");
        say(&logger, Level::Trace, "headwater", "trace");
    };
    say_both();
    for settings in
        [Logging { trace: true, ..quiet.clone() }, Logging { debug: true, ..quiet.clone() }, quiet.clone()]
    {
        logger.reconfigure(&settings, Sink::open(&settings).unwrap());
        say_both();
    }
    logger.flush_for(PATIENCE);
    let texts: Vec<String> =
        content(&path).lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(texts, ["trace", "debug"]);
}

#[test]
fn other_crates_are_heard_only_with_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let logger = start(&to_file(&path));
    say(&logger, Level::Warn, "sled", "chatter");
    say(&logger, Level::Error, "sled", "trouble");
    logger.flush_for(PATIENCE);
    assert!(content(&path).ends_with("[ERR] trouble\n") && !content(&path).contains("chatter"));
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
    let settings = to_file(&path);
    let logger = start(&settings);
    info(&logger, "before");
    std::fs::rename(&path, &moved).unwrap();
    logger.reconfigure(&settings, Sink::open(&settings).unwrap());
    info(&logger, "after");
    logger.flush_for(PATIENCE);
    assert!(content(&moved).ends_with("before\n") && !content(&moved).contains("after"));
    assert!(content(&path).ends_with("after\n") && !content(&path).contains("before"));
}

#[test]
fn a_file_that_has_grown_enough_is_set_aside_under_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let logger = start(&Logging { file_bytes_max: Some(200), ..to_file(&path) });
    info(&logger, &"x".repeat(300));
    info(&logger, "in the new file");
    logger.flush_for(PATIENCE);
    let backup = dir.path().join("log.2006.01.02.15.04.05.000006000");
    assert!(content(&backup).ends_with("xxx\n"));
    let fresh = content(&path);
    assert!(fresh.contains(&format!("[INF] Rotated log, backup saved as {backup:?}\n")), "{fresh}");
    assert!(fresh.ends_with("in the new file\n"));
}

#[test]
fn only_so_many_files_are_kept_and_other_files_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let at = |name: &str| dir.path().join(name);
    for name in
        ["log.2001.01.01.00.00.00.000000000", "log.2002.01.01.00.00.00.000000000", "log.notes", "logbook"]
    {
        std::fs::write(at(name), "").unwrap();
    }
    let logger = start(&Logging { file_bytes_max: Some(10), files_max: Some(3), ..to_file(&path) });
    info(&logger, "enough to be set aside");
    logger.flush_for(PATIENCE);
    assert!(!at("log.2001.01.01.00.00.00.000000000").exists(), "the oldest is gone");
    assert!(at("log.2002.01.01.00.00.00.000000000").exists());
    assert!(at("log.notes").exists() && at("logbook").exists());
    assert!(content(&path).contains("Purged log file \"log.2001.01.01.00.00.00.000000000\""));
}

/// Takes bytes only when it is told to, like a pipe that nobody reads.
struct Gate {
    reached: mpsc::Sender<()>,
    open: mpsc::Receiver<()>,
    taken: mpsc::Sender<Vec<u8>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.reached.send(()).map_err(|_| closed())?;
        self.open.recv().map_err(|_| closed())?;
        self.taken.send(bytes.to_vec()).map_err(|_| closed())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nobody_waits_for_a_log_that_is_not_taken_and_what_is_lost_is_said() {
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    let (taken, log) = mpsc::channel();
    let sink = Sink::Other(Box::new(Gate { reached, open: gate, taken }));
    let logger = Logger::start(&utc(), sink, Arc::new(ManualClock::at(MOMENT))).unwrap();
    info(&logger, "the writer stands at the gate with this");
    at_gate.recv_timeout(PATIENCE).unwrap();

    let line = "x".repeat(1_000);
    let lines = 4 * BACKLOG_BYTES_MAX / line.len();
    for _ in 0..lines {
        info(&logger, &line);
    }
    let lost = logger.lost_lines();
    assert!(lost > 0 && lost < lines as u64);

    open.send(()).unwrap();
    open.send(()).unwrap();
    log.recv_timeout(PATIENCE).unwrap();
    let backlog = String::from_utf8(log.recv_timeout(PATIENCE).unwrap()).unwrap();
    let kept = backlog.lines().filter(|line| line.ends_with("xxx")).count();
    assert_eq!(kept as u64 + lost, lines as u64, "every line is either written or counted");
    let complaint = format!("[WRN] {lost} log lines were lost: the log was not taken in time\n");
    assert!(backlog.ends_with(&complaint), "the loss is reported");
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error() {
    let settings = to_file(Path::new("/nowhere/log"));
    assert!(Sink::open(&settings).is_err());
}
