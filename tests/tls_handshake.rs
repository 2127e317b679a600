//! Who gets an encrypted connection, and under which certificate, version and cipher.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use headwater::net::tls::{
    Accepted, CertificatePair, HandshakeError, HandshakeFirst, ServerTls, TlsError, TlsSettings,
    looks_like_tls,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PublicKeyData};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio_rustls::TlsConnector;

type Issuer = CertifiedIssuer<'static, KeyPair>;

struct Files {
    dir: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A self-signed certificate for `host`, with its key.
    fn pair(&self, host: &str) -> CertificatePair {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap();
        CertificatePair {
            cert_file: self.write(&format!("{host}.crt"), &certificate.pem()),
            key_file: self.write(&format!("{host}.key"), &key.serialize_pem()),
        }
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings { certificates: vec![self.pair("localhost")], ..TlsSettings::default() }
    }
}

fn issuer(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct ClientIdentity {
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

fn identity(issuer: &Issuer) -> ClientIdentity {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![]).unwrap().signed_by(&key, issuer).unwrap().der().clone();
    ClientIdentity { key, certificate }
}

/// A client that takes any server certificate and remembers nothing.
#[derive(Debug)]
struct TakesAnyServer;

impl ServerCertVerifier for TakesAnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn client(versions: &[&'static SupportedProtocolVersion], identity: Option<&ClientIdentity>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAnyServer));
    match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![identity.certificate.clone()], key).unwrap()
        }
    }
}

fn any_version() -> ClientConfig {
    client(rustls::ALL_VERSIONS, None)
}

struct Connected {
    server: Accepted<DuplexStream>,
    server_certificate: CertificateDer<'static>,
}

impl Connected {
    fn version(&self) -> &'static str {
        self.server.facts.as_ref().unwrap().version
    }

    fn cipher(&self) -> &'static str {
        self.server.facts.as_ref().unwrap().cipher
    }
}

async fn connect_to(tls: &ServerTls, client: ClientConfig, host: &str) -> Result<Connected, HandshakeError> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connecting =
        TlsConnector::from(Arc::new(client)).connect(ServerName::try_from(host.to_owned()).unwrap(), near);
    let loaded = tls.current();
    let (client, server) = tokio::join!(connecting, loaded.accept(far));
    let server = server?;
    let server_certificate = client.unwrap().get_ref().1.peer_certificates().unwrap()[0].clone();
    Ok(Connected { server, server_certificate })
}

async fn connect(tls: &ServerTls, client: ClientConfig) -> Result<Connected, HandshakeError> {
    connect_to(tls, client, "localhost").await
}

fn certificate_in(file: &Path) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_file(file).unwrap()
}

#[tokio::test]
async fn versions_and_ciphers_bear_the_names_that_go_prints() {
    let tls = ServerTls::load(&Files::new().settings()).unwrap();
    let connected = connect(&tls, any_version()).await.unwrap();
    assert_eq!((connected.version(), connected.cipher()), ("1.3", "TLS_AES_256_GCM_SHA384"));
    let connected = connect(&tls, client(&[&rustls::version::TLS12], None)).await.unwrap();
    assert_eq!((connected.version(), connected.cipher()), ("1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"));
}

#[tokio::test]
async fn the_configured_cipher_is_used_for_tls_1_2() {
    let name = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    let files = Files::new();
    let settings = TlsSettings { cipher_suites: vec![name.to_owned()], ..files.settings() };
    let tls = ServerTls::load(&settings).unwrap();
    let connected = connect(&tls, client(&[&rustls::version::TLS12], None)).await.unwrap();
    assert_eq!(connected.cipher(), name);
    assert_eq!(connect(&tls, any_version()).await.unwrap().version(), "1.3");
}

#[tokio::test]
async fn min_version_turns_older_clients_away() {
    let files = Files::new();
    let settings = TlsSettings { min_version: Some("1.3".to_owned()), ..files.settings() };
    let tls = ServerTls::load(&settings).unwrap();
    let refused = connect(&tls, client(&[&rustls::version::TLS12], None)).await;
    assert!(matches!(refused, Err(HandshakeError::Failed(_))));
    assert!(connect(&tls, any_version()).await.is_ok());
}

#[tokio::test]
async fn verify_lets_in_only_certificates_of_the_configured_issuer() {
    let files = Files::new();
    let (ours, theirs) = (issuer("ours"), issuer("theirs"));
    let ca_file = Some(files.write("ca.pem", &ours.pem()));
    let tls = ServerTls::load(&TlsSettings { verify: true, ca_file, ..files.settings() }).unwrap();
    assert!(tls.current().verifies_clients);

    let good = identity(&ours);
    let connected = connect(&tls, client(rustls::ALL_VERSIONS, Some(&good))).await.unwrap();
    assert_eq!(*connected.server.certificates, [good.certificate]);
    let stranger = identity(&theirs);
    for identity in [None, Some(&stranger)] {
        let refused = connect(&tls, client(&[&rustls::version::TLS13], identity)).await;
        assert!(matches!(refused, Err(HandshakeError::Failed(_))));
    }
}

#[tokio::test]
async fn an_issuer_of_a_known_name_and_another_key_is_called_unknown() {
    let files = Files::new();
    let (ours, theirs) = (issuer("same name"), issuer("same name"));
    let ca_file = Some(files.write("ca.pem", &ours.pem()));
    let tls = ServerTls::load(&TlsSettings { verify: true, ca_file, ..files.settings() }).unwrap();
    let stranger = identity(&theirs);
    for version in rustls::ALL_VERSIONS {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::new(client(&[version], Some(&stranger))));
        let connecting = async {
            let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), near).await?;
            stream.read_u8().await
        };
        let loaded = tls.current();
        let (told, refused) = tokio::join!(connecting, loaded.accept(far));
        assert!(matches!(refused, Err(HandshakeError::Failed(_))));
        let told = told.unwrap_err().to_string();
        assert!(told.contains("UnknownCA"), "{told}");
    }
}

#[tokio::test]
async fn only_pinned_keys_get_in() {
    let files = Files::new();
    let issuer = issuer("ours");
    let (pinned, other) = (identity(&issuer), identity(&issuer));
    let pin = headwater::auth::certificate::sha256_hex(&pinned.key.subject_public_key_info()).to_uppercase();
    let ca_file = Some(files.write("ca.pem", &issuer.pem()));
    let settings = TlsSettings { verify: true, ca_file, pinned_certs: vec![pin], ..files.settings() };
    let tls = ServerTls::load(&settings).unwrap();
    assert!(connect(&tls, client(rustls::ALL_VERSIONS, Some(&pinned))).await.is_ok());
    let refused = connect(&tls, client(rustls::ALL_VERSIONS, Some(&other))).await;
    assert!(matches!(refused, Err(HandshakeError::KeyNotPinned)));
}

#[tokio::test]
async fn the_certificate_follows_the_name_that_the_client_asks_for() {
    let files = Files::new();
    let (first, second) = (files.pair("a.example"), files.pair("b.example"));
    let settings =
        TlsSettings { certificates: vec![first.clone(), second.clone()], ..TlsSettings::default() };
    let tls = ServerTls::load(&settings).unwrap();
    for (host, expected) in [("a.example", &first), ("b.example", &second), ("c.example", &first)] {
        let connected = connect_to(&tls, any_version(), host).await.unwrap();
        assert_eq!(connected.server_certificate, certificate_in(&expected.cert_file), "{host}");
    }
}

#[tokio::test]
async fn a_reload_changes_the_certificate_and_a_failed_one_does_not() {
    let files = Files::new();
    let settings = files.settings();
    let tls = ServerTls::load(&settings).unwrap();
    let pair = files.pair("localhost");
    let before = connect(&tls, any_version()).await.unwrap().server_certificate;
    tls.reload(&settings).unwrap();
    let after = connect(&tls, any_version()).await.unwrap().server_certificate;
    assert!(before != after && after == certificate_in(&pair.cert_file));

    files.write("localhost.key", &KeyPair::generate().unwrap().serialize_pem());
    assert!(tls.reload(&settings).is_err());
    assert_eq!(connect(&tls, any_version()).await.unwrap().server_certificate, after);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_given_up() {
    let files = Files::new();
    let settings = TlsSettings { timeout: Duration::ZERO, ..files.settings() };
    let tls = ServerTls::load(&settings).unwrap();
    let (_silent, far) = tokio::io::duplex(1024);
    assert!(matches!(tls.current().accept(far).await, Err(HandshakeError::TimedOut)));
}

#[tokio::test]
async fn the_first_byte_tells_tls_from_plain_text() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (sent, expected) in [(b"\x16\x03".as_slice(), true), (b"CONNECT {}", false)] {
        let mut near = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        near.write_all(sent).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        assert_eq!(looks_like_tls(&far, Duration::from_secs(5)).await, expected);
    }
}

#[test]
fn a_silent_block_gets_the_defaults_of_nats_server() {
    let loaded = ServerTls::load(&Files::new().settings()).unwrap().current();
    assert_eq!((loaded.timeout, loaded.handshake_first), (Duration::from_secs(2), HandshakeFirst::Never));
    assert!(!loaded.verifies_clients && loaded.warnings.is_empty());
}

#[test]
fn names_that_nobody_knows_are_errors() {
    let files = Files::new();
    let base = files.settings();
    let load = |settings: TlsSettings| ServerTls::load(&settings).err().unwrap().to_string();
    let cipher = TlsSettings { cipher_suites: vec!["TLS_FOO".to_owned()], ..base.clone() };
    assert_eq!(load(cipher), "unrecognized cipher TLS_FOO");
    let curve = TlsSettings { curve_preferences: vec!["CurveP1".to_owned()], ..base.clone() };
    assert_eq!(load(curve), "unrecognized curve preference CurveP1");
    for (version, text) in [("1.1", "unsupported TLS version: TLS 1.1"), ("2", "unknown version: 2")] {
        assert_eq!(load(TlsSettings { min_version: Some(version.to_owned()), ..base.clone() }), text);
    }
}

#[test]
fn names_of_what_only_other_servers_have_are_skipped_with_a_warning() {
    let files = Files::new();
    let settings = TlsSettings {
        cipher_suites: vec!["TLS_RSA_WITH_AES_128_CBC_SHA".to_owned(), "TLS_AES_128_GCM_SHA256".to_owned()],
        curve_preferences: vec!["CurveP521".to_owned(), "CurveP384".to_owned()],
        ..files.settings()
    };
    let loaded = ServerTls::load(&settings).unwrap().current();
    let warnings = [
        "cipher suite TLS_RSA_WITH_AES_128_CBC_SHA is not supported",
        "curve preference CurveP521 is not supported",
    ];
    assert_eq!(loaded.warnings, warnings);
    let nothing_left = TlsSettings { curve_preferences: vec!["CurveP521".to_owned()], ..files.settings() };
    assert!(matches!(ServerTls::load(&nothing_left), Err(TlsError::NoUsableCurve)));
}

#[test]
fn files_that_do_not_fit_are_errors() {
    let files = Files::new();
    let good = files.pair("localhost");
    let other_key = files.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let empty = files.write("empty.pem", "");
    let pairs = [
        CertificatePair { key_file: other_key, ..good.clone() },
        CertificatePair { cert_file: empty.clone(), ..good.clone() },
        CertificatePair { key_file: files.dir.path().join("missing"), ..good.clone() },
    ];
    for pair in pairs {
        let settings = TlsSettings { certificates: vec![pair.clone()], ..TlsSettings::default() };
        assert!(matches!(ServerTls::load(&settings), Err(TlsError::Files(_))), "{pair:?}");
    }
    for ca_file in [None, Some(empty), Some(good.key_file)] {
        let settings = TlsSettings { verify: true, ca_file, ..files.settings() };
        assert!(matches!(ServerTls::load(&settings), Err(TlsError::Files(_))));
    }
    assert!(matches!(ServerTls::load(&TlsSettings::default()), Err(TlsError::NoCertificate)));
}
