//! A reload drops no connection and no message; neither do connections that come and go leave anything behind.

mod kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, stream};
use async_nats::{ConnectOptions, Event};
use futures_util::StreamExt;
use kit::edge::{self, Edge};

const PUBLISHERS: usize = 4;
const RELOADS: u32 = 20;

fn config(payload_bytes_max: u32) -> String {
    format!(
        "jetstream {{ store_dir: \"@\", sync_interval: 1m }}\nmax_payload: {payload_bytes_max}\n\
         authorization {{ users: [ {{ user: a, password: a }}, {{ user: b, password: b{payload_bytes_max} }} ] }}"
    )
}

/// A client that counts how often it was cut off.
async fn client(edge: &Edge, losses: &Arc<AtomicU64>) -> async_nats::Client {
    let losses = losses.clone();
    let options =
        ConnectOptions::with_user_and_password("a".into(), "a".into()).event_callback(move |event| {
            let losses = losses.clone();
            async move {
                if matches!(event, Event::Disconnected | Event::ServerError(_) | Event::ClientError(_)) {
                    losses.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    options.connect(edge.client_addr().to_string()).await.unwrap()
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reload_under_full_load_drops_nobody_and_nothing() {
    let mut edge = Edge::start(&config(1_000_000)).await;
    let losses = Arc::new(AtomicU64::new(0));
    let reader = client(&edge, &losses).await;
    let wanted =
        stream::Config { name: "KEPT".into(), subjects: vec!["kept.>".into()], ..Default::default() };
    let mut kept = jetstream::new(reader.clone()).create_stream(wanted).await.unwrap();
    let mut core = reader.subscribe("core.>").await.unwrap();
    reader.flush().await.unwrap();
    let (stop, mut publishers) = (Arc::new(AtomicBool::new(false)), Vec::new());
    for publisher in 0..PUBLISHERS {
        publishers.push(tokio::spawn(publish(client(&edge, &losses).await, stop.clone(), publisher)));
    }
    let counting = tokio::spawn(async move {
        let mut next = [0_u64; PUBLISHERS];
        while let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(2), core.next()).await {
            let publisher: usize = message.subject.strip_prefix("core.").unwrap().parse().unwrap();
            let number: u64 = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
            assert_eq!(number, next[publisher], "in order, and none is missing");
            next[publisher] += 1;
        }
        next.iter().sum::<u64>()
    });
    for reload in 1..=RELOADS {
        let config = edge::read(edge.folder.path(), &config(1_000_000 + reload));
        edge.broker.reload(config).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut published = 0;
    for publisher in publishers {
        published += publisher.await.unwrap();
    }
    assert!(published > 200, "there was load: {published}");
    assert_eq!(counting.await.unwrap(), published);
    assert_eq!(kept.info().await.unwrap().state.messages, published);
    assert_eq!(losses.load(Ordering::SeqCst), 0, "nobody was cut off");
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
