//! What a reload takes over, and what it refuses.

mod config_common;

use config_common::config;
use headwater::config::diff::Effect;

fn lines(old: &str, new: &str) -> Vec<String> {
    let changes = config(old).reload_changes(&config(new)).expect("the reload is accepted");
    let line = |effect: Effect| match effect {
        Effect::Applied(line) => line,
        Effect::Refused(reason) => panic!("{reason}"),
    };
    changes.into_iter().map(|change| line(change.effect)).collect()
}

fn refusal(old: &str, new: &str) -> String {
    config(old).reload_changes(&config(new)).expect_err("the reload is refused")
}

#[test]
fn the_same_configuration_changes_nothing() {
    let text = include_str!("../configs/quickstart.conf");
    assert_eq!(lines(text, text), Vec::<String>::new());
    assert_eq!(lines("port: 4333", "# moved\nport = 4333"), Vec::<String>::new());
}

#[test]
fn what_can_change_in_a_running_server_is_said_in_the_words_of_nats_server() {
    let cases = [
        ("debug: false", "debug: true", "debug = true"),
        ("max_payload: 1MB", "max_payload: 2MB", "max_payload = 2097152"),
        ("max_connections: 5", "max_connections: 7", "max_connections = 7"),
        ("ping_interval: 10s", "ping_interval: \"2m\"", "ping_interval = 2m0s"),
        ("write_deadline: 10s", "write_deadline: \"1.5s\"", "write_deadline = 1.5s"),
        ("port: 1", "port: 1\npid_file: \"/p\"", "pid_file = /p"),
        (
            "authorization { user: a, pass: b }",
            "authorization { user: a, pass: c }",
            "authorization password",
        ),
        (
            "authorization { users: [{user: a}] }",
            "authorization { users: [{user: b}] }",
            "authorization users",
        ),
        ("accounts { A {} }", "accounts { A { users: [{user: a}] } }", "accounts"),
        ("server_tags: [a]", "server_tags: [b]", "tags"),
        ("tls { timeout: 1 }", "tls { timeout: 2 }", "tls = enabled"),
        ("jetstream { max_file: 1G }", "jetstream { max_file: 2G }", "JetStream max_file_store = 2000000000"),
        ("cluster { name: a }", "cluster { name: b }", "cluster"),
    ];
    for (old, new, line) in cases {
        assert_eq!(lines(old, new), [line], "{old} -> {new}");
    }
}

#[test]
fn what_needs_a_restart_refuses_the_whole_reload() {
    let no = |what: &str| format!("config reload not supported for {what}");
    let cases = [
        ("port: 14522", "port: 14599\ndebug: true", no("Port: old=14522, new=14599")),
        ("host: 127.0.0.1", "host: 127.0.0.2", no("Host: old=127.0.0.1, new=127.0.0.2")),
        ("server_name: a", "server_name: b", no("ServerName: old=a, new=b")),
        ("jetstream { domain: a }", "jetstream { domain: b }", no("JetStreamDomain: old=a, new=b")),
        (
            "jetstream { store_dir: \"/a\" }",
            "jetstream { store_dir: \"/b\" }",
            no("jetstream storage directory"),
        ),
        (
            "jetstream { max_mem: 2 }",
            "jetstream { max_mem: 1 }",
            no("decreasing jetstream max memory and store"),
        ),
        ("jetstream {}", "jetstream { max_mem: 1 }", no("jetstream dynamic max memory and store")),
        ("jetstream { sync: always }", "jetstream { sync: 1s }", no("SyncInterval: old=always, new=1s")),
        ("cluster { port: 1 }", "cluster { port: 2 }", no("cluster port: old=1, new=2")),
        ("max_subs: 1", "max_subs: 2", no("MaxSubs: old=1, new=2")),
        ("http_port: 1", "http_port: 2", no("HTTPPort: old=1, new=2")),
        (
            "system_account: \"$SYS\"",
            "accounts { A {} }\nsystem_account: A",
            no("SystemAccount: old=$SYS, new=A"),
        ),
        ("websocket { port: 1 }", "websocket { port: 2 }", no("Websocket")),
    ];
    for (old, new, reason) in cases {
        assert_eq!(refusal(old, new), reason, "{old} -> {new}");
    }
}

#[test]
fn a_port_that_the_system_chose_stays() {
    let mut running = config("port: -1");
    running.client.port = 41_222;
    assert!(running.reload_changes(&config("port: -1")).is_ok_and(|changes| changes.is_empty()));
}

#[test]
fn jetstream_can_be_switched_off_with_all_its_settings() {
    assert_eq!(lines("jetstream { store_dir: \"/a\", max_mem: 1, domain: d }", "port: 4222"), ["JetStream"]);
}

#[test]
fn secrets_do_not_show_in_what_a_reload_says() {
    let said = format!(
        "{:?} {}",
        lines("authorization { token: hunter2 }", "authorization { token: hunter3 }"),
        refusal("jetstream { key: hunter4 }", "jetstream { key: hunter5 }")
    );
    assert!(!said.contains("hunter"), "{said}");
}
