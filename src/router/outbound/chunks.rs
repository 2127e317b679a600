//! Bytes in order, in pieces, so that a long queue is never copied to grow.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::meter::OUTBOUND;
use super::pool::BufferPool;

/// Pieces handed to one write call.
const SLICES_MAX: usize = 16;

/// Pieces that an empty list keeps room for.
const PIECES_KEPT: usize = 4;

/// A piece is not grown beyond this, unless one frame alone is larger.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Chunks {
    list: VecDeque<Piece>,
    /// How much of the first piece has been sent.
    sent: usize,
    /// Unsent bytes in all pieces.
    bytes: usize,
}

impl Chunks {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Lets `write` append about `bytes_hint` bytes to the last piece, or to a new one.
    pub(super) fn append(&mut self, bytes_hint: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let fits =
            |last: &Piece| last.buffer.len() + bytes_hint <= last.buffer.capacity().max(CHUNK_BYTES_MAX);
        if !self.list.back().is_some_and(fits) {
            self.list.push_back(Piece::new(bytes_hint));
        }
        if let Some(last) = self.list.back_mut() {
            let before = last.buffer.len();
            make_room(&mut last.buffer, bytes_hint);
            write(&mut last.buffer);
            last.count();
            self.bytes += last.buffer.len() - before;
        }
    }

    /// Calls `write` with the first pieces.
    pub(super) fn with_slices<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut skip = self.sent;
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.list) {
            *slice = IoSlice::new(chunk.buffer.get(skip..).unwrap_or_default());
            skip = 0;
            count += 1;
        }
        write(&slices[..count])
    }

    /// Forgets the first `bytes` bytes, which were sent.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.sent += bytes;
        while let Some(first) = self.list.front() {
            if self.sent < first.buffer.len() {
                return;
            }
            self.sent -= first.buffer.len();
            self.list.pop_front();
        }
        self.sent = 0;
        self.list.shrink_to(PIECES_KEPT);
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.sent = 0;
        self.bytes = 0;
    }
}

/// A buffer with a part of what waits, counted while it is in use.
struct Piece {
    buffer: Vec<u8>,
    counted: usize,
}

impl Piece {
    fn new(bytes_hint: usize) -> Self {
        let mut piece = Self { buffer: BufferPool::take(bytes_hint), counted: 0 };
        piece.count();
        piece
    }

    #[inline]
    fn count(&mut self) {
        let grown = self.buffer.capacity().saturating_sub(self.counted);
        if grown > 0 {
            OUTBOUND.add(grown);
            self.counted += grown;
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        OUTBOUND.sub(self.counted);
        BufferPool::put(std::mem::take(&mut self.buffer));
    }
}

/// Grows by doubling, but not beyond what the pool takes back unless a frame needs it.
fn make_room(buffer: &mut Vec<u8>, bytes: usize) {
    if buffer.capacity() - buffer.len() < bytes {
        let doubled = (buffer.capacity() * 2).min(CHUNK_BYTES_MAX);
        buffer.reserve_exact(doubled.saturating_sub(buffer.len()).max(bytes));
    }
}
