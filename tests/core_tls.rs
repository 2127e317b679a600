//! TLS on the client listener: before INFO, after INFO, or not at all.

mod kit;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use headwater::net::tls::{CertificatePair, HandshakeFirst, TlsSettings};
use headwater::server::Options;
use kit::{Broker, QUIET};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A certificate for localhost, as files and as a client trusts it.
struct Certificate {
    _dir: tempfile::TempDir,
    settings: TlsSettings,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn new(handshake_first: HandshakeFirst) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert_file, key_file) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        std::fs::write(&cert_file, made.cert.pem()).unwrap();
        std::fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
        let certificates = vec![CertificatePair { cert_file, key_file }];
        let settings = TlsSettings { certificates, handshake_first, ..TlsSettings::default() };
        Self { _dir: dir, settings, der: made.cert.der().clone() }
    }

    fn broker(&self, allow_non_tls: bool) -> Broker {
        Broker::start(Options { tls: Some(self.settings.clone()), allow_non_tls, ..Options::default() })
    }

    /// Encrypts a connection from the client's side.
    fn encrypt(&self, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream)
    }
}

#[track_caller]
fn read_line(stream: &mut impl Read) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

#[track_caller]
fn talks(stream: &mut (impl Read + Write)) {
    let payload = "x".repeat(200_000);
    write!(stream, "CONNECT {QUIET}\r\nSUB a 1\r\nPUB a 200000\r\n{payload}\r\nPING\r\n").unwrap();
    assert_eq!(read_line(stream), "MSG a 1 200000\r\n");
    assert_eq!(read_line(stream), format!("{payload}\r\n"));
    assert_eq!(read_line(stream), "PONG\r\n");
}

#[test]
fn info_asks_for_tls_and_then_everything_is_encrypted() {
    let certificate = Certificate::new(HandshakeFirst::Never);
    let broker = certificate.broker(false);
    let mut peer = broker.dial();
    let info = peer.read_info();
    assert_eq!(info["tls_required"], true);
    assert!(info.get("tls_available").is_none());
    let mut encrypted = certificate.encrypt(peer.into_stream());
    talks(&mut encrypted);
    let facts = broker.server().clients().all()[0].snapshot().tls.unwrap();
    assert_eq!(facts.version, "1.3");
    assert!(facts.cipher.starts_with("TLS_"), "{}", facts.cipher);
}

#[test]
fn messages_reach_encrypted_clients_from_others() {
    let certificate = Certificate::new(HandshakeFirst::Never);
    let broker = certificate.broker(true);
    let mut peer = broker.dial();
    peer.read_info();
    let mut encrypted = certificate.encrypt(peer.into_stream());
    write!(encrypted, "CONNECT {QUIET}\r\nSUB a 1\r\nPING\r\n").unwrap();
    assert_eq!(read_line(&mut encrypted), "PONG\r\n");
    let mut plain = broker.client(QUIET);
    for _ in 0..100 {
        plain.send("PUB a 5\r\nhello\r\n");
        assert_eq!(read_line(&mut encrypted), "MSG a 1 5\r\n");
        assert_eq!(read_line(&mut encrypted), "hello\r\n");
    }
}

#[test]
fn who_speaks_plainly_where_tls_is_required_is_cut_off() {
    let certificate = Certificate::new(HandshakeFirst::Never);
    let broker = certificate.broker(false);
    let mut peer = broker.peer();
    peer.send(&format!("CONNECT {QUIET}\r\nPING\r\n"));
    broker.wait_until("the client is cut off", |server| !server.clients().closed().is_empty());
    assert_eq!(broker.server().clients().closed()[0].reason.as_str(), "TLS Handshake Failure");
}

#[test]
fn who_says_nothing_where_tls_is_required_is_timed_out() {
    let mut certificate = Certificate::new(HandshakeFirst::Never);
    certificate.settings.timeout = Duration::from_millis(50);
    let broker = certificate.broker(false);
    let mut peer = broker.peer();
    peer.expect_closed();
}

#[test]
fn no_more_handshakes_per_second_than_allowed() {
    let certificate = Certificate::new(HandshakeFirst::Never);
    let tls = Some(certificate.settings.clone());
    let broker = Broker::start(Options { tls, tls_connections_per_second_max: 1, ..Options::default() });
    let mut peers: Vec<_> = (0..3).map(|_| broker.peer()).collect();
    let refusal = "-ERR 'Connection throttling is active. Please try again later.'\r\n";
    peers.pop().unwrap().expect(refusal);
    peers.pop().unwrap().expect(refusal);
    talks(&mut certificate.encrypt(peers.pop().unwrap().into_stream()));
}

#[test]
fn with_allow_non_tls_clients_choose() {
    let certificate = Certificate::new(HandshakeFirst::Never);
    let broker = certificate.broker(true);
    let mut peer = broker.dial();
    let info = peer.read_info();
    assert_eq!(info["tls_available"], true);
    assert!(info.get("tls_required").is_none());
    talks(&mut certificate.encrypt(peer.into_stream()));
    broker.client(QUIET).fence();
}

#[test]
fn with_handshake_first_info_comes_encrypted() {
    let certificate = Certificate::new(HandshakeFirst::Always);
    let broker = certificate.broker(false);
    let mut encrypted = certificate.encrypt(broker.dial().into_stream());
    assert!(read_line(&mut encrypted).starts_with("INFO {"));
    talks(&mut encrypted);
}

#[test]
fn with_a_delay_clients_may_wait_for_info() {
    let certificate = Certificate::new(HandshakeFirst::Fallback(Duration::from_millis(50)));
    let broker = certificate.broker(false);
    let mut first = certificate.encrypt(broker.dial().into_stream());
    first.conn.complete_io(&mut first.sock).unwrap();
    assert!(read_line(&mut first).starts_with("INFO {"));
    talks(&mut first);
    let mut patient = broker.dial();
    patient.read_info();
    talks(&mut certificate.encrypt(patient.into_stream()));
}
