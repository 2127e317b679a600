//! A client that asks for backups and brings them back.

use std::time::Duration;

use async_nats::{HeaderMap, Message, Subscriber};
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};

use crate::broker::Broker;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a backup.
pub type Chunk = bytes::Bytes;

pub struct Client(async_nats::Client);

/// What comes on a subscription.
pub struct Incoming(Subscriber);

/// A message, with as much of it as matters here.
pub struct Received {
    pub payload: Chunk,
    pub reply: String,
}

impl Incoming {
    pub async fn next(&mut self) -> Received {
        let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("in time").expect("open");
        received(message)
    }

    /// Whether nothing has come that was not read. Everything the broker sent before a fence has come.
    pub fn is_empty(&mut self) -> bool {
        self.0.next().now_or_never().is_none()
    }
}

fn received(message: Message) -> Received {
    let reply = message.reply.map_or_else(String::new, |reply| reply.to_string());
    Received { payload: message.payload, reply }
}

impl Client {
    pub async fn connect(broker: &Broker) -> Self {
        Self(async_nats::connect(broker.url()).await.unwrap())
    }

    /// Makes sure that the broker has seen everything so far, and we what it sent.
    pub async fn fence(&self) {
        self.ask("INFO", json!({})).await;
    }

    pub async fn subscribe(&self, subject: &str) -> Incoming {
        let subscriber = self.0.subscribe(subject.to_owned()).await.unwrap();
        self.0.flush().await.unwrap();
        Incoming(subscriber)
    }

    pub async fn ask(&self, call: &str, body: Value) -> Value {
        let body = if body == json!({}) { String::new() } else { body.to_string() };
        serde_json::from_slice(&self.request(&format!("$JS.API.{call}"), body.into()).await).unwrap()
    }

    pub async fn publish(&self, subject: &str, number: u64, body: &str) {
        let mut headers = HeaderMap::new();
        headers.insert("Number", number.to_string());
        let answer = self.0.request_with_headers(subject.to_owned(), headers, body.to_owned().into()).await;
        let ack: Value = serde_json::from_slice(&answer.unwrap().payload).unwrap();
        assert_eq!(ack["seq"], number, "{ack}");
    }

    /// What is acknowledged here was written after all that was written before.
    pub async fn publish_to_a_new_stream(&self) {
        self.ask("STREAM.CREATE.OTHER", json!({"name": "OTHER", "subjects": ["other"]})).await;
        self.publish("other", 1, "").await;
    }

    pub async fn pull(&self, stream: &str, consumer: &str, count: usize) -> Vec<Received> {
        let inbox = self.0.new_inbox();
        let mut incoming = self.subscribe(&inbox).await;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        self.0.publish_with_reply(subject, inbox, count.to_string().into()).await.unwrap();
        let mut deliveries = Vec::new();
        while deliveries.len() < count {
            deliveries.push(incoming.next().await);
        }
        deliveries
    }

    pub async fn acknowledge(&self, delivery: &Received) {
        self.request(&delivery.reply, "+ACK".into()).await;
    }

    /// Asks for a backup; returns the answer and what comes after it.
    pub async fn begin_backup(&self, stream: &str, mut request: Value) -> (Value, Incoming) {
        let inbox = self.0.new_inbox();
        let chunks = self.subscribe(&inbox).await;
        request["deliver_subject"] = inbox.into();
        (self.ask(&format!("STREAM.SNAPSHOT.{stream}"), request).await, chunks)
    }

    pub async fn confirm(&self, chunk: &Received) {
        self.0.publish(chunk.reply.clone(), "".into()).await.unwrap();
    }

    /// A whole backup.
    pub async fn backup(&self, stream: &str, request: Value) -> (Value, Vec<Chunk>) {
        let (answer, mut incoming) = self.begin_backup(stream, request).await;
        let mut chunks = Vec::new();
        loop {
            let chunk = incoming.next().await;
            if chunk.payload.is_empty() {
                return (answer, chunks);
            }
            if !chunk.reply.is_empty() {
                self.confirm(&chunk).await;
            }
            chunks.push(chunk.payload);
        }
    }

    /// Begins a restore; returns where the chunks go.
    pub async fn begin_restore(&self, stream: &str, backup: &Value) -> String {
        let request = json!({"config": backup["config"], "state": backup["state"]});
        let answer = self.ask(&format!("STREAM.RESTORE.{stream}"), request).await;
        answer["deliver_subject"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub async fn send_chunk(&self, to: &str, chunk: &Chunk) {
        assert!(self.request(to, chunk.clone()).await.is_empty());
    }

    /// Brings a backup back, or tries to.
    pub async fn restore(&self, stream: &str, backup: &Value, chunks: &[Chunk]) -> Value {
        let to = self.begin_restore(stream, backup).await;
        for chunk in chunks {
            self.send_chunk(&to, chunk).await;
        }
        serde_json::from_slice(&self.request(&to, "".into()).await).unwrap()
    }

    async fn request(&self, subject: &str, body: Chunk) -> Chunk {
        let answer = tokio::time::timeout(PATIENCE, self.0.request(subject.to_owned(), body)).await;
        answer.expect("in time").expect("an answer").payload
    }
}

/// As the API shows the body of a message.
pub fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}
