//! What a client certificate says about its owner (RFC 5280): alternative names, subject and key.
//!
//! A certificate gets here after the TLS library has verified it, so reading is lenient: what cannot be read is absent.

mod der;
mod name;

use der::{OBJECT_ID, OCTET_STRING, SEQUENCE, Value, Values};
pub use name::{DistinguishedName, RelativeName};
use sha2::{Digest, Sha256};

/// 2.5.29.17, subjectAltName.
const ALT_NAME_OID: &[u8] = &[0x55, 0x1d, 0x11];

const EMAIL_TAG: u8 = 0x81;
const DNS_TAG: u8 = 0x82;
const URI_TAG: u8 = 0x86;
const VERSION_TAG: u8 = 0xa0;
const EXTENSIONS_TAG: u8 = 0xa3;

/// The parts of a certificate that identify its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateNames {
    pub emails: Vec<String>,
    pub dns_names: Vec<String>,
    pub uris: Vec<String>,
    pub subject: DistinguishedName,
    /// Hex of the SHA-256 of the public key (SubjectPublicKeyInfo), as in `pinned_certs`.
    pub key_sha256: String,
}

impl CertificateNames {
    /// Reads a DER certificate; `None` if it is not one.
    pub fn read(certificate: &[u8]) -> Option<Self> {
        let signed = Values(certificate).next()?.children().next()?;
        // Serial, signature algorithm, issuer, validity, subject, key.
        let mut fields = signed.children().skip_while(|field| field.tag == VERSION_TAG);
        let subject = fields.nth(4)?;
        let key = fields.next()?;
        let mut names = Self {
            emails: Vec::new(),
            dns_names: Vec::new(),
            uris: Vec::new(),
            subject: DistinguishedName::read(subject),
            key_sha256: sha256_hex(key.whole),
        };
        for name in alternative_names(fields) {
            names.add_alternative(name);
        }
        Some(names)
    }

    fn add_alternative(&mut self, name: Value<'_>) {
        let list = match name.tag {
            EMAIL_TAG => &mut self.emails,
            DNS_TAG => &mut self.dns_names,
            URI_TAG => &mut self.uris,
            _ => return,
        };
        list.extend(std::str::from_utf8(name.body).ok().map(str::to_owned));
    }
}

/// Hex of the SHA-256 of `bytes`.
pub fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn alternative_names<'a>(mut fields: impl Iterator<Item = Value<'a>>) -> impl Iterator<Item = Value<'a>> {
    let extensions =
        fields.find(|field| field.tag == EXTENSIONS_TAG).and_then(|field| field.children().next());
    let extensions = extensions.into_iter().flat_map(|list| list.children());
    extensions.filter_map(alternative_name_list).flat_map(|list| list.children())
}

/// The list inside one extension, if that is the subjectAltName.
fn alternative_name_list(extension: Value<'_>) -> Option<Value<'_>> {
    let mut parts = extension.children();
    parts.next().filter(|id| id.tag == OBJECT_ID && id.body == ALT_NAME_OID)?;
    // A critical flag may stand between the id and the value.
    let value = parts.find(|part| part.tag == OCTET_STRING)?;
    value.children().next().filter(|list| list.tag == SEQUENCE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName as Dn, DnType, KeyPair, PublicKeyData, SanType};

    use super::*;

    fn certificate(make: impl FnOnce(&mut CertificateParams)) -> (Vec<u8>, KeyPair) {
        let mut params = CertificateParams::default();
        params.distinguished_name = Dn::new();
        make(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().der().to_vec(), key)
    }

    #[test]
    fn alternative_names_are_found_by_kind_in_order() {
        let (der, key) = certificate(|params| {
            params.subject_alt_names = vec![
                SanType::DnsName("a.example".try_into().unwrap()),
                SanType::Rfc822Name("joe@example.com".try_into().unwrap()),
                SanType::URI("spiffe://localhost/edge".try_into().unwrap()),
                SanType::DnsName("b.example".try_into().unwrap()),
                SanType::IpAddress([127, 0, 0, 1].into()),
            ];
        });
        let names = CertificateNames::read(&der).unwrap();
        assert_eq!(names.emails, ["joe@example.com"]);
        assert_eq!(names.dns_names, ["a.example", "b.example"]);
        assert_eq!(names.uris, ["spiffe://localhost/edge"]);
        assert_eq!(names.key_sha256, sha256_hex(&key.subject_public_key_info()));
    }

    #[test]
    fn a_certificate_without_alternative_names_still_has_a_subject() {
        let (der, _) = certificate(|params| params.distinguished_name.push(DnType::CommonName, "edge-1"));
        let names = CertificateNames::read(&der).unwrap();
        assert_eq!(names.subject.to_string(), "CN=edge-1");
        assert!(names.emails.is_empty() && names.dns_names.is_empty() && names.uris.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail_otherwise_than_by_saying_so(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = CertificateNames::read(&bytes);
        }

        #[test]
        fn a_damaged_certificate_does_no_harm(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let (mut der, _) = certificate(|params| params.distinguished_name.push(DnType::CommonName, "edge-1"));
            let at = at.index(der.len());
            der[at] = to;
            let _ = CertificateNames::read(&der);
        }
    }
}
