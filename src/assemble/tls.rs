//! `tls { … }`

use crate::config::tls::{HandshakeFirst, Tls, TlsVersion};
use crate::net::tls::{self, CertificatePair, TlsSettings};

/// What a listener needs of a `tls` block.
pub fn tls_settings(tls: &Tls) -> TlsSettings {
    TlsSettings {
        certificates: certificates(tls),
        ca_file: tls.ca_file.clone(),
        verify: tls.verify || tls.verify_and_map,
        pinned_certs: tls.pinned_certs.iter().cloned().collect(),
        min_version: tls.min_version.map(|version| match version {
            TlsVersion::Tls12 => "1.2".to_owned(),
            TlsVersion::Tls13 => "1.3".to_owned(),
        }),
        cipher_suites: tls.cipher_suites.clone(),
        curve_preferences: tls.curve_preferences.clone(),
        timeout: tls.handshake_timeout(),
        handshake_first: match tls.handshake_first {
            HandshakeFirst::Never => tls::HandshakeFirst::Never,
            HandshakeFirst::Always => tls::HandshakeFirst::Always,
            HandshakeFirst::Within(delay) => tls::HandshakeFirst::Fallback(delay),
        },
    }
}

fn certificates(tls: &Tls) -> Vec<CertificatePair> {
    let main = tls.cert_file.clone().zip(tls.key_file.clone());
    let others = tls.certs.iter().map(|pair| (pair.cert_file.clone(), pair.key_file.clone()));
    main.into_iter()
        .chain(others)
        .map(|(cert_file, key_file)| CertificatePair { cert_file, key_file })
        .collect()
}
