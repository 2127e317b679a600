//! Promise: JavaScript's `wsconnect` publishes to a stream and consumes it over an encrypted WebSocket.

use std::net::TcpListener;
use std::process::Command;

use crate::broker::Broker;
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
    let folder = tempfile::tempdir().expect("a folder for the certificate");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("the certificate's file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("the key's file");
    let port = free_port();
    let config = format!(
        "websocket {{ listen: \"127.0.0.1:{port}\", tls {{ cert_file: {cert:?}, key_file: {key:?} }}, {more} }}"
    );
    let _broker = Broker::under_test_with(&config);
    let output = Command::new(provision::node())
        .arg("--experimental-websocket")
        .arg(provision::installed("node/websocket_client.mjs"))
        .args([format!("wss://localhost:{port}"), MESSAGES.to_string()])
        .env("NODE_EXTRA_CA_CERTS", &cert)
        .output()
        .expect("node starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complained}");
    assert!(said.starts_with(&format!("consumed {MESSAGES} over localhost:{port}")), "{said}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
