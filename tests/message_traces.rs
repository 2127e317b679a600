//! Whoever a publisher names is told what becomes of a message, in nats-server's words; every expected text was taken from
//! nats-server 2.15.1.

mod kit;
mod tenants_support;
mod trace_support;

use kit::users::login;
use kit::{Broker, Peer};
use nkeys::KeyPair;
use serde_json::{Value, json};
use tenants_support::{TestOperator, TestUser};
use trace_support::{Tracer, hpub, only_traced, traced};

const CONFIG: &str = r#"accounts {
    A {
        users: [
            { user: a, password: p }
            { user: r, password: p, permissions: { publish: { deny: ["secret"] }, subscribe: { deny: ["closed"] } } }
        ]
        msg_trace: { dest: trace.to }
        mappings: { "map.*": "mapped.$1", "drop": [{ destination: drop, weight: 0% }] }
        exports: [
            { stream: "st.>" }, { stream: "ts.>" }
            { service: "svc.yes", allow_trace: true }, { service: "svc.no" }
        ]
    }
    B {
        users: [{ user: b, password: p }]
        imports: [
            { stream: { account: A, subject: "st.>" }, prefix: pre }
            { stream: { account: A, subject: "ts.>" }, to: "loc.>", allow_trace: true }
            { service: { account: A, subject: svc.yes }, to: my.yes }
            { service: { account: A, subject: svc.no } }
        ]
    }
    S { users: [{ user: s, password: p }] }
}
system_account: S
"#;

/// The W3C header of a trace that somebody records.
const SAMPLED: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

fn named(broker: &Broker, user: &str, name: &str) -> Peer {
    let connect = login(user, "p").replacen('{', &format!("{{\"name\":\"{name}\","), 1);
    broker.client(&connect)
}

/// A tracer in account A, and a client there.
fn in_one_account() -> (Broker, Tracer, Peer) {
    let broker = Broker::configured(CONFIG);
    let tracer = Tracer::over(named(&broker, "a", "tracer"));
    let peer = named(&broker, "a", "pub");
    (broker, tracer, peer)
}

/// A delivery to a client of account A.
fn egress(name: &str, subscribed: &str) -> String {
    format!(r#"{{"type":"eg","name":"{name}","sub":"{subscribed}"}}"#)
}

fn ingress(subject: &str) -> String {
    format!(r#"{{"type":"in","name":"pub","acc":"A","subj":"{subject}"}}"#)
}

#[test]
fn a_trace_tells_who_published_and_who_got_it() {
    let (_broker, mut tracer, mut peer) = in_one_account();
    peer.send("SUB foo 1\r\nSUB foo q 2\r\n");
    peer.send(&hpub("foo", "Nats-Trace-Dest: trace.to\r\nX: 1\r\nA: z\r\nX:2\r\n", "hi"));
    let block = "NATS/1.0\r\nNats-Trace-Dest: trace.to\r\nX: 1\r\nA: z\r\nX:2\r\n\r\nhi\r\n";
    let sizes = format!("{} {}", block.len() - 4, block.len() - 2);
    peer.expect(&format!("HMSG foo 1 {sizes}\r\n{block}HMSG foo 2 {sizes}\r\n{block}"));
    assert_eq!(
        tracer.next(),
        concat!(
            r#"{"request":{"header":{"A":["z"],"Nats-Trace-Dest":["trace.to"],"X":["1","2"]},"msgsize":58},"#,
            r#""events":[{"type":"in","name":"pub","acc":"A","subj":"foo"},"#,
            r#"{"type":"eg","name":"pub","sub":"foo"},{"type":"eg","name":"pub","sub":"foo","queue":"q"}]}"#
        )
    );
}

#[test]
fn a_trace_names_connections_by_their_number() {
    let broker = Broker::configured(CONFIG);
    let mut tracer = Tracer::over(named(&broker, "a", "t"));
    let mut peer = broker.dial();
    let cid = peer.read_info()["client_id"].as_u64().unwrap();
    peer.send(&format!("CONNECT {}\r\nSUB > 1\r\n", login("a", "p")));
    peer.send(&only_traced("foo"));
    let trace: Value = serde_json::from_str(&tracer.raw()).unwrap();
    for (event, kind) in [(0, "in"), (1, "eg")] {
        let event = &trace["events"][event];
        assert_eq!((&event["type"], &event["cid"], &event["kind"]), (&kind.into(), &cid.into(), &0.into()));
        assert_eq!(event.get("name"), None);
    }
}

#[test]
fn a_message_that_is_only_traced_is_delivered_to_nobody() {
    let (_broker, mut tracer, mut peer) = in_one_account();
    peer.send("SUB foo.* 1\r\nUNSUB 1 1\r\n");
    for value in ["true", "1", "On"] {
        let only = format!("Nats-Trace-Dest: trace.to\r\nNats-Trace-Only: {value}\r\n");
        peer.send(&hpub("foo.a answer", &only, "hi"));
        assert_eq!(tracer.events(), format!("{},{}", ingress("foo.a"), egress("pub", "foo.*")));
    }
    // Nor does the subscription end by it.
    peer.send("PUB foo.a 2\r\nhi\r\n");
    peer.expect("MSG foo.a 1 2\r\nhi\r\n");
}

#[test]
fn a_request_that_nobody_hears_is_answered_so_while_it_is_traced() {
    let (_broker, mut tracer, mut peer) = in_one_account();
    peer.send("SUB answer 1\r\n");
    peer.send(&only_traced("nobody answer"));
    peer.expect("HMSG answer 1 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n");
    assert_eq!(tracer.events(), ingress("nobody"));
}

#[test]
fn a_mapping_is_told() {
    let (_broker, mut tracer, mut peer) = in_one_account();
    peer.send("SUB mapped.* 1\r\n");
    peer.send(&only_traced("map.x"));
    peer.send(&only_traced("drop"));
    assert_eq!(
        tracer.events(),
        format!(r#"{},{{"type":"sm","to":"mapped.x"}},{}"#, ingress("map.x"), egress("pub", "mapped.*"))
    );
    assert_eq!(tracer.events(), format!(r#"{},{{"type":"sm","to":""}}"#, ingress("drop")));
}

#[test]
fn a_refusal_is_told_to_the_publisher_and_the_trace() {
    let (broker, mut tracer, _) = in_one_account();
    let mut peer = named(&broker, "r", "pub");
    peer.send(&traced("secret"));
    peer.expect("-ERR 'Permissions Violation for Publish to \"secret\"'\r\n");
    peer.send(&traced("open $JS.ACK.x"));
    peer.expect("-ERR 'Permissions Violation for Publish with Reply of \"$JS.ACK.x\"'\r\n");
    let refused = |subject: &str, error: &str| {
        format!(r#"{{"type":"in","name":"pub","acc":"A","subj":"{subject}","error":"{error}"}}"#)
    };
    assert_eq!(tracer.events(), refused("secret", r#"Permissions Violation for Publish to \"secret\""#));
    assert_eq!(
        tracer.events(),
        refused("open", r#"Permissions Violation for Publish with Reply of \"$JS.ACK.x\""#)
    );
}

#[test]
fn a_message_that_is_too_large_is_told_before_the_connection_ends() {
    let (_broker, mut tracer, mut peer) = in_one_account();
    peer.send("HPUB foo 37 2000000\r\nNATS/1.0\r\nNats-Trace-Dest: trace.to\r\n\r\nhhhh");
    peer.expect("-ERR 'Maximum Payload Violation'\r\n");
    assert_eq!(
        tracer.next(),
        concat!(
            r#"{"request":{"header":{"Nats-Trace-Dest":["trace.to"]},"msgsize":2000000},"events":["#,
            r#"{"type":"in","name":"pub","acc":"A","subj":"foo","error":"maximum payload exceeded"}]}"#
        )
    );
}

#[test]
fn why_somebody_did_not_get_a_message_is_told() {
    let (broker, mut tracer, mut peer) = in_one_account();
    let quiet = login("r", "p").replacen('{', r#"{"name":"quiet","echo":false,"#, 1);
    let mut quiet = broker.client(&quiet);
    quiet.send("SUB open 1\r\n");
    quiet.fence();
    quiet.send(&traced("open"));
    assert_eq!(
        tracer.events(),
        concat!(
            r#"{"type":"in","name":"quiet","acc":"A","subj":"open"},"#,
            r#"{"type":"eg","name":"quiet","sub":"open","error":"Not delivered because of no echo"}"#
        )
    );
    quiet.send("SUB * 2\r\n");
    quiet.fence();
    peer.send(&traced("closed"));
    let denied = r#"{"type":"eg","name":"quiet","sub":"*","error":"Not delivered because subscription denies this subject"}"#;
    assert_eq!(tracer.events(), format!("{},{denied}", ingress("closed")));
    quiet.fence();
}

#[test]
fn a_destination_that_may_not_be_published_to_stops_the_message() {
    let (broker, mut tracer, mut peer) = in_one_account();
    peer.send("SUB open 1\r\n");
    peer.fence();
    let mut restricted = named(&broker, "r", "r");
    restricted.send(&hpub("open", "Nats-Trace-Dest: secret\r\n", "hi"));
    restricted.expect("-ERR 'Permissions Violation for Publish to \"secret\"'\r\n");
    restricted.fence();
    peer.fence();
    tracer.0.fence();
}

#[test]
fn a_destination_that_is_no_subject_traces_nothing() {
    let (_broker, mut tracer, mut peer) = in_one_account();
    peer.send("SUB foo 1\r\n");
    peer.send(&hpub("foo", "Nats-Trace-Dest: a..b\r\nNats-Trace-Only: true\r\n", "hi"));
    peer.fence();
    peer.send(&hpub("foo", "Nats-Trace-Dest: a.*\r\n", "hi"));
    peer.expect("HMSG foo 1 34 36\r\nNATS/1.0\r\nNats-Trace-Dest: a.*\r\n\r\nhi\r\n");
    tracer.0.fence();
}

#[test]
fn a_disabled_trace_is_none_and_hinders_nothing() {
    let (_broker, mut tracer, mut peer) = in_one_account();
    peer.send("SUB foo 1\r\n");
    let headers = format!("{SAMPLED}Nats-Trace-Dest: trace disabled\r\nNats-Trace-Only: true\r\n");
    peer.send(&hpub("foo", &headers, "hi"));
    let block = format!("NATS/1.0\r\n{headers}\r\nhi\r\n");
    peer.expect(&format!("HMSG foo 1 {} {}\r\n{block}", block.len() - 4, block.len() - 2));
    peer.send(&hpub("foo", "Nats-Trace-Origin-Account: x\r\nNats-Trace-Dest: trace.to\r\n", "hi"));
    peer.expect(concat!(
        "HMSG foo 1 75 77\r\nNATS/1.0\r\nNats-Trace-Origin-Account: x\r\n",
        "Nats-Trace-Dest: trace disabled\r\n\r\nhi\r\n"
    ));
    tracer.0.fence();
}

#[test]
fn a_recorded_w3c_trace_is_traced_where_the_account_says_so() {
    let (broker, mut tracer, mut peer) = in_one_account();
    peer.send("SUB foo 1\r\n");
    peer.send(&hpub("foo", &format!("{SAMPLED}Nats-Trace-Only: true\r\n"), "hi"));
    assert!(peer.line().starts_with("HMSG foo 1 "), "delivered: only Nats-Trace-Dest makes it a mere trace");
    assert_eq!(tracer.events(), format!("{},{}", ingress("foo"), egress("pub", "foo")));
    peer.send(&hpub("bar", &SAMPLED.replace("-01\r", "-00\r"), "hi"));
    let mut other = Tracer::over(named(&broker, "b", "b"));
    other.0.send(&hpub("bar", SAMPLED, "hi"));
    other.0.fence();
    tracer.0.fence();
}

#[test]
fn what_the_account_says_can_change() {
    let (broker, mut tracer, mut peer) = in_one_account();
    broker.reconfigure(CONFIG, &CONFIG.replace("msg_trace: { dest: trace.to }", ""));
    peer.send(&hpub("foo", SAMPLED, "hi"));
    peer.fence();
    tracer.0.fence();
}

#[test]
fn an_account_token_says_what_is_traced() {
    for (trace, is_traced) in [
        (json!({ "dest": "trace.to", "sampling": 100 }), true),
        (json!({ "dest": "trace.to" }), true),
        (json!({ "dest": "trace.*", "sampling": 100 }), false),
    ] {
        let (operator, account) = (TestOperator::new(), KeyPair::new_account());
        let token = operator.account(&account, json!({ "trace": trace }));
        let broker = Broker::configured(&operator.memory(&[&token]));
        let mut peer = broker.dial();
        let nonce = peer.read_info()["nonce"].as_str().unwrap().to_owned();
        peer.send(&TestUser::of(&account, json!({})).connect(&nonce));
        let mut tracer = Tracer::over(peer);
        tracer.0.send(&hpub("foo", SAMPLED, "hi"));
        if is_traced {
            let ingress = json!({ "type": "in", "acc": account.public_key(), "subj": "foo" });
            assert_eq!(serde_json::from_str::<Value>(&tracer.events()).unwrap(), ingress);
        }
        tracer.0.fence();
    }
}

#[test]
fn a_trace_follows_a_stream_into_an_account_that_lets_it() {
    let (broker, mut tracer, mut peer) = in_one_account();
    let mut b = named(&broker, "b", "bee");
    b.send("SUB pre.st.* 1\r\nSUB loc.* 2\r\nSUB loc.> q 3\r\n");
    b.fence();
    let exported = r#"{"type":"se","acc":"B","to":"loc.1"}"#;
    let followed = format!(
        r#"{},{exported},{{"type":"eg","name":"bee","acc":"B","sub":"ts.*"}},{exported},{{"type":"eg","name":"bee","acc":"B","sub":"ts.\u003e","queue":"q"}}"#,
        ingress("ts.1")
    );
    let hidden = format!(r#"{},{{"type":"se","acc":"B","to":"pre.st.1"}}"#, ingress("st.1"));
    peer.send(&only_traced("ts.1"));
    peer.send(&only_traced("st.1"));
    assert_eq!((tracer.events(), tracer.events()), (followed.clone(), hidden.clone()));
    b.fence();
    peer.send(&traced("ts.1"));
    peer.send(&traced("st.1"));
    assert_eq!((tracer.events(), tracer.events()), (followed, hidden));
    let message = "39 41\r\nNATS/1.0\r\nNats-Trace-Dest: trace.to\r\n\r\nhi\r\n";
    b.expect(&format!("HMSG loc.1 2 {message}HMSG loc.1 3 {message}HMSG pre.st.1 1 {message}"));
}

#[test]
fn a_trace_follows_a_request_into_an_account_that_lets_it() {
    let broker = Broker::configured(CONFIG);
    let mut tracer = Tracer::over(named(&broker, "b", "tracer"));
    let (mut asks, mut serves) = (named(&broker, "b", "pub"), named(&broker, "a", "serves"));
    serves.send("SUB svc.* 1\r\n");
    serves.fence();
    let ingress = |subject: &str| ingress(subject).replace(r#""A""#, r#""B""#);
    let into = |from: &str, to: &str| format!(r#"{{"type":"si","acc":"A","from":"{from}","to":"{to}"}}"#);
    let followed = format!(
        r#"{},{},{{"type":"eg","name":"serves","acc":"A","sub":"svc.*"}}"#,
        ingress("my.yes"),
        into("my.yes", "svc.yes")
    );
    let hidden = format!("{},{}", ingress("svc.no"), into("svc.no", "svc.no"));
    asks.send(&only_traced("my.yes answer"));
    asks.send(&only_traced("svc.no answer"));
    assert_eq!((tracer.events(), tracer.events()), (followed.clone(), hidden.clone()));
    serves.fence();
    asks.send(&traced("my.yes answer"));
    asks.send(&traced("svc.no answer"));
    assert_eq!((tracer.events(), tracer.events()), (followed, hidden));
    for (subject, destination) in [("svc.yes", "_R_."), ("svc.no", "trace disabled")] {
        let line = serves.line();
        assert!(line.starts_with(&format!("HMSG {subject} 1 _R_.")), "{line}");
        let text = serves.take(line.rsplit(' ').next().unwrap().parse().unwrap());
        assert!(text.contains(&format!("\r\nNats-Trace-Dest: {destination}")), "{text}");
        assert!(!text.contains("trace.to"), "{text}");
    }
    assert_eq!(broker.server().account("A").answers_owed(), 2, "of mere traces no answer is awaited");
}

#[test]
fn a_request_to_the_server_is_traced_as_one_to_the_system_account() {
    let (_broker, mut tracer, mut peer) = in_one_account();
    peer.send("SUB answer 1\r\n");
    peer.send(&only_traced("$SYS.REQ.USER.INFO answer"));
    peer.expect("HMSG answer 1 50 50\r\nNATS/1.0 503\r\nNats-Subject: $SYS.REQ.USER.INFO\r\n\r\n\r\n");
    let hop = r#"{"type":"si","acc":"S","from":"$SYS.REQ.USER.INFO","to":"$SYS.REQ.USER.A.INFO"}"#;
    let told = format!("{},{hop}", ingress("$SYS.REQ.USER.INFO"));
    assert_eq!(tracer.events(), told);
    peer.send(&traced("$SYS.REQ.USER.INFO answer"));
    assert!(peer.line().starts_with("MSG answer 1 "));
    assert_eq!(tracer.events(), told);
}

#[test]
fn a_trace_is_compressed_for_whoever_asks() {
    let (_broker, mut tracer, mut peer) = in_one_account();
    let mut sent = |encoding: &str| {
        peer.send(&hpub(
            "foo",
            &format!("Nats-Trace-Dest: trace.to\r\nAccept-Encoding: {encoding}\r\n"),
            "hi",
        ));
        let line = tracer.0.line();
        let sizes: Vec<usize> = line.split(' ').skip(3).map(|size| size.parse().unwrap()).collect();
        let content = tracer.0.take_bytes(sizes[1]);
        (String::from_utf8(content[..sizes[0]].to_vec()).unwrap(), content[sizes[0]..].to_vec())
    };
    let (headers, body) = sent("br");
    assert_eq!(headers, "NATS/1.0\r\nContent-Encoding: identity\r\n\r\n");
    assert!(body.starts_with(b"{\"server\":"));
    let (headers, body) = sent("gzip, deflate");
    assert_eq!(headers, "NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n");
    let json = miniz_oxide::inflate::decompress_to_vec(&body[10..body.len() - 8]).unwrap();
    assert!(json.starts_with(b"{\"server\":"));
    assert_eq!(body[body.len() - 8..body.len() - 4], crc32fast::hash(&json).to_le_bytes());
    let (headers, body) = sent("Snappy");
    assert_eq!(headers, "NATS/1.0\r\nContent-Encoding: snappy\r\n\r\n");
    assert!(body.starts_with(b"\xff\x06\x00\x00sNaPpY"));
}
