//! Removing what no consumer needs any more, where retention says so.

use bytes::Bytes;
use headwater_protocol::jetstream::stream_config::Retention;

use super::{StreamHost, StreamState};
use crate::store::StoreError;

impl StreamState {
    /// A consumer is done with the messages `from..=to`: those that none needs any more are removed.
    pub(super) fn release(&mut self, host: &StreamHost, from: u64, to: u64) {
        if self.machine.config().retention == Retention::Limits {
            return;
        }
        if let Err(error) = self.release_range(from, to) {
            log::error!("stream {}: acknowledged messages were not removed: {error}", host.name);
        }
    }

    fn release_range(&mut self, from: u64, to: u64) -> Result<(), StoreError> {
        let mut next = self.log.next_match(from, &[])?;
        while let Some(seq) = next.filter(|seq| *seq <= to) {
            self.release_one(seq)?;
            next = self.log.next_match(seq + 1, &[])?;
        }
        Ok(())
    }

    fn release_one(&mut self, seq: u64) -> Result<(), StoreError> {
        if self.is_needed(seq)? {
            return Ok(());
        }
        if let Some((_, lsn)) = self.log.remove(seq)? {
            self.wrote(lsn);
        }
        Ok(())
    }

    /// Under work queue retention a message has one consumer, so the one that is done decides alone.
    fn is_needed(&mut self, seq: u64) -> Result<bool, StoreError> {
        if self.machine.config().retention == Retention::WorkQueue {
            return Ok(false);
        }
        if let Some(needed) = self.consumers.need_unread(seq) {
            return Ok(needed);
        }
        let Some(message) = self.log.load(seq)? else { return Ok(false) };
        Ok(self.consumers.need(seq, message.subject()))
    }

    /// The stream goes over to interest retention: what a consumer has acknowledged and no other needs goes. What no
    /// consumer ever wanted stays if there is one at all, as with nats-server.
    pub fn release_acknowledged(&mut self, host: &StreamHost) {
        if self.consumers.is_empty() {
            return self.release_unneeded(host, 0);
        }
        let done: Vec<_> = self
            .consumers
            .iter()
            .map(|hosted| (hosted.machine.ack_floor(), hosted.machine.filters().to_vec()))
            .collect();
        for (floor, filters) in done {
            if let Err(error) = self.release_matching(floor, &filters) {
                log::error!("stream {}: acknowledged messages were not removed: {error}", host.name);
            }
        }
    }

    fn release_matching(&mut self, up_to: u64, filters: &[Bytes]) -> Result<(), StoreError> {
        let mut next = self.log.next_match(0, filters)?;
        while let Some(seq) = next.filter(|seq| *seq <= up_to) {
            self.release_one(seq)?;
            next = self.log.next_match(seq + 1, filters)?;
        }
        Ok(())
    }

    /// Under interest retention, removes everything from `from` on that no consumer needs: one that had acknowledged what lies
    /// before went, or its filter did.
    pub fn release_unneeded(&mut self, host: &StreamHost, from: u64) {
        if self.machine.config().retention != Retention::Interest {
            return;
        }
        let state = self.log.state();
        // As with nats-server, a stream that has never held anything begins with the loss of a consumer that was ahead of it.
        let is_ahead = state.last_seq == 0 && from > 0;
        let released = if self.consumers.is_empty() || is_ahead {
            self.machine.emptied(self.log.as_mut()).map(|lsn| self.wrote(lsn))
        } else {
            self.release_range(from.max(state.first_seq), state.last_seq)
        };
        if let Err(error) = released {
            log::error!("stream {}: unneeded messages were not removed: {error}", host.name);
        }
    }
}
