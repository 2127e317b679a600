//! Cipher suites, curves and versions under the names that Go gives them.

use std::sync::Arc;

use rustls::crypto::ring::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::version::TLS13;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite};

use super::settings::{TlsError, TlsSettings};

/// Suites that nats-server accepts in a configuration and this server does not have: they lack forward secrecy or
/// authenticated encryption.
const OUTDATED_SUITES: [&str; 16] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

/// Older names of suites, and the registered ones.
const CURRENT_NAMES: [(&str, &str); 2] = [
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
];

/// Curves that nats-server accepts in a configuration and this server does not have.
const MISSING_CURVES: [&str; 4] = ["CurveP521", "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"];

/// The suites and curves that a block asks for. What this server lacks is skipped with a warning, what nobody knows is
/// an error.
pub(super) fn provider(
    settings: &TlsSettings,
    warnings: &mut Vec<String>,
) -> Result<Arc<CryptoProvider>, TlsError> {
    let mut provider = ring::default_provider();
    if !settings.cipher_suites.is_empty() {
        provider.cipher_suites = cipher_suites(&settings.cipher_suites, warnings)?;
    }
    if !settings.curve_preferences.is_empty() {
        provider.kx_groups = curves(&settings.curve_preferences, warnings)?;
    }
    Ok(Arc::new(provider))
}

/// As in Go, a list of suites restricts TLS 1.2 only.
fn cipher_suites(
    wanted: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let known = ring::ALL_CIPHER_SUITES;
    let mut suites: Vec<_> = known.iter().copied().filter(|suite| suite.version() == &TLS13).collect();
    for name in wanted {
        let current = CURRENT_NAMES.iter().find(|(old, _)| old == name).map_or(name.as_str(), |(_, new)| new);
        let found = known.iter().find(|suite| cipher_suite_name(suite.suite()) == current);
        match found {
            Some(suite) if suites.contains(suite) => {}
            Some(suite) => suites.push(*suite),
            None if OUTDATED_SUITES.contains(&name.as_str()) => {
                warnings.push(format!("cipher suite {name} is not supported"))
            }
            None => return Err(TlsError::UnknownCipher(name.clone())),
        }
    }
    Ok(suites)
}

fn curves(
    wanted: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<&'static dyn SupportedKxGroup>, TlsError> {
    let mut groups: Vec<&'static dyn SupportedKxGroup> = Vec::new();
    for name in wanted {
        match name.as_str() {
            "X25519" => groups.push(kx_group::X25519),
            "CurveP256" => groups.push(kx_group::SECP256R1),
            "CurveP384" => groups.push(kx_group::SECP384R1),
            missing if MISSING_CURVES.contains(&missing) => {
                warnings.push(format!("curve preference {name} is not supported"));
            }
            _ => return Err(TlsError::UnknownCurve(name.clone())),
        }
    }
    if groups.is_empty() { Err(TlsError::NoUsableCurve) } else { Ok(groups) }
}

/// A protocol version as monitoring shows it: `1.3`.
pub fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "1.2",
        ProtocolVersion::TLSv1_3 => "1.3",
        _ => "Unknown",
    }
}

/// A cipher suite under its registered name, as monitoring shows it.
pub fn cipher_suite_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("Unknown"),
    }
}
