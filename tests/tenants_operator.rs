//! Operator mode: who has the right signatures gets in, may do what they say, and leaves when they end.

mod kit;
mod tenants_support;

use headwater::jwt::UserClaims;
use kit::{Broker, Peer};
use nkeys::KeyPair;
use serde_json::{Value, json};
use tenants_support::{TestOperator, TestUser, limits, now, token};

const REFUSED: &str = "-ERR 'Authorization Violation'\r\n";

/// A peer that has sent the CONNECT of this user.
fn dial(broker: &Broker, user: &TestUser) -> Peer {
    let mut peer = broker.dial();
    let nonce = peer.read_info()["nonce"].as_str().unwrap().to_owned();
    peer.send(&user.connect(&nonce));
    peer
}

fn client(broker: &Broker, user: &TestUser) -> Peer {
    let mut peer = dial(broker, user);
    peer.fence();
    peer
}

#[track_caller]
fn expect_refused(broker: &Broker, user: &TestUser) {
    let mut peer = dial(broker, user);
    peer.expect(REFUSED);
    peer.expect_closed();
}

/// An operator with one account that says this.
fn one_account(nats: Value) -> (TestOperator, KeyPair, Broker) {
    let (operator, account) = (TestOperator::new(), KeyPair::new_account());
    let token = operator.account(&account, nats);
    let broker = Broker::configured(&operator.memory(&[&token]));
    (operator, account, broker)
}

/// Sends a request in the system account and reads the JSON of the answer.
fn ask(system: &mut Peer, subject: &str, body: &str) -> Value {
    serde_json::from_str(&ask_raw(system, subject, body)).unwrap()
}

fn ask_raw(system: &mut Peer, subject: &str, body: &str) -> String {
    system.send(&format!("SUB answer 77\r\nUNSUB 77 1\r\nPUB {subject} answer {}\r\n{body}\r\n", body.len()));
    let line = system.line();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[..3], ["MSG", "answer", "77"], "{line}");
    system.take(words[3].parse().unwrap())
}

#[test]
fn a_user_of_a_trusted_account_gets_in() {
    let (_, account, broker) = one_account(json!({}));
    let mut peer = client(&broker, &TestUser::of(&account, json!({})));
    peer.send("SUB a 1\r\nPUB a 2\r\nhi\r\n");
    peer.expect("MSG a 1 2\r\nhi\r\n");
}

#[test]
fn without_a_token_nobody_gets_in() {
    let (_, _, broker) = one_account(json!({}));
    for connect in ["CONNECT {}\r\n", "CONNECT {\"user\":\"a\",\"pass\":\"b\"}\r\n", "SUB a 1\r\n"] {
        let mut peer = broker.peer();
        peer.send(connect);
        peer.expect(REFUSED);
        peer.expect_closed();
    }
}

#[test]
fn nobody_gets_in_with_somebody_elses_token() {
    let (_, account, broker) = one_account(json!({}));
    let user = TestUser::of(&account, json!({}));
    expect_refused(&broker, &TestUser { key: KeyPair::new_user(), token: user.token });
}

#[test]
fn an_account_that_nobody_trusted_has_signed_lets_nobody_in() {
    let (operator, account) = (TestOperator::new(), KeyPair::new_account());
    let impostor = TestOperator::new();
    let broker = Broker::configured(&operator.memory(&[&impostor.account(&account, json!({}))]));
    expect_refused(&broker, &TestUser::of(&account, json!({})));
    expect_refused(&broker, &TestUser::of(&KeyPair::new_account(), json!({})));
}

#[test]
fn a_user_signed_by_a_stranger_is_refused() {
    let (_, account, broker) = one_account(json!({}));
    let stranger = KeyPair::new_account();
    let nats = json!({ "issuer_account": account.public_key() });
    expect_refused(&broker, &TestUser::of(&stranger, nats));
}

#[test]
fn signing_keys_sign_users_too() {
    let signing = KeyPair::new_account();
    let (_, account, broker) = one_account(json!({ "signing_keys": [signing.public_key()] }));
    client(&broker, &TestUser::of(&signing, json!({ "issuer_account": account.public_key() })));
}

#[test]
fn a_scope_says_what_its_users_may_do() {
    let signing = KeyPair::new_account();
    let template = json!({
        "subs": 1, "payload": 10,
        "pub": { "allow": ["{{name()}}.>", "{{tag(dept)}}.in"] }, "sub": { "allow": ["{{account-name()}}"] }
    });
    let scope =
        json!({ "kind": "user_scope", "key": signing.public_key(), "role": "r", "template": template });
    let (operator, account) = (TestOperator::new(), KeyPair::new_account());
    let claims =
        operator.account_until(&account, json!({ "signing_keys": [scope] }), json!({ "name": "ACME" }));
    let broker = Broker::configured(&operator.memory(&[&claims]));
    let named = json!({ "name": "joe" });
    let user = TestUser::scoped(&signing, &account, json!({ "tags": ["dept:eng"] }), named.clone());
    let mut peer = client(&broker, &user);
    peer.send("PUB joe.x 0\r\n\r\nPUB eng.in 0\r\n\r\nSUB ACME 1\r\nPUB other 0\r\n\r\nSUB ACME 2\r\n");
    peer.expect("-ERR 'Permissions Violation for Publish to \"other\"'\r\n");
    peer.expect("-ERR 'maximum subscriptions exceeded'\r\n");
    peer.send("PUB joe.x 11\r\n");
    peer.expect("-ERR 'Maximum Payload Violation'\r\n");
    let outspoken = json!({ "pub": { "allow": [">"] } });
    expect_refused(&broker, &TestUser::scoped(&signing, &account, outspoken, named));
}

#[test]
fn a_users_permissions_are_its_own_or_the_accounts() {
    let (_, account, broker) = one_account(json!({ "default_permissions": { "pub": { "deny": ["d"] } } }));
    let mut plain = client(&broker, &TestUser::of(&account, json!({})));
    plain.send("PUB d 0\r\n\r\n");
    plain.expect("-ERR 'Permissions Violation for Publish to \"d\"'\r\n");
    let mut own = client(&broker, &TestUser::of(&account, json!({ "pub": { "deny": ["e"] } })));
    own.send("PUB d 0\r\n\r\nPUB e 0\r\n\r\n");
    own.expect("-ERR 'Permissions Violation for Publish to \"e\"'\r\n");
}

#[test]
fn a_bearer_token_needs_no_signature_unless_the_account_forbids_it() {
    let (operator, account, broker) = one_account(json!({}));
    let bearer = TestUser::of(&account, json!({ "bearer_token": true }));
    let stolen = TestUser { key: KeyPair::new_user(), token: bearer.token.clone() };
    client(&broker, &stolen);
    let mut strict = limits();
    strict["disallow_bearer"] = true.into();
    let other = KeyPair::new_account();
    let broker =
        Broker::configured(&operator.memory(&[&operator.account(&other, json!({ "limits": strict }))]));
    expect_refused(&broker, &TestUser::of(&other, json!({ "bearer_token": true })));
}

#[test]
fn users_come_from_where_and_as_what_they_may() {
    let (_, account, broker) = one_account(json!({}));
    client(&broker, &TestUser::of(&account, json!({ "src": ["127.0.0.0/8"] })));
    client(&broker, &TestUser::of(&account, json!({ "src": "10.0.0.0/8, 127.0.0.1/32" })));
    client(&broker, &TestUser::of(&account, json!({ "allowed_connection_types": ["STANDARD", "UNKNOWN"] })));
    for refused in [
        json!({ "src": ["10.0.0.0/8"] }),
        json!({ "allowed_connection_types": ["WEBSOCKET"] }),
        json!({ "allowed_connection_types": ["UNKNOWN"] }),
    ] {
        expect_refused(&broker, &TestUser::of(&account, refused));
    }
}

#[test]
fn a_network_of_ipv4_is_recognised_by_a_listener_for_all_addresses() {
    let (operator, account) = (TestOperator::new(), KeyPair::new_account());
    let token = operator.account(&account, json!({}));
    let broker = Broker::configured_on("0.0.0.0", &operator.memory(&[&token]));
    client(&broker, &TestUser::of(&account, json!({ "src": ["127.0.0.0/8"] })));
    for refused in ["10.0.0.0/8", "::/0"] {
        expect_refused(&broker, &TestUser::of(&account, json!({ "src": [refused] })));
    }
}

#[test]
fn a_token_is_good_in_its_time() {
    let (_, account, broker) = one_account(json!({}));
    for claims in [json!({ "exp": now() - 10 }), json!({ "nbf": now() + 100 })] {
        expect_refused(&broker, &TestUser::until(&account, json!({}), claims));
    }
    let mut peer = dial(&broker, &TestUser::until(&account, json!({}), json!({ "exp": now() + 1 })));
    peer.expect("-ERR 'User Authentication Expired'\r\n");
    peer.expect_closed();
}

#[test]
fn with_its_account_a_client_ends() {
    let (operator, account) = (TestOperator::new(), KeyPair::new_account());
    let short = operator.account_until(&account, json!({}), json!({ "exp": now() + 2 }));
    let broker = Broker::configured(&operator.memory(&[&short]));
    let user = TestUser::of(&account, json!({}));
    let mut peer = client(&broker, &user);
    peer.expect("-ERR 'Account Authentication Expired'\r\n");
    peer.expect_closed();
    expect_refused(&broker, &user);
}

#[test]
fn revoked_users_stay_out() {
    let (operator, account) = (TestOperator::new(), KeyPair::new_account());
    let user = TestUser::of(&account, json!({}));
    for revoked in [user.key.public_key().as_str(), "*"] {
        let token = operator.account(&account, json!({ "revocations": { revoked: now() + 5 } }));
        expect_refused(&Broker::configured(&operator.memory(&[&token])), &user);
        let token = operator.account(&account, json!({ "revocations": { revoked: now() - 100 } }));
        client(&Broker::configured(&operator.memory(&[&token])), &user);
    }
}

#[test]
fn accounts_limit_their_connections() {
    let mut few = limits();
    few["conn"] = 1.into();
    let (_, account, broker) = one_account(json!({ "limits": few }));
    let user = TestUser::of(&account, json!({}));
    let _first = client(&broker, &user);
    let mut second = dial(&broker, &user);
    second.expect("-ERR 'maximum account active connections exceeded'\r\n");
    second.expect_closed();
}

#[test]
fn accounts_import_and_export_by_their_tokens() {
    let (operator, exporter, importer) =
        (TestOperator::new(), KeyPair::new_account(), KeyPair::new_account());
    let exports = json!({ "exports": [
        { "subject": "open.>", "type": "stream" },
        { "subject": "private", "type": "stream", "token_req": true },
        { "subject": "svc", "type": "service" },
    ] });
    let activation = token(
        &exporter,
        &importer.public_key(),
        "activation",
        json!({ "subject": "private", "kind": "stream" }),
        json!({}),
    );
    let from = exporter.public_key();
    let imports = json!({ "imports": [
        { "account": from, "subject": "open.a", "type": "stream", "local_subject": "mine" },
        { "account": from, "subject": "private", "type": "stream", "token": activation },
        { "account": from, "subject": "svc", "type": "service", "local_subject": "ask" },
    ] });
    let accounts = [operator.account(&exporter, exports), operator.account(&importer, imports)];
    let broker = Broker::configured(&operator.memory(&[&accounts[0], &accounts[1]]));
    // The importer first: its exporter is fetched along with it.
    let mut i = client(&broker, &TestUser::of(&importer, json!({})));
    let mut e = client(&broker, &TestUser::of(&exporter, json!({})));
    i.send("SUB mine 1\r\nSUB private 2\r\n");
    i.fence();
    e.send("SUB svc 3\r\nPUB open.a 0\r\n\r\nPUB private 0\r\n\r\n");
    e.fence();
    i.expect("MSG mine 1 0\r\n\r\nMSG private 2 0\r\n\r\n");
    i.send("PUB ask 0\r\n\r\n");
    assert!(e.line().starts_with("HMSG svc 3"));
}

#[test]
fn a_private_export_needs_a_token_for_oneself() {
    let (operator, exporter, importer) =
        (TestOperator::new(), KeyPair::new_account(), KeyPair::new_account());
    let exports = json!({ "exports": [{ "subject": "private", "type": "stream", "token_req": true }] });
    let others = token(
        &exporter,
        &KeyPair::new_account().public_key(),
        "activation",
        json!({ "subject": "private", "kind": "stream" }),
        json!({}),
    );
    let forged = token(
        &importer,
        &importer.public_key(),
        "activation",
        json!({ "subject": "private", "kind": "stream", "issuer_account": exporter.public_key() }),
        json!({}),
    );
    for activation in ["", &others, &forged] {
        let imports = json!({ "imports": [
            { "account": exporter.public_key(), "subject": "private", "type": "stream", "token": activation }
        ] });
        let accounts = [operator.account(&exporter, exports.clone()), operator.account(&importer, imports)];
        let broker = Broker::configured(&operator.memory(&[&accounts[0], &accounts[1]]));
        let mut i = client(&broker, &TestUser::of(&importer, json!({})));
        let mut e = client(&broker, &TestUser::of(&exporter, json!({})));
        i.send("SUB private 1\r\n");
        i.fence();
        e.send("PUB private 0\r\n\r\n");
        e.fence();
        i.fence();
    }
}

#[test]
fn an_activation_that_ends_takes_the_import_along() {
    let (operator, exporter, importer) =
        (TestOperator::new(), KeyPair::new_account(), KeyPair::new_account());
    let exports = json!({ "exports": [{ "subject": "p", "type": "stream", "token_req": true }] });
    let brief = json!({ "exp": now() + 2 });
    let what = json!({ "subject": "p", "kind": "stream" });
    let activation = token(&exporter, &importer.public_key(), "activation", what, brief);
    let imports = json!({ "imports": [
        { "account": exporter.public_key(), "subject": "p", "type": "stream", "token": activation }
    ] });
    let accounts = [operator.account(&exporter, exports), operator.account(&importer, imports)];
    let broker = Broker::configured(&operator.memory(&[&accounts[0], &accounts[1]]));
    let mut i = client(&broker, &TestUser::of(&importer, json!({})));
    let listeners = |name: &KeyPair| {
        broker.server().accounts().get(&name.public_key()).map_or(0, |account| account.listeners(b"p"))
    };
    i.send("SUB p 1\r\n");
    i.fence();
    assert_eq!(listeners(&exporter), 1);
    let id = exporter.public_key();
    broker.wait_until("the import has ended", |server| {
        server.accounts().get(&id).is_some_and(|account| account.listeners(b"p") == 0)
    });
}

/// A broker with a directory, the system account's client, and one account that was pushed.
fn with_directory() -> (tempfile::TempDir, TestOperator, KeyPair, Broker, Peer) {
    let (dir, operator, account) =
        (tempfile::tempdir().unwrap(), TestOperator::new(), KeyPair::new_account());
    let broker = Broker::configured(&operator.directory(dir.path(), &[]));
    let mut system = client(&broker, &TestUser::of(&operator.system, json!({})));
    let token = operator.account(&account, json!({}));
    let answer = ask(&mut system, "$SYS.REQ.CLAIMS.UPDATE", &token);
    assert_eq!(answer["data"]["code"], 200, "{answer}");
    (dir, operator, account, broker, system)
}

#[test]
fn a_pushed_account_is_there_at_once_and_after_a_restart() {
    let (dir, operator, account, mut broker, mut system) = with_directory();
    let user = TestUser::of(&account, json!({}));
    client(&broker, &user);
    let token = ask_raw(&mut system, &format!("$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP", account.public_key()), "");
    assert_eq!(tenants_support::subject_of(&token), account.public_key());
    assert!(dir.path().join(format!("{}.jwt", account.public_key())).exists());
    broker.shutdown();
    let broker = Broker::configured(&operator.directory(dir.path(), &[]));
    client(&broker, &user);
}

#[test]
fn pushes_that_make_no_sense_are_answered_with_the_reason() {
    let (_dir, operator, account, _broker, mut system) = with_directory();
    let update = "$SYS.REQ.CLAIMS.UPDATE";
    let description = |answer: Value| answer["error"]["description"].as_str().unwrap().to_owned();
    assert_eq!(
        description(ask(&mut system, update, "nonsense")),
        "jwt update resulted in error - expected 3 chunks"
    );
    let of_other = format!("$SYS.REQ.ACCOUNT.{}.CLAIMS.UPDATE", KeyPair::new_account().public_key());
    let token = operator.account(&account, json!({}));
    assert_eq!(
        description(ask(&mut system, &of_other, &token)),
        "jwt update resulted in error - subject does not match jwt content"
    );
    let overlapping = json!({ "exports": [
        { "subject": "a.>", "type": "stream" }, { "subject": "a.b", "type": "stream" }
    ] });
    let answer = description(ask(&mut system, update, &operator.account(&account, overlapping)));
    assert!(answer.starts_with("jwt validation failed - validation errors: ["), "{answer}");
}

#[test]
fn an_update_reaches_connected_clients_and_spares_those_it_does_not_concern() {
    let (_dir, operator, account, broker, mut system) = with_directory();
    let (stays, leaves) = (TestUser::of(&account, json!({})), TestUser::of(&account, json!({})));
    let (mut staying, mut leaving) = (client(&broker, &stays), client(&broker, &leaves));
    staying.send("SUB a 1\r\n");
    staying.fence();
    let revoked = json!({
        "revocations": { leaves.key.public_key(): now() + 5 },
        "default_permissions": { "pub": { "deny": ["secret"] } }
    });
    ask(&mut system, "$SYS.REQ.CLAIMS.UPDATE", &operator.account(&account, revoked));
    leaving.expect("-ERR 'User Authentication Revoked'\r\n");
    leaving.expect_closed();
    staying.send("PUB secret 0\r\n\r\nPUB a 0\r\n\r\n");
    staying.expect("-ERR 'Permissions Violation for Publish to \"secret\"'\r\nMSG a 1 0\r\n\r\n");
}

#[test]
fn with_fewer_connections_allowed_the_newest_leave() {
    let (_dir, operator, account, broker, mut system) = with_directory();
    let user = TestUser::of(&account, json!({}));
    let (mut first, mut second) = (client(&broker, &user), client(&broker, &user));
    let mut few = limits();
    few["conn"] = 1.into();
    ask(&mut system, "$SYS.REQ.CLAIMS.UPDATE", &operator.account(&account, json!({ "limits": few })));
    second.expect("-ERR 'maximum account active connections exceeded'\r\n");
    second.expect_closed();
    first.fence();
}

#[test]
fn accounts_are_listed_packed_and_deleted() {
    let (_dir, operator, account, broker, mut system) = with_directory();
    let id = account.public_key();
    let listed = ask(&mut system, "$SYS.REQ.CLAIMS.LIST", "");
    let listed = listed["data"].as_array().unwrap().clone();
    assert!(listed.contains(&id.clone().into()) && listed.len() == 2, "{listed:?}");
    let packed = ask_raw(&mut system, "$SYS.REQ.CLAIMS.PACK", "");
    assert!(packed.contains('|'), "{packed}");
    let user = TestUser::of(&account, json!({}));
    let mut peer = client(&broker, &user);
    let by = |key: &KeyPair, accounts: &[&str]| {
        token(key, &key.public_key(), "generic", json!({ "accounts": accounts }), json!({}))
    };
    let refused = ask(&mut system, "$SYS.REQ.CLAIMS.DELETE", &by(&KeyPair::new_operator(), &[&id]));
    assert!(refused["error"]["description"].as_str().unwrap().ends_with(" - not trusted"), "{refused}");
    let own = operator.system.public_key();
    let refused = ask(&mut system, "$SYS.REQ.CLAIMS.DELETE", &by(&operator.key, &[&own]));
    assert!(
        refused["error"]["description"].as_str().unwrap().ends_with("not allowed to delete system account")
    );
    let deleted = ask(&mut system, "$SYS.REQ.CLAIMS.DELETE", &by(&operator.key, &[&id]));
    assert_eq!(deleted["data"]["message"], "deleted 1 accounts");
    peer.expect("-ERR 'Account Authentication Expired'\r\n");
    expect_refused(&broker, &user);
}

#[test]
fn only_the_system_account_can_push() {
    let (_dir, operator, account, broker, _system) = with_directory();
    let mut peer = client(&broker, &TestUser::of(&account, json!({})));
    let token = operator.account(&KeyPair::new_account(), json!({}));
    peer.send(&format!("SUB in 1\r\nPUB $SYS.REQ.CLAIMS.UPDATE in {}\r\n{token}\r\n", token.len()));
    assert!(peer.line().starts_with("HMSG in 1 "));
    assert_eq!(peer.line(), "NATS/1.0 503");
}

#[test]
fn a_user_learns_who_it_is() {
    let (_, account, broker) = one_account(json!({}));
    let user = TestUser::until(
        &account,
        json!({ "pub": { "deny": ["x"] } }),
        json!({ "name": "joe", "exp": now() + 60 }),
    );
    let mut peer = client(&broker, &user);
    let info = ask(&mut peer, "$SYS.REQ.USER.INFO", "");
    let data = &info["data"];
    assert_eq!(data["user"], user.key.public_key());
    assert_eq!((&data["account"], &data["user_name"]), (&account.public_key().into(), &"joe".into()));
    assert_eq!(data["permissions"]["publish"]["deny"], json!(["x"]));
    assert!(data["expires"].as_i64().unwrap() > 0);
}

#[test]
fn an_account_is_shown_with_what_its_operator_calls_it() {
    let (_dir, operator, account, broker, mut system) = with_directory();
    let id = account.public_key();
    let token = operator.account_until(&account, json!({}), json!({ "name": "harbour" }));
    ask(&mut system, "$SYS.REQ.CLAIMS.UPDATE", &token);
    let _peer = client(&broker, &TestUser::of(&account, json!({})));
    assert_eq!(&*broker.server().accounts().get(&id).unwrap().tag(), "harbour");
    let names = broker.server().clients().all().iter().map(|client| client.log_name()).collect::<Vec<_>>();
    assert!(names.iter().any(|name| name.contains(&format!("\"{id}/harbour/jwt:"))), "{names:?}");
}

#[test]
fn no_garbled_token_is_taken_and_none_does_harm() {
    let (_, account, _) = one_account(json!({}));
    let user = TestUser::of(&account, json!({}));
    let bytes = user.token.as_bytes();
    for at in 0..bytes.len() {
        for other in [b'A', b'.', b'~', 0xff] {
            let mut garbled = bytes.to_vec();
            if garbled[at] == other {
                continue;
            }
            garbled[at] = other;
            let garbled = String::from_utf8_lossy(&garbled);
            assert!(UserClaims::decode(&garbled).is_err(), "byte {at} as {other}");
        }
        assert!(UserClaims::decode(&user.token[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn claims_of_the_wrong_shape_are_refused_though_well_signed() {
    let account = KeyPair::new_account();
    for nats in [
        json!({ "pub": [] }),
        json!({ "pub": { "deny": "all" } }),
        json!({ "bearer_token": "no" }),
        json!({ "subs": "many" }),
        json!({ "times": [{ "start": "noon" }] }),
        json!({ "src": ["everywhere"] }),
        json!({ "allowed_connection_types": {} }),
        json!({ "times_location": "Atlantis/Center" }),
    ] {
        let user = TestUser::of(&account, nats.clone());
        assert!(UserClaims::decode(&user.token).is_err(), "{nats}");
    }
}
