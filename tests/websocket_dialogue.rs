//! NATS over WebSocket, frame by frame.

mod kit;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use headwater::auth::{AuthSettings, ConnectionType, SecretVerifier};
use headwater::net::websocket::{Cookies, Origins, WebSocketOptions};
use headwater::server::Options;
use kit::users::{login, user, users};
use kit::websocket::{WsPeer, masked, request};
use kit::{Broker, MODERN, QUIET};
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec;

fn broker(websocket: WebSocketOptions, options: Options) -> (Broker, SocketAddr) {
    let websocket = WebSocketOptions { host: "127.0.0.1".to_owned(), ..websocket };
    let broker = Broker::start(Options { websocket: Some(Arc::new(websocket)), ..options });
    let addr = broker.running().websocket_addr().unwrap();
    (broker, addr)
}

fn plain() -> (Broker, SocketAddr) {
    broker(WebSocketOptions::default(), Options::default())
}

#[test]
fn a_client_publishes_and_subscribes() {
    let (broker, addr) = plain();
    let mut peer = WsPeer::connect(addr, "");
    assert!(peer.response.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    assert!(peer.response.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    let info = peer.read_info();
    assert_eq!((&info["port"], &info["client_ip"]), (&addr.port().into(), &"127.0.0.1".into()));
    peer.send(&format!("CONNECT {QUIET}\r\nSUB a 1\r\n"));
    peer.fence();
    let mut other = broker.client(QUIET);
    other.send("PUB a 2\r\nhi\r\n");
    peer.expect("MSG a 1 2\r\nhi\r\n");
    other.send("SUB b 7\r\n");
    other.fence();
    peer.send("PUB b 3\r\nyou\r\n");
    other.expect("MSG b 7 3\r\nyou\r\n");
}

#[test]
fn an_operation_may_be_spread_over_frames_and_a_frame_hold_many() {
    let (_broker, addr) = plain();
    let mut peer = WsPeer::client(addr, QUIET);
    for part in ["SU", "B a 1", "\r\nPU", "B a 5\r\nhel"] {
        peer.send(part);
    }
    peer.send_frame(0x01, b"lo\r\n");
    peer.send_frame(0x89, b"are you there");
    peer.send_frame(0x00, b"PUB a 1\r\n");
    peer.send_frame(0x80, b"x\r\nPUB a 1\r\ny\r\n");
    let pong = loop {
        let frame = peer.frame();
        if frame.first == 0x8a {
            break frame;
        }
        assert_eq!(frame.payload, b"MSG a 1 5\r\nhello\r\n");
    };
    assert_eq!(pong.payload, b"are you there");
    let mut rest = String::new();
    while rest.len() < 24 {
        rest.push_str(&String::from_utf8(peer.frame().payload).unwrap());
    }
    let rest = rest.replace("MSG a 1 5\r\nhello\r\n", "");
    assert_eq!(rest, "MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\n");
}

#[test]
fn a_large_message_goes_through_both_ways() {
    let (_broker, addr) = plain();
    let mut peer = WsPeer::client(addr, QUIET);
    let payload = "z".repeat(900_000);
    peer.send("SUB big 1\r\n");
    peer.send(&format!("PUB big 900000\r\n{payload}\r\n"));
    peer.expect(&format!("MSG big 1 900000\r\n{payload}\r\n"));
}

#[test]
fn a_close_frame_is_answered_with_its_own_code() {
    let (broker, addr) = plain();
    for (sent, code) in [(&b"\x03\xe8bye"[..], 1000), (b"\x0b\xb8", 3000), (b"\x03\xe8\xff\xfe", 1007)] {
        let mut peer = WsPeer::client(addr, QUIET);
        peer.fence();
        peer.send_frame(0x88, sent);
        peer.expect_close(code);
    }
    broker.wait_until("the clients are gone", |server| server.clients().is_empty());
}

#[test]
fn what_is_no_frame_ends_the_connection_with_1002() {
    let (_broker, addr) = plain();
    let unmasked = b"\x82\x06PING\r\n".to_vec();
    let compressed = masked(0xc2, b"PING\r\n");
    let fragmented_ping = masked(0x09, b"");
    let long_ping = masked(0x89, &[b'x'; 126]);
    let continuation = masked(0x80, b"PING\r\n");
    for bad in [unmasked, compressed, fragmented_ping, long_ping, continuation] {
        let mut peer = WsPeer::client(addr, QUIET);
        peer.fence();
        peer.send_bytes(&bad);
        peer.expect_close(1002);
    }
}

#[test]
fn the_reason_of_an_error_is_heard_before_the_close_frame() {
    let (_broker, addr) = plain();
    let mut peer = WsPeer::client(addr, QUIET);
    peer.send("NONSENSE\r\n");
    peer.expect("-ERR 'Unknown Protocol Operation'\r\n");
    peer.expect_close(1002);
}

#[test]
fn a_shutdown_says_that_the_server_goes_away() {
    let (mut broker, addr) = plain();
    let mut peer = WsPeer::client(addr, QUIET);
    peer.fence();
    broker.shutdown();
    peer.expect_close(1001);
}

#[test]
fn lame_duck_mode_is_announced() {
    let options = Options {
        lame_duck_duration: Duration::from_millis(200),
        lame_duck_grace: Duration::from_millis(50),
        ..Options::default()
    };
    let (broker, addr) = broker(WebSocketOptions::default(), options);
    let mut peer = WsPeer::client(addr, MODERN);
    peer.send("PING\r\n");
    let mut seen = String::new();
    while !seen.contains("PONG\r\n") {
        seen.push_str(&String::from_utf8(peer.frame().payload).unwrap());
    }
    broker.runtime().block_on(broker.running().lame_duck());
    let frames = [seen, String::from_utf8(peer.frame().payload).unwrap()].concat();
    let told = frames.contains(r#""ldm":true"#)
        || String::from_utf8(peer.frame().payload).unwrap().contains(r#""ldm":true"#);
    assert!(told, "{frames}");
    assert!(TcpStream::connect(addr).is_err());
}

fn compressing() -> (Broker, SocketAddr) {
    broker(WebSocketOptions { compression: true, ..WebSocketOptions::default() }, Options::default())
}

#[test]
fn messages_are_compressed_when_both_sides_want_it() {
    let (_broker, addr) = compressing();
    let mut peer = WsPeer::connect(addr, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert!(peer.response.contains(agreed), "{}", peer.response);
    let info = peer.frame();
    assert_eq!(info.first, 0xc2);
    let text = decompress_to_vec(&[&info.payload[..], &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat());
    assert!(text.unwrap().starts_with(b"INFO {"));
    let message = "x".repeat(5000);
    let operations = format!("CONNECT {QUIET}\r\nSUB a 1\r\nPUB a 5000\r\n{message}\r\n");
    // A final block is a valid end too.
    let packed = compress_to_vec(operations.as_bytes(), 6);
    let (head, tail) = packed.split_at(packed.len() / 2);
    peer.send_frame(0x42, head);
    peer.send_frame(0x80, tail);
    let answer = peer.frame();
    assert_eq!(answer.first, 0xc2);
    assert!(answer.payload.len() < 100);
    let text = decompress_to_vec(&[&answer.payload[..], &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat());
    assert_eq!(String::from_utf8(text.unwrap()).unwrap(), format!("MSG a 1 5000\r\n{message}\r\n"));
    peer.send("PING\r\n");
    assert_eq!(peer.frame().payload, b"PONG\r\n", "too small to be worth it");
}

#[test]
fn a_client_that_offers_no_compression_gets_none() {
    let (_broker, addr) = compressing();
    let mut peer = WsPeer::client(addr, QUIET);
    assert!(!peer.response.contains("Extensions"));
    peer.fence();
}

#[test]
fn a_small_frame_that_unpacks_to_gigabytes_costs_no_memory() {
    let (_broker, addr) = compressing();
    let mut peer = WsPeer::connect(addr, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    peer.frame();
    let bomb = compress_to_vec(&vec![b'P'; 50_000_000], 9);
    peer.send_frame(0xc2, &bomb);
    let error = peer.frame();
    assert_eq!(error.payload, b"-ERR 'Unknown Protocol Operation'\r\n");
    peer.expect_close(1002);
}

#[test]
fn pages_from_elsewhere_are_turned_down() {
    let origins = Origins::new(false, &["https://console.example".to_owned()]);
    let (_broker, addr) =
        broker(WebSocketOptions { origins, ..WebSocketOptions::default() }, Options::default());
    assert!(WsPeer::connect(addr, "Origin: https://console.example\r\n").response.contains(" 101 "));
    assert!(WsPeer::connect(addr, "").response.contains(" 101 "));
    let refused = WsPeer::connect(addr, "Origin: https://evil.example\r\n").response;
    assert!(refused.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{refused}");
}

#[test]
fn the_configured_headers_are_in_the_response() {
    let headers = "X-Frame: none\r\n".to_owned();
    let (_broker, addr) =
        broker(WebSocketOptions { headers, ..WebSocketOptions::default() }, Options::default());
    assert!(WsPeer::connect(addr, "").response.contains("\r\nX-Frame: none\r\n\r\n"));
}

#[test]
fn what_is_no_upgrade_is_answered_and_closed() {
    let (_broker, addr) = plain();
    for (asked, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        (request("").replace("GET", "POST"), "HTTP/1.1 405 "),
        (request("").replace("GET /", "GET /leafnode"), "HTTP/1.1 404 "),
        ("NONSENSE\r\n\r\n".to_owned(), ""),
    ] {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(asked.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(status), "{asked}: {answer}");
    }
}

#[test]
fn who_does_not_upgrade_in_time_is_cut_off() {
    let options =
        WebSocketOptions { handshake_timeout: Duration::from_millis(50), ..WebSocketOptions::default() };
    let (broker, addr) = broker(options, Options::default());
    let mut silent = TcpStream::connect(addr).unwrap();
    let mut slow = TcpStream::connect(addr).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    for stream in [&mut silent, &mut slow] {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    }
    assert!(broker.server().clients().closed().is_empty(), "they never were clients");
}

#[test]
fn the_listener_has_rules_of_its_own() {
    let token = AuthSettings { token: Some(SecretVerifier::new("ws")), ..AuthSettings::default() };
    let cookies = Cookies { token: Some("nats_token".to_owned()), ..Cookies::default() };
    let websocket = WebSocketOptions { auth: token, cookies, ..WebSocketOptions::default() };
    let (broker, addr) = broker(websocket, Options::default());
    broker.client(QUIET);
    let mut peer = WsPeer::client(addr, r#"{"auth_token":"ws","verbose":false}"#);
    peer.fence();
    let mut peer = WsPeer::connect(addr, "Cookie: a=b; nats_token=ws\r\n");
    assert_eq!(peer.read_info()["auth_required"], true);
    peer.send(&format!("CONNECT {QUIET}\r\n"));
    peer.fence();
    let mut peer = WsPeer::connect(addr, "Cookie: nats_token=wrong\r\n");
    peer.read_info();
    peer.send(&format!("CONNECT {QUIET}\r\n"));
    peer.expect("-ERR 'Authorization Violation'\r\n");
    peer.expect_close(1008);
}

#[test]
fn a_user_may_be_for_one_kind_of_connection_only() {
    let mut standard = user("$G", "tcp", "p");
    standard.connection_types = [ConnectionType::Standard].into();
    let mut websocket = user("$G", "web", "p");
    websocket.connection_types = [ConnectionType::Websocket].into();
    let auth = users([standard, websocket]);
    let options = WebSocketOptions { auth: auth.clone(), ..WebSocketOptions::default() };
    let (broker, addr) = broker(options, Options { auth, ..Options::default() });
    broker.client(&login("tcp", "p"));
    let mut peer = WsPeer::client(addr, &login("tcp", "p"));
    peer.expect("-ERR 'Authorization Violation'\r\n");
    let mut peer = WsPeer::client(addr, &login("web", "p"));
    peer.send("SUB a 1\r\nPUB a 0\r\n\r\n");
    let mut seen = String::new();
    while !seen.contains("MSG a 1 0\r\n") {
        seen.push_str(&String::from_utf8(peer.frame().payload).unwrap());
    }
    let mut peer = broker.peer();
    peer.send(&format!("CONNECT {}\r\n", login("web", "p")));
    peer.expect("-ERR 'Authorization Violation'\r\n");
}

#[test]
fn there_is_no_room_for_more_than_max_connections() {
    let (_broker, addr) =
        broker(WebSocketOptions::default(), Options { connections_max: Some(1), ..Options::default() });
    let mut first = WsPeer::client(addr, QUIET);
    first.fence();
    let mut second = WsPeer::connect(addr, "");
    second.expect("-ERR 'maximum connections exceeded'\r\n");
    second.expect_close(1008);
    first.fence();
}
