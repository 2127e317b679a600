//! `tls { … }`, wherever it stands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::defaults;
use super::diff::Shown;
use super::grammar::{Node, Value};
use super::keys::{Key, block, field, nested};
use super::ocsp::{OcspPeer, read_peer};
use super::report::{Problem, Report};

/// How connections are encrypted. File names are relative to the working directory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tls {
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// Whom client certificates have to be signed by; for outgoing connections, servers' certificates.
    pub ca_file: Option<PathBuf>,
    /// Several certificates to choose from by server name, instead of one.
    pub certs: Vec<CertPair>,
    /// Clients need a certificate.
    pub verify: bool,
    /// … and it says which user they are.
    pub verify_and_map: bool,
    pub verify_cert_and_check_known_urls: bool,
    /// Outgoing connections do not check the server's certificate.
    pub insecure: bool,
    pub allow_insecure_cipher_suites: bool,
    /// IANA names, most wanted first; empty: the library's own choice.
    pub cipher_suites: Vec<String>,
    pub curve_preferences: Vec<String>,
    /// Absent: TLS 1.2.
    pub min_version: Option<TlsVersion>,
    /// For the handshake; absent: 2 seconds.
    pub timeout: Option<Duration>,
    /// Handshakes per second; absent: any number.
    pub connections_per_second_max: Option<u64>,
    /// SHA-256 of the DER of accepted clients' public keys, in lower-case hex; empty: any.
    pub pinned_certs: BTreeSet<String>,
    pub handshake_first: HandshakeFirst,
    pub ocsp_peer: Option<OcspPeer>,
    pub cert_store: Option<CertStore>,
}

impl Tls {
    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> Duration {
        self.timeout.unwrap_or(defaults::TLS_TIMEOUT)
    }
}

/// A certificate chain and its key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CertPair {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// The oldest version spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

/// Who speaks first on a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HandshakeFirst {
    /// The server, with INFO in clear.
    #[default]
    Never,
    /// The client, with its TLS hello.
    Always,
    /// The client has this long, then the server sends INFO.
    Within(Duration),
}

/// A certificate from the operating system's store; only Windows has one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CertStore {
    pub store: String,
    pub match_by: String,
    pub matching: String,
    pub ca_certs_match: Vec<String>,
    pub skip_invalid: bool,
}

impl Shown for Tls {
    fn shown(&self) -> String {
        "enabled".to_owned()
    }
}

const KEYS: &[Key<Tls>] = &[
    field!("cert_file", [], cert_file, Node::path),
    field!("key_file", [], key_file, Node::path),
    field!("ca_file", [], ca_file, Node::path),
    field!("certs", ["certificates"], certs, cert_pairs),
    field!("verify", [], verify, Node::bool),
    field!("verify_and_map", [], verify_and_map, Node::bool),
    field!("verify_cert_and_check_known_urls", [], verify_cert_and_check_known_urls, Node::bool),
    field!("insecure", [], insecure, Node::bool),
    field!("allow_insecure_cipher_suites", [], allow_insecure_cipher_suites, Node::bool),
    field!("cipher_suites", [], cipher_suites, cipher_suites),
    field!("curve_preferences", [], curve_preferences, curve_preferences),
    field!("min_version", [], min_version, min_version),
    Key::new("timeout", &[], |tls, node, _| {
        let wrong = |problem: Problem| {
            node.problem(format!("error parsing tls config, 'timeout' {}", problem.reason))
        };
        tls.timeout = Some(node.seconds().map_err(wrong)?).filter(|timeout| !timeout.is_zero());
        Ok(())
    }),
    field!("connection_rate_limit", [], connections_per_second_max, Node::limit),
    field!("pinned_certs", [], pinned_certs, pinned_certs),
    field!("handshake_first", ["first", "immediate"], handshake_first, handshake_first),
    nested!("ocsp_peer", [], ocsp_peer, read_peer),
    Key::new("cert_store", &[], |tls, node, _| store(tls, node.string()?, |store| &mut store.store)),
    Key::new("cert_match_by", &[], |tls, node, _| store(tls, node.string()?, |store| &mut store.match_by)),
    Key::new("cert_match", &[], |tls, node, _| store(tls, node.string()?, |store| &mut store.matching)),
    Key::new("ca_certs_match", &[], |tls, node, _| {
        store(tls, node.strings()?, |store| &mut store.ca_certs_match)
    }),
    Key::new("cert_match_skip_invalid", &[], |tls, node, _| {
        store(tls, node.bool()?, |store| &mut store.skip_invalid)
    }),
];

fn store<V>(tls: &mut Tls, value: V, slot: fn(&mut CertStore) -> &mut V) -> Result<(), Problem> {
    *slot(tls.cert_store.get_or_insert_default()) = value;
    Ok(())
}

/// Who the other side of the connections is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    Clients,
    Servers,
}

/// Reads a `tls { … }` block and looks whether its files are there.
pub(super) fn read(node: &Node, peers: Peers, report: &mut Report) -> Result<Tls, Problem> {
    let unknown = |key: &str| format!("error parsing tls config, unknown field {key:?}");
    let mut tls: Tls = block(KEYS, unknown, node, report)?;
    if tls.verify_cert_and_check_known_urls && peers == Peers::Clients {
        return Err(node.problem("verify_cert_and_check_known_urls not supported in this context"));
    }
    tls.verify |= tls.verify_and_map || tls.verify_cert_and_check_known_urls;
    drop_old_cipher_suites(&mut tls).and_then(|()| check(&tls)).map_err(|reason| node.problem(reason))?;
    Ok(tls)
}

/// As [`read`], for connections of clients.
pub(super) fn read_for_clients(node: &Node, report: &mut Report) -> Result<Option<Tls>, Problem> {
    read(node, Peers::Clients, report).map(Some)
}

/// Whether the certificate files exist and belong together by name.
pub(crate) fn check(tls: &Tls) -> Result<(), String> {
    if tls.cert_store.is_some() {
        return Err("operating system certificate stores are served on Windows only".to_owned());
    }
    match (&tls.cert_file, &tls.key_file) {
        (Some(_), _) if !tls.certs.is_empty() => {
            return Err(
                "error parsing tls config, cannot combine 'cert_file' option with 'certs' option".to_owned()
            );
        }
        (Some(_), None) => return Err("missing 'key_file' in TLS configuration".to_owned()),
        (None, Some(_)) => return Err("missing 'cert_file' in TLS configuration".to_owned()),
        _ => {}
    }
    let pairs = tls.certs.iter().map(|pair| (&pair.cert_file, &pair.key_file));
    for (cert, key) in tls.cert_file.iter().zip(&tls.key_file).chain(pairs) {
        readable(cert)
            .and(readable(key))
            .map_err(|e| format!("error parsing X509 certificate/key pair: {e}"))?;
    }
    tls.ca_file.as_deref().map_or(Ok(()), readable)
}

fn readable(path: &Path) -> Result<(), String> {
    match std::fs::File::open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("open {}: {}", path.display(), super::grammar::io_reason(&error))),
    }
}

fn cert_pairs(node: &Node) -> Result<Vec<CertPair>, Problem> {
    node.array()?.iter().map(cert_pair).collect()
}

fn cert_pair(node: &Node) -> Result<CertPair, Problem> {
    let mut pair = CertPair::default();
    for entry in node.map()?.iter() {
        match &*entry.key {
            "cert_file" => pair.cert_file = entry.node.text()?.into(),
            "key_file" => pair.key_file = entry.node.text()?.into(),
            other => {
                return Err(entry
                    .node
                    .problem(format!("error parsing tls certs config, unknown field {other:?}")));
            }
        }
    }
    if pair.cert_file.as_os_str().is_empty() || pair.key_file.as_os_str().is_empty() {
        let reason =
            "error parsing certificates config: both 'cert_file' and 'cert_key' options are required";
        return Err(node.problem(reason));
    }
    Ok(pair)
}

/// The suites that TLS 1.2 and 1.3 of the TLS library speak.
pub(crate) const CIPHER_SUITES: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Suites without forward secrecy or with CBC, which Go knows and this server never speaks.
const OLD_CIPHER_SUITES: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

fn cipher_suites(node: &Node) -> Result<Vec<String>, Problem> {
    let known = |name: &str| CIPHER_SUITES.contains(&name) || OLD_CIPHER_SUITES.contains(&name);
    names(node, "cipher_suites", known, "unrecognized cipher")
}

/// Names of key exchanges, the one this server would choose first.
pub(crate) const CURVES: &[&str] = &["X25519MLKEM768", "X25519", "CurveP256", "CurveP384", "CurveP521"];

fn curve_preferences(node: &Node) -> Result<Vec<String>, Problem> {
    names(node, "curve_preferences", |name| CURVES.contains(&name), "unrecognized curve preference")
}

/// A list of names that are all known.
fn names(
    node: &Node,
    what: &str,
    known: impl Fn(&str) -> bool,
    unknown: &str,
) -> Result<Vec<String>, Problem> {
    let entries = node.array()?;
    if entries.is_empty() {
        return Err(node.problem(format!("error parsing tls config, '{what}' cannot be empty")));
    }
    let name = |entry: &Node| match entry.text()? {
        name if known(name) => Ok(name.to_owned()),
        name => Err(entry.problem(format!("{unknown} {name}"))),
    };
    entries.iter().map(name).collect()
}

/// Old suites have to be asked for twice, and then are passed over as long as one remains that is spoken.
fn drop_old_cipher_suites(tls: &mut Tls) -> Result<(), String> {
    let is_old = |name: &String| OLD_CIPHER_SUITES.contains(&name.as_str());
    let old: Vec<String> = tls.cipher_suites.iter().filter(|name| is_old(name)).cloned().collect();
    if !old.is_empty() && !tls.allow_insecure_cipher_suites {
        let what = "insecure cipher suites configured without 'allow_insecure_cipher_suites' option set";
        return Err(format!("{what}: {}", old.join(", ")));
    }
    tls.cipher_suites.retain(|name| !is_old(name));
    if !old.is_empty() && tls.cipher_suites.is_empty() {
        return Err("none of these cipher suites is spoken by this server".to_owned());
    }
    Ok(())
}

fn min_version(node: &Node) -> Result<Option<TlsVersion>, Problem> {
    let text = node.text()?;
    match text {
        "1.2" => Ok(Some(TlsVersion::Tls12)),
        "1.3" => Ok(Some(TlsVersion::Tls13)),
        "1.0" | "1.1" => {
            Err(node.problem(format!("error parsing tls config: unsupported TLS version: TLS {text}")))
        }
        _ => Err(node.problem(format!("error parsing tls config: unknown version: {text}"))),
    }
}

fn pinned_certs(node: &Node) -> Result<BTreeSet<String>, Problem> {
    let what = "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo";
    let pin = |entry: &Node| {
        let pin = entry.text()?.to_lowercase();
        if pin.len() == 64 && pin.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(pin);
        }
        Err(entry
            .problem(format!("error parsing tls config, 'pinned_certs' key {pin} does not look like {what}")))
    };
    node.array()?.iter().map(pin).collect()
}

fn handshake_first(node: &Node) -> Result<HandshakeFirst, Problem> {
    let text = match &node.value {
        Value::Bool(true) => return Ok(HandshakeFirst::Always),
        Value::Bool(false) => return Ok(HandshakeFirst::Never),
        _ => node.text()?,
    };
    match text.to_lowercase().as_str() {
        "true" | "on" => Ok(HandshakeFirst::Always),
        "false" | "off" => Ok(HandshakeFirst::Never),
        "auto" | "auto_fallback" => Ok(HandshakeFirst::Within(defaults::HANDSHAKE_FIRST_DELAY)),
        _ => match node.nanos().map(u64::try_from) {
            Ok(Ok(nanos)) => Ok(HandshakeFirst::Within(Duration::from_nanos(nanos))),
            _ => Err(node.problem(format!("field \"handshake_first\"'s value {text:?} is invalid"))),
        },
    }
}
