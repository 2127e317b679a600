//! TLS on the accepting side: a `tls {}` block becomes a server configuration that can be replaced while running.
//!
//! Without the feature `tls` no block can be loaded, and nothing of the rest exists.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod accept;
mod accepted;
#[cfg(feature = "tls")]
mod certificates;
#[cfg(feature = "tls")]
mod client_verifier;
#[cfg(feature = "tls")]
mod loaded;
#[cfg(feature = "tls")]
mod names;
mod rate;
mod settings;

use std::sync::Arc;

#[cfg(not(feature = "tls"))]
pub use absent::{LoadedTls, TlsStream};
#[cfg(feature = "tls")]
pub use accept::TlsStream;
pub use accepted::{Accepted, HandshakeError, looks_like_tls};
#[cfg(feature = "tls")]
pub use loaded::LoadedTls;
use parking_lot::RwLock;
pub use rate::HandshakeRate;
pub use settings::{CertificatePair, HandshakeFirst, TlsError, TlsSettings};

/// How connections of one kind of listener are encrypted. Shared by its acceptors; a reload affects new connections.
pub struct ServerTls(RwLock<Arc<LoadedTls>>);

impl ServerTls {
    /// Reads the files and checks that they fit together.
    pub fn load(settings: &TlsSettings) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Arc::new(LoadedTls::load(settings)?))))
    }

    /// Reads the files again; on an error the old state stays.
    pub fn reload(&self, settings: &TlsSettings) -> Result<(), TlsError> {
        let loaded = Arc::new(LoadedTls::load(settings)?);
        *self.0.write() = loaded;
        Ok(())
    }

    /// What new connections use.
    pub fn current(&self) -> Arc<LoadedTls> {
        Arc::clone(&self.0.read())
    }
}
