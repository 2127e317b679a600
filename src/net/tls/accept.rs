//! The server's side of a handshake.

use rustls::ServerConnection;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
pub use tokio_rustls::server::TlsStream;

use super::names::{cipher_suite_name, version_name};
use super::{Accepted, HandshakeError, LoadedTls};
use crate::auth::certificate::CertificateNames;
use crate::session::TlsFacts;

impl LoadedTls {
    /// Does the handshake within the configured time.
    pub async fn accept<S>(&self, stream: S) -> Result<Accepted<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accepting = TlsAcceptor::from(self.config.clone()).accept(stream);
        let stream = timeout(self.timeout, accepting).await.map_err(|_| HandshakeError::TimedOut)?;
        let stream = stream.map_err(HandshakeError::Failed)?;
        let session = stream.get_ref().1;
        let certificates = session.peer_certificates().unwrap_or_default();
        if !self.is_pinned(certificates) {
            return Err(HandshakeError::KeyNotPinned);
        }
        Ok(Accepted { certificates: certificates.into(), facts: facts(session), stream })
    }

    fn is_pinned(&self, certificates: &[CertificateDer<'_>]) -> bool {
        let key = || CertificateNames::read(certificates.first()?).map(|names| names.key_sha256);
        self.pinned_keys.is_empty() || key().is_some_and(|key| self.pinned_keys.contains(&key))
    }
}

fn facts(session: &ServerConnection) -> Option<TlsFacts> {
    let (version, suite) = session.protocol_version().zip(session.negotiated_cipher_suite())?;
    Some(TlsFacts { version: version_name(version), cipher: cipher_suite_name(suite.suite()) })
}
