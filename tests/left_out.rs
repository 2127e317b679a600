//! Promise: a program that was built without a part refuses a configuration that asks for it.
//!
//! Needs `cargo test --no-default-features --test left_out`.
#![cfg(not(any(feature = "tls", feature = "monitoring")))]

use std::process::{Command, Output};

/// Starts the broker with this configuration, which it is expected to refuse.
fn refused(config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("a.pem"), pair.cert.pem()).unwrap();
    std::fs::write(folder.path().join("b.pem"), pair.signing_key.serialize_pem()).unwrap();
    let file = folder.path().join("nats.conf");
    std::fs::write(&file, format!("listen: \"127.0.0.1:-1\"\n{config}")).unwrap();
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .current_dir(&folder)
        .arg("-c")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

#[test]
fn tls_is_refused_where_it_is_not_built_in() {
    let said = refused("tls { cert_file: \"a.pem\", key_file: \"b.pem\" }");
    assert!(said.contains("a tls block is configured, and this program was built without TLS"), "{said}");
}

#[test]
fn tls_for_websockets_is_refused_where_it_is_not_built_in() {
    let said = refused("websocket { port: -1, tls { cert_file: \"a.pem\", key_file: \"b.pem\" } }");
    assert!(said.contains("this program was built without TLS"), "{said}");
}

#[test]
fn monitoring_listeners_are_refused_where_they_are_not_built_in() {
    let said = refused("http: \"127.0.0.1:-1\"");
    assert!(said.contains("this program was built without monitoring listeners"), "{said}");
}
