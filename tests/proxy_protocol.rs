//! Connections that come through a proxy which says whom it speaks for.

mod kit;

use headwater::server::Options;
use kit::{Broker, MODERN, Peer, QUIET};

fn broker() -> Broker {
    Broker::start(Options { proxy_protocol: true, ..Options::default() })
}

/// The address that monitoring shows for the only client.
fn shown(broker: &Broker) -> String {
    broker.wait_until("one client", |server| server.clients().len() == 1);
    let clients = broker.server().clients().all();
    let info = clients[0].info();
    format!("{}:{}", info.host, info.port)
}

fn log_in(peer: &mut Peer) {
    peer.send(&format!("CONNECT {QUIET}\r\n"));
    peer.fence();
}

#[test]
fn the_client_is_who_the_proxy_says() {
    let broker = broker();
    let mut peer = broker.dial();
    peer.send("PROXY TCP4 192.0.2.7 10.0.0.1 4000 4222\r\n");
    assert_eq!(peer.read_info().get("client_ip"), None, "the proxy's address is not told");
    log_in(&mut peer);
    assert_eq!(shown(&broker), "192.0.2.7:4000");
}

#[test]
fn the_binary_header_is_understood_and_what_follows_it_kept() {
    let broker = broker();
    let mut peer = broker.dial();
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\x0a\0\0\x01\x0f\xa1\x10\x7e";
    peer.send_bytes(&[&header[..], format!("CONNECT {MODERN}\r\nPING\r\n").as_bytes()].concat());
    peer.read_info();
    peer.expect("PONG\r\n");
    assert_eq!(shown(&broker), "192.0.2.8:4001");
    assert_eq!(peer.read_info()["client_ip"], "192.0.2.8");
}

#[test]
fn a_header_that_comes_in_pieces_is_waited_for() {
    let broker = broker();
    let mut peer = broker.dial();
    peer.read_info();
    for piece in ["P", "ROX", "Y TCP6 2001:db8::1 ::1 5", " 6\r", "\n"] {
        peer.send(piece);
        std::thread::yield_now();
    }
    log_in(&mut peer);
    assert_eq!(shown(&broker), "2001:db8::1:5");
}

#[test]
fn a_client_without_a_proxy_is_served_as_ever() {
    let broker = broker();
    let mut peer = broker.peer();
    log_in(&mut peer);
    assert!(shown(&broker).starts_with("127.0.0.1:"));
}

#[test]
fn what_only_begins_like_a_header_is_not_served() {
    let broker = broker();
    for bad in ["PROXY TCP4 300.0.0.1 10.0.0.1 1 2\r\n", &format!("PROXY {}", "x".repeat(200))] {
        let mut peer = broker.peer();
        peer.send_anyway(bad.as_bytes());
        peer.expect_closed_or_reset();
    }
    broker.wait_until("nobody is left", |server| server.clients().is_empty());
}
