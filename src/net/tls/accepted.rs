//! What comes of a handshake.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::TlsStream;
use crate::session::TlsFacts;

/// The first byte of every TLS handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// An encrypted connection.
pub struct Accepted<S> {
    /// What is read from and written to it, in clear.
    pub stream: TlsStream<S>,
    /// The client's, its own first; none if it was not asked.
    pub certificates: Box<[CertificateDer<'static>]>,
    /// How it is encrypted.
    pub facts: Option<TlsFacts>,
}

/// Why a connection did not become encrypted.
#[derive(Debug)]
pub enum HandshakeError {
    TimedOut,
    Failed(io::Error),
    /// The client's key is none of `pinned_certs`.
    KeyNotPinned,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("TLS handshake timeout"),
            Self::Failed(error) => write!(f, "TLS handshake error: {error}"),
            Self::KeyNotPinned => f.write_str("certificate not pinned"),
        }
    }
}

impl std::error::Error for HandshakeError {}

/// Whether the client starts with a TLS handshake; false if it says nothing within `wait`. Reads nothing.
pub async fn looks_like_tls(stream: &TcpStream, wait: Duration) -> bool {
    let mut first = [0];
    matches!(timeout(wait, stream.peek(&mut first)).await, Ok(Ok(1)) if first == [HANDSHAKE_RECORD])
}
