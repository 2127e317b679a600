//! What waits to be sent to one connection.
//!
//! Any task may append ([`Outbound::push`]) and any task may write what waits ([`Outbound::flush`]): the publisher that filled
//! the buffer also does the write system call, so that a message needs no task hop. Whatever the socket does not take at once
//! is left to the connection's own task, which waits for it to become writable ([`Outbound::poll_owner`]).
//!
//! Two buffers, so that appending never waits for a system call: `queue` is appended to under a short lock; `writing` belongs
//! to whoever holds the `state` at `BUSY`, and takes over the queue's content when it is empty.

mod chunks;
mod close_reason;
mod meter;
mod pool;

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use self::chunks::Chunks;
pub use self::close_reason::CloseReason;
pub use self::meter::{Meter, OUTBOUND};
pub use self::pool::BufferPool;

/// A queue of this size is written at once rather than at the end of the batch, while it is still in the cache.
const EARLY_FLUSH_BYTES: usize = 64 * 1024;

/// Nobody writes.
const IDLE: u8 = 0;
/// Somebody writes.
const BUSY: u8 = 1;
/// Somebody writes, and must look at the queue once more before it stops.
const BUSY_AGAIN: u8 = 2;
/// The connection's own task has to write: the socket was full, or only that task can write to it.
const OWNER: u8 = 3;

/// A way to write to a connection without waiting, from any task.
pub trait InlineWriter: Send + Sync {
    /// Writes what the connection takes at once; `WouldBlock` when it takes nothing.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// The writing half of a connection, as its own task sees it.
pub trait OwnerWriter {
    /// Writes some bytes, or has the task woken when that is possible.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
    /// Pushes out what the transport itself holds back.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The sending side of a connection.
pub struct Outbound {
    queue: Mutex<Queue>,
    writing: Mutex<Writing>,
    state: AtomicU8,
    /// Bytes in `writing.chunks`.
    writing_bytes: AtomicUsize,
    /// More than this waiting makes a slow consumer.
    bytes_max: AtomicUsize,
    owner: Mutex<Option<Waker>>,
    /// 0 while open.
    closed: AtomicU8,
    /// Writing has failed.
    broken: AtomicBool,
}

#[derive(Default)]
struct Writing {
    chunks: Chunks,
    /// Absent when only the connection's own task can write (TLS), and after the end.
    inline: Option<Box<dyn InlineWriter>>,
}

#[derive(Default)]
struct Queue {
    chunks: Chunks,
    /// Somebody has promised to flush.
    promised: bool,
    sealed: bool,
    messages: u64,
    message_bytes: u64,
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The connection is closing; nothing was queued.
    Refused,
    /// Queued.
    Queued {
        /// The caller must see to it that [`Outbound::flush`] is called at the end of its batch.
        flush_later: bool,
        /// So much waits that it should be flushed now.
        flush_now: bool,
        /// See [`Outbound::is_crowded`]: the producer should slow down.
        crowded: bool,
    },
}

impl Outbound {
    /// An empty queue. With more than `bytes_max` waiting the connection is closed as a slow consumer.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            writing: Mutex::default(),
            state: AtomicU8::new(IDLE),
            writing_bytes: AtomicUsize::new(0),
            bytes_max: AtomicUsize::new(bytes_max),
            owner: Mutex::new(None),
            closed: AtomicU8::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Lets every task write to the connection.
    pub fn attach(&self, writer: Box<dyn InlineWriter>) {
        self.writing.lock().inline = Some(writer);
    }

    /// Lets go of the connection, for good.
    pub fn detach(&self) {
        self.writing.lock().inline = None;
    }

    /// Changes the limit, in bytes.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Queues a message: `write` appends about `frame_bytes` bytes, of which `content_bytes` count as the message's size.
    pub fn push(&self, frame_bytes: usize, content_bytes: usize, write: impl FnOnce(&mut Vec<u8>)) -> Pushed {
        let mut queue = self.queue.lock();
        if queue.sealed {
            return Pushed::Refused;
        }
        queue.messages += 1;
        queue.message_bytes += content_bytes as u64;
        queue.chunks.append(frame_bytes, write);
        self.pushed(queue)
    }

    /// Queues a protocol line.
    pub fn push_line(&self, line: &[u8]) -> Pushed {
        let mut queue = self.queue.lock();
        if queue.sealed {
            return Pushed::Refused;
        }
        queue.chunks.append(line.len(), |buffer| buffer.extend_from_slice(line));
        self.pushed(queue)
    }

    /// Queues a protocol line and writes it, for tasks that have no batch.
    pub fn send_line(&self, line: &[u8]) {
        if self.push_line(line) != Pushed::Refused {
            self.flush();
        }
    }

    /// Writes what waits, unless somebody else is at it, who will then see to it.
    pub fn flush(&self) {
        if !self.begin() {
            return;
        }
        let mut writing = self.writing.lock();
        let Writing { chunks, inline } = &mut *writing;
        match inline {
            Some(writer) => self.write_inline(chunks, &**writer),
            None => self.leave_to_owner(),
        }
    }

    /// Like [`flush`](Self::flush), but leaves the writing to the connection's own task.
    pub fn flush_by_owner(&self) {
        if self.begin() {
            self.leave_to_owner();
        }
    }

    /// Accepts nothing more; what waits may still be written.
    pub fn seal(&self) {
        self.queue.lock().sealed = true;
    }

    /// Ends the connection from any task: drops what waits and wakes the connection's own task. The first reason stays.
    pub fn close(&self, reason: CloseReason) {
        if self.set_closed(reason) {
            let mut queue = self.queue.lock();
            queue.sealed = true;
            queue.chunks.clear();
            drop(queue);
            self.wake_owner();
        }
    }

    /// Like [`close`](Self::close), but what waits is still sent.
    pub fn close_after_flush(&self, reason: CloseReason) {
        if self.set_closed(reason) {
            self.seal();
            self.wake_owner();
        }
    }

    /// True once writing has failed.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Why it was closed, if it was.
    pub fn close_reason(&self) -> Option<CloseReason> {
        CloseReason::from_code(self.closed.load(Ordering::Acquire))
    }

    /// Bytes that wait.
    pub fn pending_bytes(&self) -> usize {
        self.queue.lock().chunks.bytes() + self.writing_bytes.load(Ordering::Relaxed)
    }

    /// True while more than three quarters of the limit wait, more than one connection's part of the memory for all, or more
    /// than a little while all of that memory is in use.
    pub fn is_crowded(&self) -> bool {
        self.crowds(self.pending_bytes())
    }

    /// True while so much waits that memory for others runs out.
    pub fn is_beyond_share(&self) -> bool {
        OUTBOUND.is_too_much_for_one(self.pending_bytes())
    }

    /// Messages and their bytes queued so far.
    pub fn totals(&self) -> (u64, u64) {
        let queue = self.queue.lock();
        (queue.messages, queue.message_bytes)
    }

    /// Remembers whom to wake; to be called by the connection's own task before it looks at anything in here.
    pub fn register_owner(&self, waker: &Waker) {
        let mut owner = self.owner.lock();
        if !owner.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *owner = Some(waker.clone());
        }
    }

    /// Wakes the connection's own task.
    pub fn wake_owner(&self) {
        if let Some(waker) = &*self.owner.lock() {
            waker.wake_by_ref();
        }
    }

    /// Writes what was left to the connection's own task. Returns the bytes written; `Pending` in `blocked` means that the task
    /// will be woken when more can be written.
    pub fn poll_owner(&self, cx: &mut Context<'_>, io: &mut impl OwnerWriter) -> OwnerProgress {
        let mut progress = OwnerProgress::default();
        if self.state.compare_exchange(OWNER, BUSY, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return progress;
        }
        let mut writing = self.writing.lock();
        let writing = &mut writing.chunks;
        loop {
            let step = match self.refill(writing) {
                true => self.poll_chunks(writing, cx, io),
                false => io.poll_flush(cx).map_ok(|()| 0),
            };
            match step {
                Poll::Ready(Ok(0)) if writing.is_empty() => {
                    if self.finish() {
                        return progress;
                    }
                }
                Poll::Ready(Ok(written)) if written > 0 => progress.written += written,
                Poll::Ready(_) => {
                    self.fail();
                    return progress;
                }
                Poll::Pending => {
                    self.state.store(OWNER, Ordering::Release);
                    progress.blocked = true;
                    return progress;
                }
            }
        }
    }

    fn set_closed(&self, reason: CloseReason) -> bool {
        self.closed.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Ends a push: checks the limit and tells the caller what to do.
    fn pushed(&self, mut queue: parking_lot::MutexGuard<'_, Queue>) -> Pushed {
        let queued = queue.chunks.bytes();
        let flush_later = !queue.promised;
        queue.promised = true;
        drop(queue);
        let pending = queued + self.writing_bytes.load(Ordering::Relaxed);
        if pending > self.bytes_max.load(Ordering::Relaxed) {
            self.close(CloseReason::SlowConsumerPendingBytes);
            return Pushed::Refused;
        }
        Pushed::Queued { flush_later, flush_now: queued >= EARLY_FLUSH_BYTES, crowded: self.crowds(pending) }
    }

    fn crowds(&self, pending: usize) -> bool {
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        pending > bytes_max - bytes_max / 4
            || OUTBOUND.is_too_much_for_one(pending)
            || (pending > EARLY_FLUSH_BYTES && OUTBOUND.is_over())
    }

    /// Becomes the one who writes; `false` if somebody else is, who is told to look again.
    fn begin(&self) -> bool {
        loop {
            match self.state.compare_exchange(IDLE, BUSY, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(BUSY) => {
                    let again =
                        self.state.compare_exchange(BUSY, BUSY_AGAIN, Ordering::AcqRel, Ordering::Acquire);
                    if again.is_ok() {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }

    /// Stops being the one who writes; `false` if there is a reason to look at the queue again.
    fn finish(&self) -> bool {
        let done = self.state.compare_exchange(BUSY, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !done {
            self.state.store(BUSY, Ordering::Release);
        }
        done
    }

    fn write_inline(&self, writing: &mut Chunks, writer: &dyn InlineWriter) {
        loop {
            if !self.refill(writing) {
                if self.finish() {
                    return;
                }
                continue;
            }
            match writing.with_slices(|slices| writer.try_write(slices)) {
                Ok(written) if written > 0 => self.wrote(writing, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.leave_to_owner(),
                _ => return self.fail(),
            }
        }
    }

    fn poll_chunks(
        &self,
        writing: &mut Chunks,
        cx: &mut Context<'_>,
        io: &mut impl OwnerWriter,
    ) -> Poll<io::Result<usize>> {
        let step = writing.with_slices(|slices| io.poll_write(cx, slices));
        if let Poll::Ready(Ok(written)) = step {
            self.wrote(writing, written);
        }
        step
    }

    /// Makes sure there is something to write; `false` if nothing waits.
    fn refill(&self, writing: &mut Chunks) -> bool {
        if writing.is_empty() {
            let mut queue = self.queue.lock();
            queue.promised = false;
            std::mem::swap(&mut queue.chunks, writing);
            self.writing_bytes.store(writing.bytes(), Ordering::Relaxed);
        }
        !writing.is_empty()
    }

    fn wrote(&self, writing: &mut Chunks, written: usize) {
        writing.advance(written);
        self.writing_bytes.store(writing.bytes(), Ordering::Relaxed);
    }

    fn fail(&self) {
        self.broken.store(true, Ordering::Release);
        self.state.store(IDLE, Ordering::Release);
        self.close(CloseReason::WriteError);
    }

    fn leave_to_owner(&self) {
        self.state.store(OWNER, Ordering::Release);
        self.wake_owner();
    }
}

/// What [`Outbound::poll_owner`] achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnerProgress {
    /// Bytes the transport took.
    pub written: usize,
    /// It did not take everything.
    pub blocked: bool,
}

#[cfg(test)]
mod tests;
