//! From what the store holds to streams in service; at the start, and after the store has failed.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use headwater_protocol::jetstream::stream_config::StreamConfig;

use super::JetStream;
use super::account::JsAccount;
use super::backup::restore::building::UNFINISHED;
use super::env::{Commits, Phase};
use super::host::StreamHost;
use super::record;
use super::recovery_waiting::{Waiting, settle_doubts};
use crate::store::{Lsn, RecoveredStream, Store};

/// The pause before a failed store is opened anew, and what it grows to while that does not help.
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(100);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(10);

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
        let (streams, _report) = self
            .env()
            .store
            .recover_with(&|stream| drop(settle_doubts(stream, self.env().now())))
            .map_err(|error| error.to_string())?;
        self.unserved.lock().clear();
        self.put_off.clear();
        self.stash(discard_unfinished(&self.env().store, streams));
        let accounts = self.accounts();
        let mut waiting: Vec<Waiting> =
            accounts.iter().flat_map(|account| self.announce_streams(account)).collect();
        self.env().commits.set_ready(failures);
        waiting.sort_unstable_by_key(Waiting::messages);
        for stream in waiting {
            if self.is_stopping() {
                break;
            }
            self.bring_up(stream);
        }
        Ok(())
    }

    /// Puts the streams into service that wait for an account which has just come into being.
    pub(super) fn recover_account(&self, account: &Arc<JsAccount>) {
        for stream in self.announce_streams(account) {
            self.bring_up(stream);
        }
    }

    /// Gives each stream of an account its place, and takes the place of those the store knows nothing of any more.
    fn announce_streams(&self, account: &Arc<JsAccount>) -> Vec<Waiting> {
        let streams = self.recovered.lock().remove(&**account.account.name()).unwrap_or_default();
        account.forget_missing(&streams);
        let mut waiting = Vec::with_capacity(streams.len());
        for stream in streams {
            match account.announce(&stream) {
                Ok(host) => waiting.push(Waiting::new(account, host, stream)),
                Err(error) => self.note_unserved(account.account.name(), &stream.name, &error),
            }
        }
        waiting
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
