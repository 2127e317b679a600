//! What a user may not do is told, and the connection goes on.

mod kit;

use headwater::auth::{PermissionSettings, ResponseSettings, UserSettings};
use headwater::server::Options;
use kit::users::{login, permissions, rules, user, users};
use kit::{Broker, Peer};

/// A broker with a user `u` of these permissions, and a user `free` without limits.
fn broker(permissions: PermissionSettings) -> Broker {
    let limited = UserSettings { permissions: Some(permissions), ..user("$G", "u", "p") };
    Broker::start(Options { auth: users([limited, user("$G", "free", "p")]), ..Options::default() })
}

fn limited(broker: &Broker) -> Peer {
    broker.client(&login("u", "p"))
}

fn free(broker: &Broker) -> Peer {
    broker.client(&login("free", "p"))
}

#[test]
fn publishing_is_limited_to_what_is_allowed() {
    let broker = broker(permissions(rules(&["ok.>"], &["ok.not"]), rules(&[], &[])));
    let mut all = free(&broker);
    all.send("SUB > 1\r\n");
    all.fence();
    let mut peer = limited(&broker);
    peer.send("PUB other 0\r\n\r\nPUB ok.a 0\r\n\r\nPUB ok.not 0\r\n\r\n");
    peer.expect("-ERR 'Permissions Violation for Publish to \"other\"'\r\n");
    peer.expect("-ERR 'Permissions Violation for Publish to \"ok.not\"'\r\n");
    all.expect("MSG ok.a 1 0\r\n\r\n");
    all.fence();
}

#[test]
fn a_refused_publish_is_not_acknowledged() {
    let broker = broker(permissions(rules(&["ok"], &[]), rules(&[], &[])));
    let mut peer = broker.client(r#"{"user":"u","pass":"p"}"#);
    peer.send("PUB other 0\r\n\r\nPUB ok 0\r\n\r\n");
    peer.expect("-ERR 'Permissions Violation for Publish to \"other\"'\r\n+OK\r\n");
    peer.fence();
}

#[test]
fn a_refused_request_gets_no_503() {
    let broker = broker(permissions(rules(&["ok"], &[]), rules(&[], &[])));
    let mut peer = limited(&broker);
    peer.send("SUB inbox 1\r\nPUB other inbox 0\r\n\r\n");
    peer.expect("-ERR 'Permissions Violation for Publish to \"other\"'\r\n");
    peer.fence();
}

#[test]
fn a_subscription_must_be_covered_by_what_is_allowed() {
    let broker = broker(permissions(rules(&[], &[]), rules(&["ok.>"], &[])));
    let mut peer = limited(&broker);
    peer.send("SUB > 1\r\nSUB ok.* 2\r\nSUB no group 3\r\n");
    peer.expect("-ERR 'Permissions Violation for Subscription to \">\"'\r\n");
    peer.expect("-ERR 'Permissions Violation for Subscription to \"no\" using queue \"group\"'\r\n");
    peer.send("PUB ok.a 0\r\n\r\n");
    peer.expect("MSG ok.a 2 0\r\n\r\n");
}

#[test]
fn a_wide_subscription_is_filtered_by_what_is_denied() {
    let broker = broker(permissions(rules(&[], &[]), rules(&[], &["secret.>"])));
    let mut peer = limited(&broker);
    peer.send("SUB > 1\r\nSUB secret.a 2\r\n");
    peer.expect("-ERR 'Permissions Violation for Subscription to \"secret.a\"'\r\n");
    peer.fence();
    let mut other = free(&broker);
    other.send("PUB secret.a 0\r\n\r\nPUB open 0\r\n\r\n");
    peer.expect("MSG open 1 0\r\n\r\n");
}

#[test]
fn a_queue_group_may_be_prescribed() {
    let broker = broker(permissions(rules(&[], &[]), rules(&["work crew"], &[])));
    let mut peer = limited(&broker);
    peer.send("SUB work crew 1\r\nSUB work others 2\r\nSUB work 3\r\n");
    peer.expect("-ERR 'Permissions Violation for Subscription to \"work\" using queue \"others\"'\r\n");
    peer.expect("-ERR 'Permissions Violation for Subscription to \"work\"'\r\n");
    peer.fence();
}

#[test]
fn a_request_may_be_answered_once_where_responses_are_allowed() {
    let responses = Some(ResponseSettings::default());
    let broker =
        broker(PermissionSettings { subscribe: rules(&["svc"], &[]), responses, ..Default::default() });
    let mut service = limited(&broker);
    service.send("SUB svc 1\r\nPUB inbox 0\r\n\r\n");
    service.expect("-ERR 'Permissions Violation for Publish to \"inbox\"'\r\n");
    service.fence();
    let mut client = free(&broker);
    client.send("SUB inbox 1\r\nPUB svc inbox 0\r\n\r\n");
    service.expect("MSG svc 1 inbox 0\r\n\r\n");
    service.send("PUB inbox 2\r\nhi\r\nPUB inbox 2\r\nho\r\n");
    service.expect("-ERR 'Permissions Violation for Publish to \"inbox\"'\r\n");
    client.expect("MSG inbox 1 2\r\nhi\r\n");
    client.fence();
}

#[test]
fn a_subscription_may_not_have_more_tokens_than_allowed() {
    let broker = Broker::start(Options { subscription_tokens_max: 3, ..Options::default() });
    let mut peer = broker.client("{}");
    peer.send("SUB a.b.c.d 1\r\n");
    peer.expect("-ERR 'Permissions Violation for Subscription to \"a.b.c.d\", too many tokens'\r\n");
    peer.send("SUB a.b.c 1\r\n");
    peer.expect("+OK\r\n");
}
