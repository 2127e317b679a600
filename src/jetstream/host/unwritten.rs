//! What consumers have to write: acknowledgements somebody waits for at once, the rest a little later.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::replies::Reply;
use super::{StreamHost, StreamState};
use crate::clock::UnixNanos;
use crate::jetstream::consumers::ConsumerKey;

/// How long a change that nobody waits for may stay unwritten. Whatever is lost with it is delivered once more.
const WRITE_DELAY: UnixNanos = 100_000_000;

/// Changes of consumers that are not in the journal yet.
#[derive(Default)]
pub(super) struct Unwritten {
    consumers: BTreeSet<ConsumerKey>,
    since: Option<UnixNanos>,
    /// Who waits for which consumer's acknowledgement to be written.
    confirmations: Vec<(ConsumerKey, Bytes)>,
}

impl Unwritten {
    /// A consumer has changed.
    pub(super) fn note(&mut self, key: ConsumerKey, now: UnixNanos) {
        self.consumers.insert(key);
        self.since.get_or_insert(now);
    }

    /// `to` wants to know when a consumer's change is on disk.
    pub(super) fn confirm(&mut self, key: ConsumerKey, to: Bytes) {
        self.confirmations.push((key, to));
    }

    /// When the next write is due.
    pub(super) fn deadline(&self) -> Option<UnixNanos> {
        self.since.map(|since| since.saturating_add(WRITE_DELAY))
    }
}

impl StreamState {
    /// Writes what is due, and promises the confirmations that wait for it.
    pub(super) fn write_consumers(&mut self, host: &StreamHost, now: UnixNanos) {
        if self.unwritten.deadline().is_some_and(|deadline| deadline <= now) {
            self.write_all_consumers(host);
        }
        for (key, to) in std::mem::take(&mut self.unwritten.confirmations) {
            // What could not be written is not confirmed: the client asks again, or gets the message again.
            if self.write_consumer(host, key) {
                self.promise(&to, Reply::AckConfirmed);
            }
        }
    }

    /// Writes every change there is.
    pub fn write_all_consumers(&mut self, host: &StreamHost) {
        self.unwritten.since = None;
        for key in std::mem::take(&mut self.unwritten.consumers) {
            self.write_consumer(host, key);
        }
    }

    /// `true` if nothing of the consumer is left unwritten; otherwise it is tried again later.
    pub(super) fn write_consumer(&mut self, host: &StreamHost, key: ConsumerKey) -> bool {
        let Some(hosted) = self.consumers.get_mut(key) else { return true };
        let Some(delta) = hosted.machine.take_delta() else { return true };
        let (store, name) = (&host.env.store, hosted.machine.name());
        let written = match store.wants_consumer_state(host.id, name) {
            true => store.put_consumer_state(host.id, name, &hosted.machine.snapshot()),
            false => store.append_consumer_delta(host.id, name, &delta),
        };
        match written {
            Ok(lsn) => {
                self.wrote(lsn);
                true
            }
            Err(error) => {
                hosted.machine.delta_was_lost();
                log::error!("stream {}: consumer state was not written: {error}", host.name);
                self.unwritten.note(key, host.env.now());
                false
            }
        }
    }
}
