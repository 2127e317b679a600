//! Taking a backup back: every chunk is a request, answered when it was taken; an empty one is the end, answered with the
//! stream or with what went wrong. After an error chunks are taken and thrown away until the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwater_protocol::jetstream::advisory::{Advisory, RestoreComplete, RestoreCreate};
use headwater_protocol::jetstream::client_info::ClientInfo;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::response::{Response, encode_refusal};
use headwater_protocol::jetstream::response_type::ResponseType;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::timestamp::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::timeout;

use super::restore::Restorer;
use super::restore::building::Building;
use super::{RestoreError, because};
use crate::account::ServiceSubscription;
use crate::ids;
use crate::jetstream::account::JsAccount;
use crate::jetstream::host::StreamHost;
use crate::jetstream::host::replies::Reply;
use crate::jetstream::{advisories, api};
use crate::router::{Dispatch, Gate, Message, Service};

/// How long the sender may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Bytes of chunks that wait; above, the connections that send them are not read from.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// Begins a restore; returns where the chunks are to be sent.
pub fn begin(account: &Arc<JsAccount>, config: StreamConfig, client: ClientInfo) -> Result<String, ApiError> {
    let place = account.env.transfers.clone().try_acquire_owned();
    let place = place.map_err(|_| ErrorCode::StreamRestore.with("too many backups and restores at once"))?;
    let name = config.name.clone();
    let deliver_subject = format!("$JS.SNAPSHOT.RESTORE.{name}.{}", ids::nuid());
    let chunks = Arc::new(Chunks::default());
    let subscription = account.account.subscribe_service(&deliver_subject, None, chunks.clone());
    let subscription =
        subscription.map_err(|error| ErrorCode::RestoreSubscribeFailed.with_both(&deliver_subject, error))?;
    let building = Building::new(account, config).map_err(RestoreError::into_api_error)?;
    log::info!("Starting restore for stream '{} > {name}'", account.account.name());
    let receiving = Receiving {
        account: account.clone(),
        name,
        chunks,
        restorer: Ok(Restorer::new(building)),
        bytes: 0,
        began: Timestamp(account.env.now()),
        client,
        _subscription: subscription,
        _place: place,
    };
    account.env.runtime.spawn(run(receiving));
    Ok(deliver_subject)
}

/// A restore under way.
struct Receiving {
    account: Arc<JsAccount>,
    name: String,
    chunks: Arc<Chunks>,
    /// Or why it came to nothing.
    restorer: Result<Restorer, RestoreError>,
    bytes: u64,
    began: Timestamp,
    client: ClientInfo,
    _subscription: ServiceSubscription,
    _place: OwnedSemaphorePermit,
}

/// The subscriber on the deliver subject: chunks that wait to be taken.
#[derive(Default)]
struct Chunks {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Waiting {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

struct Chunk {
    reply: Bytes,
    payload: Bytes,
}

impl Service for Chunks {
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        let mut waiting = self.waiting.lock();
        // What is read of a connection before it stops at the gate is one message more at most.
        if waiting.bytes > WAITING_BYTES_MAX {
            self.gate.close();
            cx.pause_on(&self.gate);
        }
        waiting.bytes += message.payload.len();
        let reply = Bytes::copy_from_slice(message.reply);
        waiting.chunks.push_back(Chunk { reply, payload: Bytes::copy_from_slice(message.payload) });
        drop(waiting);
        self.arrived.notify_one();
        true
    }
}

impl Chunks {
    async fn next(&self) -> Chunk {
        loop {
            if let Some(chunk) = self.take() {
                return chunk;
            }
            self.arrived.notified().await;
        }
    }

    fn take(&self) -> Option<Chunk> {
        let mut waiting = self.waiting.lock();
        let chunk = waiting.chunks.pop_front()?;
        waiting.bytes -= chunk.payload.len();
        if waiting.bytes <= WAITING_BYTES_MAX {
            self.gate.open();
        }
        Some(chunk)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.chunks.gate.open();
    }
}

async fn run(mut receiving: Receiving) {
    receiving.tell_begun();
    loop {
        let Ok(chunk) = timeout(SILENCE_MAX, receiving.chunks.next()).await else {
            log::warn!("{} is stalled", receiving.title());
            return;
        };
        if chunk.reply.is_empty() {
            let reason = format!("{} requires reply subject for each chunk", receiving.title());
            receiving.restorer = Err(because(reason));
            return receiving.finish(&chunk.reply);
        }
        if chunk.payload.is_empty() {
            return receiving.finish(&chunk.reply);
        }
        receiving.take(&chunk.payload);
        // What is taken in must not outrun the disk.
        receiving.account.env.ingest_gate.wait().await;
        receiving.answer(&chunk.reply, b"");
    }
}

impl Receiving {
    fn title(&self) -> String {
        format!("restore for stream '{} > {}'", self.account.account.name(), self.name)
    }

    fn take(&mut self, payload: &[u8]) {
        self.bytes += payload.len() as u64;
        let taken = match &mut self.restorer {
            Ok(restorer) => restorer.feed(payload),
            Err(_) => Ok(()),
        };
        if let Err(error) = taken {
            self.restorer = Err(error);
        }
    }

    fn finish(mut self, reply: &[u8]) {
        let restorer = std::mem::replace(&mut self.restorer, Err(because("it has come to its end")));
        let result = restorer.and_then(Restorer::finish);
        self.tell_complete();
        match result {
            Ok(host) => self.answer_restored(&host, reply),
            Err(error) => {
                log::warn!("{} failed: {error}", self.title());
                let refusal = encode_refusal(ResponseType::StreamCreate, &error.into_api_error());
                self.answer(reply, &refusal);
            }
        }
    }

    /// The answer leaves when the stream is on disk.
    fn answer_restored(&self, host: &Arc<StreamHost>, reply: &[u8]) {
        log::info!("Completed {}", self.title());
        let info = api::answered_stream(host);
        let body = Response::StreamCreate { info: &info, did_create: false }.encode();
        let mut cx = Dispatch::internal();
        host.apply(&mut cx, |state| {
            if !reply.is_empty() {
                state.promise(reply, Reply::Body(body.into()));
            }
        });
    }

    fn answer(&self, reply: &[u8], payload: &[u8]) {
        if !reply.is_empty() {
            let message = Message { subject: reply, payload, ..Message::default() };
            self.account.account.publish(&mut Dispatch::internal(), &message);
        }
    }

    fn tell_begun(&self) {
        let (stream, client, domain) = (&*self.name, &self.client, self.account.env.settings.domain());
        self.tell(&Advisory::RestoreCreate(RestoreCreate { stream, client, domain }));
    }

    fn tell_complete(&self) {
        let (stream, client, domain) = (&*self.name, &self.client, self.account.env.settings.domain());
        let (start, end, bytes) = (self.began, Timestamp(self.account.env.now()), self.bytes);
        let complete = RestoreComplete { stream, start, end, bytes, client, domain };
        self.tell(&Advisory::RestoreComplete(complete));
    }

    fn tell(&self, advisory: &Advisory<'_>) {
        let account = &self.account;
        advisories::publish(&account.account, &account.env, &mut Dispatch::internal(), advisory);
    }
}
