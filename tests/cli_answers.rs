//! What the program says when it is not asked to run a server, to the byte, and how it exits.

use headwater::cli::{Answer, Invocation, parse};

fn answer(args: &[&str]) -> Answer {
    match parse(args.iter().map(ToString::to_string)) {
        Invocation::Answer(answer) => answer,
        other => panic!("{args:?} is no question: {other:?}"),
    }
}

fn complaint(args: &[&str]) -> (String, u8) {
    let answer = answer(args);
    assert_eq!(answer.stdout, "", "{args:?}");
    (answer.stderr, answer.exit_code)
}

fn file(dir: &tempfile::TempDir, text: &str) -> String {
    let path = dir.path().join("c.conf");
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn the_version_is_the_one_harnesses_compare() {
    let version = Answer { stdout: "nats-server: v2.15.1\n".into(), ..Answer::default() };
    for args in [["-v"], ["--v"], ["-version"], ["--version"], ["version"], ["VERSION"], ["-v=true"]] {
        assert_eq!(answer(&args), version, "{args:?}");
    }
    assert_eq!(answer(&["-v=false", "version", "and", "more"]), version);
    assert_eq!(answer(&["--", "version"]), version);
}

#[test]
fn the_release_of_this_server_itself_has_its_own_flag() {
    let expected = format!("headwater {} (compatible with nats-server 2.15.1)\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(answer(&["--about"]).stdout, expected);
}

#[test]
fn help_names_every_flag_in_the_layout_of_nats_server() {
    let help = answer(&["--help"]);
    assert_eq!((help.stderr.as_str(), help.exit_code), ("", 0));
    for args in [["-h"], ["-help"], ["help"]] {
        assert_eq!(answer(&args), help);
    }
    for line in [
        "\nUsage: nats-server [options]\n\nServer Options:\n",
        "    -a, --addr, --net <host>         Bind to host address (default: 0.0.0.0)\n",
        "    -p, --port <port>                Use port for clients (default: 4222)\n",
        "    -t                               Test configuration and exit\n",
        "    -DVV                             Debug and verbose trace (traces system account as well)\n",
        "    -js, --jetstream                 Enable JetStream functionality\n",
        "        --tlscert <file>             Server certificate file\n",
        "    -h, --help                       Show this message\n",
    ] {
        assert!(help.stdout.contains(line), "{line:?} is missing in {}", help.stdout);
    }
    assert!(answer(&["--help_tls"]).stdout.contains("    TLS_AES_128_GCM_SHA256\n"));
}

#[test]
fn a_flag_that_cannot_be_read_gets_a_complaint_the_usage_and_exit_code_zero() {
    let usage = answer(&["--help"]).stdout;
    let cases: [(&[&str], &str); 9] = [
        (&["--nope"], "flag provided but not defined: -nope\n"),
        (&["-nope=3"], "flag provided but not defined: -nope\n"),
        (&["-p", "abc"], "invalid value \"abc\" for flag -p: parse error\n"),
        (
            &["-p", "99999999999999999999"],
            "invalid value \"99999999999999999999\" for flag -p: value out of range\n",
        ),
        (&["-p"], "flag needs an argument: -p\n"),
        (&["-js=maybe"], "invalid boolean value \"maybe\" for -js: parse error\n"),
        (&["--=x"], "bad flag syntax: --=x\n"),
        (&["---x"], "bad flag syntax: ---x\n"),
        (&["-DVVV"], "flag provided but not defined: -DVVV\n"),
    ];
    for (args, reason) in cases {
        let expected = Answer { stdout: usage.clone(), stderr: reason.into(), exit_code: 0 };
        assert_eq!(answer(args), expected, "{args:?}");
    }
}

#[test]
fn an_unknown_word_is_an_error() {
    assert_eq!(complaint(&["foo"]), ("nats-server: unrecognized command: \"foo\"\n".into(), 1));
    assert_eq!(complaint(&["-"]), ("nats-server: unrecognized command: \"-\"\n".into(), 1));
    assert_eq!(
        complaint(&["-no_advertise", "true"]),
        ("nats-server: unrecognized command: \"true\"\n".into(), 1)
    );
}

#[test]
fn a_configuration_can_be_tested() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "port: 4000\n");
    let digest = "sha256:82c4060818dd83bbb44ea4fc0a8e6b9d9aec81850286947f846f643a14dd056f";
    let valid = format!("nats-server: configuration file {path} is valid ({digest})\n");
    assert_eq!(complaint(&["-t", "-c", &path]), (valid.clone(), 0));
    assert_eq!(complaint(&[&format!("--config={path}"), "-t"]), (valid, 0));

    let path = file(&dir, "foo: 1\n");
    assert_eq!(
        complaint(&["-t", "-c", &path]),
        (format!("nats-server: {path}:1:0: unknown field \"foo\"\n\n"), 1)
    );
    assert_eq!(complaint(&["-c", &path]), (format!("nats-server: {path}:1:0: unknown field \"foo\"\n\n"), 1));

    let path = file(&dir, "port: [\n");
    let (reason, code) = complaint(&["-c", &path]);
    assert!(reason.starts_with("nats-server: Parse error on line 2: '"), "{reason}");
    assert_eq!(code, 1);
}

#[test]
fn a_warning_fails_the_test_and_not_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "ping_interval: 10\n");
    let hint = "invalid use of field \"ping_interval\": ping_interval should be converted to a duration";
    assert_eq!(complaint(&["-t", "-c", &path]), (format!("nats-server: {path}:1:0: {hint}\n\n"), 1));
    let Invocation::Run(start) = parse(["-c".to_owned(), path]) else { panic!("the server starts") };
    assert_eq!(start.config.warnings.len(), 1);
}

#[test]
fn what_is_missing_is_named() {
    let must = "must specify [-c, --config] option to check configuration file syntax";
    assert_eq!(complaint(&["-t"]), (format!("nats-server: {must}\n"), 1));
    assert_eq!(
        complaint(&["-c", "/nope"]),
        ("nats-server: open /nope: no such file or directory\n".into(), 1)
    );
    let certificate = "TLS Server certificate must be present and valid";
    assert_eq!(complaint(&["-tls"]), (format!("nats-server: {certificate}\n"), 1));
    assert_eq!(complaint(&["-tlsverify"]), (format!("nats-server: {certificate}\n"), 1));
    let routes = "solicited routes require cluster capabilities, e.g. --cluster";
    assert_eq!(complaint(&["-routes", "nats://a"]), (format!("nats-server: {routes}\n"), 1));
    assert_eq!(complaint(&["-cluster", "foo"]), ("nats-server: missing port in address\n".into(), 1));
}

#[test]
fn a_signal_needs_a_process_and_a_name() {
    assert_eq!(complaint(&["-sl", "quit=abc"]), ("nats-server: invalid pid: abc\n".into(), 1));
    assert_eq!(complaint(&["-sl", "quit=-5"]), ("nats-server: invalid pid: -5\n".into(), 1));
    assert_eq!(
        complaint(&["--signal", "quit=1=2"]),
        ("nats-server: invalid signal parameters: [2]\n".into(), 1)
    );
    let send = |signal: &str| match parse(["-signal".to_owned(), signal.to_owned()]) {
        Invocation::Signal(request) => headwater::cli::deliver(&request),
        other => panic!("{other:?}"),
    };
    // No process can have this id: it is above the largest that Linux gives out.
    let gone = Answer {
        stderr: "nats-server: \nsignal \"quit\" 99999999: no such process\n".into(),
        exit_code: 1,
        ..Answer::default()
    };
    assert_eq!(send("quit=99999999"), gone);
    assert_eq!(send("foo=99999999").stderr, "nats-server: unknown signal \"foo\"\n");
}

#[test]
fn a_signal_reaches_the_process_that_a_pid_file_names() {
    use std::os::unix::process::ExitStatusExt;
    let dir = tempfile::tempdir().unwrap();
    let mut process = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let pid_file = dir.path().join("pid");
    std::fs::write(&pid_file, format!("{}\n", process.id())).unwrap();
    let Invocation::Signal(request) = parse(["-sl".to_owned(), format!("term={}", pid_file.display())])
    else {
        panic!("a signal is sent")
    };
    assert_eq!(headwater::cli::deliver(&request), Answer::default());
    assert_eq!(process.wait().unwrap().signal(), Some(15));
}

#[test]
fn the_program_prints_its_answer_and_exits_with_its_code() {
    let run = |args: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_headwater")).args(args).output().unwrap()
    };
    let version = run(&["-v"]);
    assert_eq!((version.stdout.as_slice(), version.status.code()), (&b"nats-server: v2.15.1\n"[..], Some(0)));
    let unknown = run(&["foo"]);
    assert_eq!(unknown.stderr, b"nats-server: unrecognized command: \"foo\"\n");
    assert_eq!((unknown.stdout.len(), unknown.status.code()), (0, Some(1)));
}
