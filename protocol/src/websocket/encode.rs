//! From messages to frames. What the accepting side sends is not masked.

use super::{CONTROL_BYTES_MAX, Opcode};

/// Why a connection ends, as a close frame says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseFrame {
    /// All is well.
    Normal = 1000,
    /// The server goes away, or does not hear the other side any more.
    GoingAway = 1001,
    /// What came is no protocol.
    ProtocolError = 1002,
    /// Text that is no UTF-8.
    InvalidPayload = 1007,
    /// What came is not allowed.
    PolicyViolation = 1008,
    /// A message is too large.
    MessageTooBig = 1009,
    /// Anything else.
    InternalError = 1011,
}

/// Appends the header of a frame that is a whole message, or a control frame.
pub fn encode_header(out: &mut Vec<u8>, opcode: Opcode, is_compressed: bool, payload_bytes: usize) {
    out.push(0x80 | u8::from(is_compressed) << 6 | opcode as u8);
    match payload_bytes {
        short @ 0..=125 => out.push(short as u8),
        middle @ 126..=65535 => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
}

/// Appends a whole frame that is not compressed.
pub fn encode_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    encode_header(out, opcode, false, payload.len());
    out.extend_from_slice(payload);
}

/// The payload of a close frame: a code and as much of the text as fits.
pub fn close_payload(code: CloseFrame, text: &str) -> Vec<u8> {
    let mut payload = (code as u16).to_be_bytes().to_vec();
    let room = CONTROL_BYTES_MAX - payload.len();
    if text.len() <= room {
        payload.extend_from_slice(text.as_bytes());
        return payload;
    }
    let cut = (0..=room - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    payload.extend_from_slice(text.get(..cut).unwrap_or_default().as_bytes());
    payload.extend_from_slice(b"...");
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::{Decoder, Framed};

    #[test]
    fn a_frame_of_any_length_is_read_again() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
            let payload = vec![7; length];
            let mut frame = Vec::new();
            encode_frame(&mut frame, Opcode::Binary, &payload);
            let bytes = frame.len();
            let read = Decoder::new(false, false).next(&mut frame, usize::MAX);
            let expected =
                Framed::Data { bytes: &payload, is_compressed: false, ends_message: true, consumed: bytes };
            assert_eq!(read, Ok(expected));
        }
    }

    #[test]
    fn a_long_reason_is_cut_and_says_so() {
        let payload = close_payload(CloseFrame::PolicyViolation, &"é".repeat(100));
        assert!(payload.len() <= CONTROL_BYTES_MAX && payload.ends_with("é...".as_bytes()));
        assert_eq!(close_payload(CloseFrame::Normal, "bye"), b"\x03\xe8bye");
    }
}
