//! Monitoring shows what a running server does.

use std::sync::Arc;

use headwater::assemble::auth_settings;
use headwater::config::Config;
use headwater::monitor::{BrokerSource, Monitor, MonitorLimits};
use headwater::server::{Options, RunningServer, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const CONFIG: &str = r#"
    server_name: edge
    server_tags: ["site:north"]
    max_payload: 2048
    accounts {
        A { users [ { user: a, password: a } ], mappings { m: n }, exports [ { service: "svc.>" } ] }
        B { users [ { user: b, password: b } ], imports [ { service { account: A, subject: svc.x }, to: x } ] }
    }
"#;

struct Broker {
    running: RunningServer,
    monitor: Monitor,
}

impl Broker {
    async fn start() -> Self {
        let config = Arc::new(Config::from_text(CONFIG, "edge.conf").unwrap());
        let options = Options {
            host: "127.0.0.1".to_owned(),
            server_name: "edge".to_owned(),
            auth: auth_settings(&config),
            ..Options::default()
        };
        let running = Server::start(options).await.unwrap();
        let source = BrokerSource::new(running.server().clone(), config);
        Self { running, monitor: Monitor::new(Arc::new(source), "", MonitorLimits::default()) }
    }

    fn ask(&self, path: &str, query: &str) -> Value {
        let answer = self.monitor.answer(path, query);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// A client that has sent `lines` and had them processed.
    async fn client(&self, user: &str, lines: &str) -> BufReader<TcpStream> {
        let mut stream = BufReader::new(TcpStream::connect(self.running.client_addr()).await.unwrap());
        let connect = json!({"user": user, "pass": user, "verbose": false, "name": "n", "lang": "rust", "version": "1"});
        let text = format!("CONNECT {connect}\r\n{lines}PING\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut line = String::new();
        while line != "PONG\r\n" {
            line.clear();
            assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "closed early");
        }
        stream
    }
}

#[tokio::test]
async fn a_client_is_seen_with_its_account_and_subscriptions() {
    let broker = Broker::start().await;
    let _a = broker.client("a", "SUB foo.* 1\r\nSUB q grp 2\r\nUNSUB 2 5\r\nPUB foo.x 3\r\nabc\r\n").await;
    let _b = broker.client("b", "SUB bar 1\r\n").await;

    let connz = broker.ask("/connz", "auth=1&subs=detail&user=a");
    let shown = &connz["connections"][0];
    assert_eq!((&connz["num_connections"], &connz["total"]), (&json!(1), &json!(2)));
    assert_eq!(
        (&shown["authorized_user"], &shown["account"], &shown["name"]),
        (&json!("a"), &json!("A"), &json!("n"))
    );
    assert_eq!(
        (&shown["in_msgs"], &shown["in_bytes"], &shown["out_msgs"]),
        (&json!(1), &json!(3), &json!(1))
    );
    let mut subscriptions = shown["subscriptions_list_detail"].as_array().unwrap().clone();
    subscriptions.sort_by_key(|subscription| subscription["sid"].to_string());
    let cid = &shown["cid"];
    let expected = [
        json!({"subject": "foo.*", "sid": "1", "msgs": 1, "cid": cid}),
        json!({"subject": "q", "qgroup": "grp", "sid": "2", "msgs": 0, "max": 5, "cid": cid}),
    ];
    assert_eq!(subscriptions, expected);
    let subsz = broker.ask("/subsz", "subs=1&acc=B");
    assert_eq!((&subsz["total"], &subsz["subscriptions_list"][0]["subject"]), (&json!(1), &json!("bar")));
}

#[tokio::test]
async fn the_use_of_subject_indexes_is_counted() {
    let broker = Broker::start().await;
    let before = broker.ask("/subsz", "acc=B");
    let lines =
        "SUB foo.* 1\r\nSUB foo.x 2\r\nSUB gone 3\r\nUNSUB 3\r\nPUB foo.x 0\r\n\r\nPUB nobody 0\r\n\r\n";
    let _b = broker.client("b", lines).await;
    let after = broker.ask("/subsz", "acc=B");
    let more = |name: &str| after[name].as_u64().unwrap() - before[name].as_u64().unwrap();
    let counted = ["num_subscriptions", "num_inserts", "num_removes", "num_matches"].map(more);
    assert_eq!(counted, [2, 3, 1, 2]);
    assert_eq!((&after["max_fanout"], &after["avg_fanout"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn a_client_that_left_is_remembered_with_its_subjects() {
    let broker = Broker::start().await;
    let gone = broker.client("a", "SUB bye 1\r\n").await;
    drop(gone);
    let closed = loop {
        let answer = broker.ask("/connz", "state=closed&subs=1&auth=1");
        if answer["total"] == json!(1) {
            break answer["connections"][0].clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (&closed["reason"], &closed["subscriptions_list"]),
        (&json!("Client Closed"), &json!(["bye"]))
    );
    assert_eq!((&closed["authorized_user"], closed.get("stop").is_some()), (&json!("a"), true));
}

#[tokio::test]
async fn the_server_shows_its_configuration_and_counters() {
    let broker = Broker::start().await;
    let _a = broker.client("a", "PUB foo 3\r\nabc\r\n").await;
    let varz = broker.ask("/varz", "");
    assert_eq!(
        (&varz["server_name"], &varz["version"], &varz["tags"]),
        (&json!("edge"), &json!("2.15.1"), &json!(["site:north"]))
    );
    assert_eq!(
        (&varz["max_payload"], &varz["auth_required"], &varz["auth_timeout"]),
        (&json!(2048), &json!(true), &json!(2))
    );
    assert_eq!(
        (&varz["connections"], &varz["total_connections"], &varz["in_msgs"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(varz["port"], json!(broker.running.client_addr().port()));
    assert!(varz["mem"].as_u64().unwrap() > 0);
    assert_eq!(
        (&varz["ping_interval"], &varz["write_deadline"]),
        (&json!(120_000_000_000_u64), &json!(10_000_000_000_u64))
    );
}

#[tokio::test]
async fn accounts_show_what_they_exchange() {
    let broker = Broker::start().await;
    let _a = broker.client("a", "PUB foo 3\r\nabc\r\n").await;
    assert_eq!(broker.ask("/accountz", "")["accounts"], json!(["$G", "$SYS", "A", "B"]));
    let a = broker.ask("/accountz", "acc=A")["account_detail"].clone();
    assert_eq!(
        (&a["client_connections"], &a["mappings"]),
        (&json!(1), &json!({"m": [{"subject": "n", "weight": 100}]}))
    );
    assert_eq!(a["exports"], json!([{"subject": "svc.>", "type": "service", "response_type": "Singleton"}]));
    let b = broker.ask("/accountz", "acc=B")["account_detail"]["imports"][0].clone();
    assert_eq!(
        (&b["subject"], &b["account"], &b["local_subject"]),
        (&json!("svc.x"), &json!("A"), &json!("x"))
    );
    assert_eq!(broker.ask("/accstatz", "")["account_statz"][0]["received"]["msgs"], json!(1));
}

#[tokio::test]
async fn a_server_that_stops_is_not_healthy() {
    let broker = Broker::start().await;
    assert_eq!(broker.ask("/healthz", ""), json!({"status": "ok"}));
    let Broker { running, monitor } = broker;
    running.shutdown().await;
    let answer = monitor.answer("/healthz", "");
    assert_eq!(answer.status, 500);
    assert!(String::from_utf8(answer.body).unwrap().contains("failed to be ready for connections"));
}
