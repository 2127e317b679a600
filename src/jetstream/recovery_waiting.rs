//! Streams on their way into service. One that the disk does not read just now is tried again until it does.

use std::sync::{Arc, Weak};

use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::timestamp::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::JetStream;
use super::account::JsAccount;
use super::consumer::{ConsumerMachine, Identity, StreamTraits};
use super::consumers::{Consumers, Hosted};
use super::env::{Env, Phase};
use super::host::inflow::take_positions;
use super::host::{StreamHost, StreamState};
use super::record;
use super::recovery::{PAUSE_MAX, PAUSE_MIN};
use super::sourcing::ledger::Record;
use super::stream::{Bounds, StreamMachine};
use crate::clock::UnixNanos;
use crate::store::{InDoubt, MessageLog, RecoveredConsumer, RecoveredStream, StoreError};

/// A stream in its place that is not in service yet, or not with all that belongs to it.
pub(super) struct Waiting {
    account: Arc<JsAccount>,
    host: Arc<StreamHost>,
    lacks: Lacks,
}

enum Lacks {
    /// It is not in service; this is what the store holds of it.
    Everything(Box<RecoveredStream>),
    /// The links to its origins, which go on behind these positions.
    Inflow(Record),
}

/// Streams that could not be read, each at most once.
#[derive(Default)]
pub(super) struct PutOff {
    streams: Mutex<Vec<Waiting>>,
    some: Notify,
}

impl PutOff {
    /// Forgets them: the store is read anew.
    pub fn clear(&self) {
        self.streams.lock().clear();
    }

    /// Has [`watch_put_off`] look whether the broker stops.
    pub fn wake(&self) {
        self.some.notify_one();
    }

    fn push(&self, stream: Waiting) {
        self.streams.lock().push(stream);
        self.wake();
    }
}

/// Tries again to bring up what could not be read, until the broker stops.
pub(super) async fn watch_put_off(jetstream: Weak<JetStream>, put_off: Arc<PutOff>) {
    let mut pause = PAUSE_MIN;
    loop {
        put_off.some.notified().await;
        tokio::time::sleep(pause).await;
        let Some(jetstream) = jetstream.upgrade().filter(|jetstream| !jetstream.is_stopping()) else {
            return;
        };
        let done = tokio::task::spawn_blocking(move || jetstream.bring_up_rest()).await;
        pause = if done.unwrap_or(false) { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
    }
}

impl JetStream {
    /// Puts a stream into service, or puts it off.
    pub(super) fn bring_up(&self, stream: Waiting) {
        if let Err((error, stream)) = stream.advance() {
            self.note_unserved(stream.account.account.name(), &stream.host.name, &error);
            self.put_off.push(stream);
        }
    }

    /// Tries once more to bring up streams that could not be read; false when some still cannot. Blocks.
    pub fn bring_up_rest(&self) -> bool {
        let _recovering = self.recovering.lock();
        // A store that has failed is read anew as a whole.
        if self.env().phase() != Phase::Ready {
            return true;
        }
        let rest = std::mem::take(&mut *self.put_off.streams.lock());
        for stream in rest {
            let (account, name) = (stream.account.account.name().clone(), stream.host.name.clone());
            match stream.advance() {
                Ok(()) => self.note_served(&account, &name),
                Err((_, stream)) => self.put_off.push(stream),
            }
        }
        self.put_off.streams.lock().is_empty()
    }
}

impl Waiting {
    /// A stream of which the store holds this.
    pub fn new(account: &Arc<JsAccount>, host: Arc<StreamHost>, stream: RecoveredStream) -> Self {
        Self { account: account.clone(), host, lacks: Lacks::Everything(Box::new(stream)) }
    }

    /// Messages to be brought up.
    pub fn messages(&self) -> u64 {
        match &self.lacks {
            Lacks::Everything(stream) => stream.log.state().messages,
            Lacks::Inflow(_) => 0,
        }
    }

    /// Puts the stream into service with all that belongs to it. If not all can be read, gives back what is left to do, with
    /// the reason.
    fn advance(self) -> Result<(), (String, Self)> {
        let Self { account, host, lacks } = self;
        let positions = match lacks {
            Lacks::Inflow(positions) => positions,
            Lacks::Everything(mut stream) => match machine_of(&account, &mut stream) {
                Ok((machine, created)) => resume(&account.env, &host, *stream, machine, created),
                Err(error) => {
                    return Err((error, Self { account, host, lacks: Lacks::Everything(stream) }));
                }
            },
        };
        let configured = host.lock().configure_inflow(&host, Some(&positions));
        if let Err(error) = configured {
            return Err((error.to_string(), Self { account, host, lacks: Lacks::Inflow(positions) }));
        }
        host.start_inflow();
        Ok(())
    }
}

/// Removes what messages of the last commit before a crash had pushed out, and what may be there again.
pub fn settle_doubts(stream: &mut RecoveredStream, now: UnixNanos) -> Result<(), String> {
    if !stream.in_doubt.is_empty() {
        let (_, config) = record::read::<StreamConfig>(&stream.meta)?;
        let mut machine = StreamMachine::new(config, Bounds::default());
        match machine.enforce_limits_after_crash(stream.log.as_mut(), &stream.in_doubt, now) {
            // It stays in doubt until there is room to write down what goes.
            Err(StoreError::DiskFull) => return Ok(()),
            settled => settled.map_err(|error| error.to_string())?,
        }
        stream.in_doubt = InDoubt::default();
    }
    Ok(())
}

fn machine_of(
    account: &JsAccount,
    stream: &mut RecoveredStream,
) -> Result<(StreamMachine, Timestamp), String> {
    let now = account.env.now();
    settle_doubts(stream, now)?;
    let (created, config) = record::read::<StreamConfig>(&stream.meta)?;
    let log = stream.log.as_ref();
    let recovered = StreamMachine::recover(config, account.bounds(), log, now);
    let mut machine = recovered.map_err(|error| error.to_string())?;
    if !stream.in_doubt.is_empty() {
        machine.owe_limits(now);
    }
    Ok((machine, created))
}

/// Puts a stream with its consumers into service; returns how far its sources had come.
fn resume(
    env: &Env,
    host: &Arc<StreamHost>,
    mut stream: RecoveredStream,
    machine: StreamMachine,
    created: Timestamp,
) -> Record {
    let positions = take_positions(&mut stream.consumers);
    let mut consumers = Consumers::default();
    consumers.number_after(&host.lock().consumers);
    for consumer in stream.consumers {
        let name = consumer.name.clone();
        match recover_consumer(env, machine.config(), stream.log.as_ref(), consumer) {
            Ok(hosted) => drop(consumers.add(hosted)),
            Err(error) => log::error!("consumer {} > {name} cannot be served: {error}", stream.name),
        }
    }
    host.resume(StreamState::new(machine, stream.log, consumers, created));
    positions
}

fn recover_consumer(
    env: &Env,
    stream: &StreamConfig,
    log: &dyn MessageLog,
    consumer: RecoveredConsumer,
) -> Result<Hosted, String> {
    let now = env.now();
    let (created, config) = record::read::<ConsumerConfig>(&consumer.config)?;
    let identity = Identity { name: consumer.name, created: created.0, seed: env.random.next_u64() };
    let traits = StreamTraits::of(stream, env.settings.payload_bytes_max);
    let snapshot = consumer.state.unwrap_or_default();
    let deltas = consumer.deltas.iter().map(Vec::as_slice);
    let machine = ConsumerMachine::restore(identity, config, traits, &snapshot, deltas, log, now)
        .map_err(|error| error.to_string())?;
    Ok(Hosted::new(&stream.name, machine))
}
