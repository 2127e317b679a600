//! `/metrics` of a running broker, and who may look at it.

mod kit;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, consumer, stream};
use futures_util::StreamExt;
use kit::edge::Edge;

/// Samples by name and labels. Checks on the way that every metric is announced once, and its samples stand together.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut announced, mut current) = (BTreeMap::new(), BTreeSet::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(matches!(kind, "counter" | "gauge"), "{line}");
            assert!(announced.insert(name.to_owned()), "announced twice: {name}");
            current = name.to_owned();
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(series.split('{').next(), Some(&*current), "{line}");
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {series}");
        }
    }
    samples
}

/// The one sample of a metric that has these words in its labels.
#[track_caller]
fn value(samples: &BTreeMap<String, f64>, name: &str, label: &str) -> f64 {
    let fits = |series: &&String| series.split('{').next() == Some(name) && series.contains(label);
    let found: Vec<_> = samples.keys().filter(fits).collect();
    assert_eq!(found.len(), 1, "{name} {label}: {found:?}");
    samples[found[0]]
}

async fn with_a_consumer_that_lags(edge: &Edge) -> async_nats::Client {
    let client = edge.connect().await;
    let js = jetstream::new(client.clone());
    let config = stream::Config { name: "ORDERS".into(), subjects: vec!["o.>".into()], ..Default::default() };
    let stream = js.create_stream(config).await.unwrap();
    for at in 0..10 {
        js.publish(format!("o.{at}"), "x".into()).await.unwrap().await.unwrap();
    }
    let config = consumer::pull::Config {
        durable_name: Some("worker".into()),
        ack_wait: Duration::from_secs(60),
        ..Default::default()
    };
    let consumer: PullConsumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.fetch().max_messages(4).messages().await.unwrap();
    let first = messages.next().await.unwrap().unwrap();
    first.double_ack().await.unwrap();
    while messages.next().await.is_some() {}
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_lag_and_the_stores_work_are_measured() {
    let edge = Edge::start("jetstream { store_dir: \"@\", domain: \"hub\" }").await;
    let _client = with_a_consumer_that_lags(&edge).await;
    let (status, text) = edge.get("/metrics", "").await;
    assert_eq!(status, 200);
    let samples = parse(&text);
    let of = |name: &str| value(&samples, name, "");
    assert_eq!(of("jetstream_server_total_streams"), 1.0);
    assert_eq!(of("jetstream_server_total_messages"), 10.0);
    assert_eq!(of("jetstream_stream_last_seq"), 10.0);
    assert_eq!(of("jetstream_stream_limit_bytes"), -1.0);
    // As nats-server has it where every write is synced; and there is no limit.
    assert_eq!(of("gnatsd_varz_jetstream_config_sync_interval"), 120e9);
    assert_eq!(of("gnatsd_varz_jetstream_limits_default_max_consumers"), -1.0);
    assert_eq!(of("jetstream_consumer_num_pending"), 6.0);
    assert_eq!(of("jetstream_consumer_num_ack_pending"), 3.0);
    assert_eq!(of("jetstream_consumer_ack_floor_stream_seq"), 1.0);
    assert!(of("headwater_consumer_oldest_unacked_seconds") > 0.0);
    assert!(of("headwater_store_fsyncs_total") >= 1.0);
    assert!(of("headwater_store_commits_total") >= 1.0);
    assert!(of("headwater_store_written_bytes_total") > 10.0);
    assert!(of("headwater_store_index_written_bytes_total") >= 0.0);
    assert_eq!(of("headwater_store_damage_regions_total"), 0.0);
    assert_eq!(of("headwater_store_lost_segments_total"), 0.0);
    assert_eq!(of("headwater_metrics_truncated"), 0.0);
    assert!(of("process_resident_memory_bytes") > 1e6);
    assert!(of("process_open_fds") > 3.0);
    let labels = samples.keys().find(|series| series.starts_with("jetstream_consumer_num_pending")).unwrap();
    let server_id = edge.broker.server().id();
    let expected = format!(
        "{{server_id=\"{server_id}\",server_name=\"edge\",cluster=\"\",domain=\"hub\",meta_leader=\"\",is_meta_leader=\"true\",\
         account=\"$G\",account_name=\"$G\",account_id=\"$G\",stream_name=\"ORDERS\",stream_leader=\"edge\",\
         is_stream_leader=\"true\",stream_raft_group=\"\",consumer_name=\"worker\",consumer_leader=\"edge\",\
         is_consumer_leader=\"true\",consumer_desc=\"\"}}"
    );
    assert_eq!(labels.strip_prefix("jetstream_consumer_num_pending"), Some(&*expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_varz_and_connz_say_is_there_under_the_exporters_names() {
    let edge = Edge::start("").await;
    let client = edge.connect().await;
    client.publish("a", "hello".into()).await.unwrap();
    client.flush().await.unwrap();
    let samples = parse(&edge.get("/metrics", "").await.1);
    let of = |name: &str| value(&samples, name, "");
    assert_eq!((of("gnatsd_varz_connections"), of("gnatsd_connz_num_connections")), (1.0, 1.0));
    assert_eq!((of("gnatsd_varz_in_msgs"), of("gnatsd_varz_in_bytes")), (1.0, 5.0));
    assert_eq!(of("gnatsd_varz_max_payload"), 1_048_576.0);
    assert_eq!(of("gnatsd_varz_slow_consumer_stats_clients"), 0.0);
    assert!(of("gnatsd_varz_start") > 1.7e9);
    assert_eq!(value(&samples, "gnatsd_varz_server_name", "value=\"edge\""), 1.0);
    assert_eq!(of("gnatsd_healthz_status"), 0.0);
    assert_eq!(of("jetstream_server_jetstream_disabled"), 1.0);
    assert_eq!(value(&samples, "gnatsd_accstatz_received_messages", "\"$G\""), 1.0);
    drop(client);
    while !edge.broker.server().clients().is_empty() {
        tokio::task::yield_now().await;
    }
    let later = parse(&edge.get("/metrics", "").await.1);
    let received = value(&later, "gnatsd_accstatz_received_messages", "\"$G\"");
    assert_eq!(received, 1.0, "what a client has sent does not leave with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn monitoring_may_ask_for_a_password() {
    let edge = Edge::start("http_auth { user: ops, password: s3cret }").await;
    let basic =
        |text: &str| format!("Authorization: Basic {}\r\n", data_encoding::BASE64.encode(text.as_bytes()));
    for path in ["/metrics", "/varz", "/", "/nothing"] {
        assert_eq!(edge.get(path, "").await.0, 401);
        assert_eq!(edge.get(path, &basic("ops:wrong")).await.0, 401);
    }
    assert_eq!(edge.get("/metrics", &basic("ops:s3cret")).await.0, 200);
    let (status, body) = edge.get("/varz?callback=show", &basic("ops:s3cret")).await;
    assert!(status == 200 && body.starts_with("show({") && body.ends_with("})"), "{body}");
}
