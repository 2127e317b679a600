//! What a configuration file means, block by block.

mod config_common;

use std::time::Duration;

use config_common::{config, refusal};
use headwater::config::accounts::AccountJetStream;
use headwater::config::authorization::{ConnectionType, Login};
use headwater::config::exchange::{ExportKind, ImportKind, Responses, Sampling};
use headwater::config::jetstream::SyncPolicy;
use headwater::config::permissions::{ResponsePermission, SubjectRule};
use headwater::config::tls::{HandshakeFirst, TlsVersion};
use headwater::config::{Config, Secret};

const SECOND: Duration = Duration::from_secs(1);

fn rule(subject: &str) -> SubjectRule {
    SubjectRule { subject: subject.to_owned(), queue: None }
}

#[test]
fn nothing_written_means_the_defaults_of_nats_server_and_an_ack_on_disk() {
    let config = Config::default();
    assert_eq!((config.client.host.as_str(), config.client.port), ("0.0.0.0", 4222));
    assert_eq!(config.limits.payload_bytes_max, 1024 * 1024);
    assert_eq!(config.limits.connections_max, Some(65_536));
    assert_eq!(config.limits.ping_interval, 120 * SECOND);
    assert_eq!(config.auth_timeout(), 2 * SECOND);
    assert_eq!(config.jetstream.sync, SyncPolicy::Always);
    assert!(config.jetstream.strict);
    assert_eq!(config.jetstream_dir(), std::env::temp_dir().join("nats/jetstream"));
    assert_eq!(config.system_account_name(), Some("$SYS"));
    assert!(!config.requires_login());
    assert_eq!(config.validate(), Ok(()));
}

#[test]
fn a_port_of_minus_one_is_any_free_port_and_zero_is_the_default() {
    assert_eq!(config("port: -1").client.port, 0);
    assert_eq!(config("port: 0").client.port, 4222);
    assert_eq!(config("listen: \"127.0.0.1:-1\"").client.port, 0);
    assert_eq!(config("listen: 4333").client.port, 4333);
    assert_eq!(config("listen: \":4333\"").client.host, "0.0.0.0");
    assert_eq!(config("listen: \"[::1]:4333\"").client.host, "::1");
    let monitored = config("http: \"127.0.0.1:-1\"").monitor;
    assert_eq!((monitored.host.as_deref(), monitored.http_port), (Some("127.0.0.1"), Some(0)));
    assert_eq!(config("http_port: 0").monitor.http_port, None);
    assert_eq!(refusal("port: 70000"), "c.conf:1:0: invalid port 70000");
}

#[test]
fn users_come_with_logins_permissions_and_ways_to_connect() {
    let config = config(
        r#"authorization {
             default_permissions { publish: "public.>", subscribe: { deny: ["secret.>"] } }
             users: [
               { user: plain, password: s3cret }
               { username: limited, pass: "$2a$11$abc", allowed_connection_types: [standard, WEBSOCKET]
                 permission: { publish: { allow: [a, b.>], deny: b.c }, subscribe: ["x", "orders.> workers"] } }
               { user: server, permissions: { subscribe: rpc, allow_responses: { max: -1, expires: "3s" } } }
             ] }"#,
    );
    let users: Vec<_> = config.users().map(|(account, user)| (account, user.clone())).collect();
    assert!(users.iter().all(|(account, _)| *account == "$G"));
    let [(_, plain), (_, limited), (_, server)] = users.as_slice() else { panic!("three users") };

    assert_eq!(plain.login, Login::Password { name: "plain".into(), password: Secret::new("s3cret") });
    let default = plain.permissions.clone().expect("the default applies");
    assert_eq!(default.publish.unwrap().allow, Some(vec![rule("public.>")]));
    let subscribe = default.subscribe.unwrap();
    assert_eq!((subscribe.allow, subscribe.deny), (None, vec![rule("secret.>")]));

    let types = limited.connection_types.clone().unwrap();
    assert!(types.contains(&ConnectionType::Standard) && types.contains(&ConnectionType::WebSocket));
    let own = limited.permissions.clone().unwrap();
    assert_eq!(own.publish.unwrap().deny, [rule("b.c")]);
    let workers = SubjectRule { subject: "orders.>".into(), queue: Some("workers".into()) };
    assert_eq!(own.subscribe.unwrap().allow, Some(vec![rule("x"), workers]));

    let answering = server.permissions.clone().unwrap();
    let responses = ResponsePermission { messages_max: None, expires: Some(3 * SECOND) };
    assert_eq!(answering.responses, Some(responses));
    assert_eq!(answering.publish.unwrap().allow, Some(vec![]), "nothing but answers");
}

#[test]
fn accounts_have_users_limits_streams_and_exchange() {
    let config = config(
        r#"accounts {
             SYS { users: [ { user: admin, password: a } ] }
             A { users: [ { user: a, password: a } ], limits { max_conn: 5, max_payload: 1kb, max_subs: -1 }
                 jetstream { max_mem: 1MB, max_file: -1, max_streams: 3, max_stream_bytes: true }
                 exports: [ { stream: "out.>" }
                            { service: "rpc.*", accounts: [B], response_type: chunked, threshold: "5s", latency: { subject: lat, sampling: headers } } ] }
             B { users: [ { user: b, password: b } ], jetstream: enabled
                 imports: [ { stream: { account: A, subject: "out.>" }, prefix: from_a }
                            { service: { account: A, subject: "rpc.x" }, to: "call.x", share: true } ] }
           }
           system_account: SYS, no_auth_user: b"#,
    );
    assert_eq!(config.validate(), Ok(()));
    let [system, a, b] = config.accounts.as_slice() else { panic!("three accounts") };
    assert_eq!((system.name.as_str(), &system.jetstream), ("SYS", &None));
    assert_eq!(a.limits.connections_max, Some(5));
    assert_eq!((a.limits.payload_bytes_max, a.limits.subscriptions_max), (Some(1024), None));
    let limits = a.jetstream.clone().unwrap();
    assert_eq!((limits.memory_bytes_max, limits.store_bytes_max), (Some(1024 * 1024), None));
    assert!(limits.stream_bytes_max_required);
    assert_eq!(b.jetstream, Some(AccountJetStream::default()));

    let ExportKind::Service(service) = &a.exports[1].kind else { panic!("a service") };
    assert_eq!((service.responses, service.threshold), (Responses::Chunked, Some(5 * SECOND)));
    assert_eq!(service.latency.as_ref().unwrap().sampling, Sampling::Headers);
    assert_eq!(a.exports[1].accounts, ["B"]);
    let stream = ImportKind::Stream { to: None, prefix: Some("from_a".into()), allow_trace: false };
    assert_eq!(b.imports[0].kind, stream);
    assert_eq!(b.imports[1].kind, ImportKind::Service { to: "call.x".into(), share: true });
    assert_eq!(config.users().map(|(account, _)| account).collect::<Vec<_>>(), ["SYS", "A", "B"]);
    assert!(config.requires_login());
}

#[test]
fn jetstream_is_a_word_or_a_block() {
    assert!(config("jetstream: enabled").jetstream.enabled);
    assert!(config("jetstream: true").jetstream.enabled);
    assert!(!config("jetstream: disabled").jetstream.enabled);
    assert!(!config("jetstream { enabled: false }").jetstream.enabled);
    let js = config("jetstream { store_dir: \"/data\", max_mem: 64MB, max_file: \"10G\", sync: 10s }");
    assert!(js.jetstream.enabled);
    assert_eq!(js.jetstream_dir().to_str(), Some("/data/jetstream"));
    assert_eq!(js.jetstream.memory_bytes_max, Some(64 * 1024 * 1024));
    assert_eq!(js.jetstream.store_bytes_max, Some(10 * 1024 * 1024 * 1024));
    assert_eq!(js.jetstream.sync, SyncPolicy::Every(10 * SECOND));
    assert_eq!(config("jetstream { sync_interval: always }").jetstream.sync, SyncPolicy::Always);
    assert_eq!(config("jetstream {}").jetstream.commit_window, Duration::ZERO);
    assert_eq!(config("jetstream { commit_window: 5ms }").jetstream.commit_window, SECOND / 200);
}

#[test]
fn tls_says_who_speaks_first_and_how() {
    let tls = |inside: &str| config(&format!("tls {{ {inside} }}")).client.tls.expect("tls is on");
    assert_eq!(tls("timeout: 3").handshake_timeout(), 3 * SECOND);
    assert_eq!(tls("timeout: 0.5").handshake_timeout(), SECOND / 2);
    assert_eq!(tls("timeout: \"1.5s\"").handshake_timeout(), SECOND * 3 / 2);
    assert_eq!(tls("handshake_first: true").handshake_first, HandshakeFirst::Always);
    assert_eq!(tls("handshake_first: auto").handshake_first, HandshakeFirst::Within(SECOND / 20));
    assert_eq!(tls("handshake_first: 300ms").handshake_first, HandshakeFirst::Within(SECOND * 3 / 10));
    assert_eq!(tls("min_version: \"1.3\"").min_version, Some(TlsVersion::Tls13));
    assert!(tls("verify_and_map: true").verify);
    assert_eq!(config("tls { timeout: 3 }").auth_timeout(), 4 * SECOND, "the handshake and a second");
    assert_eq!(config("tls {}\nauthorization { timeout: 1.5 }").auth_timeout(), SECOND * 3 / 2);
}

#[test]
fn what_client_suites_write_for_every_server_is_accepted() {
    let config = config(
        "port: -1\nhost: 127.0.0.1\nhttp: \"127.0.0.1:-1\"\nleafnodes { listen: \"127.0.0.1:-1\" }\n\
         websocket { port: -1, no_tls: true }\nserver_tags: [ \"id:X\" ]\nports_file_dir: \"/tmp\"\n\
         client_advertise: \"127.0.0.1\"\ncluster { name: c, listen: \"127.0.0.1:-1\" }\n",
    );
    assert_eq!(config.validate(), Ok(()));
    assert_eq!(config.server.tags, ["id:x"]);
    assert_eq!(config.websocket.port, Some(0));
    assert_eq!(config.leafnodes.port, Some(0));
}

#[test]
fn a_cluster_of_one_is_accepted_and_a_larger_one_refused() {
    let alone =
        config("cluster { name: c, listen: \"127.0.0.1:6222\", routes: [\"nats://a:b@127.0.0.1:6222\"] }");
    assert_eq!(alone.validate(), Ok(()));
    config("cluster { listen: \"0.0.0.0:6222\", routes: [\"nats-route://localhost:6222\"] }");
    let reason = "cluster routes are not served: this server runs alone and cannot join";
    assert_eq!(
        refusal("cluster {\n  listen: \"127.0.0.1:6222\"\n  routes: [\"nats://a:b@127.0.0.1:6223\"]\n}"),
        format!("c.conf:3:3: {reason} \"127.0.0.1:6223\"; use leafnodes")
    );
    assert_eq!(
        refusal("port: 4222\ngateway { name: g }\n"),
        "c.conf:2:1: gateways are not served: this server runs alone; use leafnodes"
    );
}

#[test]
fn all_complaints_are_made_at_once_with_warnings_first() {
    let text =
        "nonsense: 1\nping_interval: 10\nport: x\nauthorization { foo: 1, users: [ {user: a, bar: 2} ] }\n";
    let expected = [
        "c.conf:2:1: invalid use of field \"ping_interval\": ping_interval should be converted to a duration",
        "c.conf:1:0: unknown field \"nonsense\"",
        "c.conf:3:1: expected an integer, got a string",
        "c.conf:4:17: unknown field \"foo\"",
        "c.conf:4:44: unknown field \"bar\"",
    ];
    assert_eq!(refusal(text).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_duration_in_bare_seconds_is_taken_with_a_warning() {
    let config = config("write_deadline: 3\n");
    assert_eq!(config.limits.write_deadline, 3 * SECOND);
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn secrets_do_not_show() {
    let text = "authorization { user: u, password: hunter2 }\njetstream { key: hunter3 }\n\
                leafnodes { remotes: [ { url: \"nats://a:hunter4@b\" } ] }\n";
    let shown = format!("{:?}", config(text));
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn what_is_read_and_not_done_is_listed() {
    let config = config("prof_port: 6060\nocsp: true\nport: 4222\n");
    assert_eq!(
        config.not_served,
        ["prof_port: not served by this version", "ocsp: not served by this version"]
    );
    assert_eq!(config.validate(), Ok(()));
}

#[test]
fn the_sample_configurations_are_valid() {
    use config_common::Desk;
    let desk = |text: &str| {
        let desk =
            Desk::default().with_variable("SENSORS_PASSWORD", "a").with_variable("CONTROL_PASSWORD", "b");
        desk.with_file("sample.conf", text)
    };
    for sample in [include_str!("../configs/quickstart.conf"), include_str!("../configs/gateway.conf")] {
        let config = desk(sample).read("sample.conf").expect("a sample is read");
        assert_eq!(config.validate(), Ok(()));
        assert_eq!((config.warnings, config.not_served), (vec![], vec![]));
        assert!(config.jetstream.enabled);
    }
    let tls =
        desk(include_str!("../configs/tls.conf")).read("sample.conf").expect_err("there are no certificates");
    assert!(tls.to_string().contains("open ./certs/server.pem: no such file or directory"), "{tls}");
}
