//! Subject mappings apply to what clients publish, before anything else looks at the subject.

mod kit;

use headwater::account::{MappingRule, Mappings};
use headwater::auth::UserSettings;
use headwater::server::Options;
use kit::users::{login, permissions, rules, user, users};
use kit::{Broker, MODERN};

fn map(broker: &Broker, source: &str, destinations: &[(&str, u8)]) {
    let destinations =
        destinations.iter().map(|(subject, weight)| ((*subject).to_owned(), *weight)).collect();
    let rule = MappingRule { source: source.to_owned(), destinations };
    broker.server().accounts().global().set_mappings(Mappings::new(&[rule]).unwrap());
}

#[test]
fn a_message_goes_out_under_the_mapped_subject() {
    let broker = Broker::start(Options::default());
    map(&broker, "a.*", &[("b.{{wildcard(1)}}", 100)]);
    let mut peer = broker.client(MODERN);
    peer.send("SUB > 1\r\nPUB a.1 reply 2\r\nhi\r\nPUB a.b.c 0\r\n\r\n");
    peer.expect("MSG b.1 1 reply 2\r\nhi\r\nMSG a.b.c 1 0\r\n\r\n");
}

#[test]
fn a_503_names_the_mapped_subject() {
    let broker = Broker::start(Options::default());
    map(&broker, "foo", &[("bar", 100)]);
    let mut peer = broker.client(MODERN);
    peer.send("SUB inbox 2\r\nPUB foo inbox 0\r\n\r\n");
    peer.expect("HMSG inbox 2 35 35\r\nNATS/1.0 503\r\nNats-Subject: bar\r\n\r\n\r\n");
}

#[test]
fn messages_are_shared_out_by_weight() {
    let broker = Broker::start(Options::default());
    map(&broker, "w", &[("x", 50)]);
    let mut peer = broker.client(MODERN);
    peer.send("SUB w 1\r\nSUB x 2\r\n");
    peer.fence();
    peer.send(&"PUB w 0\r\n\r\n".repeat(1000));
    let mapped = (0..2000).map(|_| peer.line()).filter(|line| line == "MSG x 2 0").count();
    assert!((350..650).contains(&mapped), "{mapped}");
}

#[test]
fn permissions_are_about_the_mapped_subject() {
    let limited = UserSettings {
        permissions: Some(permissions(rules(&["foo"], &[]), rules(&[], &[]))),
        ..user("$G", "u", "p")
    };
    let broker = Broker::start(Options { auth: users([limited]), ..Options::default() });
    map(&broker, "foo", &[("bar", 100)]);
    let mut peer = broker.client(&login("u", "p"));
    peer.send("PUB foo 0\r\n\r\n");
    peer.expect("-ERR 'Permissions Violation for Publish to \"bar\"'\r\n");
}

#[test]
fn mappings_can_be_taken_away() {
    let broker = Broker::start(Options::default());
    map(&broker, "a", &[("b", 100)]);
    let mut peer = broker.client(MODERN);
    peer.send("SUB > 1\r\nPUB a 0\r\n\r\n");
    peer.expect("MSG b 1 0\r\n\r\n");
    broker.server().accounts().global().set_mappings(Mappings::default());
    peer.send("PUB a 0\r\n\r\n");
    peer.expect("MSG a 1 0\r\n\r\n");
}
