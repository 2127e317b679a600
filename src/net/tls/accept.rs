//! The server's side of a handshake.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
pub use tokio_rustls::server::TlsStream;

use super::LoadedTls;
use crate::auth::certificate::CertificateNames;

/// The first byte of every TLS handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

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

impl LoadedTls {
    /// Does the handshake within the configured time.
    pub async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accepting = TlsAcceptor::from(self.config.clone()).accept(stream);
        let stream = timeout(self.timeout, accepting).await.map_err(|_| HandshakeError::TimedOut)?;
        let stream = stream.map_err(HandshakeError::Failed)?;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        if self.is_pinned(certificates) { Ok(stream) } else { Err(HandshakeError::KeyNotPinned) }
    }

    fn is_pinned(&self, certificates: &[CertificateDer<'_>]) -> bool {
        let key = || CertificateNames::read(certificates.first()?).map(|names| names.key_sha256);
        self.pinned_keys.is_empty() || key().is_some_and(|key| self.pinned_keys.contains(&key))
    }
}

/// Whether the client starts with a TLS handshake; false if it says nothing within `wait`. Reads nothing.
pub async fn looks_like_tls(stream: &TcpStream, wait: Duration) -> bool {
    let mut first = [0];
    matches!(timeout(wait, stream.peek(&mut first)).await, Ok(Ok(1)) if first == [HANDSHAKE_RECORD])
}
