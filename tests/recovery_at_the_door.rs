//! A broker that is still reading its store lets clients in: core traffic flows, streams answer 503 until they are there, each
//! as soon as it is.

mod kit;
mod store_support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::jetstream::JetStream;
use headwater::monitor::JetStreamMonitor;
use headwater::server::Options;
use kit::jetstream::{Client, UNAVAILABLE, claim_on};
use kit::{Broker, MODERN};
use store_support::slow::Brake;
use store_support::wrapped::WrappedDisk;

const PATIENCE: Duration = Duration::from_secs(20);

/// A broker with JetStream that has not read its store yet.
fn claimed(dir: &Path, brake: &Arc<Brake>) -> (Broker, Arc<JetStream>) {
    let broker = Broker::start(Options::default());
    let jetstream = claim_on(&broker, dir, "", |dir| Arc::new(WrappedDisk::new(dir, brake)));
    (broker, jetstream)
}

fn client(broker: &Broker) -> Client {
    Client::over(broker.client(MODERN))
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::yield_now();
    }
}

fn store_with_headers(client: &mut Client) {
    let headers = "NATS/1.0\r\nA: b\r\n\r\n";
    let (body, len) = ("x".repeat(5_000), headers.len());
    client.peer.send(&format!("HPUB large inbox.stored {len} {}\r\n{headers}{body}\r\n", len + body.len()));
    assert!(client.answer().contains("\"seq\""));
}

/// A store with a stream of one message, and one of many whose headers are all read at a start.
fn filled(dir: &Path) {
    let (mut broker, jetstream) = claimed(dir, &Brake::released());
    jetstream.recover().unwrap();
    let mut client = client(&broker);
    client.api("STREAM.CREATE.SMALL", r#"{"name":"SMALL","subjects":["small"],"allow_direct":true}"#);
    client.api("STREAM.CREATE.LARGE", r#"{"name":"LARGE","subjects":["large"],"allow_msg_ttl":true}"#);
    client.stored("small", "one");
    (0..300).for_each(|_| store_with_headers(&mut client));
    assert_eq!(client.messages("LARGE"), 300);
    broker.shutdown();
}

#[test]
fn before_the_store_is_read_core_traffic_flows_and_requests_are_answered_503() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let (broker, jetstream) = claimed(dir.path(), &Brake::released());
    let mut client = client(&broker);
    client.peer.send("PUB inbox.core 2\r\nhi\r\n");
    assert_eq!(client.answer(), "hi");
    for request in ["INFO", "STREAM.NAMES", "STREAM.INFO.SMALL", "STREAM.CREATE.NEW"] {
        assert_eq!(client.error(&format!("$JS.API.{request}"), ""), UNAVAILABLE, "{request}");
    }
    assert_eq!(JetStreamMonitor::store(&*jetstream).unwrap().state, "recovering");
    assert_eq!(jetstream.problems()[0].error, "JetStream is still recovering its streams");
    jetstream.recover().unwrap();
    assert_eq!(client.messages("SMALL"), 1);
    assert_eq!(client.stored("small", "two"), 2);
    assert_eq!(client.messages("LARGE"), 300);
    assert!(jetstream.problems().is_empty());
}

#[test]
fn a_stream_that_is_ready_serves_while_another_is_recovered_and_that_one_answers_503() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let brake = Brake::released();
    let (broker, jetstream) = claimed(dir.path(), &brake);
    let mut client = client(&broker);
    // The large stream is read message by message; the small one comes first.
    brake.hold_after_reads_of(5_000, 100);
    let recovery = std::thread::spawn({
        let jetstream = jetstream.clone();
        move || jetstream.recover()
    });
    wait_until("held", || brake.is_holding());
    assert_eq!(client.stored("small", "two"), 2);
    assert!(client.ask("$JS.API.DIRECT.GET.SMALL", r#"{"seq":1}"#).ends_with("one"));
    assert_eq!(client.error("large", "no"), UNAVAILABLE);
    assert_eq!(client.error("$JS.API.STREAM.INFO.LARGE", ""), UNAVAILABLE);
    let list = client.api("STREAM.LIST", "");
    assert_eq!(
        (&list["streams"][0]["config"]["name"], &list["missing"][0]),
        (&"SMALL".into(), &"LARGE".into())
    );
    assert_eq!(jetstream.problems()[0].stream, "LARGE");
    assert_eq!(jetstream.problems().len(), 1);
    brake.release();
    recovery.join().unwrap().unwrap();
    assert_eq!(client.stored("large", "yes"), 301);
    assert!(jetstream.problems().is_empty());
}
