//! A push consumer's window of bytes its client has not confirmed.
//!
//! The window opens with every confirmation, from a sixteenth up to the whole. A confirmation is asked for when half the
//! window is used; beyond the window delivery halts.

use bytes::Bytes;

const WINDOW_BYTES_MAX: u64 = 32 * 1024 * 1024;
const WINDOW_BYTES_START: u64 = WINDOW_BYTES_MAX / 16;

/// The window.
#[derive(Debug)]
pub struct FlowControl {
    window_bytes: u64,
    unconfirmed_bytes: u64,
    asked: Option<Asked>,
}

/// A question that has not been answered.
#[derive(Debug)]
struct Asked {
    /// Where the answer goes.
    subject: Bytes,
    /// What it confirms.
    bytes: u64,
}

impl Default for FlowControl {
    fn default() -> Self {
        Self { window_bytes: WINDOW_BYTES_START, unconfirmed_bytes: 0, asked: None }
    }
}

impl FlowControl {
    /// Whether nothing may be delivered before the next confirmation.
    pub fn is_halted(&self) -> bool {
        self.unconfirmed_bytes > self.window_bytes
    }

    /// The subject an answer is awaited on.
    pub fn asked(&self) -> Option<&Bytes> {
        self.asked.as_ref().map(|asked| &asked.subject)
    }

    /// A message has gone. True if it is time to ask.
    pub fn sent(&mut self, bytes: u64) -> bool {
        self.unconfirmed_bytes = self.unconfirmed_bytes.saturating_add(bytes);
        match &mut self.asked {
            None => self.unconfirmed_bytes > self.window_bytes / 2,
            Some(asked) => {
                // What was sent beyond a whole window after the question is covered by the answer, too.
                if self.unconfirmed_bytes.saturating_sub(asked.bytes) >= self.window_bytes {
                    asked.bytes = asked.bytes.saturating_add(bytes);
                }
                false
            }
        }
    }

    /// A question has gone.
    pub fn ask(&mut self, subject: Bytes) {
        self.asked = Some(Asked { subject, bytes: self.unconfirmed_bytes });
    }

    /// An answer has come. False if nothing was asked on that subject.
    pub fn answered(&mut self, subject: &[u8]) -> bool {
        let Some(asked) = self.asked.take_if(|asked| asked.subject == subject) else {
            return false;
        };
        self.window_bytes = self.window_bytes.saturating_mul(2).min(WINDOW_BYTES_MAX);
        self.unconfirmed_bytes = self.unconfirmed_bytes.saturating_sub(asked.bytes);
        true
    }
}
