//! INFO: what the server says of itself, and when.

mod kit;

use headwater::server::Options;
use kit::users::{login, user, users};
use kit::{Broker, MODERN};

#[test]
fn info_comes_first_and_says_what_clients_look_at() {
    let broker = Broker::start(Options { server_name: "edge".to_owned(), ..Options::default() });
    let mut peer = broker.dial();
    let info = peer.read_info();
    assert_eq!(info["server_id"], broker.server().id());
    assert_eq!(info["server_name"], "edge");
    assert_eq!(info["proto"], 1);
    assert_eq!(info["headers"], true);
    assert_eq!(info["host"], "127.0.0.1");
    assert_eq!(info["port"], broker.addr().port());
    assert_eq!(info["max_payload"], 1_048_576);
    assert_eq!(info["client_ip"], "127.0.0.1");
    assert_eq!(info["api_lvl"], 5);
    let version = info["version"].as_str().unwrap();
    assert_eq!(version.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3);
    for absent in ["auth_required", "tls_required", "nonce", "jetstream", "ldm", "connect_info"] {
        assert!(info.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn every_client_has_its_own_number() {
    let broker = Broker::start(Options::default());
    let numbers: Vec<u64> =
        (0..3).map(|_| broker.dial().read_info()["client_id"].as_u64().unwrap()).collect();
    assert!(numbers[0] < numbers[1] && numbers[1] < numbers[2]);
}

#[test]
fn an_unnamed_server_is_called_by_its_id() {
    let broker = Broker::start(Options::default());
    let info = broker.dial().read_info();
    assert_eq!(info["server_name"], info["server_id"]);
    assert_eq!(info["server_id"].as_str().unwrap().len(), 56);
}

#[test]
fn the_advertised_address_is_told_instead() {
    let advertise = Some(("broker.example".to_owned(), 9));
    let info =
        Broker::start(Options { client_advertise: advertise, ..Options::default() }).dial().read_info();
    assert_eq!((&info["host"], &info["port"]), (&"broker.example".into(), &9.into()));
}

#[test]
fn the_first_pong_is_followed_by_the_account() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.peer();
    peer.send(&format!("CONNECT {MODERN}\r\nPING\r\nPING\r\n"));
    peer.expect("PONG\r\n");
    let info = peer.read_info();
    assert_eq!(info["connect_info"], true);
    assert_eq!(info["remote_account"], "$G");
    assert!(info.get("acc_is_sys").is_none());
    peer.expect("PONG\r\n");
    peer.fence();
}

#[test]
fn a_client_of_the_old_protocol_never_sees_a_second_info() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.peer();
    peer.send("CONNECT {\"verbose\":false}\r\nPING\r\nPING\r\n");
    peer.expect("PONG\r\nPONG\r\n");
}

#[test]
fn a_ping_before_connect_brings_no_account() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.peer();
    peer.send(&format!("PING\r\nCONNECT {MODERN}\r\nPING\r\n"));
    peer.expect("PONG\r\nPONG\r\n");
    assert_eq!(peer.read_info()["connect_info"], true);
}

#[test]
fn a_client_in_the_system_account_is_told() {
    let auth = users([user("$SYS", "admin", "s3cret")]);
    let broker = Broker::start(Options { auth, ..Options::default() });
    let mut peer = broker.peer();
    peer.send(&format!("CONNECT {}\r\nPING\r\n", login("admin", "s3cret")));
    peer.expect("PONG\r\n");
    let info = peer.read_info();
    assert_eq!((&info["remote_account"], &info["acc_is_sys"]), (&"$SYS".into(), &true.into()));
}

#[test]
fn without_header_support_none_is_offered() {
    let broker = Broker::start(Options { no_header_support: true, ..Options::default() });
    let mut peer = broker.dial();
    assert_eq!(peer.read_info()["headers"], false);
    peer.send("CONNECT {\"headers\":true}\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    peer.expect("+OK\r\n");
    peer.expect_closed();
}
