//! Streams of one account, used from another by way of exports and imports.

mod kit;

use headwater::broker::Broker;
use kit::users::login;
use kit::{Peer, configuration};

struct Served {
    runtime: tokio::runtime::Runtime,
    broker: Option<Broker>,
    _dir: tempfile::TempDir,
}

impl Served {
    fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = configuration(&format!("jetstream {{ store_dir: {:?} }}\n{config}", dir.path()));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let broker = runtime.block_on(Broker::start(&config)).unwrap();
        Self { runtime, broker: Some(broker), _dir: dir }
    }

    fn client(&self, user: &str) -> Peer {
        let mut peer = Peer::dial(self.broker.as_ref().unwrap().client_addr());
        peer.read_info();
        peer.send(&format!("CONNECT {}\r\n", login(user, "p")));
        peer.fence();
        peer
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.shutdown());
        }
    }
}

const ACCOUNTS: &str = r#"accounts {
    E {
        jetstream: enabled
        users: [{user: e, password: p}]
        exports: [{service: "$JS.API.>", response_type: stream}, {service: "$JS.ACK.>"}, {stream: "dlv.>"}]
    }
    I {
        users: [{user: i, password: p}]
        imports: [
            {service: {account: E, subject: "$JS.API.>"}, to: "JSE.API.>"}
            {service: {account: E, subject: "$JS.ACK.>"}}
            {stream: {account: E, subject: "dlv.>"}}
        ]
    }
    K {
        users: [{user: k, password: p}]
        imports: [{service: {account: E, subject: "$JS.API.>"}}]
    }
}
"#;

/// Sends a request and reads the answer: its control line and its content.
fn ask(peer: &mut Peer, subject: &str, body: &str) -> (String, String) {
    peer.send(&format!("PUB {subject} in.1 {}\r\n{body}\r\n", body.len()));
    let line = peer.line();
    let bytes = line.rsplit(' ').next().unwrap().parse().unwrap();
    let content = peer.take(bytes);
    (line, content)
}

#[test]
fn a_stream_is_made_and_consumed_from_another_account() {
    let served = Served::start(ACCOUNTS);
    let (mut e, mut i) = (served.client("e"), served.client("i"));
    i.send("SUB in.* 1\r\n");
    let (_, created) =
        ask(&mut i, "JSE.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["o.>"],"storage":"memory"}"#);
    assert!(created.contains(r#""did_create":true"#), "{created}");
    e.send("PUB o.1 2\r\nm1\r\n");
    e.fence();
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit"}}"#;
    let (_, made) = ask(&mut i, "JSE.API.CONSUMER.CREATE.S.C", consumer);
    assert!(made.contains(r#""name":"C""#), "{made}");
    let (line, content) = ask(&mut i, "JSE.API.CONSUMER.MSG.NEXT.S.C", "");
    assert!(line.starts_with("MSG o.1 1 $JS.ACK.S.C.1.1.1."), "{line}");
    assert_eq!(content, "m1");
    let ack = line.split(' ').nth(3).unwrap().to_owned();
    let (line, content) = ask(&mut i, &ack, "+ACK");
    assert!(line.starts_with("MSG in.1 1 0") && content.is_empty(), "{line}");
}

#[test]
fn a_push_consumer_delivers_into_an_imported_stream() {
    let served = Served::start(ACCOUNTS);
    let (mut e, mut i) = (served.client("e"), served.client("i"));
    i.send("SUB in.* 1\r\nSUB dlv.x 2\r\n");
    ask(&mut i, "JSE.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["o.>"],"storage":"memory"}"#);
    let consumer =
        r#"{"stream_name":"S","config":{"name":"P","deliver_subject":"dlv.x","ack_policy":"none"}}"#;
    ask(&mut i, "JSE.API.CONSUMER.CREATE.S.P", consumer);
    e.send("PUB o.1 2\r\nm1\r\n");
    let line = i.line();
    assert!(line.starts_with("MSG o.1 2 "), "{line}");
    assert_eq!(i.take(2), "m1");
}

#[test]
fn an_account_without_streams_can_take_the_api_of_another_for_its_own() {
    let served = Served::start(ACCOUNTS);
    let mut k = served.client("k");
    k.send("SUB in.* 1\r\n");
    let (_, info) = ask(&mut k, "$JS.API.STREAM.NAMES", "");
    assert!(info.contains(r#""total":0"#), "{info}");
    k.fence();
}
