//! Promise: JavaScript's `wsconnect` publishes to a stream and consumes it over an encrypted WebSocket.

use std::path::PathBuf;
use std::process::Command;

use rcgen::PublicKeyData;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::broker::Broker;
use crate::broker::ports::free_port;
use crate::provision;

const MESSAGES: u64 = 500;

#[test]
fn nats_js_streams_over_an_encrypted_websocket() {
    consumes_what_it_published("");
}

#[test]
fn nats_js_streams_over_a_compressing_websocket() {
    consumes_what_it_published("compression: true");
}

fn consumes_what_it_published(more: &str) {
    let certificate = Certificate::make();
    let port = free_port();
    let config = format!("websocket {{ listen: \"127.0.0.1:{port}\", {}, {more} }}", certificate.tls());
    let _broker = Broker::under_test_with(&config);
    let output = Command::new(provision::node())
        .arg("--experimental-websocket")
        .arg(provision::installed("node/websocket_client.mjs"))
        .args([format!("wss://localhost:{port}"), MESSAGES.to_string()])
        .env("NODE_EXTRA_CA_CERTS", &certificate.cert)
        .output()
        .expect("node starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complained}");
    assert!(said.starts_with(&format!("consumed {MESSAGES} over localhost:{port}")), "{said}");
}

/// A certificate for `localhost` that nobody has signed, in files.
pub struct Certificate {
    _folder: TempDir,
    pub cert: PathBuf,
    key: PathBuf,
    public_key: Vec<u8>,
}

impl Certificate {
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the certificate");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).expect("the certificate's file");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("the key's file");
        Self { _folder: folder, cert, key, public_key: made.signing_key.subject_public_key_info() }
    }

    /// The block of a configuration that uses it.
    pub fn tls(&self) -> String {
        format!("tls {{ cert_file: {:?}, key_file: {:?} }}", self.cert, self.key)
    }

    /// The SHA-256 of its public key, in base64, as browsers want it.
    pub fn key_hash(&self) -> String {
        data_encoding::BASE64.encode(&Sha256::digest(&self.public_key))
    }
}
