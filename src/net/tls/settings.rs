//! The `tls {}` block as it is configured, and what may be wrong with it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A `tls {}` block; paths are relative to the working directory.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// `cert_file` with `key_file`, or the entries of `certs`; the first is used when no other fits.
    pub certificates: Vec<CertificatePair>,
    /// Issuers of client certificates.
    pub ca_file: Option<PathBuf>,
    /// `verify` or `verify_and_map`: clients need a certificate.
    pub verify: bool,
    /// Hex SHA-256 of the public keys that clients may have; empty allows all.
    pub pinned_certs: Vec<String>,
    /// `1.2` or `1.3`.
    pub min_version: Option<String>,
    /// Go's names, in order of preference; empty is the default.
    pub cipher_suites: Vec<String>,
    /// Go's names, in order of preference; empty is the default.
    pub curve_preferences: Vec<String>,
    /// How long a handshake may take.
    pub timeout: Duration,
    pub handshake_first: HandshakeFirst,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            ca_file: None,
            verify: false,
            pinned_certs: Vec::new(),
            min_version: None,
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            timeout: Duration::from_secs(2),
            handshake_first: HandshakeFirst::Never,
        }
    }
}

impl TlsSettings {
    /// The same encryption for clients that need no certificate, such as browsers on the monitoring port.
    pub fn without_client_certificates(&self) -> Self {
        Self { verify: false, ca_file: None, pinned_certs: Vec::new(), ..self.clone() }
    }
}

/// A certificate chain and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct CertificatePair {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// `handshake_first`: who speaks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFirst {
    /// The server sends INFO in clear.
    Never,
    /// The server waits for the client's TLS.
    Always,
    /// The server waits this long for the client's TLS, then sends INFO in clear.
    Fallback(Duration),
}

/// Why a `tls {}` block cannot be used.
#[derive(Debug)]
pub enum TlsError {
    UnknownCipher(String),
    UnknownCurve(String),
    NoUsableCurve,
    UnknownVersion(String),
    UnsupportedVersion(String),
    /// Neither `cert_file` nor `certs`.
    NoCertificate,
    /// A file that cannot be read or does not hold what it should.
    Files(String),
    Rustls(String),
    /// The program was built without the feature `tls`.
    NotBuiltIn,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCipher(name) => write!(f, "unrecognized cipher {name}"),
            Self::UnknownCurve(name) => write!(f, "unrecognized curve preference {name}"),
            Self::NoUsableCurve => f.write_str("none of the curve preferences is supported"),
            Self::UnknownVersion(version) => write!(f, "unknown version: {version}"),
            Self::UnsupportedVersion(version) => {
                write!(f, "unsupported TLS version: TLS {version}")
            }
            Self::NoCertificate => f.write_str("missing 'cert_file' in TLS configuration"),
            Self::Files(what) | Self::Rustls(what) => f.write_str(what),
            Self::NotBuiltIn => {
                f.write_str("a tls block is configured, and this program was built without TLS")
            }
        }
    }
}

impl std::error::Error for TlsError {}

#[cfg(feature = "tls")]
impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Rustls(error.to_string())
    }
}
