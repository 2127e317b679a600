//! What a stream may use, as set for the whole server.

/// Bounds besides those of a stream's own configuration.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The largest message, header block and payload, in bytes.
    pub payload_bytes_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { payload_bytes_max: 1 << 20 }
    }
}
