//! Directives that do not go together.

mod config_common;

use config_common::{config, conflict, refusal};

#[test]
fn a_payload_has_to_fit_into_what_may_be_pending() {
    assert_eq!(
        conflict("max_payload: 2MB\nmax_pending: 1MB\n"),
        "max_payload (2097152) cannot be higher than max_pending (1048576)"
    );
}

#[test]
fn no_auth_user_has_to_be_a_user() {
    assert_eq!(conflict("no_auth_user: a"), "no_auth_user: \"a\" present, but users/nkeys are not defined");
    assert_eq!(
        conflict("no_auth_user: b\nauthorization { users: [ {user: a} ] }"),
        "no_auth_user: \"b\" not present as user or nkey in authorization block or account configuration"
    );
    assert_eq!(config("no_auth_user: a\naccounts { A { users: [ {user: a} ] } }").validate(), Ok(()));
}

#[test]
fn the_system_account_has_to_be_defined_if_it_is_named() {
    assert_eq!(conflict("system_account: NOPE"), "error resolving system account: account missing");
    assert_eq!(config("system_account: S\naccounts { S {} }").validate(), Ok(()));
}

#[test]
fn users_of_the_system_account_alone_do_not_shut_others_out() {
    let system = "accounts { SYS { users: [ {user: a} ] } }\nsystem_account: SYS\n";
    assert!(config(system).anonymous_join_global_account());
    assert!(config("accounts { \"$SYS\" { users: [ {user: a} ] } }").anonymous_join_global_account());
    assert!(!config("accounts { A { users: [ {user: a} ] } }").anonymous_join_global_account());
    assert!(!config(&format!("{system}authorization {{}}")).anonymous_join_global_account());
    assert!(!config(&format!("{system}no_auth_user: a")).anonymous_join_global_account());
}

#[test]
fn a_login_is_given_once() {
    let once = "Duplicate user \"a\" detected";
    for text in [
        "authorization { users: [ {user: a}, {user: a} ] }",
        "accounts { A { users: [ {user: a} ] }, B { users: [ {user: a} ] } }",
        "authorization { users: [ {user: a} ] }\naccounts { A { users: [ {user: a} ] } }",
        "accounts { A { users: [ {user: a} ] } }\nauthorization { users: [ {user: a} ] }",
    ] {
        let refusal = refusal(text);
        assert!(refusal.ends_with(once) && refusal.lines().count() == 1, "{text}: {refusal}");
    }
}

#[test]
fn there_is_one_user_or_a_list_of_users_or_a_token() {
    let cases = [
        ("authorization { user: a, token: t }", "Cannot have a user/pass and token"),
        (
            "authorization { user: a, users: [ {user: b} ] }",
            "Can not have a single user/pass and a users array",
        ),
        ("authorization { token: t, users: [ {user: b} ] }", "Can not have a token and a users array"),
        (
            "authorization { user: a }\naccounts { A { users: [ {user: b} ] } }",
            "Can not have a single user/pass and accounts",
        ),
        (
            "authorization { token: t }\naccounts { A { users: [ {user: b} ] } }",
            "Can not have a token and accounts",
        ),
    ];
    for (text, reason) in cases {
        let refusal = refusal(text);
        assert!(refusal.ends_with(reason), "{text}: {refusal}");
    }
}

#[test]
fn a_lame_duck_lives_thirty_seconds_and_longer_than_its_grace() {
    assert_eq!(
        refusal("lame_duck_duration: \"29s\""),
        "c.conf:1:0: invalid lame_duck_duration of 29s, minimum is 30 seconds"
    );
    assert_eq!(
        refusal("lame_duck_grace_period: \"-1s\""),
        "c.conf:1:0: invalid lame_duck_grace_period, needs to be positive"
    );
    assert_eq!(
        conflict("lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1m\""),
        "lame duck grace period (1m0s) should be strictly lower than lame duck duration (30s)"
    );
}

#[test]
fn the_account_of_a_leaf_node_has_to_exist() {
    let text = "leafnodes { remotes: [ { url: \"nats://a\", account: A } ] }";
    assert_eq!(conflict(text), "cannot find local account \"A\" specified in leafnode remote");
    assert_eq!(config(&format!("accounts {{ A {{}} }}\n{text}")).validate(), Ok(()));
    let text = "leafnodes { listen: 7422, authorization { user: u, account: A } }";
    assert_eq!(conflict(text), "cannot find local account \"A\" specified in leafnode authorization");
}

#[test]
fn an_import_needs_an_account_to_import_from() {
    let text = "accounts { B { imports: [ { stream: { account: A, subject: x } } ] } }";
    assert_eq!(refusal(text), "c.conf:1:0: \"A\" account not defined for stream import");
}

#[test]
fn websocket_without_tls_has_to_be_asked_for() {
    assert_eq!(conflict("websocket { port: 8080 }"), "websocket requires TLS configuration");
    assert_eq!(config("websocket { port: 8080, no_tls: true }").validate(), Ok(()));
    assert_eq!(
        conflict("websocket { port: 8080, no_tls: true, headers: { Host: x } }"),
        "websocket: invalid header \"Host\" not allowed"
    );
}

#[test]
fn a_domain_is_a_single_token() {
    assert_eq!(conflict("jetstream { domain: \"a.b\" }"), "invalid domain name: may not contain ., * or >");
    assert_eq!(
        conflict("jetstream { domain: \"a b\" }"),
        "invalid domain name: derived \"$JS.a b.API.>\" is not a valid subject"
    );
}

#[test]
fn the_storage_directory_is_named_once() {
    let reason = "c.conf:2:1: Duplicate 'store_dir' configuration";
    assert_eq!(refusal("jetstream { store_dir: \"/a\" }\nstore_dir: \"/b\""), reason);
}

#[test]
fn what_would_leave_a_door_open_keeps_the_server_from_starting() {
    for text in ["jetstream { tpm { keys_file: keys } }", "authorization { user: a, proxy_required: true }"] {
        let reason = conflict(text);
        assert!(reason.contains("not served by this version"), "{text}: {reason}");
    }
}
