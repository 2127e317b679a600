//! From bytes to frames, in place.

use super::{CONTROL_BYTES_MAX, FrameError, Opcode};

/// Reads frames. It keeps nothing but where it is: the bytes stay with the caller.
#[derive(Debug, Clone)]
pub struct Decoder {
    mask_required: bool,
    compression_allowed: bool,
    /// The data frame that is being read.
    frame: Option<OpenFrame>,
    /// The message whose last frame has not come yet, and whether it is compressed.
    message: Option<Message>,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    is_compressed: bool,
}

#[derive(Debug, Clone, Copy)]
struct OpenFrame {
    remaining: u64,
    mask: Mask,
    is_last: bool,
}

/// A mask, turned to where its frame has got to.
#[derive(Debug, Clone, Copy, Default)]
struct Mask([u8; 4]);

/// What stands at the start of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed<'a> {
    /// Part of a message, unmasked. A large frame comes in as many parts as the input does.
    Data {
        /// The part.
        bytes: &'a [u8],
        /// Whether the message is compressed.
        is_compressed: bool,
        /// Whether the message ends here.
        ends_message: bool,
        /// Bytes of input that are done.
        consumed: usize,
    },
    /// A control frame.
    Control {
        /// Ping, pong or close.
        opcode: Opcode,
        /// Its payload, unmasked.
        payload: &'a [u8],
        /// Bytes of input that are done.
        consumed: usize,
    },
    /// More input is needed.
    Incomplete,
}

struct Header {
    opcode: Opcode,
    is_last: bool,
    is_compressed: bool,
    payload_bytes: u64,
    mask: Mask,
    bytes: usize,
}

impl Decoder {
    /// For a connection on which frames are masked, if `mask_required`, and may be compressed, if `compression_allowed`.
    pub fn new(mask_required: bool, compression_allowed: bool) -> Self {
        Self { mask_required, compression_allowed, frame: None, message: None }
    }

    /// Reads what stands at the start of `input`, at most `data_bytes_max` bytes of a message. `input` is unmasked in place, so what
    /// is consumed must not be shown again, and what is not consumed is left as it was.
    pub fn next<'a>(&mut self, input: &'a mut [u8], data_bytes_max: usize) -> Result<Framed<'a>, FrameError> {
        if let Some(frame) = self.frame {
            return Ok(self.data(frame, 0, input, data_bytes_max));
        }
        let Some(header) = self.header(input)? else { return Ok(Framed::Incomplete) };
        if header.opcode.is_control() {
            return control(&header, input);
        }
        self.begin(&header)?;
        let frame = OpenFrame { remaining: header.payload_bytes, mask: header.mask, is_last: header.is_last };
        Ok(self.data(frame, header.bytes, input, data_bytes_max))
    }

    /// Hands out what there is of an open frame, behind `skip` bytes of header.
    fn data<'a>(&mut self, mut frame: OpenFrame, skip: usize, input: &'a mut [u8], max: usize) -> Framed<'a> {
        let available = input.len().saturating_sub(skip).min(max);
        let length = usize::try_from(frame.remaining).unwrap_or(usize::MAX).min(available);
        if length == 0 && frame.remaining > 0 && skip == 0 {
            return Framed::Incomplete;
        }
        let bytes = input.get_mut(skip..skip + length).unwrap_or_default();
        frame.mask.apply(bytes);
        frame.remaining -= length as u64;
        let is_compressed = self.message.is_some_and(|message| message.is_compressed);
        let is_done = frame.remaining == 0;
        let ends_message = is_done && frame.is_last;
        self.frame = (!is_done).then_some(frame);
        if ends_message {
            self.message = None;
        }
        Framed::Data { bytes, is_compressed, ends_message, consumed: skip + length }
    }

    fn begin(&mut self, header: &Header) -> Result<(), FrameError> {
        match (header.opcode, self.message) {
            (Opcode::Continuation, Some(_)) if !header.is_compressed => Ok(()),
            (Opcode::Continuation, _) => Err(FrameError::BadContinuation),
            (_, Some(_)) => Err(FrameError::MessageNotEnded),
            (_, None) => {
                self.message = Some(Message { is_compressed: header.is_compressed });
                Ok(())
            }
        }
    }

    fn header(&self, input: &[u8]) -> Result<Option<Header>, FrameError> {
        let Some(&[first, second]) = input.first_chunk() else { return Ok(None) };
        let header = self.checked(first, second)?;
        let (payload_bytes, mask_at) = match second & 0x7f {
            126 => match bytes_at::<2>(input, 2) {
                Some(length) => (u64::from(u16::from_be_bytes(length)), 4),
                None => return Ok(None),
            },
            127 => match bytes_at::<8>(input, 2) {
                Some(length) => (u64::from_be_bytes(length), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        if payload_bytes > i64::MAX as u64 {
            return Err(FrameError::BadLength);
        }
        if second & 0x80 == 0 {
            return Ok(Some(Header { payload_bytes, bytes: mask_at, ..header }));
        }
        let mask = bytes_at::<4>(input, mask_at);
        Ok(mask.map(|mask| Header { payload_bytes, mask: Mask(mask), bytes: mask_at + 4, ..header }))
    }

    /// What the first two bytes alone say.
    fn checked(&self, first: u8, second: u8) -> Result<Header, FrameError> {
        let is_compressed = first & 0x40 != 0;
        if first & 0x30 != 0 {
            return Err(FrameError::ReservedBits);
        }
        if is_compressed && !self.compression_allowed {
            return Err(FrameError::NotNegotiated);
        }
        if self.mask_required && second & 0x80 == 0 {
            return Err(FrameError::NotMasked);
        }
        let opcode = Opcode::read(first & 0xf).ok_or(FrameError::UnknownOpcode(first & 0xf))?;
        let is_last = first & 0x80 != 0;
        if opcode.is_control() {
            check_control(is_last, is_compressed, second & 0x7f)?;
        }
        Ok(Header { opcode, is_last, is_compressed, payload_bytes: 0, mask: Mask::default(), bytes: 2 })
    }
}

fn check_control(is_last: bool, is_compressed: bool, length: u8) -> Result<(), FrameError> {
    if usize::from(length) > CONTROL_BYTES_MAX {
        return Err(FrameError::ControlTooLong);
    }
    if !is_last {
        return Err(FrameError::ControlFragmented);
    }
    if is_compressed { Err(FrameError::ControlCompressed) } else { Ok(()) }
}

fn control<'a>(header: &Header, input: &'a mut [u8]) -> Result<Framed<'a>, FrameError> {
    let end = header.bytes + header.payload_bytes as usize;
    let Some(payload) = input.get_mut(header.bytes..end) else { return Ok(Framed::Incomplete) };
    let mut mask = header.mask;
    mask.apply(payload);
    if header.opcode == Opcode::Close {
        check_close(payload)?;
    }
    Ok(Framed::Control { opcode: header.opcode, payload, consumed: end })
}

fn check_close(payload: &[u8]) -> Result<(), FrameError> {
    match payload.first_chunk() {
        None if payload.is_empty() => Ok(()),
        None => Err(FrameError::CloseTooShort),
        Some(code) => match u16::from_be_bytes(*code) {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(()),
            bad => Err(FrameError::BadCloseCode(bad)),
        },
    }
}

fn bytes_at<const N: usize>(input: &[u8], at: usize) -> Option<[u8; N]> {
    input.get(at..)?.first_chunk().copied()
}

impl Mask {
    /// Masks or unmasks the next bytes of the frame.
    fn apply(&mut self, bytes: &mut [u8]) {
        if self.0 == [0; 4] {
            return;
        }
        let word = u32::from_ne_bytes(self.0);
        let wide = u64::from(word) << 32 | u64::from(word);
        let mut words = bytes.chunks_exact_mut(8);
        for chunk in &mut words {
            if let Ok(plain) = <[u8; 8]>::try_from(&*chunk) {
                chunk.copy_from_slice(&(u64::from_ne_bytes(plain) ^ wide).to_ne_bytes());
            }
        }
        let rest = words.into_remainder();
        rest.iter_mut().zip(self.0.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        self.0.rotate_left(rest.len() % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            middle @ 126..=65535 => {
                frame.push(0xfe);
                frame.extend((middle as u16).to_be_bytes());
            }
            long => {
                frame.push(0xff);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// Everything in `input`, cut into pieces of `step` bytes: data, and control frames in brackets.
    fn read(input: &[u8], step: usize) -> Result<String, FrameError> {
        let mut decoder = Decoder::new(true, true);
        let (mut seen, mut pending) = (String::new(), Vec::new());
        for piece in input.chunks(step) {
            pending.extend_from_slice(piece);
            loop {
                let consumed = match decoder.next(&mut pending, 7)? {
                    Framed::Incomplete => break,
                    Framed::Data { bytes, ends_message, is_compressed, consumed } => {
                        seen.push_str(&String::from_utf8_lossy(bytes));
                        if ends_message {
                            seen.push(if is_compressed { '~' } else { '.' });
                        }
                        consumed
                    }
                    Framed::Control { opcode, payload, consumed } => {
                        seen.push_str(&format!("[{opcode:?} {}]", String::from_utf8_lossy(payload)));
                        consumed
                    }
                };
                pending.drain(..consumed);
            }
        }
        Ok(seen)
    }

    #[test]
    fn messages_read_the_same_however_they_are_cut() {
        let input = [
            frame(0x82, b"PING\r\n"),
            frame(0x01, b"PUB a "),
            frame(0x89, b"there?"),
            frame(0x00, b""),
            frame(0x80, b"0\r\n\r\n"),
            frame(0xc2, &[b'x'; 300]),
            frame(0x88, b"\x03\xe8bye"),
        ]
        .concat();
        let xs = "x".repeat(300);
        let expected = format!("PING\r\n.PUB a [Ping there?]0\r\n\r\n.{xs}~[Close \u{3}\u{fffd}bye]");
        for step in [1, 2, 3, 5, 8, 13, input.len()] {
            assert_eq!(read(&input, step).unwrap(), expected, "{step}");
        }
    }

    #[test]
    fn a_long_frame_is_read() {
        let text = "y".repeat(70_000);
        assert_eq!(read(&frame(0x82, text.as_bytes()), 4096).unwrap(), text + ".");
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let cases: [(&[u8], FrameError); 11] = [
            (&[0xa2, 0x80], FrameError::ReservedBits),
            (&[0x82, 0x01], FrameError::NotMasked),
            (&[0x83, 0x80], FrameError::UnknownOpcode(3)),
            (&[0x89, 0xfe], FrameError::ControlTooLong),
            (&[0x09, 0x80], FrameError::ControlFragmented),
            (&[0xc9, 0x80], FrameError::ControlCompressed),
            (&[0x80, 0x80, 0, 0, 0, 0], FrameError::BadContinuation),
            (&[0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0], FrameError::MessageNotEnded),
            (&[0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], FrameError::BadLength),
            (&[0x88, 0x81, 0, 0, 0, 0, 3], FrameError::CloseTooShort),
            (&[0x88, 0x82, 0, 0, 0, 0, 3, 0xed], FrameError::BadCloseCode(1005)),
        ];
        for (input, error) in cases {
            assert_eq!(read(input, input.len()), Err(error), "{input:?}");
        }
        let mut plain = Decoder::new(false, false);
        assert_eq!(plain.next(&mut [0xc2, 0], 9), Err(FrameError::NotNegotiated));
        assert!(plain.next(&mut [0x82, 1, b'x'], 9).is_ok());
    }
}
