//! Distinguished names: read from a certificate, printed and compared as nats-server does.

use std::fmt;

use super::der::{OBJECT_ID, Value};

/// A distinguished name: relative names in the order of the certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DistinguishedName(pub Vec<RelativeName>);

/// One relative name: usually a single type and value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelativeName(pub Vec<Attribute>);

/// A type and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The object id in DER, without tag and length.
    oid: Vec<u8>,
    /// `None` if the value is not a string.
    value: Option<String>,
}

/// 0.9.2342.19200300.100.1.25
const DOMAIN_COMPONENT: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19];

/// The last arc of 2.5.4.x and the name of the attribute, in the order in which a name is printed, last first.
const STANDARD: [(u8, &str); 9] = [
    (6, "C"),
    (10, "O"),
    (11, "OU"),
    (7, "L"),
    (8, "ST"),
    (9, "STREET"),
    (17, "POSTALCODE"),
    (3, "CN"),
    (5, "SERIALNUMBER"),
];

impl DistinguishedName {
    pub(super) fn read(sequence: Value<'_>) -> Self {
        let relative = |set: Value<'_>| RelativeName(set.children().filter_map(Attribute::read).collect());
        Self(sequence.children().map(relative).collect())
    }

    /// The standard attributes in the fixed order that Go prints them in, whatever their order in the certificate.
    /// Values of one type are joined by `+`.
    pub fn standard_attributes(&self) -> String {
        let mut parts = Vec::new();
        for (arc, name) in STANDARD.iter().rev() {
            let mut values: Vec<_> = self.attributes().filter(|a| a.oid == [0x55, 0x04, *arc]).collect();
            if matches!(*name, "CN" | "SERIALNUMBER") {
                values = values.pop().into_iter().collect();
            }
            let printed: Vec<_> = values
                .iter()
                .filter_map(|a| Some(format!("{name}={}", escape(a.value.as_deref()?))))
                .collect();
            parts.extend(Some(printed.join("+")).filter(|part| !part.is_empty()));
        }
        parts.join(",")
    }

    /// `DC=…` of every domain component, in the order of the certificate.
    pub fn domain_components(&self) -> String {
        let components = self.attributes().filter(|a| a.oid == DOMAIN_COMPONENT);
        let printed: Vec<_> =
            components.filter_map(|a| Some(format!("DC={}", a.value.as_deref()?))).collect();
        printed.join(",")
    }

    /// Reads a name as RFC 4514 writes it (`CN=edge-1,O=Acme`), last relative name first; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut relatives =
            split_unescaped(text, ',').map(RelativeName::parse).collect::<Option<Vec<_>>>()?;
        relatives.reverse();
        Some(Self(relatives))
    }

    /// Whether all attribute types have a name, so that the name can be compared with a written one.
    pub fn is_nameable(&self) -> bool {
        self.attributes().all(|a| a.name().is_some() && a.value.is_some())
    }

    /// Whether both consist of the same relative names, in any order.
    pub fn same_in_any_order(&self, other: &Self) -> bool {
        let mut left: Vec<_> = other.0.iter().collect();
        let mut take = |wanted: &RelativeName| {
            let at = left.iter().position(|candidate| candidate.same(wanted))?;
            Some(left.swap_remove(at))
        };
        self.0.len() == other.0.len() && self.0.iter().all(|relative| take(relative).is_some())
    }

    /// Whether both consist of the same relative names in the same order.
    pub fn same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| a.same(b))
    }

    fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter().flat_map(|relative| &relative.0)
    }
}

/// Prints all attributes: the standard ones in their fixed order, then the others.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_standard =
            |a: &&Attribute| matches!(*a.oid, [0x55, 0x04, arc] if STANDARD.iter().any(|(s, _)| *s == arc));
        let others: Vec<_> = self.attributes().filter(|a| !is_standard(a)).collect();
        let mut parts: Vec<_> =
            Some(self.standard_attributes()).filter(|part| !part.is_empty()).into_iter().collect();
        parts.extend(others.iter().rev().map(|a| a.unnamed()));
        f.write_str(&parts.join(","))
    }
}

impl RelativeName {
    fn parse(text: &str) -> Option<Self> {
        split_unescaped(text, '+').map(Attribute::parse).collect::<Option<Vec<_>>>().map(Self)
    }

    fn same(&self, other: &Self) -> bool {
        let has = |list: &[Attribute], wanted: &Attribute| list.contains(wanted);
        self.0.len() == other.0.len()
            && self.0.iter().all(|a| has(&other.0, a))
            && other.0.iter().all(|a| has(&self.0, a))
    }
}

impl Attribute {
    fn read(sequence: Value<'_>) -> Option<Self> {
        let mut parts = sequence.children();
        let id = parts.next().filter(|id| id.tag == OBJECT_ID)?;
        Some(Self { oid: id.body.to_vec(), value: string(parts.next()?) })
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        let name = name.trim();
        let arc = STANDARD
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(arc, _)| vec![0x55, 0x04, *arc]);
        let oid = arc.or_else(|| name.eq_ignore_ascii_case("DC").then(|| DOMAIN_COMPONENT.to_vec()))?;
        // A value that starts with # is BER in hex, which nobody writes.
        let value = Some(value.trim_start()).filter(|value| !value.starts_with('#'))?;
        Some(Self { oid, value: Some(unescape(value)?) })
    }

    fn name(&self) -> Option<&'static str> {
        match *self.oid {
            [0x55, 0x04, arc] => STANDARD.iter().find(|(known, _)| *known == arc).map(|(_, name)| *name),
            _ => (self.oid == DOMAIN_COMPONENT).then_some("DC"),
        }
    }

    /// `1.2.3=#…`: an attribute without a short name, its value in DER.
    fn unnamed(&self) -> String {
        let value = self.value.as_deref().unwrap_or_default();
        let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?*&".contains(c);
        let tag = if value.chars().all(printable) { 0x13 } else { 0x0c };
        let length = u8::try_from(value.len()).ok().filter(|length| *length < 0x80);
        let header = length
            .map_or_else(|| vec![tag, 0x82, (value.len() >> 8) as u8, value.len() as u8], |l| vec![tag, l]);
        let hex = data_encoding::HEXLOWER.encode(&[&header, value.as_bytes()].concat());
        format!("{}=#{hex}", dotted(&self.oid))
    }
}

/// A string value of any of the types that names are written in.
fn string(value: Value<'_>) -> Option<String> {
    const UTF8: u8 = 0x0c;
    const NUMERIC: u8 = 0x12;
    const PRINTABLE: u8 = 0x13;
    const TELETEX: u8 = 0x14;
    const IA5: u8 = 0x16;
    const BMP: u8 = 0x1e;
    match value.tag {
        UTF8 | NUMERIC | PRINTABLE | IA5 => std::str::from_utf8(value.body).ok().map(str::to_owned),
        TELETEX => Some(value.body.iter().map(|byte| char::from(*byte)).collect()),
        BMP => {
            let units = value
                .body
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
            String::from_utf16(&units.collect::<Vec<_>>()).ok()
        }
        _ => None,
    }
}

/// The escapes of RFC 2253.
fn escape(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (at, c) in value.char_indices() {
        let needed = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at == last,
            '#' => at == 0,
            _ => false,
        };
        if needed {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Takes escapes away, and blanks at the end that are not escaped.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut kept = 0;
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            kept = if *first == b' ' { kept } else { bytes.len() };
            continue;
        }
        let (byte, tail) = unescape_one(rest)?;
        bytes.push(byte);
        kept = bytes.len();
        rest = tail;
    }
    bytes.truncate(kept);
    String::from_utf8(bytes).ok()
}

fn unescape_one(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (first, tail) = rest.split_first()?;
    if b" \"#+,;<=>\\".contains(first) {
        return Some((*first, tail));
    }
    let (digits, tail) = rest.split_at_checked(2)?;
    let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()?;
    Some((*decoded.first()?, tail))
}

/// Splits at every `separator` that no backslash precedes.
fn split_unescaped(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |c| {
        let splits = c == separator && !escaped;
        escaped = c == '\\' && !escaped;
        splits
    })
}

/// An object id as dotted numbers.
fn dotted(oid: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for byte in oid {
        arc = arc.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    // The first number holds two arcs.
    if let Some(first) = arcs.first().copied() {
        let top = (first / 40).min(2);
        arcs.splice(..1, [top, first - top * 40]);
    }
    arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName as Dn, DnType, KeyPair};

    use super::*;
    use crate::auth::certificate::CertificateNames;

    fn subject(attributes: &[(DnType, &str)]) -> DistinguishedName {
        let mut params = CertificateParams::default();
        params.distinguished_name = Dn::new();
        for (kind, value) in attributes {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        CertificateNames::read(&der).unwrap().subject
    }

    fn domain_component() -> DnType {
        DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 25])
    }

    #[test]
    fn the_standard_attributes_are_printed_in_their_fixed_order() {
        let subject = subject(&[
            (DnType::CommonName, "edge, 1"),
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, " Acme"),
            (DnType::OrganizationalUnitName, "#pump"),
        ]);
        assert_eq!(subject.standard_attributes(), r"CN=edge\, 1,OU=\#pump,O=\ Acme,C=DE");
    }

    #[test]
    fn attributes_without_a_short_name_come_last_as_hex() {
        let email = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
        let subject = subject(&[(DnType::CommonName, "a"), (email, "a@b"), (domain_component(), "example")]);
        let hex = "0.9.2342.19200300.100.1.25=#13076578616d706c65,1.2.840.113549.1.9.1=#0c03614062";
        assert_eq!(subject.to_string(), format!("CN=a,{hex}"));
        assert_eq!((subject.domain_components().as_str(), subject.is_nameable()), ("DC=example", false));
    }

    #[test]
    fn a_written_name_equals_the_one_of_a_certificate() {
        let read = subject(&[
            (domain_component(), "org"),
            (DnType::OrganizationName, "Acme"),
            (DnType::CommonName, "a,b"),
        ]);
        for written in [r"CN=a\,b,O=Acme,DC=org", r"cn = a\2Cb , o=Acme ,dc=org"] {
            assert!(DistinguishedName::parse(written).unwrap().same(&read), "{written}");
        }
        let reordered = DistinguishedName::parse(r"DC=org,CN=a\,b,O=Acme").unwrap();
        assert!(!reordered.same(&read) && reordered.same_in_any_order(&read));
        for other in [r"CN=a\,b,O=Acme", r"CN=A\,b,O=Acme,DC=org", "CN=a,O=Acme,DC=org"] {
            assert!(!DistinguishedName::parse(other).unwrap().same_in_any_order(&read), "{other}");
        }
    }

    #[test]
    fn what_is_no_name_is_not_read_as_one() {
        for text in ["", "joe", "XY=1", "CN=#04", "CN=a,", r"CN=a\", r"CN=a\4", r"CN=\ff"] {
            assert_eq!(DistinguishedName::parse(text), None, "{text}");
        }
    }
}
