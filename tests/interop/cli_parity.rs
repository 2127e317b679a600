//! Promise: the `nats` CLI shows and does with us what it does with nats-server.
//!
//! The same commands run against both, one broker after the other; exit codes and normalised output must be equal.

use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::nats_cli_client::Cli;
use crate::normalise::normalise;
use crate::provision;

/// An application's account without a password, and the system account for the server commands.
const CONFIG: &str = r#"
    server_name: edge
    jetstream { sync_interval: "2m", max_memory_store: 64MB, max_file_store: 4GB }
    accounts {
        APP { jetstream: enabled, users: [ { user: app, password: app } ] }
        $SYS { users: [ { user: sys, password: sys } ] }
    }
    no_auth_user: app
"#;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/setup");
const LINES_SHOWN_MAX: usize = 20;
/// Streams made until the listener for events is heard.
const EVENTS_TRIED_MAX: usize = 30;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// What one command did: exit code and normalised output. The CLI prints headers in no particular order, so the order
/// of lines does not count.
type Outcome = (String, Option<i32>, String);

#[test]
fn cli_streams_are_as_with_nats_server() {
    same_with_both(STREAMS);
}

#[test]
fn cli_consumers_are_as_with_nats_server() {
    same_with_both(CONSUMERS);
}

#[test]
fn cli_key_value_is_as_with_nats_server() {
    same_with_both(KEY_VALUE);
}

#[test]
fn cli_objects_are_as_with_nats_server() {
    same_with_both(OBJECTS);
}

#[test]
fn cli_server_checks_are_as_with_nats_server() {
    same_with_both(CHECKS);
}

#[test]
fn cli_reports_are_as_with_nats_server() {
    same_with_both(REPORTS);
}

#[test]
fn cli_schemas_and_accounts_are_as_with_nats_server() {
    same_with_both(SCHEMAS_AND_ACCOUNTS);
}

#[test]
fn cli_services_are_as_with_nats_server() {
    compare(services);
}

#[test]
fn cli_events_are_as_with_nats_server() {
    compare(events);
}

#[test]
fn cli_traces_are_as_with_nats_server() {
    same_with_both(TRACES);
}

#[test]
fn cli_benchmarks_run_as_with_nats_server() {
    same_with_both(BENCHMARKS);
}

#[test]
fn cli_publish_subscribe_request_reply_are_as_with_nats_server() {
    compare(dialogue);
}

fn same_with_both(commands: &[&str]) {
    compare(|cli| commands.iter().map(|command| outcome(command, &cli.run(&words(command), b""))).collect());
}

fn compare(script: impl Fn(&Cli) -> Vec<Outcome>) {
    let theirs = with_broker(&Broker::start(&provision::nats_server(), CONFIG), &script);
    let ours = with_broker(&Broker::under_test_with(CONFIG), &script);
    let differences: Vec<String> = theirs
        .iter()
        .zip(&ours)
        .filter(|(theirs, ours)| theirs != ours)
        .map(|(theirs, ours)| difference(theirs, ours))
        .collect();
    let (wrong, all) = (differences.len(), theirs.len());
    assert!(differences.is_empty(), "{wrong} of {all} commands differ\n{}", differences.join("\n"));
}

fn with_broker(broker: &Broker, script: impl Fn(&Cli) -> Vec<Outcome>) -> Vec<Outcome> {
    script(&Cli { url: broker.url() })
}

/// Two processes that talk with each other: a subscriber and a publisher, a responder and a requester.
fn dialogue(cli: &Cli) -> Vec<Outcome> {
    let mut outcomes = answered_by(cli, "sub greet.* --count 1", "pub greet.joe hello -H Color:blue");
    outcomes.extend(answered_by(cli, "sub jobs --queue workers --raw --count 1", "pub jobs work"));
    outcomes.extend(answered_by(cli, "reply help.please ok --count 1", "request help.please me"));
    outcomes.push(outcome("request nobody.there x", &cli.run(&words("request nobody.there x"), b"")));
    outcomes.push(outcome("pub from stdin", &cli.run(&words("pub empty --force-stdin"), b"from stdin")));
    outcomes
}

/// A service that runs while it is asked about.
fn services(cli: &Cli) -> Vec<Outcome> {
    let _service = cli.start(&words("service serve echo --description says-it-again"));
    let deadline = Instant::now() + ANSWER_TIME_MAX;
    while !cli.run(&words("request echo.help x --raw"), b"").status.success() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    let commands =
        ["service list", "service info echo", "service stats echo", "service ping echo", "service info none"];
    commands.iter().map(|command| outcome(command, &cli.run(&words(command), b""))).collect()
}

/// What is told of streams and consumers as they come and go.
fn events(cli: &Cli) -> Vec<Outcome> {
    let mut listener = cli.start(&words("events --no-srv-advisory --js-advisory --short"));
    let mut lines = listener.lines();
    let mut told = Vec::new();
    // Nothing says when it listens: the first stream is made until it is told of.
    for nth in 0.. {
        assert!(nth < EVENTS_TRIED_MAX, "nothing is told");
        cli.run(&words(&format!("stream add TRY{nth} --subjects try{nth} --storage memory --defaults")), b"");
        if lines.next_within(Duration::from_millis(300)).is_some() {
            break;
        }
    }
    while lines.next_within(Duration::from_millis(500)).is_some() {}
    for command in EVENTFUL {
        let outcome = outcome(command, &cli.run(&words(command), b""));
        told.push((outcome.0, outcome.1, String::new()));
    }
    let mut heard = Vec::new();
    while let Some(line) = lines.next_within(Duration::from_secs(1)) {
        heard.push(normalise(&line));
    }
    assert!(!heard.is_empty(), "nothing is told of streams and consumers");
    heard.sort_unstable();
    told.push(("events".to_owned(), None, heard.join("\n")));
    told
}

/// Starts the waiting command, and repeats the other until it gets through: nothing says when the first is ready.
fn answered_by(cli: &Cli, waiting: &str, other: &str) -> Vec<Outcome> {
    thread::scope(|scope| {
        let waiter = scope.spawn(|| cli.run(&words(waiting), b""));
        let deadline = Instant::now() + ANSWER_TIME_MAX;
        let mut last = cli.run(&words(other), b"");
        while !waiter.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
            let again = cli.run(&words(other), b"");
            // The waiting command has its answer, and is only not gone yet.
            if !nobody_answered(&again) {
                last = again;
            }
        }
        assert!(waiter.is_finished(), "{waiting}: nothing came");
        vec![outcome(waiting, &waiter.join().expect("the waiting command")), outcome(other, &last)]
    })
}

fn nobody_answered(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).contains("No responders")
}

fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().map(|word| if word == "FILE" { FILE } else { word }).collect()
}

fn outcome(command: &str, output: &Output) -> Outcome {
    let text = normalise(&String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()));
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    (command.to_owned(), output.status.code(), lines.join("\n"))
}

fn difference(theirs: &Outcome, ours: &Outcome) -> String {
    let head = format!("nats {}: exit {:?}, with nats-server {:?}\n", ours.0, ours.1, theirs.1);
    head + &lines_missing(&theirs.2, &ours.2, "-") + &lines_missing(&ours.2, &theirs.2, "+")
}

/// The lines of `these` that `those` lack, or have fewer of.
fn lines_missing(these: &str, those: &str, sign: &str) -> String {
    let mut those: Vec<&str> = those.lines().collect();
    let mut missing = Vec::new();
    for line in these.lines() {
        match those.iter().position(|other| *other == line) {
            Some(at) => drop(those.swap_remove(at)),
            None => missing.push(line),
        }
    }
    let rest = missing.split_off(missing.len().min(LINES_SHOWN_MAX)).len();
    let more = if rest > 0 { format!("  {sign} and {rest} more lines\n") } else { String::new() };
    missing.iter().map(|line| format!("  {sign} {line}\n")).collect::<String>() + &more
}

const TRACES: &[&str] = &[
    "trace nobody.there",
    "trace $JS.API.INFO",
    "stream add TRACED --subjects traced.> --storage memory --defaults",
    "trace traced.a hello -H Color:blue",
    "trace traced.a hello -H Nats-Expected-Last-Sequence:99",
    "stream state TRACED",
    "trace traced.a hello --deliver",
    "stream get TRACED 1",
    "stream state TRACED",
    "trace bad..subject",
];

const STREAMS: &[&str] = &[
    "account info",
    "stream ls",
    "stream info ORDERS",
    "stream add ORDERS --subjects orders.* --storage file --defaults",
    "stream add ORDERS --subjects orders.> --storage memory --defaults",
    "stream add OVERLAP --subjects orders.1 --storage file --defaults",
    "stream add WORK --subjects work.> --storage memory --retention work --max-msgs 10 --max-bytes 4096 --max-age 1h --max-msg-size 100 --discard new --dupe-window 30s --description jobs --defaults",
    "pub -J orders.1 one -H Nats-Msg-Id:1",
    "pub -J orders.1 one -H Nats-Msg-Id:1",
    "pub -J orders.2 two -H Color:blue",
    "pub -J orders.3 three --count 5",
    "pub -J nowhere lost",
    "pub -J orders.4 x -H Nats-Expected-Last-Sequence:99",
    "stream ls",
    "stream ls --names",
    "stream ls --json",
    "stream info ORDERS",
    "stream info ORDERS --json",
    "stream info WORK",
    "stream state ORDERS",
    "stream subjects ORDERS --json",
    "stream report",
    "stream find --subject orders.1",
    "stream get ORDERS 2",
    "stream get ORDERS --last-for orders.3",
    "stream get ORDERS 99",
    "stream rmm ORDERS 2 -f",
    "stream get ORDERS 2",
    "sub --stream ORDERS --all --wait 500ms",
    "sub orders.* --stream ORDERS --last-per-subject --wait 500ms",
    "sub orders.3 --direct --stream ORDERS --all --wait 500ms",
    "stream edit ORDERS --max-msgs 3 --force",
    "stream edit ORDERS --replicas 3 --force",
    "stream info ORDERS",
    "stream copy ORDERS COPY --subjects copied.*",
    "stream purge ORDERS --subject orders.3 --keep 1 -f",
    "stream purge ORDERS -f",
    "stream seal COPY -f",
    "pub -J copied.1 no",
    "stream rm WORK -f",
    "stream rm WORK -f",
    "account info",
];

const CONSUMERS: &[&str] = &[
    "stream add EVENTS --subjects events.> --storage file --defaults",
    "pub -J events.a one --count 4",
    "pub -J events.b two -H Kind:b --count 3",
    "consumer ls EVENTS",
    "consumer add EVENTS worker --pull --ack explicit --wait 5s --max-deliver 3 --max-pending 10 --deliver all --filter events.a --defaults",
    "consumer add EVENTS worker --pull --ack none --deliver all --defaults",
    "consumer add EVENTS last --pull --ack all --deliver last --description newest --replay original --defaults",
    "consumer add EVENTS pushed --target deliveries.here --deliver-group team --heartbeat 5s --flow-control --ack explicit --deliver new --defaults",
    "consumer ls EVENTS",
    "consumer ls EVENTS --names",
    "consumer info EVENTS worker",
    "consumer info EVENTS worker --json",
    "consumer info EVENTS pushed",
    "consumer info EVENTS missing",
    "consumer next EVENTS worker",
    "consumer next EVENTS worker --count 2 --raw",
    "consumer next EVENTS worker --nak",
    "consumer next EVENTS worker --term",
    "consumer info EVENTS worker",
    "consumer report EVENTS",
    "consumer edit EVENTS worker --max-pending 20 --force",
    "consumer pause EVENTS worker 1h -f",
    "consumer resume EVENTS worker -f",
    "consumer copy EVENTS worker second --description copied",
    "consumer rm EVENTS worker -f",
    "consumer rm EVENTS worker -f",
    "consumer ls EVENTS --names",
    "stream info EVENTS",
];

const KEY_VALUE: &[&str] = &[
    "kv ls",
    "kv add CONFIG --history 5 --ttl 1h --storage file --description settings",
    "kv add CONFIG --history 3",
    "kv put CONFIG color blue",
    "kv put CONFIG color red",
    "kv put CONFIG size 10",
    "kv create CONFIG color green",
    "kv create CONFIG shape round",
    "kv update CONFIG color green 2",
    "kv update CONFIG color grey 1",
    "kv get CONFIG color",
    "kv get CONFIG color --raw",
    "kv get CONFIG color --revision 1 --raw",
    "kv get CONFIG missing",
    "kv history CONFIG color",
    "kv ls",
    "kv ls CONFIG",
    "kv ls CONFIG --verbose --display-value",
    "kv revert CONFIG color 1 --force",
    "kv del CONFIG size -f",
    "kv get CONFIG size",
    "kv purge CONFIG shape -f",
    "kv history CONFIG size",
    "kv info CONFIG",
    "kv compact CONFIG -f",
    "kv ls CONFIG",
    "kv add SHORT --marker-ttl 10s",
    "kv put SHORT a b",
    "kv info SHORT",
    "kv del CONFIG -f",
    "kv info CONFIG",
];

const OBJECTS: &[&str] = &[
    "object ls",
    "object add FILES --description documents --storage file",
    "object put FILES FILE --name setup --no-progress -f",
    "object put FILES FILE --name again --description twice -H Color:blue --no-progress -f",
    "object ls",
    "object ls FILES",
    "object info FILES",
    "object info FILES setup",
    "object get FILES setup --output /dev/null --no-progress -f",
    "object get FILES missing --output /dev/null --no-progress -f",
    "object rm FILES setup -f",
    "object ls FILES",
    "object info FILES setup",
    "object seal FILES -f",
    "object put FILES FILE --name late --no-progress -f",
    "object rm FILES -f",
    "object ls",
];

const REPORTS: &[&str] = &[
    "stream add ORDERS --subjects orders.* --storage file --allow-direct --defaults",
    "stream add COUNTS --subjects counts.* --storage memory --allow-counter --defaults",
    "pub -J orders.1 one --count 6",
    "pub -J orders.2 two --count 3",
    "pub -J counts.a x -H Nats-Incr:+3",
    "pub -J counts.a x -H Nats-Incr:-1",
    "pub -J counts.a x -H Nats-Incr:many",
    "stream get COUNTS --last-for counts.a",
    "stream rmm ORDERS 2 -f",
    "stream rmm ORDERS 3 -f",
    "stream state ORDERS",
    "stream state ORDERS --json",
    "stream subjects ORDERS",
    "stream subjects ORDERS --sort --names",
    "stream gaps ORDERS --no-progress",
    "stream gaps ORDERS --no-progress --json",
    "stream view ORDERS 3",
    "stream view ORDERS 3 --id 4 --raw",
    "stream find --empty",
    "stream find --idle 1h",
    "stream find --names --subject orders.1",
    "consumer add ORDERS worker --pull --ack explicit --deliver all --defaults",
    "consumer next ORDERS worker --count 2 --raw --no-ack",
    "consumer state ORDERS worker",
    "consumer find ORDERS --ack-pending 1",
    "consumer report ORDERS",
    "consumer report ORDERS --raw",
    "stream report",
    "stream report --json",
    "stream backup ORDERS target/tmp/cli-parity-backup --no-progress",
    "stream rm ORDERS -f",
    "stream restore target/tmp/cli-parity-backup --no-progress",
    "stream state ORDERS",
    "consumer info ORDERS worker",
];

const SCHEMAS_AND_ACCOUNTS: &[&str] = &[
    "schema search stream",
    "schema info io.nats.jetstream.api.v1.stream_create_request",
    "schema request $JS.API.INFO",
    "schema request $JS.API.STREAM.NAMES",
    "stream add ONE --subjects one.> --storage file --defaults",
    "schema request $JS.API.STREAM.INFO.ONE",
    "schema request $JS.API.STREAM.INFO.TWO",
    "pub -J one.a x",
    "account info",
    "account report connections --account APP --user sys --password sys",
    "account tls",
];

const EVENTFUL: &[&str] = &[
    "stream add ORDERS --subjects orders.* --storage file --defaults",
    "stream edit ORDERS --max-msgs 3 --force",
    "consumer add ORDERS worker --pull --ack explicit --deliver all --max-deliver 1 --defaults",
    "pub -J orders.1 one",
    "consumer next ORDERS worker --term",
    "consumer pause ORDERS worker 1h -f",
    "consumer resume ORDERS worker -f",
    "consumer rm ORDERS worker -f",
    "stream rm ORDERS -f",
];

const CHECKS: &[&str] = &[
    "rtt",
    "server check connection",
    "server check jetstream",
    "server check stream --stream S1",
    "stream add S1 --subjects s1.> --storage file --defaults",
    "pub -J s1.a x",
    "kv add BUCKET",
    "kv put BUCKET key value",
    "server check stream --stream S1",
    "server check stream --stream S1 --msgs-warn 10 --msgs-critical 5",
    "server check message --stream S1 --subject s1.a",
    "server check kv --bucket BUCKET --key key",
    "server check kv --bucket BUCKET --key other",
    "consumer add S1 c1 --pull --ack explicit --deliver all --defaults",
    "server check consumer --stream S1 --consumer c1",
    "server check jetstream --format json",
    "server ping 1 --user sys --password sys",
    "server info --user sys --password sys",
    "server report jetstream --user sys --password sys",
    "server check server --name edge --user sys --password sys",
];

const BENCHMARKS: &[&str] = &[
    "bench pub bench.core --msgs 2000 --size 64 --no-progress",
    "bench pub bench.core --msgs 2000 --size 64 --clients 2 --multisubject --no-progress",
    "bench js pub sync bench.js --create --stream BENCH --storage file --msgs 200 --size 64 --no-progress --purge",
    "bench js pub async bench.js --stream BENCH --msgs 2000 --size 64 --batch 100 --no-progress",
    "bench js pub batch bench.js --stream BENCH --msgs 1000 --size 64 --batch 100 --no-progress",
    "bench js ordered --stream BENCH --msgs 2000 --no-progress",
    "bench js consume --stream BENCH --consumer bench --msgs 2000 --acks explicit --no-progress",
    "bench js fetch --stream BENCH --consumer fetcher --msgs 1000 --batch 100 --no-progress",
    "bench kv put --bucket BENCHKV --msgs 200 --size 16 --no-progress",
    "bench kv get --bucket BENCHKV --msgs 200 --no-progress",
    "stream ls --all --names",
];
