//! A connection's bytes, whatever carries them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::tls::TlsStream;
use crate::router::CloseReason;
use crate::router::outbound::{InlineWriter, OwnerWriter};

/// How long the other side may take to accept the goodbye of an encrypted connection.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(250);

/// A stream that only its own task can use.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {
    /// The connection ends for this reason: the last thing to write, if the stream has a way to say so.
    fn say_goodbye(&mut self, _reason: CloseReason) {}
}

impl ByteStream for TcpStream {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for TlsStream<S> {}

/// What carries a connection.
pub enum Transport {
    /// A TCP stream that every task may write to.
    Plain(OwnedReadHalf),
    /// TLS, WebSocket, or anything else with a state of its own.
    Stream(Box<dyn ByteStream>),
}

/// A TCP stream's writing half, for all tasks.
struct PlainWriter(OwnedWriteHalf);

impl Transport {
    /// A plain TCP connection, and the writer that other tasks may use.
    pub fn plain(stream: TcpStream) -> (Self, Box<dyn InlineWriter>) {
        let (read, write) = stream.into_split();
        (Self::Plain(read), Box::new(PlainWriter(write)))
    }

    /// Any other connection.
    pub fn stream(stream: impl ByteStream + 'static) -> Self {
        Self::Stream(Box::new(stream))
    }

    /// Reads into the buffer's spare room. 0 bytes mean that the other side has ended.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        tokio_util::io::poll_read_buf(Pin::new(self), cx, buffer)
    }

    /// Tells the other side that nothing more comes, and why. For a plain connection that happens when its writer is dropped.
    pub async fn end_writing(&mut self, reason: CloseReason) {
        if let Self::Stream(stream) = self {
            stream.say_goodbye(reason);
            // A peer that is gone already needs no goodbye.
            let _ = timeout(GOODBYE_TIMEOUT, stream.shutdown()).await;
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(read) => Pin::new(read).poll_read(cx, buffer),
            Self::Stream(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl OwnerWriter for Transport {
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(read) => poll_write_plain(read.as_ref(), cx, slices),
            Self::Stream(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Stream(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}

impl InlineWriter for PlainWriter {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }
}

fn poll_write_plain(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_write_vectored(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}
