//! A crowd costs little and leaves nothing behind: strangers who never log in, clients that rest, clients that come and go.
//!
//! `cargo run --release --example crowd` does it with ten thousand, and with a thousand a second for a minute.

#[path = "../examples/crowd/suite/mod.rs"]
mod suite;

use std::path::Path;
use std::time::Duration;

use suite::server::Launch;

/// What the first connections of all make a broker take, whoever they are.
const FIRST_KIB: u64 = 12 * 1024;

fn launch() -> Launch {
    Launch::new(Path::new(env!("CARGO_BIN_EXE_headwater")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_can_hold_little_memory_and_only_for_as_long_as_logging_in_may_take() {
    suite::raise_open_files_limit().unwrap();
    let figures = suite::strangers::run(&launch().login_time(Duration::from_secs(6)), 400).await.unwrap();
    assert!(figures.during.rss_kib <= figures.before.rss_kib + FIRST_KIB + 400 * 16, "{figures}");
    assert!(figures.during.open_files >= figures.before.open_files + 200, "half of them wait: {figures}");
    assert!(figures.after.open_files <= figures.before.open_files, "{figures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_client_takes_a_few_kilobytes() {
    suite::raise_open_files_limit().unwrap();
    let figures = suite::idle::run(&launch(), 500).await.unwrap();
    assert!(figures.rss_kib <= figures.rss_kib_before + FIRST_KIB + 500 * 16, "{figures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_come_and_go_leave_nothing_behind() {
    let figures = suite::churn::run(&launch(), 300, 4).await.unwrap();
    let (before, after) = (figures.before, figures.after);
    assert!(figures.visits >= 1_100, "{figures}");
    assert_eq!((after.connections, after.subscriptions), (0, before.subscriptions), "{figures}");
    assert!(after.open_files <= before.open_files, "{figures}");
    // The list of who has left is full by then, and nothing else may grow.
    let settled = figures.rss_kib[6];
    assert!(after.rss_kib <= settled + 1024, "{figures}");
}
