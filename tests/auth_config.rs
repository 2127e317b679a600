//! What nats.conf says about users is what the authenticator does.

use headwater::assemble::{auth_settings, websocket_auth_settings};
use headwater::auth::{AuthError, AuthSettings, Authenticator, ConnectionType, Credentials, Login, Peer};
use headwater::config::Config;
use nkeys::KeyPair;

fn config(text: &str) -> Config {
    let config = Config::from_text(text, "test.conf").unwrap();
    config.validate().unwrap();
    config
}

fn settings(text: &str) -> AuthSettings {
    auth_settings(&config(text))
}

fn check(settings: &AuthSettings, credentials: Credentials<'_>) -> Result<Login, AuthError> {
    check_by(settings, credentials, ConnectionType::Standard)
}

fn check_by(
    settings: &AuthSettings,
    sent: Credentials<'_>,
    connection_type: ConnectionType,
) -> Result<Login, AuthError> {
    let peer = Peer { nonce: b"nonce", client_certs: &[], connection_type, addr: None };
    Authenticator::new(settings).unwrap().check(&sent, &peer)
}

fn user<'a>(user: &'a str, password: &'a str) -> Credentials<'a> {
    Credentials { user, password, ..Credentials::default() }
}

#[test]
fn an_empty_configuration_requires_nothing() {
    let authenticator = Authenticator::new(&settings("")).unwrap();
    assert!(!authenticator.auth_required() && !authenticator.nonce_needed());
}

#[test]
fn a_token_and_a_single_user_are_taken_from_the_authorization_block() {
    let token = settings("authorization { token: t }");
    assert!(check(&token, Credentials { token: "t", ..Credentials::default() }).is_ok());
    let single = settings("authorization { user: u, password: p }");
    assert!(check(&single, user("u", "p")).is_ok() && check(&single, user("u", "x")).is_err());
}

#[test]
fn users_keep_their_own_permissions_and_the_others_get_the_default() {
    let settings = settings(
        r#"authorization {
            default_permissions { publish: "default.>" }
            users [
                { user: a, password: a }
                { user: b, password: b, permissions {
                    publish { allow: "b.>", deny: "b.no" }
                    subscribe { allow: ["s.>", "q.> workers"] }
                    allow_responses { max: 3, expires: "10s" }
                } }
            ]
        }"#,
    );
    let a = check(&settings, user("a", "a")).unwrap().permissions.unwrap();
    assert!(a.can_publish(b"default.x") && !a.can_publish(b"x") && a.can_subscribe(b">", None));
    let b = check(&settings, user("b", "b")).unwrap().permissions.unwrap();
    assert!(b.can_publish(b"b.x") && !b.can_publish(b"b.no") && !b.can_publish(b"default.x"));
    assert!(
        b.can_subscribe(b"s.*", None)
            && !b.can_subscribe(b"q.x", None)
            && b.can_subscribe(b"q.x", Some(b"workers"))
    );
    let responses = b.responses().unwrap();
    assert_eq!((responses.messages_max, responses.expires_after_nanos), (Some(3), Some(10_000_000_000)));
}

#[test]
fn allow_responses_alone_allows_nothing_but_responses() {
    let settings = settings(
        "authorization { users [ { user: a, password: a, permissions { allow_responses: true } } ] }",
    );
    let permissions = check(&settings, user("a", "a")).unwrap().permissions.unwrap();
    assert!(!permissions.can_publish(b"x") && permissions.reply_needs_permit(b"r"));
}

#[test]
fn users_of_accounts_come_into_their_accounts() {
    let key = KeyPair::new_user();
    let settings = settings(&format!(
        "accounts {{ A {{ users [ {{ nkey: {} }} ] }}, B {{ users [ {{ user: b, password: b }} ] }} }}, no_auth_user: b",
        key.public_key()
    ));
    assert!(Authenticator::new(&settings).unwrap().nonce_needed());
    assert_eq!(&*check(&settings, user("b", "b")).unwrap().account, "B");
    assert_eq!(&*check(&settings, Credentials::default()).unwrap().account, "B");
    let signature = data_encoding::BASE64URL_NOPAD.encode(&key.sign(b"nonce").unwrap());
    let nkey = key.public_key();
    let sent = Credentials { nkey: &nkey, signature: &signature, ..Credentials::default() };
    assert_eq!(&*check(&settings, sent).unwrap().account, "A");
}

#[test]
fn users_may_be_limited_to_connection_types() {
    let text = "authorization { users [ { user: a, password: a, allowed_connection_types: [WEBSOCKET, leafnode_ws] } ] }";
    let settings = settings(text);
    let by = |kind| check_by(&settings, user("a", "a"), kind).is_ok();
    assert!(by(ConnectionType::Websocket) && by(ConnectionType::LeafnodeWs) && !by(ConnectionType::Standard));
}

#[test]
fn guarding_only_the_system_account_leaves_the_global_one_open() {
    let open = settings("accounts { $SYS { users [ { user: s, password: s } ] } }");
    assert_eq!(&*check(&open, Credentials::default()).unwrap().account, "$G");
    assert_eq!(&*check(&open, user("s", "s")).unwrap().account, "$SYS");
    assert!(check(&open, user("s", "x")).is_err() && check(&open, user("x", "")).is_err());
    assert!(Authenticator::new(&open).unwrap().auth_required());

    let other = settings(
        "accounts { $SYS { users [ { user: s, password: s } ] }, A { users [ { user: a, password: a } ] } }",
    );
    assert!(check(&other, Credentials::default()).is_err());
}

#[test]
fn websocket_clients_log_in_by_the_websocket_block_if_it_has_rules() {
    let general = config(
        "authorization { users [ { user: a, password: a } ] }, websocket { port: 8080, no_tls: true }",
    );
    assert!(check(&websocket_auth_settings(&general), user("a", "a")).is_ok());

    let own = config(
        "authorization { user: u, password: p }
         websocket { port: 8080, no_tls: true, authorization { token: t } }",
    );
    let websocket = websocket_auth_settings(&own);
    assert!(check(&websocket, Credentials { token: "t", ..Credentials::default() }).is_ok());
    assert!(
        check(&websocket, user("u", "p")).is_err() && check(&auth_settings(&own), user("u", "p")).is_ok()
    );
}
