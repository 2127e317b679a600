//! Buffers that are lent for as long as something is in them.

use std::cell::RefCell;

/// Buffers kept per thread.
const POOLED_MAX: usize = 24;
/// Larger buffers are given back to the allocator. A read buffer that a message of 64 KiB did not quite fit into is not one.
const POOLED_BYTES_MAX: usize = 96 * 1024;
/// What a new buffer has at least.
const FRESH_BYTES_MIN: usize = 512;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The calling thread's spare buffers.
///
/// An idle connection owns no buffer at all, and a busy thread works in the few that are in its cache.
pub struct BufferPool;

impl BufferPool {
    /// An empty buffer. It has room for `bytes` if it is new, and as much as its last user left it otherwise.
    pub fn take(bytes: usize) -> Vec<u8> {
        let spare = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        spare.unwrap_or_else(|| Vec::with_capacity(bytes.max(FRESH_BYTES_MIN)))
    }

    /// Gives a buffer back.
    pub fn put(mut buffer: Vec<u8>) {
        if buffer.capacity() == 0 || buffer.capacity() > POOLED_BYTES_MAX {
            return;
        }
        buffer.clear();
        // Fails only while the thread ends, when the buffer is simply dropped.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOLED_MAX {
                pool.push(buffer);
            }
        });
    }
}
