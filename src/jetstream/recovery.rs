//! From what the store holds to streams in service; at the start, and after the store has failed.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::stream_config::StreamConfig;

use super::JetStream;
use super::account::JsAccount;
use super::backup::restore::building::UNFINISHED;
use super::consumer::{ConsumerMachine, Identity, StreamTraits};
use super::consumers::{Consumers, Hosted};
use super::env::{Commits, Env, Phase};
use super::host::inflow::take_positions;
use super::host::{StreamHost, StreamState};
use super::record;
use super::sourcing::ledger::Record;
use super::stream::{Bounds, StreamMachine};
use crate::store::{Lsn, MessageLog, RecoveredConsumer, RecoveredStream, Store};

/// The pause before a failed store is opened anew, and what it grows to while that does not help.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A stream in its place that is not in service yet.
type Waiting = (Arc<StreamHost>, RecoveredStream);

/// Opens the store anew whenever it fails, until the broker stops.
pub(super) async fn watch_store(jetstream: Weak<JetStream>, commits: Arc<Commits>) {
    let mut pause = PAUSE_MIN;
    let mut opened_at = Lsn::ZERO;
    loop {
        commits.wait_for_failure().await;
        let Some(jetstream) = jetstream.upgrade().filter(|jetstream| !jetstream.is_stopping()) else {
            return;
        };
        // The disk has taken something since: it does not fail all the time.
        if jetstream.env().settled() > opened_at {
            pause = PAUSE_MIN;
        }
        jetstream.reopen(&mut pause).await;
        opened_at = jetstream.env().settled();
    }
}

impl JetStream {
    /// Reads the store and puts all streams into service. Blocks; streams come up one by one, the small ones first.
    pub fn recover(&self) -> Result<(), String> {
        let _recovering = self.recovering.lock();
        let failures = self.env().failures();
        let (streams, _report) =
            self.env().store.recover_with(&settle_doubts).map_err(|error| error.to_string())?;
        self.unserved.lock().clear();
        self.stash(discard_unfinished(&self.env().store, streams));
        let mut waiting: Vec<(Arc<JsAccount>, Waiting)> = Vec::new();
        for account in self.accounts() {
            let announced = self.announce_streams(&account);
            waiting.extend(announced.into_iter().map(|stream| (account.clone(), stream)));
        }
        self.env().commits.set_ready(failures);
        waiting.sort_unstable_by_key(|(_, (_, stream))| stream.log.state().messages);
        for (account, stream) in waiting {
            if self.is_stopping() {
                break;
            }
            self.bring_up(&account, stream);
        }
        Ok(())
    }

    /// Puts the streams into service that wait for an account which has just come into being.
    pub(super) fn recover_account(&self, account: &Arc<JsAccount>) {
        for stream in self.announce_streams(account) {
            self.bring_up(account, stream);
        }
    }

    /// Gives each stream of an account its place, and takes the place of those the store knows nothing of any more.
    fn announce_streams(&self, account: &Arc<JsAccount>) -> Vec<Waiting> {
        let streams = self.recovered.lock().remove(&**account.account.name()).unwrap_or_default();
        account.forget_missing(&streams);
        let mut waiting = Vec::with_capacity(streams.len());
        for stream in streams {
            match account.announce(&stream) {
                Ok(host) => waiting.push((host, stream)),
                Err(error) => self.note_unserved(account.account.name(), &stream.name, &error),
            }
        }
        waiting
    }

    fn bring_up(&self, account: &Arc<JsAccount>, (host, stream): Waiting) {
        match state_of(account, &host, stream) {
            Ok((state, positions)) => self.put_into_service(account, &host, state, &positions),
            Err(error) => self.note_unserved(account.account.name(), &host.name, &error),
        }
    }

    fn put_into_service(
        &self,
        account: &Arc<JsAccount>,
        host: &Arc<StreamHost>,
        state: StreamState,
        positions: &Record,
    ) {
        host.resume(state);
        if let Err(error) = host.lock().configure_inflow(host, Some(positions)) {
            return self.note_unserved(account.account.name(), &host.name, &error.to_string());
        }
        host.start_inflow();
    }

    async fn reopen(self: &Arc<Self>, pause: &mut Duration) {
        let failed = Instant::now();
        while self.env().phase() == Phase::Failed && !self.is_stopping() {
            let jetstream = self.clone();
            let suspended = tokio::task::spawn_blocking(move || jetstream.suspend());
            let _ = suspended.await;
            tokio::time::sleep(*pause).await;
            *pause = (*pause * 2).min(PAUSE_MAX);
            let jetstream = self.clone();
            match tokio::task::spawn_blocking(move || jetstream.recover()).await {
                Ok(Ok(())) => log::info!("JetStream store opened anew after {:?}", failed.elapsed()),
                Ok(Err(error)) => log::error!("JetStream store cannot be opened anew yet: {error}"),
                Err(error) => log::error!("JetStream store cannot be opened anew yet: {error}"),
            }
        }
    }

    /// Takes all streams on disk out of service, because the store has failed, until [`recover`](Self::recover). Blocks.
    pub fn suspend(&self) {
        let _recovering = self.recovering.lock();
        self.accounts().iter().for_each(|account| account.suspend());
    }

    fn stash(&self, streams: Vec<RecoveredStream>) {
        let mut recovered = self.recovered.lock();
        recovered.clear();
        for stream in streams {
            recovered.entry(stream.account.clone()).or_default().push(stream);
        }
    }
}

impl JsAccount {
    /// Gives a stream that the store holds its place among the others; it is not in service yet.
    fn announce(&self, stream: &RecoveredStream) -> Result<Arc<StreamHost>, String> {
        if let Some(host) = self.stream(&stream.name) {
            return if host.id == stream.id { Ok(host) } else { Err("its name is taken".to_owned()) };
        }
        let (created, config) = record::read::<StreamConfig>(&stream.meta)?;
        let host = StreamHost::announce(stream.id, self.account.clone(), self.env.clone(), config, created);
        self.put(host.clone());
        Ok(host)
    }
}

/// Removes what messages of the last commit before a crash had pushed out, and what may be there again.
fn settle_doubts(stream: &mut RecoveredStream) {
    if stream.in_doubt.is_empty() {
        return;
    }
    let Ok((_, config)) = record::read::<StreamConfig>(&stream.meta) else { return };
    let mut machine = StreamMachine::new(config, Bounds::default());
    if let Err(error) = machine.enforce_limits_after_crash(stream.log.as_mut(), &stream.in_doubt) {
        log::warn!("stream {}: limits are not enforced: {error}", stream.name);
    }
}

/// A stream with its consumers, as the store holds it.
fn state_of(
    account: &Arc<JsAccount>,
    host: &StreamHost,
    mut stream: RecoveredStream,
) -> Result<(StreamState, Record), String> {
    let env = &account.env;
    let positions = take_positions(&mut stream.consumers);
    let (created, config) = record::read::<StreamConfig>(&stream.meta)?;
    let machine = StreamMachine::recover(config, account.bounds(), stream.log.as_ref(), env.now())
        .map_err(|error| error.to_string())?;
    let mut consumers = Consumers::default();
    consumers.number_after(&host.lock().consumers);
    for consumer in stream.consumers {
        let name = consumer.name.clone();
        match recover_consumer(env, machine.config(), stream.log.as_ref(), consumer) {
            Ok(hosted) => drop(consumers.add(hosted)),
            Err(error) => log::error!("consumer {} > {name} cannot be served: {error}", stream.name),
        }
    }
    Ok((StreamState::new(machine, stream.log, consumers, created), positions))
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

/// Removes what restores left behind that did not come to their end.
fn discard_unfinished(store: &Store, streams: Vec<RecoveredStream>) -> Vec<RecoveredStream> {
    let (unfinished, whole): (Vec<_>, Vec<_>) =
        streams.into_iter().partition(|stream| stream.account == UNFINISHED);
    for stream in unfinished {
        log::warn!(
            "The restore of stream '{}' was not finished: what there is of it is removed",
            stream.name
        );
        if let Err(error) = store.delete_stream(stream.id) {
            log::error!("stream '{}': {error}", stream.name);
        }
    }
    whole
}
