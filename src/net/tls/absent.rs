//! What stands for TLS in a program that is built without: types that no value has.

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Accepted, HandshakeError, HandshakeFirst, TlsError, TlsSettings};

/// One `tls {}` block with its files read.
pub struct LoadedTls {
    never: Infallible,
    /// How long a handshake may take.
    pub timeout: Duration,
    /// Whether the handshake comes before INFO.
    pub handshake_first: HandshakeFirst,
    /// Whether clients must have a certificate.
    pub verifies_clients: bool,
    /// Parts of the block that this server cannot honour.
    pub warnings: Vec<String>,
}

/// An encrypted connection over `S`.
pub struct TlsStream<S>(Infallible, PhantomData<S>);

impl LoadedTls {
    /// Refuses every block.
    pub fn load(_settings: &TlsSettings) -> Result<Self, TlsError> {
        Err(TlsError::NotBuiltIn)
    }

    /// Cannot be called.
    pub async fn accept<S>(&self, _stream: S) -> Result<Accepted<S>, HandshakeError> {
        match self.never {}
    }
}

impl<S: Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}

impl<S: Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}
