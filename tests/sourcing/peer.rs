//! A broker process with a client that asks and publishes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::Client;
use data_encoding::BASE64;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::broker::Broker;

const PATIENCE: Duration = Duration::from_secs(30);
/// Publishes that wait for their acknowledgement at the same time.
const WINDOW: usize = 32;

/// The broker under test and its client.
pub struct Peer {
    runtime: Runtime,
    broker: Broker,
    client: Client,
}

/// What a stream holds.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    pub messages: u64,
    pub first_seq: u64,
    pub last_seq: u64,
}

/// A stored message.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    pub seq: u64,
    pub subject: String,
    pub headers: String,
    pub payload: String,
    time: String,
}

impl Stored {
    /// Whether it was taken over from that stream.
    pub fn came_from(&self, stream: &str) -> bool {
        self.headers.contains(&format!("Nats-Stream-Source: {stream} "))
    }

    /// Its sequence where it was taken over from.
    pub fn origin_seq(&self) -> u64 {
        let (_, source) = self.headers.split_once("Nats-Stream-Source: ").expect("a sourced message");
        source.split(' ').nth(1).expect("a sequence").parse().expect("a number")
    }
}

impl Peer {
    pub fn start() -> Self {
        Self::start_with("")
    }

    pub fn start_with(config: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let broker = Broker::under_test_with(config);
        let client = runtime.block_on(async_nats::connect(broker.url())).unwrap();
        Self { runtime, broker, client }
    }

    /// A request of the API that has to succeed.
    #[track_caller]
    pub fn api(&self, call: &str, body: Value) -> Value {
        let answer = self.ask(call, body);
        assert_eq!(answer.get("error"), None, "{call}");
        answer
    }

    #[track_caller]
    pub fn create(&self, config: Value) {
        let name = config["name"].as_str().expect("a name").to_owned();
        self.api(&format!("STREAM.CREATE.{name}"), config);
    }

    /// Publishes one message and awaits its acknowledgement.
    pub fn publish(&self, subject: &str, payload: &str) {
        let ack = self.runtime.block_on(self.client.request(subject.to_owned(), payload.to_owned().into()));
        let ack: Value = serde_json::from_slice(&ack.expect("an acknowledgement").payload).unwrap();
        assert!(ack["seq"].as_u64().is_some(), "{ack}");
    }

    /// Publishes to the subjects in turn; kills the broker when so many are acknowledged, with others on their way, and
    /// starts it again.
    pub fn publish_until_killed(&mut self, subjects: &[&'static str], life: u64, acknowledged: u64) {
        let acks = Arc::new(AtomicU64::new(0));
        let publishing =
            self.runtime.spawn(publish_on(self.client.clone(), subjects.to_vec(), life, acks.clone()));
        self.wait_for("enough is acknowledged", |_| acks.load(Ordering::SeqCst) >= acknowledged);
        self.broker.kill();
        publishing.abort();
        self.restart();
    }

    pub fn kill_and_restart(&mut self) {
        self.broker.kill();
        self.restart();
    }

    pub fn state(&self, stream: &str) -> State {
        let info = self.api(&format!("STREAM.INFO.{stream}"), json!({}));
        let number = |key: &str| info["state"][key].as_u64().expect("a number");
        State { messages: number("messages"), first_seq: number("first_seq"), last_seq: number("last_seq") }
    }

    /// One message, if it is there.
    pub fn message(&self, stream: &str, seq: u64) -> Option<Stored> {
        let answer = self.ask(&format!("STREAM.MSG.GET.{stream}"), json!({ "seq": seq }));
        let message = answer.get("message")?;
        let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
        let decoded = |key: &str| String::from_utf8(BASE64.decode(text(key).as_bytes()).unwrap()).unwrap();
        let (subject, time) = (text("subject"), text("time"));
        Some(Stored { seq, subject, headers: decoded("hdrs"), payload: decoded("data"), time })
    }

    /// All messages, in order.
    pub fn messages(&self, stream: &str) -> Vec<Stored> {
        let state = self.state(stream);
        (state.first_seq.max(1)..=state.last_seq).filter_map(|seq| self.message(stream, seq)).collect()
    }

    #[track_caller]
    pub fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < PATIENCE, "not in time: {what}\n{}", self.broker.log_tail());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn ask(&self, call: &str, body: Value) -> Value {
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body).unwrap() };
        let answer = self.runtime.block_on(self.client.request(format!("$JS.API.{call}"), body.into()));
        serde_json::from_slice(&answer.expect("an answer").payload).unwrap()
    }

    fn restart(&mut self) {
        self.broker.restart();
        self.client = self.runtime.block_on(async_nats::connect(self.broker.url())).unwrap();
    }
}

async fn publish_on(client: Client, subjects: Vec<&'static str>, life: u64, acks: Arc<AtomicU64>) {
    let numbers = futures_util::stream::iter(0_u64..);
    let publish = |number: u64| {
        let (client, acks) = (&client, &acks);
        let subject = subjects[number as usize % subjects.len()];
        async move {
            let payload = format!("{life} {number}");
            if client.request(subject, payload.into()).await.is_ok() {
                acks.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    numbers.map(publish).buffered(WINDOW).collect::<()>().await;
}
