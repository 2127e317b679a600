//! A reload drops no connection and no message; neither do connections that come and go leave anything behind.

#[path = "interop/broker.rs"]
#[allow(dead_code)]
mod broker;
mod kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, consumer, stream};
use async_nats::{ConnectOptions, Event};
use broker::Broker;
use futures_util::StreamExt;
use rustix::process::Signal;

const PUBLISHERS: usize = 4;
const RELOADS: u32 = 20;
/// How long it may take until something that must happen has happened.
const PATIENCE: Duration = Duration::from_secs(30);

/// Limits, a user, an account and an import that change with each reload; `a` stays as it is.
fn config(reload: u32) -> String {
    let payload_bytes_max = 1_000_000 + reload;
    format!(
        "jetstream {{ sync_interval: 1m }}\nmax_payload: {payload_bytes_max}\nsystem_account: SYS\naccounts {{\n\
         APP {{ jetstream: enabled, exports: [ {{ stream: \"core.{reload}\" }} ]\n\
           users: [ {{ user: a, password: a }}, {{ user: b, password: b{reload} }} ] }}\n\
         OTHER {{ users: [ {{ user: c, password: c }} ], imports: [ {{ stream: {{ account: APP, subject: \"core.{reload}\" }} }} ] }}\n\
         NEW{reload} {{ users: [ {{ user: d, password: d }} ] }}\n\
         SYS {{ users: [ {{ user: s, password: s }} ] }} }}"
    )
}

/// A client that counts how often it was cut off.
async fn client(broker: &Broker, user: &str, losses: &Arc<AtomicU64>) -> async_nats::Client {
    let losses = losses.clone();
    let options =
        ConnectOptions::with_user_and_password(user.into(), user.into()).event_callback(move |event| {
            let losses = losses.clone();
            async move {
                if matches!(event, Event::Disconnected | Event::ServerError(_) | Event::ClientError(_)) {
                    losses.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    options.connect(broker.url()).await.unwrap()
}

/// Publishes until it is told to stop; returns how much.
async fn publish(client: async_nats::Client, stop: Arc<AtomicBool>, publisher: usize) -> u64 {
    let js = jetstream::new(client.clone());
    let mut published = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        let mut acks = Vec::new();
        for _ in 0..50 {
            client.publish(format!("core.{publisher}"), published.to_string().into()).await.unwrap();
            acks.push(js.publish(format!("kept.{publisher}"), published.to_string().into()).await.unwrap());
            published += 1;
        }
        for ack in acks {
            ack.await.unwrap();
        }
    }
    client.flush().await.unwrap();
    published
}

/// Counts what comes on `core.>`, as long as something does.
async fn count_core(mut core: async_nats::Subscriber) -> u64 {
    let mut next = [0_u64; PUBLISHERS];
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(2), core.next()).await {
        let publisher: usize = message.subject.strip_prefix("core.").unwrap().parse().unwrap();
        let number: u64 = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
        assert_eq!(number, next[publisher], "in order, and none is missing");
        next[publisher] += 1;
    }
    next.iter().sum()
}

/// Counts what a consumer brings, as long as it brings something; acknowledges each message once.
async fn count_consumed(consumer: consumer::PullConsumer) -> u64 {
    let (mut messages, mut count) = (consumer.messages().await.unwrap(), 0);
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(4), messages.next()).await {
        let message = message.unwrap();
        count += 1;
        assert_eq!(message.info().unwrap().stream_sequence, count, "in order, and none is missing");
        message.ack().await.unwrap();
    }
    count
}

/// Reloads by signal and by request in turn, each time with another configuration.
async fn reload(broker: &Broker, system: &async_nats::Client, number: u32) {
    broker.write_config(&config(number));
    if number % 2 == 0 {
        broker.signal(Signal::HUP);
    } else {
        let subject = format!("$SYS.REQ.SERVER.{}.RELOAD", system.server_info().server_id);
        let answer = system.request(subject, "".into()).await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        assert!(answer["error"].is_null(), "{answer}");
    }
    let done = async {
        while broker.log().matches("Reloaded server configuration").count() < number as usize {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, done).await;
    assert!(done.is_ok(), "reload {number}\n{}", broker.log_tail());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reload_under_full_load_drops_nobody_and_nothing() {
    let broker = Broker::under_test_with(&config(0));
    let losses = Arc::new(AtomicU64::new(0));
    let (reader, system) = (client(&broker, "a", &losses).await, client(&broker, "s", &losses).await);
    let wanted =
        stream::Config { name: "KEPT".into(), subjects: vec!["kept.>".into()], ..Default::default() };
    let mut kept = jetstream::new(reader.clone()).create_stream(wanted).await.unwrap();
    let pull = consumer::pull::Config { durable_name: Some("D".into()), ..Default::default() };
    let consuming = tokio::spawn(count_consumed(kept.create_consumer(pull).await.unwrap()));
    let counting = tokio::spawn(count_core(reader.subscribe("core.>").await.unwrap()));
    reader.flush().await.unwrap();
    let (stop, mut publishers) = (Arc::new(AtomicBool::new(false)), Vec::new());
    for publisher in 0..PUBLISHERS {
        let client = client(&broker, "a", &losses).await;
        publishers.push(tokio::spawn(publish(client, stop.clone(), publisher)));
    }
    for number in 1..=RELOADS {
        reload(&broker, &system, number).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut published = 0;
    for publisher in publishers {
        published += publisher.await.unwrap();
    }
    assert!(published > 200, "there was load: {published}");
    assert_eq!(counting.await.unwrap(), published);
    assert_eq!(consuming.await.unwrap(), published);
    assert_eq!(kept.info().await.unwrap().state.messages, published);
    assert_eq!(losses.load(Ordering::SeqCst), 0, "nobody was cut off\n{}", broker.log_tail());
    let newcomer = client(&broker, "a", &losses).await;
    assert_eq!(
        newcomer.server_info().max_payload,
        1_000_000 + RELOADS as usize,
        "the last reload is in force"
    );
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let options = headwater::server::Options { closed_clients_max: 100, ..Default::default() };
    let broker = kit::Broker::start(options);
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = files();
    for round in 0..2_000 {
        let mut peer = broker.peer();
        peer.send(&format!("CONNECT {}\r\nSUB a.{round} 1\r\nPING\r\n", kit::QUIET));
        peer.expect("PONG\r\n");
    }
    broker.wait_until("everyone is gone", |server| server.clients().is_empty());
    let account = broker.server().accounts().global();
    assert_eq!((account.connection_count(), broker.server().clients().closed().len()), (0, 100));
    let mut left = 0;
    account.for_each_subscription(&mut |found| left += u32::from(found.subject().starts_with(b"a.")));
    assert_eq!(left, 0);
    assert!(files() <= before + 16, "{} files, {before} before", files());
}
