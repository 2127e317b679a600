//! The crash test itself: a client publishes, then consumes, and each time the broker is killed in the middle.

use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::client::{Client, Phase, Report};
use crate::judge;

/// A client that has nothing to report for this long is stuck.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const PHASE_TIME_MAX: Duration = Duration::from_secs(240);
/// Longer than any healthy round trip, short enough to see redeliveries of what the kill interrupted.
const ACK_WAIT_SECONDS: u64 = 5;

/// How much a client publishes, and how many messages it leaves unacked at most.
#[derive(Clone, Copy)]
pub struct Load {
    pub messages: u64,
    pub window: u64,
}

/// What a client reported around one kill.
pub struct Testimony {
    /// Everything it printed while the broker was first up, and what was still in the pipe.
    pub before: Vec<Report>,
    pub after: Vec<Report>,
}

impl Testimony {
    /// All reports in the order in which they were printed.
    pub fn all(&self) -> impl Iterator<Item = &Report> {
        self.before.iter().chain(&self.after)
    }
}

/// Publishes and consumes `load` with the client that `start` starts, kills the broker after two fifths of each phase,
/// and checks that nothing that was acked is lost, changed, out of order, or seen again.
pub fn survives_two_kills(load: Load, start: impl Fn(Phase) -> Client) {
    let mut broker = Broker::under_test();
    let kill_after = load.messages * 2 / 5;

    let publish = Phase::Publish { url: broker.url(), messages: load.messages, window: load.window };
    let published = run_and_kill(start(publish), &mut broker, kill_after);
    let ledger = judge::published(&published, load);

    let consume = Phase::Consume { url: broker.url(), ack_wait_seconds: ACK_WAIT_SECONDS };
    let consumed = run_and_kill(start(consume), &mut broker, kill_after);
    judge::consumed(&consumed, &ledger);
}

fn run_and_kill(mut client: Client, broker: &mut Broker, kill_after: u64) -> Testimony {
    let mut before = collect(&mut client, broker, |confirmed| confirmed < kill_after);
    broker.kill();
    // With the broker gone no further confirmation can be made; what is still in the pipe was made before.
    while let Some(report) = client.next(Duration::from_millis(300)) {
        before.push(report);
    }
    assert!(!before.contains(&Report::Done), "the kill came after the work was done");
    broker.restart();
    let after = collect(&mut client, broker, |_| true);
    assert!(after.iter().any(is_confirmation), "the kill came after the last confirmation");
    Testimony { before, after }
}

/// Reads reports until the client is done, or `go_on` says of the number of confirmations so far that it is enough.
fn collect(client: &mut Client, broker: &Broker, go_on: impl Fn(u64) -> bool) -> Vec<Report> {
    let deadline = Instant::now() + PHASE_TIME_MAX;
    let (mut reports, mut confirmed) = (Vec::new(), 0);
    while go_on(confirmed) {
        let report = client
            .next(SILENCE_MAX)
            .unwrap_or_else(|| panic!("the client is stuck\n{}\n{}", client.notes(), broker.log_tail()));
        assert!(Instant::now() < deadline, "the client does not get done\n{}", broker.log_tail());
        confirmed += u64::from(is_confirmation(&report));
        let done = report == Report::Done;
        reports.push(report);
        if done {
            break;
        }
    }
    reports
}

fn is_confirmation(report: &Report) -> bool {
    matches!(report, Report::Ack { .. } | Report::Acked { .. })
}
