//! WebSocket frames (RFC 6455) as the accepting side reads and writes them, with the compression bit of RFC 7692.

mod decoder;
mod encode;

use std::fmt;

pub use self::decoder::{Decoder, Framed};
pub use self::encode::{CloseFrame, close_payload, encode_frame, encode_header};

/// Longest payload of a control frame.
pub const CONTROL_BYTES_MAX: usize = 125;

/// Longest header: two bytes, an eight-byte length, a mask.
pub const HEADER_BYTES_MAX: usize = 14;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message before.
    Continuation = 0,
    /// A message, or the first part of one.
    Text = 1,
    /// A message, or the first part of one.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    fn read(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// Whether it may stand between the parts of a message.
    pub fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }
}

/// Bytes that are no frames. The connection ends with close code 1002 and this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// A reserved bit is set.
    ReservedBits,
    /// A compressed frame although that was not agreed on.
    NotNegotiated,
    /// A frame that is not masked.
    NotMasked,
    /// A control frame of more than [`CONTROL_BYTES_MAX`].
    ControlTooLong,
    /// A control frame in several parts.
    ControlFragmented,
    /// A control frame with the compression bit.
    ControlCompressed,
    /// A message begins before the last one has ended.
    MessageNotEnded,
    /// A continuation of nothing, or one with the compression bit.
    BadContinuation,
    /// An opcode that does not exist.
    UnknownOpcode(u8),
    /// A length beyond 63 bits.
    BadLength,
    /// A close frame whose payload is one byte.
    CloseTooShort,
    /// A close code that nobody may send.
    BadCloseCode(u16),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::ReservedBits => "RSV2 and RSV3 must be clear",
            Self::NotNegotiated => "compressed frame received without negotiated permessage-deflate",
            Self::NotMasked => "mask bit missing",
            Self::ControlTooLong => "control frame length bigger than maximum allowed of 125 bytes",
            Self::ControlFragmented => "control frame does not have final bit set",
            Self::ControlCompressed => "control frame must not be compressed",
            Self::MessageNotEnded => {
                "new message started before final frame for previous message was received"
            }
            Self::BadContinuation => "invalid continuation frame",
            Self::UnknownOpcode(opcode) => return write!(f, "unknown opcode {opcode}"),
            Self::BadLength => "invalid 64-bit payload length",
            Self::CloseTooShort => "close frame payload cannot be 1 byte",
            Self::BadCloseCode(code) => return write!(f, "invalid close status code {code}"),
        };
        f.write_str(text)
    }
}

impl std::error::Error for FrameError {}
