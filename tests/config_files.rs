//! Files for whoever started the server.

use headwater::config::files::{Ports, ports_file, remove_ports_file, url, write_pid_file, write_ports_file};

#[test]
fn the_pid_file_holds_digits_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.pid");
    write_pid_file(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), std::process::id().to_string());
}

#[test]
fn the_ports_file_is_named_after_program_and_process_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let path = ports_file(dir.path());
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.ends_with(&format!("_{}.ports", std::process::id())), "{name}");
    assert!(name.starts_with("config_files"), "{name}");

    let ports = Ports {
        nats: vec!["nats://127.0.0.1:4222".into()],
        websocket: vec!["ws://127.0.0.1:80".into()],
        ..Ports::default()
    };
    write_ports_file(&path, &ports).unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, r#"{"nats":["nats://127.0.0.1:4222"],"websocket":["ws://127.0.0.1:80"]}"#);
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "nothing is left besides it");

    remove_ports_file(&path).unwrap();
    assert!(!path.exists());
    remove_ports_file(&path).expect("to remove it twice is fine");
}

#[test]
fn a_listener_is_shown_with_an_address_that_can_be_reached() {
    let shown = |address: &str| url("nats", address.parse().unwrap());
    assert_eq!(shown("127.0.0.2:4222"), "nats://127.0.0.2:4222");
    assert_eq!(shown("0.0.0.0:4222"), "nats://127.0.0.1:4222");
    assert_eq!(shown("[::]:4222"), "nats://[::1]:4222");
}
