//! The last resort: the process looks at how large it really is, and gives back what lies free in its heap.

use std::sync::atomic::{AtomicU64, Ordering};

use super::allocator;

/// From this share of the ceiling on it is worth the time, in percent.
const NEAR_PERCENT: u64 = 75;

static CEILING: AtomicU64 = AtomicU64::new(u64::MAX);

/// Sets what the process should stay below, in bytes.
pub fn set_ceiling(bytes: u64) {
    CEILING.store(bytes, Ordering::Relaxed);
}

/// Gives free memory back if the process is near its ceiling. For whoever has just freed a lot.
pub fn relieve() {
    let near = CEILING.load(Ordering::Relaxed) / 100 * NEAR_PERCENT;
    if resident_bytes().is_some_and(|resident| resident > near) {
        allocator::trim();
    }
}

/// Bytes of the process in memory, code included.
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_size() {
        let before = resident_bytes().unwrap();
        let filled = vec![1u8; 32 << 20];
        assert!(resident_bytes().unwrap() > before + (16 << 20), "{}", filled.len());
    }
}
