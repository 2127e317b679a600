//! A WebSocket as a stream of bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use headwater_protocol::websocket::{
    CloseFrame, Decoder, Framed, HEADER_BYTES_MAX, Opcode, close_payload, encode_frame, encode_header,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deflate::{Inflater, compress};
use super::goodbye;
use crate::net::transport::ByteStream;
use crate::router::CloseReason;
use crate::router::outbound::BufferPool;

/// Read in one system call at most.
const READ_BYTES: usize = 32 * 1024;

/// Most of a message that is sent as one frame.
const FRAME_BYTES_MAX: usize = 32 * 1024;

/// Smaller messages are not worth compressing.
const COMPRESSED_BYTES_MIN: usize = 65;

/// Pongs that may wait to be sent; a peer that pings faster than it reads misses some.
const WAITING_PONGS_BYTES_MAX: usize = 4 * 1024;

/// The frames of a connection as a stream of bytes. What is written at once becomes one message.
///
/// It holds a buffer only while something is in it, in either direction.
pub struct WebSocketStream {
    io: Box<dyn ByteStream>,
    decoder: Decoder,
    /// Read and not decoded.
    input: Vec<u8>,
    input_at: usize,
    /// The compressed message that is coming in.
    inflater: Option<Inflater>,
    /// Whole frames that are to be written.
    output: Vec<u8>,
    output_at: usize,
    is_compressed: bool,
    close_sent: bool,
    /// The other side has said that it ends, or what it sends is not to be read any more.
    has_ended: bool,
}

/// What decoding has come to.
enum Decoded {
    /// Bytes for the reader, or none although there is more to decode.
    Some,
    /// More input is needed.
    Nothing,
}

impl WebSocketStream {
    /// Over a connection that has just been upgraded; `input` is what came behind the request.
    pub fn new(io: Box<dyn ByteStream>, input: Vec<u8>, is_masked: bool, is_compressed: bool) -> Self {
        Self {
            io,
            decoder: Decoder::new(is_masked, is_compressed),
            input,
            input_at: 0,
            inflater: None,
            output: Vec::new(),
            output_at: 0,
            is_compressed,
            close_sent: false,
            has_ended: false,
        }
    }

    /// Decodes some of the input into the reader's buffer.
    fn decode(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<Decoded> {
        if let Some(inflater) = &mut self.inflater {
            let read = inflater.read(buffer.initialize_unfilled());
            let bytes = read.inspect_err(|_| self.has_ended = true)?;
            buffer.advance(bytes);
            if bytes > 0 {
                return Ok(Decoded::Some);
            }
            if inflater.is_complete() {
                self.inflater = None;
            }
        }
        let pending = self.input.get_mut(self.input_at..).unwrap_or_default();
        let framed = match self.decoder.next(pending, buffer.remaining()) {
            Ok(framed) => framed,
            Err(error) => {
                self.refuse(&error.to_string());
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        };
        match framed {
            Framed::Incomplete => return Ok(Decoded::Nothing),
            Framed::Data { bytes, is_compressed: false, consumed, .. } => {
                buffer.put_slice(bytes);
                self.input_at += consumed;
            }
            Framed::Data { bytes, ends_message, consumed, .. } => {
                self.inflater.get_or_insert_with(Inflater::new).feed(bytes, ends_message)?;
                self.input_at += consumed;
            }
            Framed::Control { opcode, payload, consumed } => {
                let payload = payload.to_vec();
                self.input_at += consumed;
                self.control(opcode, &payload);
            }
        }
        Ok(Decoded::Some)
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8]) {
        match opcode {
            Opcode::Ping if self.output.len() - self.output_at < WAITING_PONGS_BYTES_MAX => {
                encode_frame(&mut self.output, Opcode::Pong, payload);
            }
            Opcode::Close => {
                self.has_ended = true;
                match payload.get(2..).map(std::str::from_utf8) {
                    Some(Err(_)) => {
                        let text = "invalid utf8 body in close frame";
                        self.send_close(&close_payload(CloseFrame::InvalidPayload, text));
                    }
                    _ => self.send_close(payload),
                }
            }
            _ => {}
        }
    }

    fn refuse(&mut self, text: &str) {
        self.has_ended = true;
        self.send_close(&close_payload(CloseFrame::ProtocolError, text));
    }

    /// Nothing may follow a close frame, so there is only one.
    fn send_close(&mut self, payload: &[u8]) {
        if !std::mem::replace(&mut self.close_sent, true) {
            encode_frame(&mut self.output, Opcode::Close, payload);
        }
    }

    fn poll_decoded(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        while !self.has_ended && buffer.remaining() > 0 {
            match self.decode(buffer) {
                Ok(Decoded::Some) => {}
                // What came before the error is worth reading; then the stream ends.
                _ if buffer.filled().len() > before => break,
                Ok(Decoded::Nothing) if ready!(self.poll_fill(cx))? == 0 => break,
                Ok(Decoded::Nothing) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more, into a buffer that is given back as long as nothing comes.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.drain(..self.input_at);
        self.input_at = 0;
        if self.input.capacity() < READ_BYTES {
            let mut large = BufferPool::take(READ_BYTES);
            large.extend_from_slice(&self.input);
            self.input = large;
        }
        self.input.reserve(READ_BYTES);
        let read = tokio_util::io::poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input);
        if read.is_pending() {
            // Part of a header or of a control frame, so hardly anything.
            let small = self.input.as_slice().to_vec();
            BufferPool::put(std::mem::replace(&mut self.input, small));
        }
        read
    }

    /// Writes the frames that wait.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(waiting) = self.output.get(self.output_at..).filter(|waiting| !waiting.is_empty()) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, waiting))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                bytes => self.output_at += bytes,
            }
        }
        self.output_at = 0;
        if self.output.capacity() > 0 {
            BufferPool::put(std::mem::take(&mut self.output));
        }
        Poll::Ready(Ok(()))
    }

    /// Makes one message of as much as fits into a frame; returns how much that is.
    fn enqueue(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let total = offered.min(FRAME_BYTES_MAX);
        if self.output.capacity() == 0 {
            self.output = BufferPool::take(total + HEADER_BYTES_MAX);
        }
        if self.is_compressed && total >= COMPRESSED_BYTES_MIN {
            let mut message = BufferPool::take(total);
            append(&mut message, slices, total);
            let mut compressed = BufferPool::take(total / 2);
            compress(&mut compressed, &message)?;
            encode_header(&mut self.output, Opcode::Binary, true, compressed.len());
            self.output.extend_from_slice(&compressed);
            BufferPool::put(message);
            BufferPool::put(compressed);
        } else {
            encode_header(&mut self.output, Opcode::Binary, false, total);
            append(&mut self.output, slices, total);
        }
        Ok(total)
    }
}

/// Appends the first `total` bytes of the slices.
fn append(out: &mut Vec<u8>, slices: &[IoSlice<'_>], total: usize) {
    let mut missing = total;
    for slice in slices {
        let part = slice.get(..missing.min(slice.len())).unwrap_or_default();
        out.extend_from_slice(part);
        missing -= part.len();
    }
}

impl AsyncRead for WebSocketStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = this.poll_decoded(cx, buffer);
        // Pongs and the answer to a close frame; what the connection does not take now goes with the next read or write.
        if !this.output.is_empty() {
            let _ = Pin::new(this).poll_flush(cx)?;
        }
        read
    }
}

impl AsyncWrite for WebSocketStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        if this.close_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let bytes = this.enqueue(slices)?;
        // What the connection does not take now is written before anything else is accepted, or by a flush.
        let _ = this.poll_drain(cx)?;
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl ByteStream for WebSocketStream {
    fn say_goodbye(&mut self, reason: CloseReason) {
        self.send_close(&goodbye::payload(reason));
    }
}
