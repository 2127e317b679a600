//! A scripted peer that speaks WebSocket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Anything a WebSocket can go over.
pub trait Carrier: Read + Write + Send {}
impl<T: Read + Write + Send> Carrier for T {}

/// A frame as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The first byte: final bit, compression bit, opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

/// The request that every client sends, with more header lines.
pub fn request(headers: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// A client on a WebSocket.
pub struct WsPeer {
    stream: Box<dyn Carrier>,
    /// The response to the request.
    pub response: String,
    /// Message bytes that are not expected yet.
    unread: Vec<u8>,
}

impl WsPeer {
    /// A peer that has been upgraded and has read nothing yet.
    pub fn connect(addr: SocketAddr, headers: &str) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(Box::new(stream), headers)
    }

    /// The same over any connection.
    pub fn over(mut stream: Box<dyn Carrier>, headers: &str) -> Self {
        stream.write_all(request(headers).as_bytes()).unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            response.push(byte[0]);
        }
        Self { stream, response: String::from_utf8(response).unwrap(), unread: Vec::new() }
    }

    /// A peer that has read INFO and sent a CONNECT.
    pub fn client(addr: SocketAddr, connect: &str) -> Self {
        let mut peer = Self::connect(addr, "");
        peer.read_info();
        peer.send(&format!("CONNECT {connect}\r\n"));
        peer
    }

    pub fn send(&mut self, text: &str) {
        self.send_frame(0x82, text.as_bytes());
    }

    /// Sends a masked frame.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let frame = masked(first, payload);
        self.send_bytes(&frame);
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// Sends what the broker may refuse to read to its end.
    pub fn send_anyway(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
    }

    /// Reads exactly this, however it is framed.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        while self.unread.len() < text.len() {
            let frame = self.frame();
            assert!(frame.first & 0xf <= 2, "{frame:?} instead of {text:?}");
            assert_eq!(frame.first & 0x40, 0, "compressed");
            self.unread.extend(frame.payload);
        }
        let got: Vec<u8> = self.unread.drain(..text.len()).collect();
        assert_eq!(String::from_utf8_lossy(&got), text);
    }

    #[track_caller]
    pub fn read_info(&mut self) -> serde_json::Value {
        let frame = self.frame();
        let text = String::from_utf8(frame.payload).unwrap();
        let json = text.strip_prefix("INFO ").unwrap_or_else(|| panic!("no INFO: {text:?}"));
        serde_json::from_str(json.trim()).unwrap()
    }

    pub fn fence(&mut self) {
        self.send("PING\r\n");
        self.expect("PONG\r\n");
    }

    /// Reads one frame.
    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        let [first, length] = self.bytes();
        assert_eq!(length & 0x80, 0, "the broker does not mask");
        let length = match length {
            126 => usize::from(u16::from_be_bytes(self.bytes())),
            127 => u64::from_be_bytes(self.bytes()) as usize,
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        Frame { first, payload }
    }

    /// Reads a close frame with this code, and then the end.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) {
        let frame = self.frame();
        assert_eq!(frame.first, 0x88, "{frame:?}");
        assert_eq!(frame.payload.get(..2), Some(&code.to_be_bytes()[..]), "{frame:?}");
        self.expect_end();
    }

    /// Reads the end of the connection.
    #[track_caller]
    pub fn expect_end(&mut self) {
        assert_eq!(self.stream.read(&mut [0; 64]).unwrap(), 0);
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// A frame as a client sends it.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0xa, 0xb, 0xc, 0xd];
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
