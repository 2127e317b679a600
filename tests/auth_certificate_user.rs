//! `verify_and_map`: the user is the one that the client certificate names.

use std::collections::BTreeSet;

use headwater::auth::{
    AuthError, AuthSettings, Authenticator, ConnectionType, Credentials, Identity, Peer, SecretVerifier,
    UserSettings,
};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::pki_types::CertificateDer;

fn certificate(names: Vec<SanType>, subject: &[(DnType, &str)]) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names;
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn users(names: &[(&str, &str)]) -> Authenticator {
    let entry = |(user, password): &(&str, &str)| UserSettings {
        account: "A".to_owned(),
        identity: Identity::Password { user: (*user).to_owned(), password: SecretVerifier::new(password) },
        permissions: None,
        connection_types: BTreeSet::new(),
    };
    let users = names.iter().map(entry).collect();
    Authenticator::new(&AuthSettings { users, map_certificate: true, ..AuthSettings::default() }).unwrap()
}

fn login(
    authenticator: &Authenticator,
    certs: &[CertificateDer<'static>],
    sent: Credentials<'_>,
) -> Result<String, AuthError> {
    let peer =
        Peer { nonce: b"", client_certs: certs, connection_type: ConnectionType::Standard, addr: None };
    authenticator.check(&sent, &peer).map(|login| login.user.to_string())
}

fn mapped(authenticator: &Authenticator, certificate: CertificateDer<'static>) -> Result<String, AuthError> {
    login(authenticator, &[certificate], Credentials::default())
}

fn alternative_names() -> Vec<SanType> {
    vec![
        SanType::URI("spiffe://localhost/edge".try_into().unwrap()),
        SanType::DnsName("edge.example".try_into().unwrap()),
        SanType::Rfc822Name("joe@example.com".try_into().unwrap()),
    ]
}

#[test]
fn an_email_address_is_tried_before_a_dns_name_a_uri_and_the_subject() {
    let names = ["joe@example.com", "edge.example", "spiffe://localhost/edge", "CN=edge-1"];
    let make = || certificate(alternative_names(), &[(DnType::CommonName, "edge-1")]);
    for first in 0..names.len() {
        let known: Vec<_> = names[first..].iter().map(|name| (*name, "")).collect();
        assert_eq!(mapped(&users(&known), make()).unwrap(), names[first]);
    }
    assert_eq!(mapped(&users(&[("other", "")]), make()).unwrap_err(), AuthError::NoUserInCertificate);
}

#[test]
fn the_subject_may_be_written_in_any_order() {
    let subject = [
        (DnType::OrganizationName, "Acme"),
        (DnType::OrganizationalUnitName, "Pumps"),
        (DnType::CommonName, "e 1"),
    ];
    for written in ["CN=e 1,OU=Pumps,O=Acme", "O=Acme,OU=Pumps,CN=e 1", "o=Acme, cn=e 1, ou=Pumps"] {
        assert_eq!(mapped(&users(&[(written, "")]), certificate(vec![], &subject)).unwrap(), written);
    }
    assert!(mapped(&users(&[("CN=e 1,O=Acme", "")]), certificate(vec![], &subject)).is_err());
}

#[test]
fn the_name_in_connect_does_not_count() {
    let authenticator = users(&[("joe@example.com", ""), ("admin", "pw")]);
    let sent = Credentials { user: "admin", ..Credentials::default() };
    let certificate = certificate(alternative_names(), &[]);
    assert_eq!(login(&authenticator, &[certificate], sent).unwrap(), "joe@example.com");
}

#[test]
fn a_mapped_user_with_a_password_must_send_it_too() {
    let authenticator = users(&[("joe@example.com", "pw")]);
    let cert = || certificate(alternative_names(), &[]);
    assert_eq!(mapped(&authenticator, cert()).unwrap_err(), AuthError::WrongSecret);
    let sent = Credentials { user: "joe", password: "pw", ..Credentials::default() };
    assert_eq!(login(&authenticator, &[cert()], sent).unwrap(), "joe@example.com");
}

#[test]
fn without_a_certificate_nobody_is_mapped() {
    let authenticator = users(&[("joe@example.com", "")]);
    let sent = Credentials { user: "joe@example.com", ..Credentials::default() };
    assert_eq!(login(&authenticator, &[], sent).unwrap_err(), AuthError::CertificateRequired);
}
