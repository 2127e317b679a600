//! From the disk's errors to the store's.

use std::io;

use super::StoreError;

/// An IO error with what was being done.
pub(crate) fn io_error(context: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull,
        _ => StoreError::Io(format!("{context}: {error}")),
    }
}
