//! The user a client certificate names (`verify_and_map`).

use super::certificate::{CertificateNames, DistinguishedName};

/// The first user that the certificate names: by an email address, a DNS name or a URI of its alternative names, or by
/// its subject. `all` lists every candidate with its name.
pub(super) fn find<'a, U, I>(
    certificate: &[u8],
    by_name: impl Fn(&str) -> Option<&'a U>,
    all: impl Fn() -> I,
) -> Option<&'a U>
where
    I: Iterator<Item = (&'a str, &'a U)>,
{
    let names = CertificateNames::read(certificate)?;
    let alternatives = names.emails.iter().chain(&names.dns_names).chain(&names.uris);
    alternatives
        .filter_map(|name| by_name(name))
        .next()
        .or_else(|| by_subject(&names.subject, all))
        .or_else(|| by_printed_subject(&names.subject, by_name))
}

/// A user whose name is the subject; the same order of its parts is preferred to another.
fn by_subject<'a, U, I>(subject: &DistinguishedName, all: impl Fn() -> I) -> Option<&'a U>
where
    I: Iterator<Item = (&'a str, &'a U)>,
{
    if !subject.is_nameable() {
        return None;
    }
    let written = || all().filter_map(|(name, user)| Some((DistinguishedName::parse(name)?, user)));
    let exact = written().find(|(name, _)| name.same(subject));
    exact.or_else(|| written().find(|(name, _)| name.same_in_any_order(subject))).map(|(_, user)| user)
}

fn by_printed_subject<'a, U>(
    subject: &DistinguishedName,
    by_name: impl Fn(&str) -> Option<&'a U>,
) -> Option<&'a U> {
    let printed = subject.standard_attributes();
    let components = subject.domain_components();
    let with_components = (!components.is_empty()).then(|| format!("{printed},{components}"));
    with_components.and_then(|name| by_name(&name)).or_else(|| by_name(&printed))
}
