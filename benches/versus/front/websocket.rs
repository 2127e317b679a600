//! WebSocket frames around what a client says and hears.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::{Incoming, Outgoing, read_until};

/// Bytes read from the socket at once.
const READ_BYTES: usize = 256 * 1024;

/// Starts a whole binary message (RFC 6455, section 5.2).
const BINARY: u8 = 0x82;

/// Says that the payload is masked, as a client's has to be.
const MASKED: u8 = 0x80;

pub fn enter(socket: TcpStream) -> io::Result<(Outgoing, Incoming)> {
    let mut socket = socket;
    socket.write_all(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    )?;
    read_until(&mut socket, b"\r\n\r\n")?;
    let incoming = Unframing { socket: BufReader::with_capacity(READ_BYTES, socket.try_clone()?), left: 0 };
    Ok((Outgoing::new(Framing { socket, frame: Vec::new() }), Box::new(incoming)))
}

struct Framing {
    socket: TcpStream,
    frame: Vec<u8>,
}

impl Write for Framing {
    /// A mask of zeros leaves the payload as it is: masking is the server's work to undo, not this client's to do.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.clear();
        self.frame.push(BINARY);
        match u16::try_from(bytes.len()) {
            Ok(short @ 0..=125) => self.frame.push(MASKED | short as u8),
            Ok(middle) => {
                self.frame.push(MASKED | 126);
                self.frame.extend(middle.to_be_bytes());
            }
            Err(_) => {
                self.frame.push(MASKED | 127);
                self.frame.extend((bytes.len() as u64).to_be_bytes());
            }
        }
        self.frame.extend([0; 4]);
        self.frame.extend_from_slice(bytes);
        self.socket.write_all(&self.frame)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

struct Unframing {
    socket: BufReader<TcpStream>,
    /// Bytes of the frame that are still to come.
    left: u64,
}

impl Read for Unframing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            self.left = self.next_frame()?;
        }
        let ready = self.socket.fill_buf()?;
        let taken = ready.len().min(buffer.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..taken].copy_from_slice(&ready[..taken]);
        self.socket.consume(taken);
        self.left -= taken as u64;
        Ok(taken)
    }
}

impl Unframing {
    /// The length of the next frame's payload.
    fn next_frame(&mut self) -> io::Result<u64> {
        let [first, length] = self.bytes()?;
        if first & 0xf > 2 {
            return Err(io::Error::other("a frame this client does not understand"));
        }
        match length {
            126 => self.bytes().map(|bytes| u16::from_be_bytes(bytes).into()),
            127 => self.bytes().map(u64::from_be_bytes),
            short => Ok(short.into()),
        }
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.socket.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
