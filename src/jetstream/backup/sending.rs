//! Sending a backup: chunks go to the deliver subject, so many at a time as the receiver confirms.
//!
//! Every whole chunk carries a reply subject that names its size and number; what comes back on it, whatever it says, makes
//! room for another. The last chunk, if it is shorter, carries none. An empty message ends the backup: with status 204 if
//! there was more than one chunk, or with the reason why there is no more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use headwater_protocol::headers::HeaderBuilder;
use headwater_protocol::jetstream::advisory::{Advisory, SnapshotComplete, SnapshotCreate};
use headwater_protocol::jetstream::client_info::ClientInfo;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::SnapshotRequest;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::stream_info::StreamState;
use headwater_protocol::jetstream::timestamp::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::snapshot::{ConsumerImage, Snapshot};
use crate::account::InterestWatcher;
use crate::ids;
use crate::jetstream::host::replies::Signal;
use crate::jetstream::host::{self, StreamHost};
use crate::jetstream::{advisories, api};
use crate::router::{Dispatch, Message, Service};
use crate::store::{StoreError, StoredMessage};

/// Bytes of a chunk: the default, the least and the most.
const CHUNK_BYTES: (i64, i64, i64) = (128 << 10, 1 << 10, 1 << 20);
/// Bytes on their way: the default, the least and the most.
const WINDOW_BYTES: (i64, i64, i64) = (8 << 20, 1 << 10, 32 << 20);
/// How long a receiver may take to subscribe.
const INTEREST_WAIT: Duration = Duration::from_secs(2);
/// How long a receiver may take to confirm anything.
const CONFIRMATION_WAIT: Duration = Duration::from_secs(5);
/// How long what the answer tells may take to come to the disk.
const DISK_WAIT: Duration = Duration::from_secs(60);
/// How long sending pauses when the receiver's connection has nearly too much waiting.
const CROWDED_PAUSE: Duration = Duration::from_millis(2);

/// What is answered to the request, and what has to happen for the chunks to follow.
pub struct Begun {
    /// What the stream holds.
    pub state: StreamState,
    /// How it is configured.
    pub config: StreamConfig,
    /// To be given when the answer has left.
    pub answered: Signal,
}

/// Begins a backup of the stream for a client.
pub fn begin(
    host: &Arc<StreamHost>,
    request: &SnapshotRequest,
    client: ClientInfo,
) -> Result<Begun, ApiError> {
    let place = host.env.transfers.clone().try_acquire_owned();
    let place = place.map_err(|_| ErrorCode::StreamSnapshot.with("too many backups and restores at once"))?;
    let began = host.env.now();
    let (config, state, consumers) = capture(&host.lock(), !request.no_consumers);
    log::info!("Starting snapshot for stream '{} > {}'", host.account.name(), host.name);
    let answered = Signal::default();
    let chunk_bytes = clamped(request.chunk_size, CHUNK_BYTES);
    let window_bytes = clamped(request.window_size, WINDOW_BYTES).max(chunk_bytes);
    let sending = Sending {
        snapshot: Snapshot::new(&state, consumers, began),
        deliver_subject: request.deliver_subject.clone(),
        chunk_bytes,
        confirmations: Arc::new(Confirmations::new(window_bytes / chunk_bytes)),
        host: host.clone(),
        _place: place,
    };
    let started = Started { at: Timestamp(began), state: state.clone(), client };
    host.env.runtime.spawn(run(sending, started, answered.clone()));
    Ok(Begun { state, config, answered })
}

/// What the advisories tell.
struct Started {
    at: Timestamp,
    state: StreamState,
    client: ClientInfo,
}

/// A backup that is being sent.
struct Sending {
    host: Arc<StreamHost>,
    snapshot: Snapshot,
    deliver_subject: String,
    chunk_bytes: usize,
    confirmations: Arc<Confirmations>,
    _place: OwnedSemaphorePermit,
}

/// How many chunks the receiver has room for.
struct Confirmations {
    room: Semaphore,
    room_max: usize,
}

/// Wakes the sender when somebody subscribes to the deliver subject, or unsubscribes.
#[derive(Default)]
struct Receivers(Notify);

/// Why there is no more.
struct Failure {
    /// The header block that says so.
    status: Vec<u8>,
    reason: String,
}

fn capture(stream: &host::StreamState, consumers: bool) -> (StreamConfig, StreamState, Vec<ConsumerImage>) {
    let images = stream.consumers.iter().filter(|hosted| consumers && !hosted.machine.config().direct);
    let images = images.map(|hosted| ConsumerImage {
        name: hosted.machine.name().to_owned(),
        config: hosted.machine.config().clone(),
        state: hosted.machine.snapshot(),
    });
    (stream.machine.config().clone(), api::stream_state(stream), images.collect())
}

fn clamped(asked: i64, (default, least, most): (i64, i64, i64)) -> usize {
    let bytes = if asked == 0 { default } else { asked.clamp(least, most) };
    usize::try_from(bytes).unwrap_or(1)
}

async fn run(mut sending: Sending, started: Started, answered: Signal) {
    if timeout(DISK_WAIT, answered.0.notified()).await.is_err() {
        log::warn!("Snapshot for stream '{}' was given up: the disk does not answer", sending.host.name);
        return;
    }
    let host = sending.host.clone();
    let domain = host.env.settings.domain();
    let Started { at, state, client } = &started;
    let create = SnapshotCreate { stream: &host.name, state, client, domain };
    tell(&host, &Advisory::SnapshotCreate(create));
    let result = sending.send_all().await;
    let error = result.as_ref().err().map_or("", |failure| &failure.reason);
    let end = Timestamp(host.env.now());
    let complete = SnapshotComplete { stream: &host.name, start: *at, end, client, domain, error };
    tell(&host, &Advisory::SnapshotComplete(complete));
    match error {
        "" => log::info!("Completed snapshot for stream '{} > {}'", host.account.name(), host.name),
        error => log::warn!("Snapshot for stream '{} > {}' failed: {error}", host.account.name(), host.name),
    }
}

fn tell(host: &StreamHost, advisory: &Advisory<'_>) {
    advisories::publish(&host.account, &host.env, &mut Dispatch::internal(), advisory);
}

impl Sending {
    async fn send_all(&mut self) -> Result<(), Failure> {
        let account = self.host.account.clone();
        let receivers = Arc::new(Receivers::default());
        let watcher: Weak<Receivers> = Arc::downgrade(&receivers);
        let _watch = account.watch_interest(self.deliver_subject.as_bytes(), watcher);
        // A client may have its inboxes in one subscription and subscribe to this one when it has the answer.
        let arrival = async {
            while !self.has_receiver() {
                receivers.0.notified().await;
            }
        };
        let watched = timeout(INTEREST_WAIT, arrival).await.is_ok();
        let ack_subject = format!("$JS.SNAPSHOT.ACK.{}.{}", self.host.name, ids::nuid());
        let _acks =
            account.subscribe_service(&format!("{ack_subject}.>"), None, self.confirmations.clone()).ok();
        let result = self.send_chunks(&ack_subject, watched.then_some(&*receivers)).await;
        let status = match &result {
            Ok(whole_chunks) if *whole_chunks == 0 => Vec::new(),
            Ok(_) => HeaderBuilder::status(204, "").finish(),
            Err(failure) => failure.status.clone(),
        };
        self.publish(b"", &status, b"");
        result.map(|_| ())
    }

    /// Returns how many whole chunks were sent. It is noticed when `receivers` go away, if they were there.
    async fn send_chunks(
        &mut self,
        ack_subject: &str,
        receivers: Option<&Receivers>,
    ) -> Result<u64, Failure> {
        for index in 1u64.. {
            self.wait_for_room(receivers).await?;
            let chunk = self.next_chunk().map_err(Failure::of_stream)?;
            if chunk.len() < self.chunk_bytes {
                if !chunk.is_empty() {
                    self.publish(b"", b"", &chunk);
                }
                return Ok(index - 1);
            }
            let reply = format!("{ack_subject}.{}.{index}", chunk.len());
            if self.publish(reply.as_bytes(), b"", &chunk) {
                tokio::time::sleep(CROWDED_PAUSE).await;
            }
        }
        Ok(0)
    }

    async fn wait_for_room(&self, receivers: Option<&Receivers>) -> Result<(), Failure> {
        let gone = async {
            let Some(receivers) = receivers else { return std::future::pending().await };
            while self.has_receiver() {
                receivers.0.notified().await;
            }
        };
        tokio::select! {
            biased;
            () = gone => Err(Failure::of_receiver("No Interest", "no interest")),
            room = timeout(CONFIRMATION_WAIT, self.confirmations.room.acquire()) => match room {
                Ok(Ok(room)) => {
                    room.forget();
                    Ok(())
                }
                _ => Err(Failure::of_receiver("No Flow Response", "no flow response")),
            },
        }
    }

    fn next_chunk(&mut self) -> Result<Vec<u8>, String> {
        let host = self.host.clone();
        let chunk = self.snapshot.chunk(self.chunk_bytes, &mut |seq| read_message(&host, seq))?;
        // A stream that was deleted has no messages left, which is not the same as their end.
        if host.is_closed() { Err("stream closed".to_owned()) } else { Ok(chunk) }
    }

    fn has_receiver(&self) -> bool {
        self.host.account.has_literal_interest(self.deliver_subject.as_bytes())
    }

    /// `true` if the receiver's connection has nearly too much waiting.
    fn publish(&self, reply: &[u8], headers: &[u8], payload: &[u8]) -> bool {
        let mut cx = Dispatch::internal();
        let message = Message { subject: self.deliver_subject.as_bytes(), reply, headers, payload };
        self.host.account.publish(&mut cx, &message);
        cx.flush();
        cx.take_crowded().is_some()
    }
}

/// The first message at or after `seq`, read without holding up the stream.
fn read_message(host: &StreamHost, mut seq: u64) -> Result<Option<StoredMessage>, StoreError> {
    loop {
        let handle = {
            let state = host.lock();
            let Some(found) = state.log.next_match(seq, &[])? else { return Ok(None) };
            seq = found;
            state.log.handle(found)
        };
        if let Some(message) = handle.map(|handle| handle.read()).transpose()?.flatten() {
            return Ok(Some(message));
        }
        // It was removed in between.
        seq = seq.saturating_add(1);
    }
}

impl Confirmations {
    fn new(chunks: usize) -> Self {
        let room_max = chunks.max(1);
        Self { room: Semaphore::new(room_max), room_max }
    }
}

impl Service for Confirmations {
    fn deliver(&self, _cx: &mut Dispatch, _message: &Message<'_>) -> bool {
        if self.room.available_permits() < self.room_max {
            self.room.add_permits(1);
        }
        true
    }
}

impl InterestWatcher for Receivers {
    fn interest_changed(&self, _subject: &[u8]) {
        self.0.notify_one();
    }
}

impl Failure {
    fn of_receiver(status: &str, reason: &str) -> Self {
        Self { status: HeaderBuilder::status(408, status).finish(), reason: reason.to_owned() }
    }

    fn of_stream(reason: String) -> Self {
        Self { status: HeaderBuilder::status(500, &reason).finish(), reason }
    }
}
