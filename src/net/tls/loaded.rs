//! A `tls {}` block with its files read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::client_verifier::ClientVerifier;
use super::{HandshakeFirst, TlsError, TlsSettings, certificates, names};

/// One `tls {}` block with its files read.
pub struct LoadedTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) pinned_keys: BTreeSet<String>,
    /// How long a handshake may take.
    pub timeout: Duration,
    /// Whether the handshake comes before INFO.
    pub handshake_first: HandshakeFirst,
    /// Whether clients must have a certificate (`tls_verify` in INFO).
    pub verifies_clients: bool,
    /// Parts of the block that this server cannot honour, worth a warning.
    pub warnings: Vec<String>,
}

impl LoadedTls {
    /// Reads the files and checks that they fit together.
    pub fn load(settings: &TlsSettings) -> Result<Self, TlsError> {
        let mut warnings = Vec::new();
        let provider = names::provider(settings, &mut warnings)?;
        let versions = protocol_versions(settings, &provider)?;
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions)?;
        let builder = if settings.verify {
            let roots = Arc::new(certificates::read_roots(settings.ca_file.as_deref())?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            let verifier = verifier.map_err(|error| TlsError::Files(error.to_string()))?;
            builder.with_client_cert_verifier(Arc::new(ClientVerifier(verifier)))
        } else {
            builder.with_no_client_auth()
        };
        let chains = certificates::ByServerName::load(&settings.certificates, &provider)?;
        let mut config = builder.with_cert_resolver(Arc::new(chains));
        // What a client offers must match in order of the server's list, as in nats-server.
        config.ignore_client_order = true;
        Ok(Self {
            config: Arc::new(config),
            pinned_keys: settings.pinned_certs.iter().map(|key| key.to_ascii_lowercase()).collect(),
            timeout: settings.timeout,
            handshake_first: settings.handshake_first,
            verifies_clients: settings.verify,
            warnings,
        })
    }
}

fn protocol_versions(
    settings: &TlsSettings,
    provider: &rustls::crypto::CryptoProvider,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    use rustls::version::{TLS12, TLS13};
    let has_tls12_suite = provider.cipher_suites.iter().any(|suite| suite.version() == &TLS12);
    match settings.min_version.as_deref() {
        None | Some("1.2") if has_tls12_suite => Ok(vec![&TLS13, &TLS12]),
        None | Some("1.2" | "1.3") => Ok(vec![&TLS13]),
        Some(version @ ("1.0" | "1.1")) => Err(TlsError::UnsupportedVersion(version.to_owned())),
        Some(other) => Err(TlsError::UnknownVersion(other.to_owned())),
    }
}
