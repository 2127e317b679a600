//! Certificate and key files, and the choice between several certificates.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::settings::{CertificatePair, TlsError};

/// Picks the first certificate that the client can check and that bears the name it asked for; else the first.
#[derive(Debug)]
pub(super) struct ByServerName(Vec<Arc<CertifiedKey>>);

impl ByServerName {
    pub fn load(pairs: &[CertificatePair], provider: &CryptoProvider) -> Result<Self, TlsError> {
        if pairs.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        pairs.iter().map(|pair| read_pair(pair, provider).map(Arc::new)).collect::<Result<_, _>>().map(Self)
    }
}

impl ResolvesServerCert for ByServerName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let checkable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = |key: &&Arc<CertifiedKey>| name.as_ref().is_none_or(|name| bears_name(key, name));
        let fitting = self.0.iter().filter(checkable).find(named);
        fitting.or_else(|| self.0.iter().find(checkable)).or(self.0.first()).cloned()
    }
}

fn bears_name(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok());
    parsed.is_some_and(|cert| verify_server_name(&cert, name).is_ok())
}

/// The issuers of client certificates.
pub(super) fn read_roots(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let file =
        file.ok_or_else(|| TlsError::Files("verifying client certificates needs a 'ca_file'".to_owned()))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(read_chain(file)?);
    if added == 0 {
        return Err(TlsError::Files(format!("failed to parse root ca certificate in {}", file.display())));
    }
    Ok(roots)
}

fn read_pair(pair: &CertificatePair, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = read_chain(&pair.cert_file)?;
    let key =
        PrivateKeyDer::from_pem_file(&pair.key_file).map_err(|error| unreadable(&pair.key_file, &error))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| unreadable(&pair.cert_file, &error))
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| unreadable(file, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::Files(format!("no certificate in {}", file.display())));
    }
    Ok(certificates)
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Files(format!("error parsing X509 certificate/key pair: {}: {error}", file.display()))
}
