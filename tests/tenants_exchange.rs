//! What accounts let others use: streams and services cross from one account into another, and nothing else does.

mod kit;

use std::time::Duration;

use headwater::assemble::check_exchange;
use kit::users::login;
use kit::{Broker, Peer, configuration};

/// Accounts with one user each, named like them in small letters.
fn accounts(contents: &[(&str, &str)]) -> String {
    let account = |(name, content): &(&str, &str)| {
        let user = name.to_lowercase();
        format!("{name} {{ users: [{{user: {user}, password: p}}]\n{content} }}\n")
    };
    format!("accounts {{\n{}}}\n", contents.iter().map(account).collect::<String>())
}

fn broker(contents: &[(&str, &str)]) -> Broker {
    Broker::configured(&accounts(contents))
}

fn client(broker: &Broker, user: &str) -> Peer {
    broker.client(&login(user, "p"))
}

/// Reads a message that came through a service import: its control line without sizes, and the rest.
fn request(peer: &mut Peer) -> (String, String) {
    let line = peer.line();
    let mut words: Vec<&str> = line.split(' ').collect();
    let total: usize = words.pop().unwrap().parse().unwrap();
    words.pop();
    (words.join(" "), peer.take(total))
}

/// The reply subject in a control line.
fn reply(line: &str) -> String {
    line.rsplit(' ').next().unwrap().to_owned()
}

const STREAMS: [(&str, &str); 2] = [
    ("A", r#"exports: [{stream: "a.>"}, {stream: lit}]"#),
    (
        "B",
        r#"imports: [{stream: {account: A, subject: "a.>"}, prefix: pre}, {stream: {account: A, subject: lit}, to: mine}]"#,
    ),
];

#[test]
fn an_imported_stream_arrives_under_its_prefix_or_name() {
    let broker = broker(&STREAMS);
    let (mut a, mut b) = (client(&broker, "a"), client(&broker, "b"));
    b.send("SUB pre.a.b 1\r\nSUB mine 2\r\nSUB a.> 3\r\nSUB pre.*.c 4\r\n");
    b.fence();
    a.send("PUB a.b reply 2\r\nhi\r\nPUB lit 0\r\n\r\nPUB other 0\r\n\r\nPUB a.c 0\r\n\r\n");
    b.expect("MSG pre.a.b 1 reply 2\r\nhi\r\nMSG mine 2 0\r\n\r\nMSG pre.a.c 4 0\r\n\r\n");
    b.fence();
}

#[test]
fn what_the_importer_publishes_stays_with_it() {
    let broker = broker(&STREAMS);
    let (mut a, mut b) = (client(&broker, "a"), client(&broker, "b"));
    a.send("SUB > 1\r\n");
    a.fence();
    b.send("PUB pre.a.b 0\r\n\r\nPUB a.b 0\r\n\r\nPUB mine 0\r\n\r\n");
    b.fence();
    a.fence();
}

#[test]
fn wildcards_of_an_imported_stream_change_places() {
    let broker = broker(&[
        ("A", r#"exports: [{stream: "s.*.*"}]"#),
        ("B", r#"imports: [{stream: {account: A, subject: "s.*.*"}, to: "t.$2.$1"}]"#),
    ]);
    let (mut a, mut b) = (client(&broker, "a"), client(&broker, "b"));
    b.send("SUB t.1.2 1\r\nSUB *.1.3 2\r\n");
    b.fence();
    a.send("PUB s.2.1 0\r\n\r\nPUB s.1.2 0\r\n\r\nPUB s.3.1 0\r\n\r\n");
    b.expect("MSG t.1.2 1 0\r\n\r\nMSG t.1.3 2 0\r\n\r\n");
    b.fence();
}

#[test]
fn a_queue_group_shares_an_imported_stream() {
    let broker = broker(&STREAMS);
    let (mut a, mut b) = (client(&broker, "a"), client(&broker, "b"));
    b.send("SUB mine q 1\r\nSUB mine q 2\r\n");
    b.fence();
    a.send("PUB lit 0\r\n\r\n");
    assert!(b.line().starts_with("MSG mine "));
    b.expect("\r\n");
    b.fence();
}

#[test]
fn a_subscription_that_ends_by_itself_ends_for_imports_too() {
    let broker = broker(&STREAMS);
    let (mut a, mut b) = (client(&broker, "a"), client(&broker, "b"));
    b.send("SUB mine 1\r\nUNSUB 1 2\r\n");
    b.fence();
    a.send("PUB lit 0\r\n\r\nPUB lit 0\r\n\r\nPUB lit 0\r\n\r\n");
    b.expect("MSG mine 1 0\r\n\r\nMSG mine 1 0\r\n\r\n");
    b.fence();
    let count = |name: &str| broker.server().accounts().get(name).unwrap().subscription_count();
    // The broker's own subscriptions remain.
    assert_eq!(count("A"), count("B"));
}

#[test]
fn a_client_that_leaves_takes_its_shadows_along() {
    let broker = broker(&STREAMS);
    let before = broker.server().accounts().get("A").unwrap().subscription_count();
    let mut b = client(&broker, "b");
    b.send("SUB > 1\r\nSUB pre.> 2\r\n");
    b.fence();
    assert!(broker.server().accounts().get("A").unwrap().subscription_count() > before);
    b.close();
    broker.wait_until("shadows are gone", |server| {
        server.accounts().get("A").unwrap().subscription_count() == before
    });
}

const SERVICES: [(&str, &str); 2] = [
    (
        "E",
        r#"exports: [{service: "svc.*"}, {service: str, response_type: stream}, {service: quick, threshold: "20ms"}]"#,
    ),
    (
        "I",
        r#"imports: [{service: {account: E, subject: "svc.*"}}, {service: {account: E, subject: str}, to: my.str}
            {service: {account: E, subject: quick}}]"#,
    ),
];

#[test]
fn a_request_finds_the_service_and_its_answer_the_way_back() {
    let broker = broker(&SERVICES);
    let (mut e, mut i) = (client(&broker, "e"), client(&broker, "i"));
    e.send("SUB svc.> 1\r\n");
    e.fence();
    i.send("SUB inbox 9\r\nPUB svc.a inbox 1\r\nq\r\n");
    let (line, rest) = request(&mut e);
    assert!(line.starts_with("HMSG svc.a 1 _R_."), "{line}");
    assert!(
        rest.starts_with(r#"NATS/1.0"#) && rest.contains(r#"Nats-Request-Info: {"acc":"I","rtt":"#),
        "{rest}"
    );
    e.send(&format!("PUB {} 3\r\nyes\r\n", reply(&line)));
    i.expect("MSG inbox 9 3\r\nyes\r\n");
    e.send(&format!("PUB {} 3\r\nyes\r\n", reply(&line)));
    e.fence();
    i.fence();
    assert_eq!(broker.server().accounts().get("E").unwrap().answers_owed(), 0);
}

#[test]
fn what_a_client_says_about_itself_is_replaced() {
    let broker = broker(&SERVICES);
    let (mut e, mut i) = (client(&broker, "e"), client(&broker, "i"));
    e.send("SUB svc.a 1\r\n");
    e.fence();
    i.send("HPUB svc.a 55 55\r\nNATS/1.0\r\nNats-Request-Info: {\"acc\":\"X\"}\r\nA: bcdefg\r\n\r\n\r\n");
    let (_, rest) = request(&mut e);
    assert!(rest.starts_with("NATS/1.0\r\nA: bcdefg\r\nNats-Request-Info: {\"acc\":\"I\""), "{rest}");
}

#[test]
fn without_the_service_there_are_no_responders() {
    let broker = broker(&SERVICES);
    let mut i = client(&broker, "i");
    i.send("SUB inbox 9\r\nPUB svc.a inbox 1\r\nq\r\n");
    i.expect("HMSG inbox 9 37 37\r\nNATS/1.0 503\r\nNats-Subject: svc.a\r\n\r\n\r\n");
    assert_eq!(broker.server().accounts().get("E").unwrap().answers_owed(), 0);
}

#[test]
fn a_service_that_answers_in_a_stream_ends_it_with_nothing() {
    let broker = broker(&SERVICES);
    let (mut e, mut i) = (client(&broker, "e"), client(&broker, "i"));
    e.send("SUB str 1\r\n");
    e.fence();
    i.send("SUB inbox 9\r\nPUB my.str inbox 1\r\nq\r\n");
    let (line, _) = request(&mut e);
    let to = reply(&line);
    e.send(&format!("PUB {to} 1\r\n1\r\nPUB {to} 1\r\n2\r\nPUB {to} 0\r\n\r\nPUB {to} 1\r\n3\r\n"));
    i.expect("MSG inbox 9 1\r\n1\r\nMSG inbox 9 1\r\n2\r\nMSG inbox 9 0\r\n\r\n");
    e.fence();
    i.fence();
}

#[test]
fn an_answer_is_not_waited_for_when_nobody_listens_any_more() {
    let broker = broker(&SERVICES);
    let (mut e, mut i) = (client(&broker, "e"), client(&broker, "i"));
    e.send("SUB str 1\r\n");
    e.fence();
    i.send("SUB inbox.* 9\r\nPUB my.str inbox.1 0\r\n\r\n");
    request(&mut e);
    let owed = || broker.server().accounts().get("E").unwrap().answers_owed();
    assert_eq!(owed(), 1);
    i.send("UNSUB 9\r\n");
    i.fence();
    assert_eq!(owed(), 0);
}

#[test]
fn an_answer_is_not_waited_for_for_ever() {
    let broker = broker(&SERVICES);
    let (mut e, mut i) = (client(&broker, "e"), client(&broker, "i"));
    e.send("SUB quick 1\r\n");
    e.fence();
    i.send("SUB inbox 9\r\nPUB quick inbox 0\r\n\r\n");
    request(&mut e);
    broker.wait_until("the answer is given up", |server| {
        server.accounts().get("E").unwrap().answers_owed() == 0
    });
}

#[test]
fn an_answer_can_be_answered() {
    let broker = broker(&SERVICES);
    let (mut e, mut i) = (client(&broker, "e"), client(&broker, "i"));
    e.send("SUB svc.a 1\r\nSUB more 2\r\n");
    e.fence();
    i.send("SUB inbox 9\r\nPUB svc.a inbox 0\r\n\r\n");
    let (line, _) = request(&mut e);
    e.send(&format!("PUB {} more 2\r\nok\r\n", reply(&line)));
    let line = i.line();
    assert!(line.starts_with("MSG inbox 9 _R_."), "{line}");
    i.expect("ok\r\n");
    let back = line.split(' ').nth(3).unwrap().to_owned();
    i.send(&format!("PUB {back} 5\r\nagain\r\n"));
    e.expect("MSG more 2 5\r\nagain\r\n");
}

#[test]
fn a_service_can_be_passed_on_through_an_account_in_between() {
    let broker = broker(&[
        ("A", "imports: [{service: {account: B, subject: s}}]"),
        ("B", "exports: [{service: s}], imports: [{service: {account: D, subject: s}}]"),
        ("D", "exports: [{service: s}]"),
    ]);
    let (mut a, mut d) = (client(&broker, "a"), client(&broker, "d"));
    d.send("SUB s 1\r\n");
    d.fence();
    a.send("SUB inbox 9\r\nPUB s inbox 0\r\n\r\n");
    let (line, rest) = request(&mut d);
    assert!(rest.contains(r#""acc":"A""#) && rest.contains(r#""svc":"B""#), "{rest}");
    d.send(&format!("PUB {} 2\r\nok\r\n", reply(&line)));
    a.expect("MSG inbox 9 2\r\nok\r\n");
}

#[test]
fn a_requestor_that_shares_is_described() {
    let broker = broker(&[
        ("E", "exports: [{service: s}]"),
        ("I", "imports: [{service: {account: E, subject: s}, share: true}]"),
    ]);
    let (mut e, mut i) = (client(&broker, "e"), client(&broker, "i"));
    e.send("SUB s 1\r\n");
    e.fence();
    i.send("PUB s 0\r\n\r\n");
    let (_, rest) = request(&mut e);
    for detail in [r#""host":"127.0.0.1""#, r#""user":"i""#, r#""kind":"Client""#, r#""client_type":"nats""#]
    {
        assert!(rest.contains(detail), "{detail} in {rest}");
    }
}

#[test]
fn a_measured_service_tells_how_long_it_took() {
    let broker = broker(&[
        ("E", "exports: [{service: s, latency: {sampling: 100, subject: lat}}]"),
        ("I", "imports: [{service: {account: E, subject: s}}]"),
    ]);
    let (mut e, mut watcher, mut i) = (client(&broker, "e"), client(&broker, "e"), client(&broker, "i"));
    watcher.send("SUB lat 1\r\n");
    watcher.fence();
    let measured = |watcher: &mut Peer| {
        let line = watcher.line();
        let text = watcher.take(line.rsplit(' ').next().unwrap().parse().unwrap());
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    i.send("SUB inbox 9\r\nPUB s inbox 0\r\n\r\n");
    assert_eq!(measured(&mut watcher)["status"], 503);
    e.send("SUB s 1\r\n");
    e.fence();
    i.send("PUB s inbox 0\r\n\r\n");
    let (line, _) = request(&mut e);
    e.send(&format!("PUB {} 0\r\n\r\n", reply(&line)));
    let answered = measured(&mut watcher);
    assert_eq!(answered["type"], "io.nats.server.metric.v1.service_latency");
    assert_eq!((&answered["status"], &answered["requestor"]["acc"]), (&200.into(), &"I".into()));
    assert_eq!((&answered["responder"]["acc"], &answered["responder"]["user"]), (&"E".into(), &"e".into()));
    let nanos = |key: &str| answered[key].as_i64().unwrap();
    assert!(nanos("total") >= nanos("service") && nanos("total") < Duration::from_secs(10).as_nanos() as i64);
    i.send("PUB s 0\r\n\r\n");
    assert_eq!(measured(&mut watcher)["status"], 400);
}

#[test]
fn a_private_export_is_for_those_it_names() {
    let to_b = r#"exports: [{stream: "p.>", accounts: [B]}, {service: "q.*", account_token_position: 2}]"#;
    let imports = |account: &str| {
        let imports =
            r#"imports: [{stream: {account: A, subject: "p.x"}}, {service: {account: A, subject: "q.B"}}]"#;
        check_exchange(&configuration(&accounts(&[("A", to_b), ("B", ""), (account, imports)])))
    };
    assert_eq!(imports("B"), Ok(()));
    let refused = imports("C").unwrap_err();
    assert_eq!(
        refused,
        "Error adding stream import \"p.x\": stream import not authorized\n\
         Error adding service import \"q.B\": service import not authorized"
    );
}

#[test]
fn imports_in_a_circle_are_refused() {
    for kind in ["service", "stream"] {
        let of = |account: &str| {
            format!("exports: [{{{kind}: s}}], imports: [{{{kind}: {{account: {account}, subject: s}}}}]")
        };
        let problem =
            check_exchange(&configuration(&accounts(&[("A", &of("B")), ("B", &of("A"))]))).unwrap_err();
        assert_eq!(problem, format!("Error adding {kind} import \"s\": import forms a cycle"));
    }
}

#[test]
fn a_reload_brings_and_takes_imports_without_disturbing_others() {
    let old = accounts(&[
        ("A", "exports: [{stream: one}, {stream: two}, {service: svc}]"),
        ("B", "imports: [{stream: {account: A, subject: one}}]"),
    ]);
    let new = accounts(&[
        ("A", "exports: [{stream: one}, {stream: two}, {service: svc}]"),
        ("B", "imports: [{stream: {account: A, subject: two}}, {service: {account: A, subject: svc}}]"),
    ]);
    let broker = Broker::configured(&old);
    let (mut a, mut b) = (client(&broker, "a"), client(&broker, "b"));
    b.send("SUB one 1\r\nSUB two 2\r\n");
    b.fence();
    a.send("SUB svc 7\r\nPUB one 0\r\n\r\nPUB two 0\r\n\r\n");
    b.expect("MSG one 1 0\r\n\r\n");
    broker.reconfigure(&old, &new);
    a.send("PUB one 0\r\n\r\nPUB two 0\r\n\r\n");
    b.expect("MSG two 2 0\r\n\r\n");
    b.send("PUB svc 0\r\n\r\n");
    assert!(request(&mut a).0.starts_with("HMSG svc 7"));
    broker.reconfigure(&new, &old);
    a.send("PUB one 0\r\n\r\nPUB two 0\r\n\r\n");
    b.expect("MSG one 1 0\r\n\r\n");
    b.send("PUB svc 0\r\n\r\n");
    b.fence();
    a.fence();
}
