//! The scope of one batch of deliveries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{ClientInfo, Frame, Gate, Matches, Receiver, SubjectHash, Subscription};
use crate::trace::Trace;

/// A message that a service publishes while it handles one may lead to another, this often.
const NESTING_MAX: u8 = 24;

/// Receivers that the publisher's own task writes to at the end of a batch. The others are woken, so that one publisher with
/// very many receivers does not do all their system calls alone.
const INLINE_FLUSHES_MAX: usize = 64;

/// Receivers collected before they are flushed without waiting for the batch to end.
const TOUCHED_MAX: usize = 4096;

/// Gates one batch can be held at.
const GATES_MAX: usize = 16;

/// The scope of one batch of deliveries: knows where the batch comes from, collects the receivers that got something, and
/// flushes each once when the batch ends.
pub struct Dispatch {
    origin: Option<Arc<ClientInfo>>,
    /// The connection that does not want its own messages back.
    no_echo_cid: Option<u64>,
    touched: Vec<Arc<dyn Receiver>>,
    /// Whether receivers with nearly too much waiting are passed over rather than waited for.
    skips_crowded: bool,
    /// A receiver that has nearly too much waiting.
    crowded: Option<Arc<dyn Receiver>>,
    gates: Vec<Arc<Gate>>,
    nesting: u8,
    random: u64,
    /// Subscriptions that got their last message in this batch and are still in the index.
    pub(crate) expired: Vec<Arc<Subscription>>,
    matches: Matches,
    frame: Frame,
    /// Sizes that the next message is to carry in another text than usual.
    sizes: Option<Box<SizeTexts>>,
    /// Services that have something left to do when the batch ends.
    deferred: Vec<Arc<dyn AfterBatch>>,
    /// Of the message that is being published.
    pub(super) trace: Option<Box<Trace>>,
}

/// A service that does part of its work once for a whole batch.
pub trait AfterBatch: Send + Sync {
    /// The batch has ended. What is published now is flushed with it.
    fn after_batch(self: Arc<Self>, cx: &mut Dispatch);
}

/// The sizes of a message as its publisher wrote them.
#[derive(Debug)]
pub(super) struct SizeTexts {
    pub headers: Vec<u8>,
    pub total: Vec<u8>,
}

impl Dispatch {
    /// A batch of our own making: nobody's echo is suppressed, nobody is held back. Flushed when dropped.
    pub fn internal() -> Self {
        Self::new(None, true)
    }

    /// A batch that comes from a client.
    pub fn from_client(origin: Arc<ClientInfo>, echo: bool) -> Self {
        Self::new(Some(origin), echo)
    }

    fn new(origin: Option<Arc<ClientInfo>>, echo: bool) -> Self {
        let no_echo_cid = origin.as_ref().map(|origin| origin.cid).filter(|_| !echo);
        Self {
            random: seed(origin.as_ref().map_or(0, |origin| origin.cid)),
            origin,
            no_echo_cid,
            touched: Vec::new(),
            skips_crowded: false,
            crowded: None,
            gates: Vec::new(),
            nesting: 0,
            expired: Vec::new(),
            matches: Matches::default(),
            frame: Frame::default(),
            sizes: None,
            deferred: Vec::new(),
            trace: None,
        }
    }

    /// The client whose input this is; `None` for what the broker sends of its own.
    pub fn origin(&self) -> Option<&Arc<ClientInfo>> {
        self.origin.as_ref()
    }

    /// Has the connection that brought this batch wait at the gate before it reads on.
    pub fn pause_on(&mut self, gate: &Arc<Gate>) {
        let known = self.gates.iter().any(|other| Arc::ptr_eq(other, gate));
        if !known && self.gates.len() < GATES_MAX {
            self.gates.push(gate.clone());
        }
    }

    /// Sees to it that a receiver is flushed when the batch ends.
    pub fn touch(&mut self, receiver: Arc<dyn Receiver>) {
        self.touched.push(receiver);
        if self.touched.len() >= TOUCHED_MAX {
            self.flush_receivers();
        }
    }

    /// Has `service` called when the batch ends, once however often it asks.
    pub fn defer(&mut self, service: Arc<dyn AfterBatch>) {
        let known =
            self.deferred.iter().any(|other| Arc::as_ptr(other).addr() == Arc::as_ptr(&service).addr());
        if !known {
            self.deferred.push(service);
        }
    }

    /// Whether a receiver has nearly too much waiting.
    pub fn is_crowded(&self) -> bool {
        self.crowded.is_some()
    }

    /// Calls the services that asked for it, then writes out what the receivers got so far.
    pub fn flush(&mut self) {
        while let Some(service) = self.deferred.pop() {
            service.after_batch(self);
        }
        self.flush_receivers();
    }

    /// Writes out what the receivers got so far.
    pub fn flush_receivers(&mut self) {
        let inline = self.touched.len() <= INLINE_FLUSHES_MAX;
        for receiver in self.touched.drain(..) {
            match inline {
                true => receiver.outbound().flush(),
                false => receiver.outbound().flush_by_owner(),
            }
        }
        self.touched.shrink_to(INLINE_FLUSHES_MAX);
    }

    /// Gives back what earlier batches needed.
    pub(crate) fn give_memory_back(&mut self) {
        self.flush();
        self.touched = Vec::new();
        self.expired = Vec::new();
        self.matches = Matches::default();
        self.frame = Frame::default();
    }

    /// Whether this batch has a gate to wait at.
    pub fn is_held(&self) -> bool {
        !self.gates.is_empty()
    }

    /// The gates this batch has to wait at, once.
    pub fn take_gates(&mut self) -> Vec<Arc<Gate>> {
        std::mem::take(&mut self.gates)
    }

    /// A receiver that still has nearly too much waiting after the flush, once.
    pub fn take_crowded(&mut self) -> Option<Arc<dyn Receiver>> {
        self.crowded.take().filter(|receiver| receiver.outbound().is_crowded())
    }

    /// Has the next message carry its sizes in these texts: receivers are told what the publisher wrote, leading zeros and all.
    pub(crate) fn echo_sizes(&mut self, headers: &[u8], total: &[u8]) {
        self.sizes = Some(Box::new(SizeTexts { headers: headers.to_vec(), total: total.to_vec() }));
    }

    pub(super) fn take_sizes(&mut self) -> Option<Box<SizeTexts>> {
        self.sizes.take()
    }

    /// Has receivers with nearly too much waiting miss messages, instead of the client being held back for them.
    pub(crate) fn skip_crowded(&mut self, skip: bool) {
        self.skips_crowded = skip;
    }

    pub(super) fn skips(&self, receiver: &impl Receiver) -> bool {
        self.skips_crowded && receiver.outbound().is_crowded()
    }

    pub(super) fn suppresses_echo_to(&self, cid: u64) -> bool {
        self.no_echo_cid == Some(cid)
    }

    pub(super) fn note_crowded(&mut self, receiver: &Arc<impl Receiver + 'static>) {
        if self.crowded.is_none() {
            self.crowded = Some(receiver.clone());
        }
    }

    /// A number below `bound`, which must not be over 32 bits, for spreading load.
    pub(crate) fn random_below(&mut self, bound: usize) -> usize {
        // xorshift64*: quality enough to spread load.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * bound as u64) >> 32) as usize
    }

    /// A character of base 62.
    pub(crate) fn random_character(&mut self) -> u8 {
        const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        BASE62.get(self.random_below(BASE62.len())).copied().unwrap_or(b'0')
    }

    /// Runs `publish` one level deeper; `None` if that is too deep.
    pub(crate) fn nested<T>(&mut self, publish: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.nesting >= NESTING_MAX {
            return None;
        }
        self.nesting += 1;
        let result = publish(self);
        self.nesting -= 1;
        Some(result)
    }

    /// Memory for a look-up, to be given back with [`put_matches`](Self::put_matches).
    pub(crate) fn take_matches(&mut self) -> Matches {
        std::mem::take(&mut self.matches)
    }

    pub(crate) fn put_matches(&mut self, mut matches: Matches) {
        matches.clear();
        self.matches = matches;
    }

    pub(super) fn take_frame(&mut self) -> Frame {
        std::mem::take(&mut self.frame)
    }

    pub(super) fn put_frame(&mut self, mut frame: Frame) {
        frame.shrink();
        self.frame = frame;
    }
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Another one for every batch: what a batch chooses first must not always be the same queue group member.
fn seed(salt: u64) -> u64 {
    static BATCHES: AtomicU64 = AtomicU64::new(0);
    let batch = BATCHES.fetch_add(1, Ordering::Relaxed);
    SubjectHash::of(&[salt.to_le_bytes(), batch.to_le_bytes()].concat()) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_our_own_spread_over_a_queue_group() {
        let mut chosen = [0; 3];
        for _ in 0..300 {
            chosen[Dispatch::internal().random_below(3)] += 1;
        }
        assert!(chosen.iter().all(|count| *count > 50), "{chosen:?}");
    }
}
