//! Whatever comes over a WebSocket, the broker goes on and keeps little.

mod kit;

use std::net::SocketAddr;
use std::sync::Arc;

use headwater::net::websocket::{Origins, WebSocketOptions, answer};
use headwater::server::Options;
use kit::websocket::{WsPeer, masked, request};
use kit::{Broker, QUIET};
use proptest::prelude::*;

fn broker() -> (Broker, SocketAddr) {
    let websocket =
        WebSocketOptions { host: "127.0.0.1".to_owned(), compression: true, ..WebSocketOptions::default() };
    let broker = Broker::start(Options { websocket: Some(Arc::new(websocket)), ..Options::default() });
    let addr = broker.running().websocket_addr().unwrap();
    (broker, addr)
}

/// A request of which some lines are damaged.
fn damaged_request() -> impl Strategy<Value = Vec<u8>> {
    let good = request(
        "Origin: http://localhost\r\nSec-WebSocket-Extensions: permessage-deflate\r\nCookie: a=b\r\n",
    );
    let length = good.len();
    let damage = prop::collection::vec((0..length, any::<u8>()), 0..4);
    (damage, 0..=length).prop_map(move |(damage, end)| {
        let mut bytes = good.clone().into_bytes();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        bytes.truncate(end.max(1));
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_request_is_answered_with_http_or_not_at_all(
        bytes in prop_oneof![damaged_request(), prop::collection::vec(any::<u8>(), 0..200)],
    ) {
        let options = WebSocketOptions {
            origins: Origins::new(true, &["https://a.example".to_owned()]),
            compression: true,
            ..WebSocketOptions::default()
        };
        if let Ok(Some(answer)) = answer(&bytes, &options) {
            prop_assert!(answer.starts_with(b"HTTP/1.1 "));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_of_any_bytes_do_not_disturb_others(
        first in any::<u8>(),
        payload in prop::collection::vec(any::<u8>(), 0..300),
        tail in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let (_broker, addr) = broker();
        let mut bystander = WsPeer::client(addr, QUIET);
        let mut hostile = WsPeer::connect(addr, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        hostile.send_anyway(&masked(first, &payload));
        hostile.send_anyway(&tail);
        bystander.fence();
    }
}

#[test]
fn pings_without_end_are_not_hoarded() {
    let (broker, addr) = broker();
    let mut flood = WsPeer::client(addr, QUIET);
    // The answers to these are never read, so most of them are never made.
    let pings = masked(0x89, &[b'p'; 125]).repeat(20_000);
    std::thread::scope(|scope| {
        scope.spawn(|| flood.send_anyway(&pings));
        let mut bystander = broker.client(QUIET);
        bystander.fence();
    });
    WsPeer::client(addr, QUIET).fence();
}
