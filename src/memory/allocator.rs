//! Has the system's allocator give memory back.
//!
//! glibc keeps what was freed for later, and lets blocks of up to 32 MiB into that after a while. A queue that once grew to
//! 80 MB then stays resident for good. With a fixed threshold, buffers that are as large as ours are at their largest are
//! mapped one by one, and are gone when they are freed.

/// Blocks from this size on are mapped, and unmapped when they are freed. Not above the pieces of outbound queues.
const MAPPED_BYTES_MIN: i32 = 48 << 10;

/// Heaps that threads share; by default there are eight for each core, each with its own holes.
const HEAPS_MAX: i32 = 2;

/// To be called before other threads are started.
pub fn give_memory_back() {
    set();
}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn set() {
    // SAFETY: mallopt takes two integers, checks them, and locks what it changes.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS_MAX);
    }
}

#[cfg(not(target_env = "gnu"))]
fn set() {
    let _ = (MAPPED_BYTES_MIN, HEAPS_MAX);
}
