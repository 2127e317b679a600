//! The async-nats side of the crash test. See `clients/README.md` for what a client must do and print.

use std::error::Error;
use std::future::Future;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::{self, Context, Message, stream};
use async_nats::{ConnectOptions, HeaderMap};
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt};

use crate::client::Phase;
use crate::message::{digest, payload, subject};

const STREAM: &str = "CRASH";
const DURABLE: &str = "worker";
const REPLY_TIME_MAX: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);
const FETCH_MESSAGES_MAX: usize = 200;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Lines = SyncSender<String>;

/// Does the phase and sends the lines; ends early when nobody listens any more.
pub fn run(phase: Phase, lines: Lines) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match phase {
            Phase::Publish { url, messages, window } => {
                publish(&context(&url).await, messages, window, &lines).await
            }
            Phase::Consume { url, ack_wait_seconds } => {
                consume(&context(&url).await, ack_wait_seconds, &lines).await
            }
        }
    });
    say(&lines, "done".into());
}

async fn context(url: &str) -> Context {
    let options = ConnectOptions::new().reconnect_delay_callback(|_| PAUSE).max_reconnects(None);
    let client = options.connect(url).await.expect("a connection");
    let mut context = jetstream::new(client);
    context.set_timeout(REPLY_TIME_MAX);
    context
}

fn say(lines: &Lines, line: String) {
    // The driver stops listening only when it has already failed.
    let _ = lines.send(line);
}

/// Repeats an attempt until it succeeds: the broker is killed under it. The driver bounds the time.
async fn insist<T, E, F: Future<Output = Result<T, E>>>(mut attempt: impl FnMut() -> F) -> T {
    loop {
        if let Ok(result) = attempt().await {
            return result;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn publish(context: &Context, messages: u64, window: u64, lines: &Lines) {
    let config =
        stream::Config { name: STREAM.into(), subjects: vec!["crash.*".into()], ..Default::default() };
    insist(|| context.create_stream(config.clone())).await;
    for first in (0..messages).step_by(window as usize) {
        publish_window(context, (first..messages.min(first + window)).collect(), lines).await;
    }
}

async fn publish_window(context: &Context, mut indexes: Vec<u64>, lines: &Lines) {
    loop {
        indexes = publish_once(context, indexes, lines).await;
        if indexes.is_empty() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends the messages of a window in order and returns those that were not acked.
async fn publish_once(context: &Context, indexes: Vec<u64>, lines: &Lines) -> Vec<u64> {
    let mut futures = Vec::with_capacity(indexes.len());
    for index in indexes {
        futures.push((index, send(context, index).await));
    }
    let left = futures.into_iter().map(|(index, future)| unless_acked(index, future, lines));
    join_all(left).await.into_iter().flatten().collect()
}

async fn unless_acked(index: u64, future: Outcome<PublishAckFuture>, lines: &Lines) -> Option<u64> {
    let Ok(sequence) = stored_as(future).await else {
        return Some(index);
    };
    say(lines, format!("ack {index} {sequence}"));
    None
}

async fn send(context: &Context, index: u64) -> Outcome<PublishAckFuture> {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, index.to_string());
    headers.insert("Note", format!("message {index}"));
    Ok(context.publish_with_headers(subject(index), headers, payload(index).into()).await?)
}

async fn stored_as(future: Outcome<PublishAckFuture>) -> Outcome<u64> {
    Ok(future?.await?.sequence)
}

async fn consume(context: &Context, ack_wait_seconds: u64, lines: &Lines) {
    let mut consumer = insist(|| durable(context, ack_wait_seconds)).await;
    loop {
        let messages = fetch(&consumer).await.unwrap_or_default();
        for message in &messages {
            say(lines, delivery(message));
        }
        join_all(messages.iter().map(|message| confirm(message, lines))).await;
        if messages.is_empty() && is_finished(&mut consumer).await {
            return;
        }
    }
}

async fn durable(context: &Context, ack_wait_seconds: u64) -> Outcome<PullConsumer> {
    let config = pull::Config {
        durable_name: Some(DURABLE.into()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(ack_wait_seconds),
        max_ack_pending: 1000,
        ..Default::default()
    };
    Ok(context.get_stream(STREAM).await?.get_or_create_consumer(DURABLE, config).await?)
}

async fn fetch(consumer: &PullConsumer) -> Outcome<Vec<Message>> {
    let batch =
        consumer.batch().max_messages(FETCH_MESSAGES_MAX).expires(Duration::from_secs(1)).messages().await?;
    tokio::time::timeout(2 * REPLY_TIME_MAX, batch.take(FETCH_MESSAGES_MAX).try_collect()).await?
}

fn delivery(message: &Message) -> String {
    let info = message.info().expect("an ack subject");
    let index =
        message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID)).expect("a message id");
    let digest = digest(&message.payload);
    format!("got {} {} {} {index} {digest}", info.stream_sequence, info.delivered, message.subject)
}

async fn confirm(message: &Message, lines: &Lines) {
    let sequence = message.info().expect("an ack subject").stream_sequence;
    if let Ok(Ok(())) = tokio::time::timeout(REPLY_TIME_MAX, message.double_ack()).await {
        say(lines, format!("acked {sequence}"));
    }
}

async fn is_finished(consumer: &mut PullConsumer) -> bool {
    match consumer.info().await {
        Ok(info) => info.num_pending == 0 && info.num_ack_pending == 0,
        Err(_) => false,
    }
}
