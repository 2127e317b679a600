//! `$SYS.REQ.USER.INFO`: a client asks who it is.

mod kit;

use headwater::auth::{PermissionSettings, ResponseSettings, UserSettings};
use headwater::server::Options;
use kit::users::{login, rules, user, users};
use kit::{Broker, MODERN};

fn ask(peer: &mut kit::Peer) -> serde_json::Value {
    peer.send("SUB inbox 1\r\nPUB $SYS.REQ.USER.INFO inbox 0\r\n\r\n");
    assert!(peer.line().starts_with("MSG inbox 1 "));
    serde_json::from_str(&peer.line()).unwrap()
}

#[test]
fn an_anonymous_client_is_nobody_in_the_global_account() {
    let broker = Broker::start(Options::default());
    let answer = ask(&mut broker.client(MODERN));
    assert_eq!(answer["data"], serde_json::json!({"user": "", "account": "$G", "account_name": "$G"}));
    assert_eq!(answer["server"]["id"], broker.server().id());
    assert_eq!(answer["server"]["ver"], "2.15.1");
}

#[test]
fn a_user_learns_its_account_and_permissions() {
    let limits = PermissionSettings {
        publish: rules(&["x.>", "$SYS.>"], &["x.y"]),
        subscribe: rules(&["inbox"], &[]),
        responses: Some(ResponseSettings::default()),
    };
    let limited = UserSettings { permissions: Some(limits), ..user("A", "a", "p") };
    let broker = Broker::start(Options { auth: users([limited]), ..Options::default() });
    let answer = ask(&mut broker.client(&login("a", "p")));
    let permissions = serde_json::json!({
        "publish": {"allow": ["x.>", "$SYS.>"], "deny": ["x.y"]},
        "subscribe": {"allow": ["inbox"]},
        "responses": {"max": 1, "ttl": 120_000_000_000_u64},
    });
    let expected =
        serde_json::json!({"user": "a", "account": "A", "account_name": "A", "permissions": permissions});
    assert_eq!(answer["data"], expected);
}
