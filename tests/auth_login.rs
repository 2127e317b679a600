//! Who gets in, as whom, and who does not.

use std::collections::BTreeSet;
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use headwater::auth::{
    AuthError, AuthSettings, Authenticator, ConnectionType, Credentials, Identity, Login, Peer,
    PermissionSettings, SecretVerifier, SettingsError, SubjectRules, UserSettings,
};
use headwater_protocol::client::ConnectOptions;
use nkeys::KeyPair;
use rustix::time::{ClockId, clock_gettime};

const NONCE: &[u8] = b"hN3zD8ZgXy0Jd1U";

fn peer(connection_type: ConnectionType) -> Peer<'static> {
    Peer { nonce: NONCE, client_certs: &[], connection_type, addr: None }
}

fn check(settings: &AuthSettings, credentials: Credentials<'_>) -> Result<Login, AuthError> {
    Authenticator::new(settings).unwrap().check(&credentials, &peer(ConnectionType::Standard))
}

fn user<'a>(user: &'a str, password: &'a str) -> Credentials<'a> {
    Credentials { user, password, ..Credentials::default() }
}

fn entry(account: &str, identity: Identity) -> UserSettings {
    UserSettings {
        account: account.to_owned(),
        identity,
        permissions: None,
        connection_types: BTreeSet::new(),
    }
}

fn password_user(account: &str, name: &str, password: &str) -> UserSettings {
    entry(account, Identity::Password { user: name.to_owned(), password: SecretVerifier::new(password) })
}

fn nkey_user(account: &str, key: &KeyPair) -> UserSettings {
    entry(account, Identity::Nkey(key.public_key()))
}

fn users(users: Vec<UserSettings>) -> AuthSettings {
    AuthSettings { users, ..AuthSettings::default() }
}

#[test]
fn without_authorization_everybody_is_let_in_under_the_name_it_gives() {
    let settings = AuthSettings::default();
    assert!(!Authenticator::new(&settings).unwrap().auth_required());
    let login = check(&settings, user("joe", "whatever")).unwrap();
    assert_eq!((&*login.account, &*login.user, &*login.label), ("$G", "joe", "user:joe"));
    assert_eq!(&*check(&settings, Credentials::default()).unwrap().user, "");
}

#[test]
fn a_token_lets_in_and_is_never_shown() {
    let settings = AuthSettings { token: Some(SecretVerifier::new("s3cr3t")), ..AuthSettings::default() };
    let token = |token| Credentials { token, ..Credentials::default() };
    let login = check(&settings, token("s3cr3t")).unwrap();
    assert_eq!((&*login.account, &*login.user, &*login.label), ("$G", "[REDACTED]", "token"));
    assert_eq!(check(&settings, token("wrong")).unwrap_err(), AuthError::WrongSecret);
    assert!(check(&settings, token("")).is_err() && check(&settings, user("s3cr3t", "s3cr3t")).is_err());
}

#[test]
fn the_single_user_needs_its_name_and_password() {
    let single_user = Some(("derek".to_owned(), SecretVerifier::new("pw")));
    let settings = AuthSettings { single_user, ..AuthSettings::default() };
    assert_eq!(&*check(&settings, user("derek", "pw")).unwrap().user, "derek");
    for (name, password) in [("derek", "PW"), ("derek", ""), ("other", "pw"), ("", "pw"), ("", "")] {
        assert!(check(&settings, user(name, password)).is_err(), "{name}/{password}");
    }
}

#[test]
fn a_listed_user_comes_into_its_account_with_its_permissions() {
    let mut limited = password_user("B", "bob", "b");
    let publish = SubjectRules { allow: vec!["b.>".to_owned()], deny: vec![] };
    limited.permissions = Some(PermissionSettings { publish, ..PermissionSettings::default() });
    let settings = users(vec![password_user("A", "ann", "a"), limited]);

    let ann = check(&settings, user("ann", "a")).unwrap();
    assert_eq!((&*ann.account, &*ann.label, ann.permissions.is_none()), ("A", "user:ann", true));
    let bob = check(&settings, user("bob", "b")).unwrap();
    assert_eq!(&*bob.account, "B");
    let permissions = bob.permissions.unwrap();
    assert!(permissions.can_publish(b"b.1") && !permissions.can_publish(b"a.1"));

    assert_eq!(check(&settings, user("ann", "b")).unwrap_err(), AuthError::WrongSecret);
    assert_eq!(check(&settings, user("eve", "a")).unwrap_err(), AuthError::UnknownUser);
    assert_eq!(check(&settings, Credentials::default()).unwrap_err(), AuthError::UnknownUser);
}

#[test]
fn a_refused_client_is_told_only_that_it_is_refused() {
    let settings = users(vec![password_user("A", "ann", "a")]);
    for credentials in [user("ann", "x"), user("eve", "a"), Credentials::default()] {
        let error = check(&settings, credentials).unwrap_err();
        assert_eq!(
            (error.reply(), error.close_reason()),
            ("Authorization Violation", "Authentication Failure")
        );
    }
}

#[test]
fn an_nkey_proves_itself_by_signing_the_nonce() {
    let key = KeyPair::new_user();
    let settings = users(vec![nkey_user("A", &key)]);
    assert!(Authenticator::new(&settings).unwrap().nonce_needed());
    let public = key.public_key();
    let raw = key.sign(NONCE).unwrap();
    for signature in [BASE64URL_NOPAD.encode(&raw), BASE64.encode(&raw)] {
        let login = check(&settings, nkey(&public, &signature)).unwrap();
        assert_eq!((&*login.account, &*login.user), ("A", public.as_str()));
        assert_eq!(*login.label, format!("nkey:{public}"));
    }
}

fn nkey<'a>(nkey: &'a str, signature: &'a str) -> Credentials<'a> {
    Credentials { nkey, signature, ..Credentials::default() }
}

#[test]
fn an_nkey_without_the_right_signature_is_refused() {
    let (key, other) = (KeyPair::new_user(), KeyPair::new_user());
    let settings = users(vec![nkey_user("A", &key)]);
    let public = key.public_key();
    let sign = |by: &KeyPair, nonce: &[u8]| BASE64URL_NOPAD.encode(&by.sign(nonce).unwrap());
    assert_eq!(check(&settings, nkey(&public, "")).unwrap_err(), AuthError::MissingSignature);
    for signature in [sign(&other, NONCE), sign(&key, b"another nonce"), "%%%".to_owned(), "AAAA".to_owned()]
    {
        assert_eq!(check(&settings, nkey(&public, &signature)).unwrap_err(), AuthError::BadSignature);
    }
    let stranger = check(&settings, nkey(&other.public_key(), &sign(&other, NONCE)));
    assert_eq!(stranger.unwrap_err(), AuthError::UnknownUser);
}

#[test]
fn a_signature_over_no_nonce_is_worth_nothing() {
    let key = KeyPair::new_user();
    let authenticator = Authenticator::new(&users(vec![nkey_user("A", &key)])).unwrap();
    let (public, signature) = (key.public_key(), BASE64URL_NOPAD.encode(&key.sign(b"").unwrap()));
    let peer = Peer { nonce: b"", ..peer(ConnectionType::Standard) };
    assert_eq!(authenticator.check(&nkey(&public, &signature), &peer).unwrap_err(), AuthError::BadSignature);
}

#[test]
fn bcrypt_protects_passwords_and_tokens() {
    let hash = bcrypt::hash("pw", 4).unwrap();
    let settings = users(vec![password_user("A", "ann", &hash)]);
    assert!(check(&settings, user("ann", "pw")).is_ok());
    assert!(check(&settings, user("ann", "pW")).is_err() && check(&settings, user("ann", &hash)).is_err());
    let settings = AuthSettings { token: Some(SecretVerifier::new(&hash)), ..AuthSettings::default() };
    assert!(check(&settings, Credentials { token: "pw", ..Credentials::default() }).is_ok());
}

#[test]
fn only_checks_that_run_bcrypt_are_called_slow() {
    let key = KeyPair::new_user();
    let hashed =
        users(vec![password_user("A", "ann", &bcrypt::hash("pw", 4).unwrap()), nkey_user("A", &key)]);
    let hashed = Authenticator::new(&hashed).unwrap();
    assert!(hashed.is_slow(&user("ann", "pw")) && hashed.is_slow(&user("unknown", "pw")));
    assert!(!hashed.is_slow(&nkey(&key.public_key(), "x")) && !hashed.has_plaintext_passwords());
    let plain = Authenticator::new(&users(vec![password_user("A", "ann", "pw")])).unwrap();
    assert!(!plain.is_slow(&user("ann", "pw")) && plain.has_plaintext_passwords());
}

#[test]
fn an_unknown_user_costs_the_same_as_a_wrong_password() {
    let settings = users(vec![
        password_user("A", "ann", &bcrypt::hash("pw", 8).unwrap()),
        password_user("A", "bob", "b"),
    ]);
    let authenticator = Authenticator::new(&settings).unwrap();
    let cheapest = |name: &str| {
        let once = |_| {
            let start = processor_time();
            assert!(authenticator.check(&user(name, "wrong"), &peer(ConnectionType::Standard)).is_err());
            processor_time() - start
        };
        (0..3).map(once).min().unwrap()
    };
    let wrong_password = cheapest("ann");
    for name in ["nobody", "bob"] {
        let cost = cheapest(name);
        assert!(
            cost > wrong_password / 3 && cost < wrong_password * 3,
            "{name}: {cost:?}, {wrong_password:?}"
        );
    }
}

/// What this thread has used so far: how busy the machine is makes no difference to it.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

#[test]
fn no_auth_user_is_for_clients_that_name_nobody() {
    let settings = AuthSettings {
        no_auth_user: Some("ann".to_owned()),
        ..users(vec![password_user("A", "ann", "a"), password_user("B", "bob", "b")])
    };
    let login = check(&settings, Credentials::default()).unwrap();
    assert_eq!((&*login.account, &*login.user), ("A", "ann"));
    assert_eq!(&*check(&settings, user("bob", "b")).unwrap().account, "B");
    for credentials in
        [user("ann", ""), user("bob", "x"), user("", "a"), Credentials { token: "t", ..user("", "") }]
    {
        assert!(check(&settings, credentials).is_err());
    }
}

#[test]
fn no_auth_user_may_be_an_nkey_or_have_a_bcrypt_password() {
    let key = KeyPair::new_user();
    let hash = bcrypt::hash("pw", 4).unwrap();
    for (entry, name) in
        [(nkey_user("A", &key), key.public_key()), (password_user("A", "ann", &hash), "ann".to_owned())]
    {
        let settings = AuthSettings { no_auth_user: Some(name.clone()), ..users(vec![entry]) };
        assert_eq!(*check(&settings, Credentials::default()).unwrap().user, *name);
    }
}

#[test]
fn a_user_comes_only_by_the_connection_types_it_is_allowed() {
    let mut entry = password_user("A", "ann", "a");
    entry.connection_types = BTreeSet::from(["websocket".parse().unwrap(), ConnectionType::Mqtt]);
    let authenticator = Authenticator::new(&users(vec![entry])).unwrap();
    let by = |connection_type| authenticator.check(&user("ann", "a"), &peer(connection_type));
    assert!(by(ConnectionType::Websocket).is_ok() && by(ConnectionType::Mqtt).is_ok());
    assert_eq!(by(ConnectionType::Standard).unwrap_err(), AuthError::ConnectionTypeNotAllowed);
    assert!("SMOKE".parse::<ConnectionType>().is_err());
}

#[test]
fn contradictory_settings_are_refused() {
    let twice = users(vec![password_user("A", "ann", "a"), password_user("B", "ann", "b")]);
    assert_eq!(Authenticator::new(&twice).unwrap_err(), SettingsError::DuplicateUser("ann".to_owned()));
    let account_key = KeyPair::new_account();
    let not_a_user = users(vec![nkey_user("A", &account_key)]);
    assert_eq!(
        Authenticator::new(&not_a_user).unwrap_err(),
        SettingsError::BadNkey(account_key.public_key())
    );
    let nobody =
        AuthSettings { no_auth_user: Some("eve".to_owned()), ..users(vec![password_user("A", "ann", "a")]) };
    assert_eq!(Authenticator::new(&nobody).unwrap_err(), SettingsError::UnknownNoAuthUser("eve".to_owned()));
}

#[test]
fn nothing_printed_for_debugging_contains_a_secret() {
    let settings = AuthSettings {
        token: Some(SecretVerifier::new("hunter2-token")),
        ..users(vec![password_user("A", "ann", "hunter2-password")])
    };
    let credentials = Credentials {
        user: "ann",
        password: "hunter2-password",
        token: "hunter2-token",
        jwt: "hunter2-jwt",
        ..Credentials::default()
    };
    let authenticator = Authenticator::new(&settings).unwrap();
    let login = authenticator.check(&credentials, &peer(ConnectionType::Standard));
    let printed = format!("{settings:?} {authenticator:?} {credentials:?} {login:?}");
    assert!(!printed.contains("hunter2") && printed.contains("ann"), "{printed}");
}

#[test]
fn the_fields_of_connect_are_the_credentials() {
    let key = KeyPair::new_user();
    let sig = Some(BASE64URL_NOPAD.encode(&key.sign(NONCE).unwrap()));
    let connect = ConnectOptions { nkey: Some(key.public_key()), sig, ..ConnectOptions::default() };
    let settings = users(vec![nkey_user("A", &key), password_user("B", "bob", "b")]);
    assert_eq!(&*check(&settings, Credentials::from(&connect)).unwrap().account, "A");

    let connect =
        ConnectOptions { user: Some("bob".into()), pass: Some("b".into()), ..ConnectOptions::default() };
    assert_eq!(&*check(&settings, Credentials::from(&connect)).unwrap().account, "B");
    let connect = ConnectOptions { auth_token: Some("t".into()), ..ConnectOptions::default() };
    assert_eq!(Credentials::from(&connect).token, "t");
}
