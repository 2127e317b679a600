//! The bytes a connection has sent and nobody has looked at yet.

use std::io;
use std::task::{Context, Poll};

use super::reserve::Reserved;
use crate::net::transport::Transport;
use crate::router::outbound::BufferPool;

/// Read in one system call at most.
const READ_BYTES: usize = 64 * 1024;

/// A part of an operation that is not larger than this is kept in a buffer of its own size while the connection is quiet.
const PARTIAL_BYTES_MAX: usize = 16 * 1024;

/// A read buffer that is there only while there is something in it.
///
/// Reads go into one of the thread's large buffers, which is given back as soon as all operations in it are done. An idle
/// connection has no buffer, one that has sent half an operation a small one.
#[derive(Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    /// How many bytes the operation at the start takes in all, if known.
    needed: usize,
    /// Operations may have come in whole that have not been looked at.
    unfinished: bool,
    /// Keeps memory free for the large operation at the start.
    reserved: Option<Reserved>,
    /// What was reserved for an operation that is done.
    spent: Option<Reserved>,
}

impl Input {
    /// Reads some more. 0 bytes mean that the other side has ended.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        let read = transport.poll_read(cx, &mut self.buffer);
        if read.is_pending() {
            self.settle();
        }
        read
    }

    /// Takes the bytes, to be handed back with [`put_back`](Self::put_back).
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Hands the bytes back after the first `consumed` of them are done. `needed` is how many the next operation takes in all,
    /// if known.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>, consumed: usize, needed: Option<usize>) {
        self.needed = needed.unwrap_or(0);
        self.unfinished = false;
        if consumed > 0 {
            self.spent = self.reserved.take();
        }
        if consumed >= bytes.len() {
            BufferPool::put(bytes);
            return;
        }
        bytes.drain(..consumed);
        self.buffer = bytes;
    }

    /// Notes that what was put back is to be gone on with before more is read.
    pub(super) fn set_unfinished(&mut self) {
        self.unfinished = !self.buffer.is_empty();
    }

    /// Whether there is something to go on with before more is read.
    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// How many bytes are to be reserved before more is read.
    pub(super) fn wants_reservation(&self) -> Option<usize> {
        (self.needed > READ_BYTES && self.reserved.is_none()).then_some(self.needed)
    }

    /// What is not needed any more.
    pub(super) fn take_spent(&mut self) -> Option<Reserved> {
        self.spent.take()
    }

    /// Takes what was reserved.
    pub(super) fn reserve(&mut self, reserved: Reserved) {
        self.reserved = Some(reserved);
    }

    /// Whether so much has come in that there is probably more.
    pub(super) fn is_large(&self) -> bool {
        self.buffer.len() >= READ_BYTES / 2
    }

    fn make_room(&mut self) {
        if self.buffer.capacity() < READ_BYTES {
            let mut large = BufferPool::take(READ_BYTES);
            large.reserve_exact(READ_BYTES);
            large.extend_from_slice(&self.buffer);
            self.buffer = large;
        }
        // A large operation gets room as it comes in, not when it is announced.
        let missing = self.needed.saturating_sub(self.buffer.len());
        let room = missing.min(self.buffer.len().max(READ_BYTES));
        if self.buffer.capacity() - self.buffer.len() < room.max(1) {
            self.buffer.reserve_exact(room.max(READ_BYTES / 2));
        }
    }

    /// Gives the large buffer back while nothing comes.
    fn settle(&mut self) {
        if self.buffer.len() <= PARTIAL_BYTES_MAX {
            let small = self.buffer.as_slice().to_vec();
            BufferPool::put(std::mem::replace(&mut self.buffer, small));
        }
    }
}
