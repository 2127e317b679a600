//! New settings reach clients that are connected.

mod kit;

use headwater::auth::{PermissionSettings, UserSettings};
use headwater::server::Options;
use kit::users::{login, permissions, rules, user, users};
use kit::{Broker, QUIET};

fn options() -> Options {
    Options { host: "127.0.0.1".to_owned(), ..Options::default() }
}

fn limited(permissions: PermissionSettings) -> Options {
    let limited = UserSettings { permissions: Some(permissions), ..user("$G", "u", "p") };
    Options { auth: users([limited]), ..options() }
}

#[test]
fn a_smaller_payload_limit_applies_without_a_word() {
    let broker = Broker::start(options());
    let mut peer = broker.client(QUIET);
    broker.server().reload(Options { payload_bytes_max: 10, ..options() }, false).unwrap();
    peer.fence();
    peer.send("PUB a 11\r\n");
    peer.expect("-ERR 'Maximum Payload Violation'\r\n");
}

#[test]
fn connections_over_a_smaller_limit_are_closed() {
    let broker = Broker::start(options());
    let mut first = broker.client(QUIET);
    let mut second = broker.client(QUIET);
    broker.server().reload(Options { connections_max: Some(1), ..options() }, false).unwrap();
    second.expect("-ERR 'maximum connections exceeded'\r\n");
    second.expect_closed();
    first.fence();
}

#[test]
fn a_subscription_that_is_no_longer_allowed_ends() {
    let broker = Broker::start(limited(permissions(rules(&[], &[]), rules(&["a", "b"], &[]))));
    let mut peer = broker.client(&login("u", "p"));
    peer.send("SUB a 1\r\nSUB b 2\r\n");
    peer.fence();
    let less = limited(permissions(rules(&["b"], &[]), rules(&["b"], &[])));
    broker.server().reload(less, true).unwrap();
    peer.expect("-ERR 'Permissions Violation for Subscription to \"a\" (sid \"1\")'\r\n");
    peer.send("PUB a 0\r\n\r\nPUB b 0\r\n\r\n");
    peer.expect("-ERR 'Permissions Violation for Publish to \"a\"'\r\nMSG b 2 0\r\n\r\n");
}

#[test]
fn a_user_that_is_gone_is_sent_away() {
    let broker =
        Broker::start(Options { auth: users([user("$G", "u", "p"), user("$G", "v", "p")]), ..options() });
    let mut gone = broker.client(&login("u", "p"));
    let mut stays = broker.client(&login("v", "p"));
    broker.server().reload(Options { auth: users([user("$G", "v", "p")]), ..options() }, true).unwrap();
    gone.expect("-ERR 'Authorization Violation'\r\n");
    gone.expect_closed();
    stays.fence();
}

#[test]
fn who_never_said_who_it_is_is_sent_away_when_that_is_asked() {
    let broker = Broker::start(options());
    let mut peer = broker.client(QUIET);
    broker.server().reload(Options { auth: users([user("$G", "u", "p")]), ..options() }, true).unwrap();
    peer.expect("-ERR 'Authorization Violation'\r\n");
    peer.expect_closed();
    broker.client(&login("u", "p")).fence();
}

#[test]
fn a_user_in_another_account_has_to_come_again() {
    let broker = Broker::start(Options { auth: users([user("A", "u", "p")]), ..options() });
    let mut peer = broker.client(&login("u", "p"));
    broker.server().reload(Options { auth: users([user("B", "u", "p")]), ..options() }, true).unwrap();
    peer.expect_closed();
}

#[test]
fn wrong_settings_change_nothing() {
    let broker = Broker::start(options());
    let twice = users([user("A", "u", "p"), user("A", "u", "p")]);
    assert!(broker.server().reload(Options { auth: twice, ..options() }, true).is_err());
    broker.client(QUIET).fence();
}

#[test]
fn connections_over_a_smaller_limit_of_their_account_are_closed() {
    let limited = |max: u32| {
        format!(
            "accounts {{ A {{ users: [{{user: a, password: p}}], limits: {{ max_conn: {max} }} }}\n\
             B {{ users: [{{user: b, password: p}}] }} }}"
        )
    };
    let broker = Broker::configured(&limited(2));
    let mut first = broker.client(&login("a", "p"));
    let mut second = broker.client(&login("a", "p"));
    let mut other = broker.client(&login("b", "p"));
    broker.reconfigure(&limited(2), &limited(1));
    second.expect("-ERR 'maximum account active connections exceeded'\r\n");
    second.expect_closed();
    first.fence();
    other.fence();
}
