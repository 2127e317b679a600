//! What flags do to a configuration.

use std::path::Path;

use headwater::cli::{Invocation, Start, parse};
use headwater::config::Config;
use proptest::prelude::*;

fn start(args: &[&str]) -> Start {
    match parse(args.iter().map(ToString::to_string)) {
        Invocation::Run(start) => *start,
        other => panic!("{args:?} starts no server: {other:?}"),
    }
}

fn config(args: &[&str]) -> Config {
    start(args).config
}

fn refusal(args: &[&str]) -> String {
    match parse(args.iter().map(ToString::to_string)) {
        Invocation::Answer(answer) => answer.stderr,
        other => panic!("{args:?} is accepted: {other:?}"),
    }
}

#[test]
fn no_flags_start_a_server_with_the_defaults() {
    assert_eq!(config(&[]), Config::default());
}

#[test]
fn a_value_follows_its_flag_or_an_equals_sign_after_one_dash_or_two() {
    for args in [["-p", "4333"], ["--p", "4333"], ["-port", "4333"], ["--port", "4333"]] {
        assert_eq!(config(&args).client.port, 4333, "{args:?}");
    }
    assert_eq!(config(&["-p=4333"]).client.port, 4333);
    assert_eq!(config(&["--port=4333"]).client.port, 4333);
    assert_eq!(config(&["-p", "-1"]).client.port, 0, "-1 is any free port");
    assert_eq!(config(&["-p", "1", "-p", "2"]).client.port, 2, "the last one counts");
}

#[test]
fn every_name_of_a_flag_means_the_same() {
    let same: &[&[&str]] = &[
        &["-a=::1", "-addr=::1", "-net=::1"],
        &["-n=x", "-name=x", "-server_name=x"],
        &["-P=f", "-pid=f"],
        &["-m=1", "-http_port=1"],
        &["-ms=1", "-https_port=1"],
        &["-l=f", "-log=f"],
        &["-T=false", "-logtime=false"],
        &["-s", "-syslog"],
        &["-r=a", "-remote_syslog=a"],
        &["-D", "-debug"],
        &["-V", "-trace"],
        &["-js", "-jetstream", "-js=1", "-js=T"],
        &["-sd=d", "-store_dir=d"],
        &["-cluster=nats://127.0.0.1:1", "-cluster_listen=nats://127.0.0.1:1"],
    ];
    for flags in same {
        let first = config(&flags[..1]);
        assert_ne!(first, Config::default(), "{flags:?}");
        for flag in *flags {
            assert_eq!(config(&[flag]), first, "{flag}");
        }
    }
}

#[test]
fn tracing_and_debugging_come_in_combinations() {
    let of = |args: &[&str]| {
        let logging = config(args).logging;
        (logging.debug, logging.trace, logging.trace_verbose)
    };
    assert_eq!(of(&["-D"]), (true, false, false));
    assert_eq!(of(&["-V"]), (false, true, false));
    assert_eq!(of(&["-VV"]), (false, true, true));
    assert_eq!(of(&["-DV"]), (true, true, false));
    assert_eq!(of(&["-DVV"]), (true, true, true));
    assert_eq!(of(&["-DV=false"]), (false, false, false));
}

#[test]
fn flags_win_over_the_configuration_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.conf");
    std::fs::write(
        &path,
        "listen: \"127.0.0.1:4333\"\nhttp: 8333\nlogtime: false\nserver_name: file\ntrace: true\n",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let from_file = config(&["-c", path]);
    assert_eq!((from_file.client.host.as_str(), from_file.client.port), ("127.0.0.1", 4333));
    assert!(!from_file.logging.time && from_file.logging.trace);

    let both = config(&["-p", "4444", "-n", "flag", "-T", "-config", path, "-V=false"]);
    assert_eq!((both.client.host.as_str(), both.client.port), ("127.0.0.1", 4444));
    assert_eq!(both.server.name.as_deref(), Some("flag"));
    assert!(both.logging.time && !both.logging.trace);
    assert_eq!(both.monitor.http_port, Some(8333));
}

#[test]
fn a_reload_reads_the_file_again_and_keeps_the_flags() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.conf");
    std::fs::write(&path, "max_payload: 1MB\n").unwrap();
    let started = start(&["-c", path.to_str().unwrap(), "-p", "4333"]);
    std::fs::write(&path, "max_payload: 2MB\n").unwrap();
    let again = started.read_again().unwrap();
    assert_eq!((again.limits.payload_bytes_max, again.client.port), (2 * 1024 * 1024, 4333));
    assert!(started.config.reload_changes(&again).is_ok());

    let error = start(&[]).read_again().unwrap_err().to_string();
    assert_eq!(error, "can only reload config when a file is provided using -c or --config");
}

#[test]
fn what_client_suites_pass_is_accepted() {
    let python = config(&[
        "-p",
        "4222",
        "-m",
        "8222",
        "-a",
        "127.0.0.1",
        "--user",
        "u",
        "--pass",
        "p",
        "-js",
        "-sd=/d",
    ]);
    assert_eq!(python.authorization.user.as_deref(), Some("u"));
    assert_eq!(python.authorization.password.as_ref().map(|p| p.expose()), Some("p"));
    assert_eq!(python.monitor.http_port, Some(8222));
    assert_eq!(python.jetstream_dir(), Path::new("/d/jetstream"));

    let rust = config(&["--store_dir", "/d", "-p", "-1", "-l", "server.log", "-P", "server.pid"]);
    assert_eq!(rust.logging.file.as_deref(), Some(Path::new("server.log")));
    assert_eq!(rust.files.pid_file.as_deref(), Some(Path::new("server.pid")));

    let newer = config(&["--addr", "::1", "--port", "-1", "--debug", "--jetstream", "--store_dir", "/d"]);
    assert!(newer.jetstream.enabled && newer.logging.debug);
    assert_eq!(
        config(&["--auth", "t"]).authorization.token.map(|t| t.expose().to_owned()).as_deref(),
        Some("t")
    );
}

#[test]
fn a_cluster_of_one_starts_and_a_larger_one_does_not() {
    let url = "nats://127.0.0.1:6222";
    let alone = config(&["--cluster", url, "--cluster_name", "c", "--routes", url, "--server_name", "s"]);
    assert_eq!((alone.cluster.name.as_deref(), alone.cluster.port), (Some("c"), Some(6222)));
    let routes = format!("{url},nats://127.0.0.1:6223");
    let reason = refusal(&["--cluster", url, "--routes", &routes]);
    assert!(reason.contains("this server runs alone and cannot join"), "{reason}");
    assert_eq!(config(&["--cluster", "nats://127.0.0.1:-1"]).cluster.port, Some(0));
    let login = config(&["--cluster", "nats://a:b@127.0.0.1:1"]).cluster;
    assert_eq!(login.user.as_deref(), Some("a"));
    assert_eq!(
        refusal(&["--cluster", "nats://a@127.0.0.1:1"]),
        "nats-server: expected cluster password to be set\n"
    );
}

#[test]
fn tls_can_be_switched_on_by_flags_and_off_again() {
    let dir = tempfile::tempdir().unwrap();
    let cert = dir.path().join("cert.pem");
    std::fs::write(&cert, "").unwrap();
    let cert = cert.to_str().unwrap();
    let tls = config(&["--tlsverify", "--tlscert", cert, "--tlskey", cert, "--tlscacert", cert])
        .client
        .tls
        .unwrap();
    assert!(tls.verify);
    assert_eq!(tls.ca_file.as_deref(), Some(Path::new(cert)));
    assert_eq!(
        refusal(&["--tls", "--tlscert", cert]),
        "nats-server: TLS Server private key must be present and valid\n"
    );

    let path = dir.path().join("c.conf");
    std::fs::write(&path, "tls { timeout: 1 }\n").unwrap();
    assert_eq!(config(&["-c", path.to_str().unwrap(), "-tls=false"]).client.tls, None);
}

#[test]
fn a_configuration_that_contradicts_itself_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.conf");
    std::fs::write(&path, "no_auth_user: a\n").unwrap();
    let reason = refusal(&["-c", path.to_str().unwrap()]);
    assert_eq!(reason, "nats-server: no_auth_user: \"a\" present, but users/nkeys are not defined\n");
}

proptest! {
    #[test]
    fn reading_arbitrary_arguments_ends(args in proptest::collection::vec("-{0,3}[a-zA-Z_]{0,8}=?[-a-z0-9:/.]{0,8}", 0..6)) {
        let _ = parse(args);
    }
}
