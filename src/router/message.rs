//! A message on its way through the router.

/// A message as it is presented to receivers. Borrowed: from a read buffer, or from whoever made it up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Message<'a> {
    /// The subject receivers see.
    pub subject: &'a [u8],
    /// Where an answer goes; empty for none.
    pub reply: &'a [u8],
    /// The whole `NATS/1.0` block with its final empty line, or empty.
    pub headers: &'a [u8],
    /// The body.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// Bytes after the control line, without the final CR LF: what counters and limits count.
    pub fn content_bytes(&self) -> usize {
        self.headers.len() + self.payload.len()
    }
}
