//! Every name of every directive is read, and names of one directive mean the same.

mod config_common;

use config_common::config;
use headwater::config::Config;

const USER_KEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

/// A text in which `@` stands for the names that follow.
const TOP: &[(&str, &str)] = &[
    ("@: \"127.0.0.1:4333\"", "listen"),
    ("@: 4333", "port"),
    ("@: \"127.0.0.1\"", "host net"),
    ("@: edge", "server_name"),
    ("@: \"example.org:4222\"", "client_advertise"),
    ("@: true", "debug"),
    ("@: true", "trace"),
    ("@: true", "trace_verbose"),
    ("@: true", "trace_headers"),
    ("@: false", "logtime"),
    ("@: true", "logtime_utc"),
    ("@: {a: b}", "mappings maps"),
    ("@: true", "no_sublist_cache disable_sublist_cache"),
    ("@: {A: {users: [{user: a}]}}", "accounts"),
    ("@: eyJ", "default_sentinel"),
    ("@: {token: t}", "authorization"),
    ("@: \"127.0.0.1:8333\"", "http"),
    ("@: \"127.0.0.1:8444\"", "https"),
    ("@: 8333", "http_port monitor_port"),
    ("@: {user: a, password: b}", "http_auth"),
    ("@: 8444", "https_port"),
    ("@: \"/nats\"", "http_base_path"),
    ("http_auth: {@: ops, password: s}", "user username"),
    ("http_auth: {user: ops, @: s}", "password pass"),
    ("http_auth: {user: ops, password: s, @: true}", "client_certificate verify"),
    ("@: {name: c}", "cluster"),
    ("@: {listen: 7423}", "leafnodes leaf"),
    ("@: \"/data\"", "store_dir storedir"),
    ("@: enabled", "jetstream"),
    ("@: \"/log\"", "log_file logfile"),
    ("@: 10MB", "log_size_limit logfile_size_limit"),
    ("@: 5", "log_max_num logfile_max_num"),
    ("@: json", "log_format"),
    ("@: true", "syslog"),
    ("@: \"udp://localhost:514\"", "remote_syslog"),
    ("@: \"/pid\"", "pid_file pidfile"),
    ("@: \"/ports\"", "ports_file_dir"),
    ("@: 6060", "prof_port"),
    ("@: 1", "prof_block_rate"),
    ("@: 8192", "max_control_line"),
    ("@: 2MB", "max_payload"),
    ("@: 128MB", "max_pending"),
    ("@: true", "proxy_protocol"),
    ("@: 10", "max_connections max_conn"),
    ("@: 10", "max_traced_msg_len"),
    ("@: 10", "max_subscriptions max_subs"),
    ("@: 10", "max_subscription_tokens max_sub_tokens"),
    ("@: 10s", "ping_interval"),
    ("@: 5", "ping_max"),
    ("@: {verify: true}", "tls"),
    ("@: true", "ocsp"),
    ("@: true", "ocsp_cache"),
    ("@: true", "allow_non_tls"),
    ("@: 3s", "write_deadline"),
    ("@: close", "write_timeout"),
    ("@: 31s", "lame_duck_duration"),
    ("@: 3s", "lame_duck_grace_period"),
    ("@: eyJhbGciOiJ9.e30.c2ln", "operator operators roots root root_operators root_operator"),
    ("@: MEMORY", "resolver account_resolver accounts_resolver"),
    ("@: {timeout: 3}", "resolver_tls"),
    ("@: {A: a.b.c}", "resolver_preload"),
    ("@: [A]", "resolver_pinned_accounts"),
    ("@: u", "no_auth_user"),
    ("@: S", "system_account system"),
    ("@: true", "no_system_account no_system no_sys_acc"),
    ("@: true", "no_header_support"),
    ("@: []\nserver_name: x", "trusted_keys trusted"),
    ("@: 7", "connect_error_reports"),
    ("@: 7", "reconnect_error_reports"),
    ("@: {port: 8080}", "websocket ws"),
    ("@: {port: 1883}", "mqtt"),
    ("@: [\"a:b\"]", "server_tags"),
    ("@: {a: b}", "server_metadata"),
    ("@: {a: true}", "feature_flags"),
    ("@: {A: hub}", "default_js_domain"),
    ("@: true", "no_fast_producer_stall"),
    ("@: 77", "max_closed_clients"),
    ("@: {trusted: []}\nserver_name: x", "proxies"),
    ("@: 256MB", "memory_ceiling"),
];

const AUTHORIZATION: &[(&str, &str)] = &[
    ("authorization {@: a}", "user username"),
    ("authorization {@: a}", "password pass"),
    ("authorization {@: a}", "token"),
    ("authorization {@: 3}", "timeout"),
    ("authorization {@: true}", "proxy_required"),
    ("authorization {@: {publish: a}}", "default_permissions default_permission permissions"),
    ("authorization {users: [{@: a}]}", "user username"),
    ("authorization {users: [{@: a, pass: b}]}", "user username"),
    ("authorization {users: [{user: a, @: b}]}", "password pass"),
    ("authorization {users: [{@: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4}]}", "nkey"),
    ("authorization {users: [{user: a, @: {publish: a}}]}", "permissions permission authorization"),
    (
        "authorization {users: [{user: a, @: [STANDARD, mqtt]}]}",
        "allowed_connection_types connection_types clients",
    ),
    ("authorization {users: [{user: a, @: true}]}", "proxy_required"),
    ("authorization {default_permissions {@: a}}", "publish pub import"),
    ("authorization {default_permissions {@: a}}", "subscribe sub export"),
    ("authorization {default_permissions {publish: {@: a}}}", "allow"),
    ("authorization {default_permissions {subscribe: {@: a}}}", "deny"),
    ("authorization {default_permissions {@: true}}", "allow_responses publish_allow_responses"),
    (
        "authorization {default_permissions {allow_responses: {@: 5}}}",
        "max max_msgs max_messages max_responses",
    ),
    ("authorization {default_permissions {allow_responses: {@: 5s}}}", "expires expiration ttl"),
];

const ACCOUNTS: &[(&str, &str)] = &[
    ("accounts {A: {@: [{user: a}]}}", "users"),
    ("accounts {A: {@: enabled}}", "jetstream"),
    ("accounts {A: {@: {a: b}}}", "mappings maps"),
    ("accounts {A: {@: {publish: a}}}", "default_permissions"),
    ("accounts {A: {@: traces}}", "msg_trace trace_dest"),
    ("accounts {A: {@: [{stream: a}]}}", "exports"),
    ("accounts {A: {exports: [{service: a, @: stream}]}}", "response_type response"),
    (
        "accounts {A: {exports: [{service: a, @: 3s}]}}",
        "response_threshold threshold response_max_time response_time",
    ),
    ("accounts {A: {exports: [{service: a, @: lat}]}}", "latency"),
    ("accounts {A: {exports: [{service: a, @: true}]}}", "allow_trace"),
    ("accounts {A: {exports: [{service: a, @: 2}]}}", "account_token_position"),
    ("accounts {A: {exports: [{service: a, @: [A]}]}}", "accounts"),
    ("accounts {A: {exports: [{stream: a}]}, B: {@: [{stream: {account: A, subject: a}}]}}", "imports"),
    ("accounts {A: {}, B: {imports: [{stream: {account: A, subject: a}, @: x}]}}", "to"),
    ("accounts {A: {}, B: {imports: [{stream: {account: A, subject: a}, @: x}]}}", "prefix"),
    ("accounts {A: {}, B: {imports: [{service: {account: A, subject: a}, @: true}]}}", "share"),
    ("accounts {A: {jetstream: {@: 1GB}}}", "max_memory max_mem mem memory"),
    ("accounts {A: {jetstream: {@: 1GB}}}", "max_store max_file max_disk store disk"),
    ("accounts {A: {jetstream: {@: 7}}}", "max_streams streams"),
    ("accounts {A: {jetstream: {@: 7}}}", "max_consumers consumers"),
    ("accounts {A: {jetstream: {@: true}}}", "max_bytes_required max_stream_bytes max_bytes"),
    ("accounts {A: {jetstream: {@: 7}}}", "memory_max_stream_bytes mem_max_stream_bytes"),
    ("accounts {A: {jetstream: {@: 7}}}", "store_max_stream_bytes disk_max_stream_bytes"),
    ("accounts {A: {jetstream: {@: 7}}}", "max_ack_pending"),
    ("accounts {A: {jetstream: {@: owner}}}", "cluster_traffic"),
    ("accounts {A: {limits: {@: 7}}}", "max_connections max_conn"),
    ("accounts {A: {limits: {@: 7}}}", "max_subscriptions max_subs"),
    ("accounts {A: {limits: {@: 7}}}", "max_payload max_pay"),
    ("accounts {A: {limits: {@: 7}}}", "max_leafnodes max_leafs"),
];

const WINGS: &[(&str, &str)] = &[
    ("jetstream {@: true}", "enabled enable"),
    ("jetstream {@: false}", "strict"),
    ("jetstream {@: \"/d\"}", "store_dir store storedir"),
    ("jetstream {@: 5s}", "sync_interval sync"),
    ("jetstream {@: 5ms}", "commit_window"),
    ("jetstream {@: 1G}", "max_memory_store max_mem_store max_mem max_memory"),
    ("jetstream {@: \"1G\"}", "max_file_store max_file"),
    ("jetstream {@: d}", "domain"),
    ("jetstream {@: k}", "key ek encryption_key"),
    ("jetstream {@: k}", "prev_key prev_ek prev_encryption_key"),
    ("jetstream {@: aes}", "cipher"),
    ("jetstream {@: h}", "extension_hint"),
    ("jetstream {@: t}", "unique_tag"),
    ("jetstream {@: 1G}", "max_outstanding_catchup"),
    ("jetstream {@: 1G}", "max_buffered_size"),
    ("jetstream {@: 7}", "max_buffered_msgs"),
    ("jetstream {@: 7}", "request_queue_limit"),
    ("jetstream {@: 7}", "info_queue_limit"),
    ("jetstream {@: 7}", "meta_compact"),
    ("jetstream {@: 7}", "meta_compact_size"),
    ("jetstream {@: true}", "meta_compact_sync"),
    ("jetstream {@: 8}", "max_concurrent_io"),
    ("jetstream {tpm: {@: k}}", "keys_file"),
    ("jetstream {limits: {@: 7}}", "max_ack_pending"),
    ("jetstream {limits: {@: 7}}", "max_ha_assets"),
    ("jetstream {limits: {@: 7}}", "max_request_batch"),
    ("jetstream {limits: {@: 7s}}", "duplicate_window"),
    ("jetstream {limits: {@: 7}}", "default_max_consumers"),
    ("jetstream {limits: {batch: {@: 7}}}", "max_inflight_per_stream"),
    ("jetstream {limits: {batch: {@: 7}}}", "max_inflight_total"),
    ("jetstream {limits: {batch: {@: 7}}}", "max_msgs"),
    ("jetstream {limits: {batch: {@: 7s}}}", "timeout"),
    ("tls {@: \"Cargo.toml\", key_file: \"Cargo.toml\"}", "cert_file"),
    ("tls {@: \"Cargo.toml\"}", "ca_file"),
    ("tls {@: true}", "verify"),
    ("tls {@: true}", "verify_and_map"),
    ("tls {@: true}", "insecure"),
    ("tls {@: [TLS_AES_128_GCM_SHA256]}", "cipher_suites"),
    ("tls {@: [CurveP256]}", "curve_preferences"),
    ("tls {@: \"1.3\"}", "min_version"),
    ("tls {@: 5}", "timeout"),
    ("tls {@: 5}", "connection_rate_limit"),
    ("tls {@: auto}", "handshake_first first immediate"),
    ("tls {@: [{cert_file: \"Cargo.toml\", key_file: \"Cargo.toml\"}]}", "certs certificates"),
    ("tls {@: true}", "ocsp_peer"),
    ("tls {@: true, cipher_suites: [TLS_AES_128_GCM_SHA256]}", "allow_insecure_cipher_suites"),
    ("websocket {@: \"127.0.0.1:80\"}", "listen"),
    ("websocket {@: 80}", "port"),
    ("websocket {@: \"127.0.0.1\"}", "host net"),
    ("websocket {@: a}", "advertise"),
    ("websocket {@: true}", "no_tls"),
    ("websocket {@: true}", "same_origin"),
    ("websocket {@: [a]}", "allowed_origins allowed_origin allow_origins allow_origin origins origin"),
    ("websocket {@: 3s}", "handshake_timeout"),
    ("websocket {@: true}", "compression compress"),
    ("websocket {@: {token: t}}", "authorization authentication"),
    ("websocket {@: a}", "jwt_cookie"),
    ("websocket {@: a}", "user_cookie"),
    ("websocket {@: a}", "pass_cookie"),
    ("websocket {@: a}", "token_cookie"),
    ("websocket {@: a}", "no_auth_user"),
    ("websocket {@: {a: b}}", "headers"),
    ("websocket {@: 3s}", "ping_interval"),
    ("mqtt {@: \"127.0.0.1:80\"}", "listen"),
    ("mqtt {@: 80}", "port"),
    ("mqtt {@: \"127.0.0.1\"}", "host net"),
    ("mqtt {@: {token: t}}", "authorization authentication"),
    ("mqtt {@: a}", "no_auth_user"),
    ("mqtt {@: 3s}", "ack_wait ackwait"),
    ("mqtt {@: 3s}", "js_api_timeout api_timeout"),
    ("mqtt {@: 7}", "max_ack_pending max_pending max_inflight"),
    ("mqtt {@: d}", "js_domain"),
    ("mqtt {@: 3}", "stream_replicas"),
    ("mqtt {@: true}", "consumer_memory_storage"),
    ("mqtt {@: 3s}", "consumer_inactive_threshold consumer_auto_cleanup"),
    ("mqtt {@: true}", "reject_qos2_publish"),
    ("mqtt {@: true}", "downgrade_qos2_subscribe"),
    ("leafnodes {@: \"127.0.0.1:80\"}", "listen"),
    ("leafnodes {@: 80}", "port"),
    ("leafnodes {@: \"127.0.0.1\"}", "host net"),
    ("leafnodes {@: a}", "advertise leafnode_advertise"),
    ("leafnodes {@: true}", "no_advertise"),
    ("leafnodes {@: 3s}", "reconnect reconnect_delay reconnect_interval"),
    ("leafnodes {@: 3s}", "dial_timeout"),
    ("leafnodes {@: 2.9.0}", "min_version minimum_version"),
    ("leafnodes {@: on}", "compression"),
    ("leafnodes {@: true}", "isolate_leafnode_interest isolate"),
    ("leafnodes {@: 3s}", "write_deadline"),
    ("leafnodes {@: retry}", "write_timeout"),
    ("leafnodes {authorization: {@: a}}", "user username"),
    ("leafnodes {authorization: {@: a}}", "password pass"),
    ("leafnodes {authorization: {@: a}}", "account"),
    ("leafnodes {authorization: {users: [{@: a}]}}", "user username"),
    ("leafnodes {remotes: [{@: \"nats://a\"}]}", "url urls"),
    ("leafnodes {remotes: [{url: u, @: A}]}", "account local"),
    ("leafnodes {remotes: [{url: u, @: \"/c\"}]}", "credentials creds"),
    ("leafnodes {remotes: [{url: u, @: true}]}", "hub"),
    ("leafnodes {remotes: [{url: u, @: [a]}]}", "deny_imports deny_import"),
    ("leafnodes {remotes: [{url: u, @: [a]}]}", "deny_exports deny_export"),
    (
        "leafnodes {remotes: [{url: u, @: true}]}",
        "ws_compression ws_compress websocket_compress websocket_compression",
    ),
    ("leafnodes {remotes: [{url: u, @: true}]}", "ws_no_masking websocket_no_masking"),
    ("leafnodes {remotes: [{url: u, @: true}]}", "jetstream_cluster_migrate js_cluster_migrate"),
    ("leafnodes {remotes: [{url: u, @: true}]}", "no_randomize dont_randomize"),
    ("leafnodes {remotes: [{url: u, @: true}]}", "isolate_leafnode_interest isolate"),
    ("leafnodes {remotes: [{url: u, @: true}]}", "request_isolation"),
    ("leafnodes {remotes: [{url: u, @: true}]}", "disabled"),
    ("leafnodes {remotes: [{url: u, @: true}]}", "ignore_discovered_servers"),
    ("leafnodes {remotes: [{url: u, @: 3s}]}", "first_info_timeout"),
    ("leafnodes {remotes: [{url: u, @: 3s}]}", "dial_timeout"),
    ("leafnodes {remotes: [{url: u, @: {url: \"http://p\"}}]}", "proxy"),
    ("leafnodes {remotes: [{url: u, compression: {@: [1ms]}}]}", "rtt_thresholds thresholds rtts rtt"),
    ("cluster {@: c}", "name"),
    ("cluster {@: 6222}", "listen"),
    ("cluster {@: 6222}", "port"),
    ("cluster {@: \"127.0.0.1\"}", "host net"),
    ("cluster {@: a}", "cluster_advertise advertise"),
    ("cluster {@: true}", "no_advertise"),
    ("cluster {@: 3}", "connect_retries"),
    ("cluster {@: true}", "connect_backoff"),
    ("cluster {@: 3}", "pool_size"),
    ("cluster {@: [A]}", "accounts"),
    ("cluster {@: 3s}", "ping_interval"),
    ("cluster {@: 3}", "ping_max"),
    ("cluster {@: {user: a, password: b}}", "authorization"),
    ("cluster {@: {import: a}}", "permissions"),
];

#[test]
fn every_name_of_a_directive_at_the_top_is_read() {
    TOP.iter().for_each(check);
}

#[test]
fn every_name_in_an_authorization_block_is_read() {
    AUTHORIZATION.iter().for_each(check);
}

#[test]
fn every_name_in_an_account_is_read() {
    ACCOUNTS.iter().for_each(check);
    let account_key = nkeys::KeyPair::new_account().public_key();
    check(&(&format!("accounts {{A: {{@: {account_key}}}}}"), "nkey"));
    let callout = format!("auth_users: [a], issuer: {account_key}");
    check(&(&format!("authorization {{@: {{{callout}}}}}"), "auth_callout auth_hook"));
    check(&(&format!("authorization {{auth_callout: {{{callout}, @: A}}}}"), "account acc"));
    check(&(
        &format!("authorization {{auth_callout: {{issuer: {account_key}, @: [a]}}}}"),
        "auth_users users",
    ));
    check(&(&format!("leafnodes {{authorization {{@: {USER_KEY}}}}}"), "nkey"));
    check(&(&format!("proxies {{trusted: [{{@: {USER_KEY}}}]}}"), "key public_key"));
}

#[test]
fn every_name_in_the_block_of_a_wing_is_read() {
    WINGS.iter().for_each(check);
    let seed = nkeys::KeyPair::new_user().seed().expect("a new key has a seed");
    check(&(&format!("leafnodes {{remotes: [{{url: u, @: {seed}}}]}}"), "nkey seed"));
    let operator_key = nkeys::KeyPair::new_operator().public_key();
    check(&(&format!("@: {operator_key}"), "trusted_keys trusted"));
}

/// The table of tests and the table of the program know the same names.
#[test]
fn no_directive_at_the_top_is_without_a_test() {
    let tested: Vec<&str> = TOP.iter().flat_map(|(_, names)| names.split(' ')).collect();
    for key in headwater::config::KEYS.iter().filter(|key| key.name != "gateway") {
        for name in std::iter::once(&key.name).chain(key.synonyms) {
            assert!(tested.contains(name), "{name} is not tested");
        }
    }
}

fn check((template, names): &(&str, &str)) {
    let mut first: Option<Config> = None;
    for name in names.split(' ') {
        for spelling in [name.to_owned(), name.to_uppercase()] {
            let mut read = config(&template.replace('@', &spelling));
            read.source = None;
            assert_ne!(read, Config::default(), "{template} with {spelling} has an effect");
            assert_eq!(&read, first.get_or_insert_with(|| read.clone()), "{template} with {spelling}");
        }
    }
}
