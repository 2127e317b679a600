//! Who may connect, and into which account.

mod kit;

use std::time::Duration;

use headwater::auth::{AuthSettings, SecretVerifier};
use headwater::server::Options;
use kit::users::{login, user, users};
use kit::{Broker, QUIET};

const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

fn with_auth(auth: AuthSettings) -> Broker {
    Broker::start(Options { auth, ..Options::default() })
}

fn token() -> AuthSettings {
    AuthSettings { token: Some(SecretVerifier::new("t0k3n")), ..AuthSettings::default() }
}

#[test]
fn a_token_lets_clients_in() {
    let broker = with_auth(token());
    assert_eq!(broker.dial().read_info()["auth_required"], true);
    let mut peer = broker.client(r#"{"auth_token":"t0k3n","verbose":false}"#);
    peer.fence();
    for connect in [r#"{"auth_token":"wrong"}"#, "{}", r#"{"user":"a","pass":"b"}"#] {
        let mut peer = broker.peer();
        peer.send(&format!("CONNECT {connect}\r\nPING\r\n"));
        peer.expect(VIOLATION);
        peer.expect_closed();
    }
}

#[test]
fn who_must_log_in_may_do_nothing_before() {
    let broker = with_auth(token());
    for operation in ["PING\r\n", "PUB a 5\r\n", "SUB a 1\r\n"] {
        let mut peer = broker.peer();
        peer.send(operation);
        peer.expect(VIOLATION);
        peer.expect_closed();
    }
}

#[test]
fn who_does_not_log_in_is_timed_out() {
    let options = Options { auth: token(), auth_timeout: Duration::from_millis(50), ..Options::default() };
    let broker = Broker::start(options);
    let mut peer = broker.peer();
    peer.expect("-ERR 'Authentication Timeout'\r\n");
    peer.expect_closed();
    assert_eq!(broker.server().clients().closed()[0].reason.as_str(), "Authentication Timeout");
}

#[test]
fn a_hashed_password_lets_the_right_client_in() {
    let verifier = SecretVerifier::new(&bcrypt::hash("secret", 4).unwrap());
    let auth = AuthSettings { single_user: Some(("joe".to_owned(), verifier)), ..AuthSettings::default() };
    let broker = with_auth(auth);
    let mut peer = broker.peer();
    peer.send("CONNECT {\"user\":\"joe\",\"pass\":\"wrong\"}\r\nPING\r\n");
    peer.expect(VIOLATION);
    peer.expect_closed();
    let mut peer = broker.peer();
    peer.send(&format!("CONNECT {}\r\nSUB a 1\r\nPUB a 0\r\n\r\n", login("joe", "secret")));
    peer.expect("MSG a 1 0\r\n\r\n");
}

#[test]
fn accounts_do_not_see_each_other() {
    let broker = with_auth(users([user("A", "a", "p"), user("B", "b", "p"), user("A", "a2", "p")]));
    let mut b = broker.client(&login("b", "p"));
    b.send("SUB > 1\r\nSUB inbox 2\r\n");
    b.fence();
    let mut a = broker.client(&login("a", "p"));
    let mut a2 = broker.client(&login("a2", "p"));
    a2.send("SUB orders 1\r\n");
    a2.fence();
    a.send("PUB orders 2\r\nhi\r\nSUB inbox 1\r\nPUB nowhere inbox 0\r\n\r\n");
    a.expect("HMSG inbox 1 39 39\r\nNATS/1.0 503\r\nNats-Subject: nowhere\r\n\r\n\r\n");
    a2.expect("MSG orders 1 2\r\nhi\r\n");
    b.fence();
}

#[test]
fn the_account_is_told_after_the_first_pong() {
    let broker = with_auth(users([user("A", "a", "p")]));
    let mut peer = broker.peer();
    peer.send(&format!("CONNECT {}\r\nPING\r\n", login("a", "p")));
    peer.expect("PONG\r\n");
    assert_eq!(peer.read_info()["remote_account"], "A");
}

#[test]
fn an_anonymous_client_may_be_a_configured_user() {
    let auth = AuthSettings { no_auth_user: Some("guest".to_owned()), ..users([user("A", "guest", "p")]) };
    let broker = with_auth(auth);
    assert!(broker.dial().read_info().get("auth_required").is_none());
    let mut peer = broker.client(QUIET);
    peer.send("SUB a 1\r\nPUB a 0\r\n\r\n");
    peer.expect("MSG a 1 0\r\n\r\n");
    let subscriptions = broker.server().account("A").subscription_count();
    let mut bare = broker.peer();
    bare.send("SUB a 1\r\n");
    bare.expect("+OK\r\n");
    assert_eq!(broker.server().account("A").subscription_count(), subscriptions + 1);
}

#[test]
fn a_second_connect_may_lead_to_another_account() {
    let broker = with_auth(users([user("A", "a", "p"), user("B", "b", "p")]));
    let mut peer = broker.client(&login("a", "p"));
    let subscriptions = broker.server().account("A").subscription_count();
    peer.send(&format!("SUB x 1\r\nCONNECT {}\r\nPUB x 0\r\n\r\n", login("b", "p")));
    peer.fence();
    let counts = ["A", "B"].map(|name| broker.server().account(name).connection_count());
    assert_eq!(counts, [0, 1]);
    assert_eq!(broker.server().account("A").subscription_count(), subscriptions);
}

#[test]
fn an_account_takes_no_more_connections_than_allowed() {
    let broker = with_auth(users([user("A", "a", "p")]));
    let limits = broker.server().account("A");
    limits.limits().connections_max.store(1, std::sync::atomic::Ordering::Relaxed);
    let first = broker.client(&login("a", "p"));
    let mut second = broker.peer();
    second.send(&format!("CONNECT {}\r\n", login("a", "p")));
    second.expect("-ERR 'maximum account active connections exceeded'\r\n");
    second.expect_closed();
    first.close();
    broker.wait_until("the first client is gone", |server| server.account("A").connection_count() == 0);
    broker.client(&login("a", "p")).fence();
}

#[test]
fn a_nonce_is_there_for_those_who_sign() {
    use headwater::auth::{Identity, UserSettings};
    let key = nkeys::KeyPair::new_user();
    let identity = Identity::Nkey(key.public_key());
    let broker = with_auth(users([UserSettings { identity, ..user("A", "", "") }]));
    let mut peer = broker.dial();
    let info = peer.read_info();
    let nonce = info["nonce"].as_str().unwrap();
    assert_eq!(nonce.len(), 15);
    let signature = data_encoding::BASE64URL_NOPAD.encode(&key.sign(nonce.as_bytes()).unwrap());
    let connect = format!(r#"{{"nkey":"{}","sig":"{signature}","verbose":false}}"#, key.public_key());
    peer.send(&format!("CONNECT {connect}\r\n"));
    peer.fence();
    let mut replay = broker.peer();
    replay.send(&format!("CONNECT {connect}\r\n"));
    replay.expect(VIOLATION);
    replay.expect_closed();
}
