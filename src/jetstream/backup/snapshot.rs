//! The bytes of a backup, made as they are asked for.

use std::io::{self, Write};

use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::stream_info::StreamState;

use super::compress::Compressor;
use super::entry::{CONSUMER_PREFIX, Entry, MAGIC, STATE_NAME};
use crate::clock::UnixNanos;
use crate::jetstream::consumer::{Settings, snapshot};
use crate::store::{StoreError, StoredMessage};

/// A consumer as it stood when the backup began.
pub struct ConsumerImage {
    /// Its name.
    pub name: String,
    /// Its configuration.
    pub config: ConsumerConfig,
    /// Its state, as [`snapshot`] encodes it.
    pub state: Vec<u8>,
}

/// Reads the first message at or after a sequence; `None` if there is none.
pub type ReadMessage<'a> = dyn FnMut(u64) -> Result<Option<StoredMessage>, StoreError> + 'a;

/// A backup on its way out.
pub struct Snapshot {
    consumers: std::vec::IntoIter<ConsumerImage>,
    next_seq: u64,
    last_seq: u64,
    began: UnixNanos,
    compressor: Compressor,
    head: Vec<u8>,
    ended: bool,
}

impl Snapshot {
    /// A backup of a stream in this state, with these consumers, begun at this moment.
    pub fn new(state: &StreamState, consumers: Vec<ConsumerImage>, began: UnixNanos) -> Self {
        let state = StreamState { consumer_count: consumers.len() as u64, ..state.clone() };
        let mut compressor = Compressor::new();
        compressor.push(MAGIC);
        let mut snapshot = Self {
            consumers: consumers.into_iter(),
            next_seq: state.first_seq,
            last_seq: state.last_seq,
            began,
            compressor,
            head: Vec::new(),
            ended: false,
        };
        // Writing plain data to memory does not fail.
        let json = serde_json::to_vec(&state).unwrap_or_default();
        snapshot.put(&Entry { name: STATE_NAME, ts: began, payload: &json, ..Entry::default() });
        snapshot
    }

    /// Up to `bytes` of the backup; less only at its end.
    pub fn chunk(&mut self, bytes: usize, read: &mut ReadMessage<'_>) -> Result<Vec<u8>, String> {
        while self.compressor.len() < bytes && !self.ended {
            self.step(read)?;
        }
        Ok(self.compressor.take(bytes))
    }

    fn step(&mut self, read: &mut ReadMessage<'_>) -> Result<(), String> {
        if let Some(consumer) = self.consumers.next() {
            return self.put_consumer(&consumer);
        }
        let message = match self.next_seq {
            seq if seq > self.last_seq => None,
            seq => read(seq).map_err(|error| error.to_string())?,
        };
        match message.filter(|message| message.seq <= self.last_seq) {
            Some(message) => self.put_message(&message),
            None => self.end(),
        }
        Ok(())
    }

    fn put_message(&mut self, message: &StoredMessage) {
        self.next_seq = message.seq.saturating_add(1);
        self.put(&Entry {
            name: message.subject(),
            ts: message.ts,
            seq: message.seq,
            headers: message.headers(),
            payload: message.payload(),
        });
    }

    /// The length of a consumer's entry stands before it, so it is written twice, the first time to nowhere.
    fn put_consumer(&mut self, consumer: &ConsumerImage) -> Result<(), String> {
        let ConsumerImage { name, config, state } = consumer;
        let settings = Settings::of(config);
        let state = snapshot::decode(state, settings.awaits_acks(), settings.ack_wait.clone())
            .map_err(|error| format!("consumer {name}: {error}"))?;
        let failed = |error: io::Error| format!("consumer {name}: {error}");
        let mut length = Length(0);
        super::consumer_entry::write(config, &state, self.last_seq, &mut length).map_err(failed)?;
        let entry_name = format!("{CONSUMER_PREFIX}{name}");
        self.put_head(&Entry { name: entry_name.as_bytes(), ts: self.began, ..Entry::default() }, length.0);
        super::consumer_entry::write(config, &state, self.last_seq, &mut self.compressor).map_err(failed)
    }

    fn end(&mut self) {
        self.put(&Entry::default());
        self.compressor.finish_frame();
        self.ended = true;
    }

    fn put(&mut self, entry: &Entry<'_>) {
        self.put_head(entry, entry.payload.len());
        self.compressor.push(entry.headers);
        self.compressor.push(entry.payload);
    }

    fn put_head(&mut self, entry: &Entry<'_>, payload_bytes: usize) {
        self.head.clear();
        entry.write_head(payload_bytes, &mut self.head);
        self.compressor.push(&self.head);
    }
}

/// Counts what is written to it.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
