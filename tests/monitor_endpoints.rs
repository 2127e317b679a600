//! What the endpoints answer, asked as over HTTP.

mod monitor_support;

use std::sync::Arc;

use headwater::monitor::connz::{ConnzOptions, State, connz};
use headwater::monitor::jsz::{JszOptions, jsz_of_account};
use headwater::monitor::{HealthProblem, Leaf, Monitor, MonitorLimits, TlsFacts};
use headwater::router::CloseReason;
use monitor_support::{FakeJetStream, FakeSource, NOW, SECOND, closed, connection};
use serde_json::{Value, json};

fn monitor(source: FakeSource) -> Monitor {
    Monitor::new(Arc::new(source), "", MonitorLimits::default())
}

/// Status and text of an answer.
fn ask(source: FakeSource, path: &str, query: &str) -> (u16, String) {
    let answer = monitor(source).answer(path, query);
    (answer.status, String::from_utf8(answer.body).unwrap())
}

fn ask_json(source: FakeSource, path: &str, query: &str) -> Value {
    let (status, text) = ask(source, path, query);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn cids(query: &str) -> Vec<u64> {
    let answer = ask_json(FakeSource::default(), "/connz", query);
    answer["connections"].as_array().unwrap().iter().map(|c| c["cid"].as_u64().unwrap()).collect()
}

#[test]
fn json_is_indented_by_two_spaces_and_whole_floats_have_no_point() {
    let (_, text) = ask(FakeSource::default(), "/varz", "");
    for line in [
        "{\n  \"server_id\": \"NDVW\",",
        "\n  \"auth_timeout\": 2,",
        "\n  \"tls_timeout\": 0.5,",
        "\n  \"cluster\": {},",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let (_, text) = ask(FakeSource::default(), "/routez", "");
    assert!(text.ends_with("\"num_routes\": 0,\n  \"routes\": []\n}"), "{text}");
}

#[test]
fn the_server_tells_its_times_and_its_own_version() {
    let varz = ask_json(FakeSource::default(), "/varz", "");
    assert_eq!((&varz["now"], &varz["uptime"]), (&json!("2026-11-21T22:26:04Z"), &json!("1m3s")));
    assert_eq!(varz["headwater"], json!(env!("CARGO_PKG_VERSION")));
    assert_eq!((&varz["mem"], &varz["slow_consumer_stats"]["clients"]), (&json!(1 << 20), &json!(3)));
}

#[test]
fn requests_are_counted_by_path() {
    let monitor = monitor(FakeSource::default());
    for path in ["/connz", "/connz", "/subscriptionsz", "/nope", "/varz"] {
        monitor.answer(path, "");
    }
    let varz: Value = serde_json::from_slice(&monitor.answer("/varz", "").body).unwrap();
    assert_eq!(varz["http_req_stats"], json!({"/connz": 2, "/subsz": 1, "/varz": 2}));
}

#[test]
fn connections_are_open_ones_in_order_of_number_unless_asked_otherwise() {
    assert_eq!(cids(""), [7, 13]);
    assert_eq!(cids("state=CLOSED"), [14, 15]);
    assert_eq!((cids("state=any"), cids("state=all")), (vec![7, 13, 14, 15], vec![7, 13, 14, 15]));
    assert_eq!((cids("sort=msgs_from"), cids("sort=msgs_to")), (vec![13, 7], vec![7, 13]));
    assert_eq!(
        (cids("state=closed&sort=stop"), cids("state=closed&sort=reason")),
        (vec![15, 14], vec![15, 14])
    );
    assert_eq!(
        (cids("offset=1"), cids("limit=1"), cids("offset=9"), cids("offset=-3&limit=-3")),
        (vec![13], vec![7], vec![], vec![7, 13])
    );
}

#[test]
fn connections_can_be_picked() {
    assert_eq!((cids("cid=13"), cids("cid=99"), cids("cid=14&state=any")), (vec![13], vec![], vec![14]));
    assert_eq!((cids("user=b"), cids("acc=A"), cids("acc=B&state=any")), (vec![13], vec![7], vec![13, 14]));
    assert_eq!((cids("acc=A&filter_subject=foo.bar"), cids("acc=A&filter_subject=bar")), (vec![7], vec![]));
    assert_eq!((cids("filter_subject=bar"), cids("mqtt_client=x")), (vec![7, 13], vec![]));
    let one = ask_json(FakeSource::default(), "/connz", "cid=13");
    assert_eq!((&one["limit"], &one["total"], &one["num_connections"]), (&json!(1), &json!(2), &json!(1)));
}

#[test]
fn connections_of_an_unknown_account_are_null() {
    let answer = ask_json(FakeSource::default(), "/connz", "acc=NOPE");
    assert_eq!(
        (&answer["server_id"], &answer["connections"], &answer["total"]),
        (&json!(""), &Value::Null, &json!(0))
    );
}

#[test]
fn a_connection_tells_its_times_and_what_it_has() {
    let answer = ask_json(FakeSource::default(), "/connz", "auth=1&subs=1&state=any");
    let (open, gone) = (&answer["connections"][0], &answer["connections"][2]);
    assert_eq!(
        (&open["rtt"], &open["uptime"], &open["idle"]),
        (&json!("377µs"), &json!("1m30s"), &json!("1s"))
    );
    assert_eq!((&open["authorized_user"], &open["account"]), (&json!("a"), &json!("A")));
    assert_eq!(open["subscriptions_list"], json!(["foo.*", "q.x"]));
    assert_eq!((&gone["stop"], &gone["reason"]), (&json!("2026-11-21T22:26:01Z"), &json!("Read Error")));
    assert_eq!((&gone["uptime"], &gone["subscriptions_list"]), (&json!("1m27s"), &json!(["bye"])));
}

#[test]
fn the_global_account_is_not_named_and_users_are_shown_only_when_asked_for() {
    let source = || FakeSource { open: vec![connection(1, "$G", "u")], ..FakeSource::default() };
    let shown = ask_json(source(), "/connz", "auth=1")["connections"][0].clone();
    assert_eq!(
        (&shown["authorized_user"], shown.get("account"), &shown["name_tag"]),
        (&json!("u"), None, &json!("$G"))
    );
    let hidden = ask_json(source(), "/connz", "")["connections"][0].clone();
    assert_eq!((hidden.get("authorized_user"), hidden.get("name_tag")), (None, None));
}

#[test]
fn an_encrypted_connection_shows_how() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "edge-1");
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let tls = TlsFacts {
        version: "1.3",
        cipher_suite: "TLS_AES_128_GCM_SHA256",
        first: true,
        peer_certificates: Arc::new([certificate]),
    };
    let mut encrypted = connection(1, "A", "a");
    encrypted.tls = Some(tls);
    let source = FakeSource { open: vec![encrypted], ..FakeSource::default() };
    let shown = ask_json(source, "/connz", "auth=1")["connections"][0].clone();
    assert_eq!((&shown["tls_version"], &shown["tls_first"]), (&json!("1.3"), &json!(true)));
    assert_eq!(shown["tls_cipher_suite"], json!("TLS_AES_128_GCM_SHA256"));
    let peer = &shown["tls_peer_certs"][0];
    assert_eq!(peer["subject"], json!("CN=edge-1"));
    assert_eq!(
        (peer["spki_sha256"].as_str().unwrap().len(), peer["cert_sha256"].as_str().unwrap().len()),
        (64, 64)
    );
}

#[test]
fn a_wrong_request_is_explained_in_the_words_of_nats_server() {
    let cases = [
        ("/connz", "sort=bogus", "invalid sorting option: bogus"),
        ("/connz", "sort=stop", "sort by stop only valid on closed connections"),
        ("/connz", "state=foo", "Error decoding state for foo"),
        ("/connz", "limit=x", r#"Error decoding int for 'limit': strconv.Atoi: parsing "x": invalid syntax"#),
        ("/subsz", "test=foo.*", "invalid test subject, must be valid publish subject: foo.*"),
        ("/accountz", "acc=NOPE", "Account NOPE does not exist"),
        (
            "/healthz",
            "js-enabled-only=2",
            r#"Error decoding boolean for 'js-enabled-only': strconv.ParseBool: parsing "2": invalid syntax"#,
        ),
    ];
    for (path, query, text) in cases {
        assert_eq!(ask(FakeSource::default(), path, query), (400, text.to_owned()), "{path}?{query}");
    }
}

#[test]
fn what_does_not_exist_is_not_found() {
    for path in ["/nope", "/varz/", "", "varz", "/VARZ"] {
        assert_eq!(ask(FakeSource::default(), path, ""), (404, "404 page not found\n".to_owned()), "{path}");
    }
    assert_eq!(ask(FakeSource::default(), "/raftz", ""), (404, "No Raft nodes registered".to_owned()));
    assert_eq!(ask(FakeSource::default(), "/ipqueuesz", ""), (200, "{}".to_owned()));
}

#[test]
fn a_base_path_precedes_every_path() {
    for base in ["/base", "base/"] {
        let monitor = Monitor::new(Arc::new(FakeSource::default()), base, MonitorLimits::default());
        let status = |path: &str| monitor.answer(path, "").status;
        let statuses = ["/base", "/base/varz", "/base/", "/varz", "/", "/basevarz"].map(status);
        assert_eq!(statuses, [200, 200, 404, 404, 404, 404], "{base}");
        let page = String::from_utf8(monitor.answer("/base", "").body).unwrap();
        assert!(page.contains("href=\"/base/connz\""), "{page}");
    }
}

#[test]
fn subscriptions_can_be_tested_filtered_and_paged() {
    let list = |query: &str| {
        let answer = ask_json(FakeSource::default(), "/subsz", query);
        let subjects: Vec<_> = answer["subscriptions_list"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|s| s["subject"].clone())
            .collect();
        (answer["total"].as_u64().unwrap(), subjects)
    };
    assert_eq!(list(""), (0, vec![]));
    assert_eq!(list("subs=1"), (3, vec![json!("foo.*"), json!("q.x"), json!("bar")]));
    assert_eq!(list("subs=1&test=foo.a"), (1, vec![json!("foo.*")]));
    assert_eq!(list("subs=1&acc=B"), (1, vec![json!("bar")]));
    assert_eq!(list("subs=1&offset=1&limit=1"), (3, vec![json!("q.x")]));
}

#[test]
fn accounts_are_listed_by_name_and_unused_ones_only_when_asked_for() {
    assert_eq!(ask_json(FakeSource::default(), "/accountz", "")["accounts"], json!(["A", "B", "SYS"]));
    let system = ask_json(FakeSource::default(), "/accountz", "acc=SYS")["account_detail"].clone();
    assert_eq!((&system["is_system"], &system["jetstream_enabled"]), (&json!(true), &json!(false)));
    let names = |query| {
        let answer = ask_json(FakeSource::default(), "/accstatz", query);
        answer["account_statz"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["acc"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (names(""), names("unused=1")),
        (vec!["A".to_owned(), "B".to_owned()], vec!["A".to_owned(), "B".to_owned(), "SYS".to_owned()])
    );
    assert_eq!(
        ask_json(FakeSource::default(), "/accstatz", "")["account_statz"][0]["sent"]["msgs"],
        json!(4)
    );
}

#[test]
fn leaf_nodes_show_subjects_only_when_asked_for() {
    let leaf =
        Leaf { id: 3, account: "A".to_owned(), subscriptions_list: vec!["x".to_owned()], ..Leaf::default() };
    let source = || FakeSource { leafs: vec![leaf.clone()], ..FakeSource::default() };
    let answer = ask_json(source(), "/leafz", "");
    assert_eq!((&answer["leafnodes"], answer["leafs"][0].get("subscriptions_list")), (&json!(1), None));
    assert_eq!(ask_json(source(), "/leafz", "subs=1&acc=A")["leafs"][0]["subscriptions_list"], json!(["x"]));
    assert_eq!(ask_json(source(), "/leafz", "acc=B")["leafs"], json!([]));
}

#[test]
fn jetstream_shows_as_much_as_is_asked_for() {
    let details = |query: &str| ask_json(FakeSource::default(), "/jsz", query)["account_details"].clone();
    assert_eq!(details(""), Value::Null);
    let names = |query: &str| {
        details(query).as_array().unwrap().iter().map(|a| a["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names("accounts=1"), names("acc=A"), names("accounts=1&offset=1&limit=5")),
        (vec![json!("A"), json!("C")], vec![json!("A")], vec![json!("C")])
    );
    assert_eq!((details("acc=NOPE"), details("acc=NOPE&streams=1")), (Value::Null, Value::Null));
    assert_eq!(details("acc=A")[0].get("stream_detail"), None);
    let stream = details("acc=A&streams=1")[0]["stream_detail"][0].clone();
    assert_eq!(
        (&stream["cluster"]["leader"], stream.get("config"), stream.get("consumer_detail")),
        (&json!("probe"), None, None)
    );
    let stream = details("consumers=1")[0]["stream_detail"][0].clone();
    assert_eq!(
        (&stream["consumer_detail"][0]["name"], stream["consumer_detail"][0].get("config")),
        (&json!("D"), None)
    );
    assert_eq!(details("accounts=1")[0]["reserved_storage"], json!(u64::MAX));
}

#[test]
fn without_jetstream_jsz_says_so() {
    let source = || FakeSource { jetstream: None, jetstream_configured: false, ..FakeSource::default() };
    let answer = ask_json(source(), "/jsz", "accounts=1");
    assert_eq!(
        (&answer["disabled"], &answer["api"]["level"], answer.get("limits")),
        (&json!(true), &json!(0), None)
    );
    assert_eq!(ask_json(source(), "/varz", "")["jetstream"], json!({}));
    assert_eq!(ask(source(), "/healthz", "account=NOPE"), (200, r#"{"status":"ok"}"#.to_owned()));
}

#[test]
fn health_names_what_is_missing() {
    let cases = [
        ("", 200, r#"{"status":"ok"}"#),
        ("account=A&stream=S1&consumer=D", 200, r#"{"status":"ok"}"#),
        ("account=C", 200, r#"{"status":"ok"}"#),
        ("account=NOPE", 404, r#"{"status":"unavailable","error":"JetStream account \"NOPE\" not found"}"#),
        (
            "account=A&stream=X",
            404,
            r#"{"status":"unavailable","error":"JetStream stream \"X\" not found on account \"A\""}"#,
        ),
        (
            "account=A&stream=S1&consumer=X",
            404,
            r#"{"status":"unavailable","error":"JetStream consumer \"X\" not found for stream \"S1\" on account \"A\""}"#,
        ),
        (
            "stream=S1",
            400,
            r#"{"status":"error","error":"\"account\" must not be empty when checking stream health"}"#,
        ),
        (
            "account=A&consumer=D",
            400,
            r#"{"status":"error","error":"\"stream\" must not be empty when checking consumer health"}"#,
        ),
        ("details=true", 200, r#"{"status":"ok"}"#),
        (
            "details=1&account=NOPE",
            404,
            r#"{"status":"error","errors":[{"type":"ACCOUNT","account":"NOPE","error":"JetStream account \"NOPE\" not found"}]}"#,
        ),
    ];
    for (query, status, text) in cases {
        assert_eq!(ask(FakeSource::default(), "/healthz", query), (status, text.to_owned()), "{query}");
    }
}

#[test]
fn health_tells_what_is_broken() {
    let problem = HealthProblem {
        account: "A".to_owned(),
        stream: "S1".to_owned(),
        error: "JetStream stream 'A > S1' could not be recovered".to_owned(),
    };
    let source = || {
        let jetstream = FakeJetStream { problems: vec![problem.clone()] };
        FakeSource { jetstream: Some(Arc::new(jetstream)), ..FakeSource::default() }
    };
    let text = r#"{"status":"unavailable","error":"JetStream stream 'A > S1' could not be recovered"}"#;
    assert_eq!(ask(source(), "/healthz", ""), (503, text.to_owned()));
    assert_eq!(ask(source(), "/healthz", "account=C").0, 200);
    assert_eq!(ask(source(), "/healthz", "js-enabled-only=1").0, 200);

    let source = || FakeSource { jetstream: None, ..FakeSource::default() };
    assert_eq!(ask(source(), "/healthz", "").0, 503);
    assert_eq!(ask(source(), "/healthz", "js-server-only=1").0, 200);

    let source = FakeSource { not_ready: Some("not listening".to_owned()), ..FakeSource::default() };
    assert_eq!(
        ask(source, "/healthz", ""),
        (500, r#"{"status":"error","error":"not listening"}"#.to_owned())
    );
}

#[test]
fn options_can_be_given_as_json_as_in_system_requests() {
    let text = r#"{"state":1,"sort":"stop","auth":true,"subscriptions_detail":true,"limit":5,"unknown":1}"#;
    let options: ConnzOptions = serde_json::from_str(text).unwrap();
    assert_eq!((options.state, options.limit, options.auth), (State::Closed, 5, true));
    let answer = connz(&FakeSource::default(), &options).unwrap();
    assert_eq!(answer.connections.unwrap().iter().map(|c| c.cid).collect::<Vec<_>>(), [15, 14]);
    let unfiltered = ConnzOptions { filter_subject: "foo".to_owned(), ..ConnzOptions::default() };
    let error = connz(&FakeSource::default(), &unfiltered).unwrap_err();
    assert_eq!(error.0, "filter by subject only valid with account filtering");

    let options: JszOptions = serde_json::from_str(r#"{"account":"A","streams":true}"#).unwrap();
    assert_eq!(jsz_of_account(&FakeSource::default(), &options).unwrap().stream_detail.len(), 1);
    let options = JszOptions { account: "B".to_owned(), ..JszOptions::default() };
    assert!(jsz_of_account(&FakeSource::default(), &options).is_none());
}

#[test]
fn uptime_sorts_what_is_closed_by_how_long_it_lasted() {
    let source = FakeSource {
        open: vec![connection(1, "A", "a")],
        closed: vec![
            closed(2, "A", 60, CloseReason::ClientClosed),
            closed(3, "A", 30, CloseReason::ClientClosed),
        ],
        ..FakeSource::default()
    };
    let answer = ask_json(source, "/connz", "state=any&sort=uptime");
    let uptimes: Vec<_> =
        answer["connections"].as_array().unwrap().iter().map(|c| c["uptime"].clone()).collect();
    assert_eq!(uptimes, [json!("30s"), json!("1m0s"), json!("1m30s")]);
    assert_eq!(NOW % SECOND, 0);
}
