//! Has the system's allocator give memory back.
//!
//! glibc keeps what was freed for later, and lets blocks of up to 32 MiB into that after a while. A queue that once grew to
//! 80 MB then stays resident for good. With a fixed threshold, buffers that are as large as ours are at their largest are
//! mapped one by one, and are gone when they are freed.

/// Blocks from this size on are mapped, and unmapped when they are freed. Not above the pieces of outbound queues.
const MAPPED_BYTES_MIN: i32 = 48 << 10;

/// Heaps that threads share; by default there are eight for each core, each with its own holes.
const HEAPS_MAX: i32 = 2;

/// Below this ceiling there is one: what one thread frees any other can use.
const ONE_HEAP_CEILING_BYTES: u64 = 256 << 20;

/// To be called before other threads are started.
pub fn give_memory_back(ceiling: u64) {
    let heaps = if ceiling < ONE_HEAP_CEILING_BYTES { 1 } else { HEAPS_MAX };
    glibc::set(MAPPED_BYTES_MIN, heaps);
}

/// Gives back what lies free between blocks in use. Takes milliseconds for every hundred megabytes.
pub fn trim() {
    glibc::trim();
}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
mod glibc {
    pub fn set(mapped_bytes_min: i32, heaps_max: i32) {
        // SAFETY: mallopt takes two integers, checks them, and locks what it changes.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, mapped_bytes_min);
            libc::mallopt(libc::M_ARENA_MAX, heaps_max);
        }
    }

    pub fn trim() {
        // SAFETY: malloc_trim touches free blocks only, under the locks of their heaps.
        unsafe { libc::malloc_trim(0) };
    }
}

#[cfg(not(target_env = "gnu"))]
mod glibc {
    pub fn set(_: i32, _: i32) {}
    pub fn trim() {}
}
