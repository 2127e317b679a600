//! A disk that fails under a running broker: what was acknowledged stays, what was not is refused, and service resumes without
//! a restart.

mod kit;
mod store_support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use headwater::jetstream::JetStream;
use headwater::monitor::JetStreamMonitor;
use headwater::server::Options;
use kit::jetstream::{Client, NO_ROOM, UNAVAILABLE, claim_on};
use kit::{Broker, MODERN};
use serde_json::Value;
use store_support::disk::{Controls, faulty};
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker whose store is on a disk that fails when told to.
struct Rig {
    broker: Broker,
    jetstream: Arc<JetStream>,
    disk: Arc<Controls>,
    dir: TempDir,
}

impl Rig {
    fn start() -> Self {
        Self::start_on(tempfile::tempdir().unwrap(), 0)
    }

    /// On a directory of which reads of about so many bytes fail; 0 for none.
    fn start_on(dir: TempDir, unreadable: usize) -> Self {
        let broker = Broker::start(Options::default());
        let mut controls = None;
        let jetstream = claim_on(&broker, dir.path(), "", |dir| {
            let (disk, governs) = faulty(dir);
            controls = Some(governs);
            disk
        });
        let disk: Arc<Controls> = controls.unwrap();
        disk.unreadable.store(unreadable, Ordering::SeqCst);
        jetstream.recover().unwrap();
        Self { broker, jetstream, disk, dir }
    }

    fn client(&self) -> Client {
        Client::over(self.broker.client(MODERN))
    }

    fn writes_fail(&self, fail: bool) {
        self.disk.write_fails.store(fail, Ordering::SeqCst);
    }

    fn syncs_fail(&self, fail: bool) {
        self.disk.sync_fails.store(fail, Ordering::SeqCst);
    }

    fn state(&self) -> &'static str {
        JetStreamMonitor::store(&*self.jetstream).unwrap().state
    }

    fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < PATIENCE, "not in time: {what}");
            std::thread::yield_now();
        }
    }

    fn wait_until_healthy(&self) {
        self.wait_until("healthy", |rig| rig.state() == "ready" && rig.jetstream.problems().is_empty());
    }
}

const STREAM: &str = r#"{"name":"S","subjects":["s.>"],"allow_direct":true}"#;

#[test]
fn a_failed_write_is_answered_with_503_and_service_resumes_by_itself() {
    let rig = Rig::start();
    let mut client = rig.client();
    client.api("STREAM.CREATE.S", STREAM);
    assert_eq!(client.stored("s.a", "one"), 1);
    rig.writes_fail(true);
    assert_eq!(client.error("s.a", "two"), UNAVAILABLE);
    rig.wait_until("failed", |rig| rig.state() == "failed");
    assert_eq!(client.error("$JS.API.STREAM.INFO.S", ""), UNAVAILABLE);
    assert_eq!(client.error("$JS.API.STREAM.CREATE.T", r#"{"name":"T"}"#), UNAVAILABLE);
    assert_eq!(client.error("$JS.API.STREAM.DELETE.S", ""), UNAVAILABLE);
    assert_eq!(client.error("s.b", "three"), UNAVAILABLE);
    assert!(client.ask("$JS.API.DIRECT.GET.S.s.a", "").contains("503"));
    rig.wait_until("unhealthy", |rig| !rig.jetstream.problems().is_empty());
    rig.writes_fail(false);
    rig.wait_until_healthy();
    assert_eq!(client.messages("S"), 1);
    assert_eq!(client.stored("s.a", "four"), 2);
    assert!(client.ask("$JS.API.DIRECT.GET.S", r#"{"seq":1}"#).ends_with("one"));
    assert!(JetStreamMonitor::store(&*rig.jetstream).unwrap().stats.reopened >= 1);
}

#[test]
fn publishes_in_flight_when_a_sync_fails_are_all_answered_and_none_that_was_acknowledged_is_lost() {
    let rig = Rig::start();
    let mut client = rig.client();
    client.api("STREAM.CREATE.S", STREAM);
    let mut acked = Vec::new();
    for round in 0..5 {
        (0..50).for_each(|n| client.send("s.a", &format!("{round} {n}")));
        rig.syncs_fail(true);
        for n in 0..50 {
            let answer: Value = serde_json::from_str(&client.answer()).unwrap();
            if answer.get("error").is_none() {
                acked.push((answer["seq"].as_u64().unwrap(), format!("{round} {n}")));
            }
        }
        // If all were acknowledged before the disk failed, the next one notices.
        assert_eq!(client.error("s.a", "no"), UNAVAILABLE);
        rig.syncs_fail(false);
        rig.wait_until_healthy();
    }
    let last = client.stored("s.a", "yes");
    assert!(acked.iter().all(|(seq, _)| *seq < last));
    for (seq, body) in &acked {
        let answer = client.ask("$JS.API.DIRECT.GET.S", &format!("{{\"seq\":{seq}}}"));
        assert!(answer.ends_with(body), "{seq} is not {body:?} but {answer:?}");
    }
}

#[test]
fn what_had_not_been_promised_when_the_disk_failed_is_not_there_and_what_was_is() {
    let rig = Rig::start();
    let mut client = rig.client();
    client.api("STREAM.CREATE.S", STREAM);
    client.api("STREAM.CREATE.D", r#"{"name":"D","subjects":["d"]}"#);
    client.api("CONSUMER.CREATE.S.keep", &durable("keep", ""));
    client.stored("d", "here");
    rig.writes_fail(true);
    assert_eq!(client.error("$JS.API.STREAM.DELETE.D", ""), UNAVAILABLE);
    rig.wait_until("failed", |rig| rig.state() == "failed");
    rig.writes_fail(false);
    rig.wait_until_healthy();
    assert_eq!(client.messages("D"), 1);
    assert_eq!(client.stored("d", "again"), 2);
    for (subject, body) in [
        ("CONSUMER.DELETE.S.keep", String::new()),
        ("CONSUMER.CREATE.S.keep", durable("keep", r#","description":"other""#)),
        ("CONSUMER.PAUSE.S.keep", r#"{"pause_until":"2099-01-01T00:00:00Z"}"#.to_owned()),
        ("CONSUMER.CREATE.S.new", durable("new", "")),
        ("STREAM.UPDATE.S", STREAM.replace("s.>", "t.>")),
        ("STREAM.CREATE.E", r#"{"name":"E"}"#.to_owned()),
    ] {
        let before = client.api("CONSUMER.INFO.S.keep", "")["config"].clone();
        rig.writes_fail(true);
        assert_eq!(client.error(&format!("$JS.API.{subject}"), &body), UNAVAILABLE, "{subject}");
        rig.wait_until("failed", |rig| rig.state() == "failed");
        rig.writes_fail(false);
        rig.wait_until_healthy();
        assert_eq!(client.api("CONSUMER.INFO.S.keep", "")["config"], before, "{subject}");
        assert_eq!(client.api("STREAM.INFO.S", "")["config"]["subjects"][0], "s.>");
        assert_eq!(client.error("$JS.API.CONSUMER.INFO.S.new", ""), (404, 10014));
        assert_eq!(client.error("$JS.API.STREAM.INFO.E", ""), (404, 10059));
    }
}

fn durable(name: &str, more: &str) -> String {
    format!(
        r#"{{"stream_name":"S","config":{{"durable_name":"{name}","name":"{name}","ack_policy":"explicit"{more}}}}}"#
    )
}

#[test]
fn consumers_go_on_where_they_were_and_those_who_wait_are_told_to_ask_again() {
    let rig = Rig::start();
    let mut client = rig.client();
    client.api("STREAM.CREATE.S", STREAM);
    client.api("CONSUMER.CREATE.S.c", &durable("c", ""));
    client.api("CONSUMER.CREATE.S.m", &durable("m", r#","mem_storage":true"#));
    client.stored("s.a", "one");
    client.stored("s.a", "two");
    for consumer in ["c", "m"] {
        client.send(&format!("$JS.API.CONSUMER.MSG.NEXT.S.{consumer}"), "1");
        let ack_to = client.delivery("one");
        assert_eq!(client.ask(&ack_to, "+ACK"), "");
    }
    client.api("CONSUMER.CREATE.S.w", &durable("w", r#","filter_subject":"s.none""#));
    client.send("$JS.API.CONSUMER.MSG.NEXT.S.w", r#"{"batch":1,"expires":60000000000}"#);
    rig.writes_fail(true);
    client.peer.fence();
    client.send("s.a", "three");
    let mut answers = [client.answer(), client.answer()];
    answers.sort();
    assert_eq!(answers[0], "NATS/1.0 409 Leadership Change\r\n\r\n");
    assert!(answers[1].contains("10008"), "{answers:?}");
    rig.writes_fail(false);
    rig.wait_until_healthy();
    for consumer in ["c", "m"] {
        client.send(&format!("$JS.API.CONSUMER.MSG.NEXT.S.{consumer}"), "1");
        client.delivery("two");
        let info = client.api(&format!("CONSUMER.INFO.S.{consumer}"), "");
        assert_eq!(info["ack_floor"]["stream_seq"], 1, "{consumer}");
    }
}

#[test]
fn streams_in_memory_and_core_traffic_do_not_notice() {
    let rig = Rig::start();
    let mut client = rig.client();
    client.api("STREAM.CREATE.S", STREAM);
    client.api("STREAM.CREATE.M", r#"{"name":"M","subjects":["m"],"storage":"memory"}"#);
    assert_eq!(client.stored("m", "one"), 1);
    rig.writes_fail(true);
    assert_eq!(client.error("s.a", "no"), UNAVAILABLE);
    rig.wait_until("failed", |rig| rig.state() == "failed");
    assert_eq!(client.stored("m", "two"), 2);
    assert_eq!(client.messages("M"), 2);
    client.peer.send("PUB inbox.core 2\r\nhi\r\n");
    assert_eq!(client.answer(), "hi");
    rig.writes_fail(false);
    rig.wait_until_healthy();
    assert_eq!(client.stored("m", "three"), 3);
    client.api("STREAM.CREATE.T", r#"{"name":"T","subjects":["t"]}"#);
    client.stored("t", "one");
    client.api("STREAM.DELETE.M", "");
    assert_eq!(client.messages("T"), 1);
}

#[test]
fn a_full_disk_refuses_messages_reads_go_on_and_a_purge_makes_room() {
    let rig = Rig::start();
    let mut client = rig.client();
    client.api("STREAM.CREATE.S", STREAM);
    // What is short of space has the next segment in advance.
    rig.wait_until("ready", |rig| JetStreamMonitor::store(&*rig.jetstream).unwrap().stats.segments == 2);
    rig.disk.full.store(true, Ordering::SeqCst);
    let body = "x".repeat(900_000);
    let mut stored = 0;
    while client.json("s.a", &body).get("error").is_none() {
        stored += 1;
        assert!(stored < 100);
    }
    assert_eq!(client.error("s.a", &body), NO_ROOM);
    assert!(client.ask("$JS.API.DIRECT.GET.S", r#"{"seq":1}"#).ends_with(&body));
    assert_eq!(rig.state(), "ready");
    assert!(!rig.jetstream.problems().is_empty());
    assert_eq!(client.api("STREAM.PURGE.S", "")["purged"], stored);
    rig.wait_until("room", |rig| rig.jetstream.problems().is_empty());
    assert_eq!(client.stored("s.a", &body), stored + 1);
}

/// What a start reads of a stream besides the journal: messages with headers, of about so many bytes.
const BODY_BYTES: usize = 5_000;

#[test]
fn a_stream_that_cannot_be_read_at_the_start_is_served_as_soon_as_it_can_and_the_others_at_once() {
    let mut rig = Rig::start();
    let mut client = rig.client();
    client.api("STREAM.CREATE.S", STREAM);
    client.api("STREAM.CREATE.T", r#"{"name":"T","subjects":["t"],"allow_msg_ttl":true}"#);
    client.stored("s.a", "one");
    let (headers, body) = ("NATS/1.0\r\nA: b\r\n\r\n", "x".repeat(BODY_BYTES));
    let len = headers.len();
    client.peer.send(&format!("HPUB t inbox.stored {len} {}\r\n{headers}{body}\r\n", len + BODY_BYTES));
    assert!(client.answer().contains("\"seq\":1"));
    drop(client);
    rig.broker.shutdown();

    let rig = Rig::start_on(rig.dir, BODY_BYTES);
    let mut client = rig.client();
    assert_eq!(client.stored("s.a", "two"), 2);
    for _ in 0..2 {
        assert_eq!(client.error("t", "no"), UNAVAILABLE);
        assert_eq!(client.error("$JS.API.STREAM.INFO.T", ""), UNAVAILABLE);
        assert!(rig.jetstream.problems()[0].error.contains("the disk is broken"));
        assert!(!rig.jetstream.bring_up_rest());
    }
    rig.disk.unreadable.store(0, Ordering::SeqCst);
    rig.wait_until_healthy();
    assert_eq!(client.stored("t", "two"), 2);
    assert_eq!(client.messages("S"), 2);
    assert_eq!(JetStreamMonitor::store(&*rig.jetstream).unwrap().stats.reopened, 0);
}
