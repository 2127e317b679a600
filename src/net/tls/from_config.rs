//! A `tls {}` block of the configuration in the form it is loaded from.

use super::settings::{CertificatePair, HandshakeFirst, TlsSettings};
use crate::config::tls::{self, Tls};

impl From<&Tls> for TlsSettings {
    fn from(configured: &Tls) -> Self {
        Self {
            certificates: certificates(configured),
            ca_file: configured.ca_file.clone(),
            verify: configured.verify || configured.verify_and_map,
            pinned_certs: configured.pinned_certs.iter().cloned().collect(),
            min_version: configured.min_version.map(|version| match version {
                tls::TlsVersion::Tls12 => "1.2".to_owned(),
                tls::TlsVersion::Tls13 => "1.3".to_owned(),
            }),
            cipher_suites: configured.cipher_suites.clone(),
            curve_preferences: configured.curve_preferences.clone(),
            timeout: configured.handshake_timeout(),
            handshake_first: match configured.handshake_first {
                tls::HandshakeFirst::Never => HandshakeFirst::Never,
                tls::HandshakeFirst::Always => HandshakeFirst::Always,
                tls::HandshakeFirst::Within(wait) => HandshakeFirst::Fallback(wait),
            },
        }
    }
}

fn certificates(configured: &Tls) -> Vec<CertificatePair> {
    let single = configured.cert_file.iter().zip(&configured.key_file);
    let listed = configured.certs.iter().map(|pair| (&pair.cert_file, &pair.key_file));
    let pair = |(cert_file, key_file): (&_, &_)| CertificatePair {
        cert_file: std::path::PathBuf::clone(cert_file),
        key_file: std::path::PathBuf::clone(key_file),
    };
    single.chain(listed).map(pair).collect()
}
