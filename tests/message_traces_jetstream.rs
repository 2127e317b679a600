//! Traces tell what a stream makes of a message, in nats-server's words; a message that is only traced is not stored.

mod kit;
mod trace_support;

use headwater::broker::Broker;
use kit::jetstream::Client;
use kit::{MODERN, Peer, configuration};
use trace_support::{Tracer, hpub};

struct Served {
    runtime: tokio::runtime::Runtime,
    broker: Option<Broker>,
    _dir: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = configuration(&format!("jetstream {{ store_dir: {:?} }}", dir.path()));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let broker = runtime.block_on(Broker::start(&config)).unwrap();
        Self { runtime, broker: Some(broker), _dir: dir }
    }

    fn peer(&self) -> Peer {
        let mut peer = Peer::dial(self.broker.as_ref().unwrap().client_addr());
        peer.read_info();
        peer.send(&format!("CONNECT {MODERN}\r\n"));
        peer.fence();
        peer
    }

    /// A tracer, and a client beside a stream of this configuration.
    fn with_stream(&self, config: &str) -> (Tracer, Client) {
        let mut client = Client::over(self.peer());
        let config = format!(r#"{{"name":"S",{config}}}"#);
        let created = client.json("$JS.API.STREAM.CREATE.S", &config);
        assert!(created.get("error").is_none(), "{created}");
        (Tracer::over(self.peer()), client)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.shutdown());
        }
    }
}

const TRACED: &str = "Nats-Trace-Dest: trace.to\r\n";
const ONLY: &str = "Nats-Trace-Dest: trace.to\r\nNats-Trace-Only: true\r\n";

/// Publishes with these headers, and returns what the trace says of the stream.
#[track_caller]
fn told(tracer: &mut Tracer, client: &mut Client, subject: &str, headers: &str) -> String {
    client.peer.send(&hpub(subject, headers, "hi"));
    let events = tracer.events();
    let (_, storing) = events.split_once("},").unwrap_or_else(|| panic!("{events}"));
    storing.strip_prefix(r#"{"type":"js","stream":"S","#).unwrap().strip_suffix('}').unwrap().to_owned()
}

fn messages(client: &mut Client) -> u64 {
    client.json("$JS.API.STREAM.INFO.S", "")["state"]["messages"].as_u64().unwrap()
}

#[test]
fn a_stored_message_is_told_under_its_subject_and_not_traced_again() {
    let served = Served::start();
    let (mut tracer, mut client) = served.with_stream(
        r#""subjects":["js.>"],"subject_transform":{"src":"js.t.*","dest":"js.u.{{wildcard(1)}}"}"#,
    );
    assert_eq!(told(&mut tracer, &mut client, "js.a inbox.ack", TRACED), r#""subject":"js.a""#);
    assert_eq!(client.answer(), r#"{"stream":"S","seq":1}"#);
    assert_eq!(told(&mut tracer, &mut client, "js.t.b", TRACED), r#""subject":"js.u.b""#);
    let stored = client.json("$JS.API.STREAM.MSG.GET.S", r#"{"seq":1}"#);
    // NATS/1.0, Nats-Trace-Dest: trace disabled
    assert_eq!(stored["message"]["hdrs"], "TkFUUy8xLjANCk5hdHMtVHJhY2UtRGVzdDogdHJhY2UgZGlzYWJsZWQNCg0K");
    assert_eq!(messages(&mut client), 2);
}

#[test]
fn a_message_that_is_only_traced_is_neither_stored_nor_acknowledged() {
    let served = Served::start();
    let (mut tracer, mut client) = served.with_stream(r#""subjects":["js.>"]"#);
    assert_eq!(told(&mut tracer, &mut client, "js.a inbox.ack", ONLY), r#""subject":"js.a""#);
    let with_id = format!("{ONLY}Nats-Msg-Id: 1\r\n");
    assert_eq!(told(&mut tracer, &mut client, "js.a inbox.ack", &with_id), r#""subject":"js.a""#);
    assert_eq!(told(&mut tracer, &mut client, "js.a inbox.ack", &with_id), r#""subject":"js.a""#);
    assert_eq!(messages(&mut client), 0);
}

#[test]
fn why_a_message_is_not_stored_is_told_whether_it_would_be_or_not() {
    let served = Served::start();
    let (mut tracer, mut client) = served.with_stream(r#""subjects":["js.>"],"max_msg_size":200"#);
    told(&mut tracer, &mut client, "js.a", &format!("{TRACED}Nats-Msg-Id: 1\r\n"));
    for headers in [TRACED, ONLY] {
        let mut error = |header: &str| {
            let told = told(&mut tracer, &mut client, "js.b", &format!("{headers}{header}\r\n"));
            told.strip_prefix(r#""error":"#).unwrap_or_else(|| panic!("{told}")).to_owned()
        };
        assert_eq!(error("Nats-Msg-Id: 1"), r#""msgid is duplicate""#);
        assert_eq!(error("Nats-Expected-Stream: T"), r#""expected stream does not match""#);
        assert_eq!(error("Nats-Expected-Last-Sequence: 7"), r#""last sequence mismatch: 7 vs 1""#);
        assert_eq!(
            error("Nats-Expected-Last-Subject-Sequence: 7"),
            r#""last sequence by subject mismatch: 7 vs 0""#
        );
        assert_eq!(error("Nats-Expected-Last-Msg-Id: x"), r#""last msgid mismatch: \"x\" vs \"1\"""#);
        assert_eq!(error("Nats-TTL: 1s"), r#""message TTL disabled""#);
        assert_eq!(error("Nats-Rollup: sub"), r#""rollup not permitted""#);
        assert_eq!(error("Nats-Batch-Id: b"), r#""atomic publish is disabled (10174)""#);
        assert_eq!(error("Nats-Incr: 1"), r#""message counters is disabled (10168)""#);
        assert_eq!(error(&format!("X: {}", "x".repeat(200))), r#""maximum payload exceeded""#);
    }
    assert_eq!(messages(&mut client), 1);
}

#[test]
fn a_publisher_is_told_why_its_mere_trace_would_fail() {
    let served = Served::start();
    let (mut tracer, mut client) = served.with_stream(r#""subjects":["js.>"]"#);
    let wrong = format!("{ONLY}Nats-Expected-Last-Sequence: 7\r\n");
    told(&mut tracer, &mut client, "js.a inbox.ack", &wrong);
    assert_eq!(
        client.answer(),
        r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 0"},"stream":"S","seq":0}"#
    );
}

#[test]
fn a_full_stream_is_told_by_the_message_it_refuses() {
    let served = Served::start();
    let (mut tracer, mut client) = served.with_stream(r#""subjects":["js.>"],"max_msgs":1,"discard":"new""#);
    told(&mut tracer, &mut client, "js.a", TRACED);
    assert_eq!(
        told(&mut tracer, &mut client, "js.b", TRACED),
        r#""subject":"js.b","error":"maximum messages exceeded""#
    );
    assert_eq!(told(&mut tracer, &mut client, "js.b", ONLY), r#""subject":"js.b""#);
}

#[test]
fn what_nobody_is_interested_in_is_told_so() {
    let served = Served::start();
    let (mut tracer, mut client) = served.with_stream(r#""subjects":["js.>"],"retention":"interest""#);
    for headers in [TRACED, ONLY] {
        assert_eq!(told(&mut tracer, &mut client, "js.a", headers), r#""subject":"js.a","nointerest":true"#);
    }
}

#[test]
fn a_mere_trace_of_an_api_request_changes_nothing() {
    let served = Served::start();
    let (mut tracer, mut client) = served.with_stream(r#""subjects":["js.>"]"#);
    client.peer.send(&hpub("$JS.API.STREAM.DELETE.S", ONLY, ""));
    assert_eq!(
        tracer.events(),
        concat!(
            r#"{"type":"in","acc":"$G","subj":"$JS.API.STREAM.DELETE.S"},"#,
            r#"{"type":"si","acc":"$SYS","from":"$JS.API.STREAM.DELETE.S","to":"$JS.API.STREAM.DELETE.S"}"#
        )
    );
    assert_eq!(messages(&mut client), 0);
}
