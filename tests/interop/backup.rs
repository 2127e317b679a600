//! Promise: `nats stream backup` and `restore` move a stream between nats-server and us, in either direction.

use std::process::Output;

use serde_json::{Value, json};

use crate::broker::Broker;
use crate::nats_cli_client::Cli;
use crate::provision;

const CONFIG: &str = "jetstream { max_memory_store: 64MB, max_file_store: 1GB }";

#[test]
fn a_stream_moves_from_nats_server_to_us() {
    moves(&Broker::start(&provision::nats_server(), CONFIG), &Broker::under_test_with(CONFIG));
}

#[test]
fn a_stream_moves_from_us_to_nats_server() {
    moves(&Broker::under_test_with(CONFIG), &Broker::start(&provision::nats_server(), CONFIG));
}

fn moves(from: &Broker, to: &Broker) {
    let (from, to) = (Cli { url: from.url() }, Cli { url: to.url() });
    fill(&from);
    let folder = tempfile::tempdir().expect("a folder for the backup");
    let backup = folder.path().join("backup").display().to_string();
    run(&from, &["stream", "backup", "MOVE", &backup, "--consumers"]);
    run(&to, &["stream", "restore", &backup]);
    assert_eq!(picture(&from), picture(&to));
}

fn fill(cli: &Cli) {
    run(cli, &["stream", "add", "MOVE", "--subjects", "move.>", "--defaults"]);
    run(cli, &["pub", "move.{{Count}}", "body {{Count}}", "--count", "300", "-H", "Number:{{Count}}"]);
    for seq in ["1", "50", "300"] {
        run(cli, &["stream", "rmm", "MOVE", seq, "--force"]);
    }
    run(
        cli,
        &["consumer", "add", "MOVE", "PULL", "--pull", "--ack", "explicit", "--wait", "1h", "--defaults"],
    );
    run(cli, &["consumer", "next", "MOVE", "PULL", "--count", "5", "--ack"]);
    run(cli, &["consumer", "next", "MOVE", "PULL", "--count", "3", "--no-ack"]);
}

fn run(cli: &Cli, arguments: &[&str]) -> Output {
    let output = cli.run(arguments, b"");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What the stream and its consumer hold, without what differs by itself: times of last use, and sizes on disk.
fn picture(cli: &Cli) -> Value {
    let read = |arguments: &[&str]| -> Value {
        serde_json::from_slice(&run(cli, arguments).stdout).expect("the CLI's JSON")
    };
    let stream = read(&["stream", "info", "MOVE", "--json"]);
    let consumer = read(&["consumer", "info", "MOVE", "PULL", "--json"]);
    let messages: Vec<Value> = [2, 51, 150, 299]
        .map(|seq: u32| read(&["stream", "get", "MOVE", &seq.to_string(), "--json"]))
        .to_vec();
    let state = ["messages", "first_seq", "first_ts", "last_seq", "num_deleted", "num_subjects"];
    let state = state.map(|key| stream["state"][key].clone());
    let position = |key: &str| json!([consumer[key]["consumer_seq"], consumer[key]["stream_seq"]]);
    json!({
        "state": state.to_vec(),
        "subjects": stream["config"]["subjects"],
        "delivered": position("delivered"),
        "ack_floor": position("ack_floor"),
        "pending": [&consumer["num_ack_pending"], &consumer["num_pending"], &consumer["num_redelivered"]],
        "messages": messages,
    })
}
