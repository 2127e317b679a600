//! Any request is answered with HTTP, or not at all.
#![no_main]

use headwater::net::websocket::{WebSocketOptions, answer};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let options = WebSocketOptions { compression: true, ..WebSocketOptions::default() };
    if let Ok(Some(answer)) = answer(bytes, &options) {
        assert!(answer.starts_with(b"HTTP/1.1 ") && answer.windows(4).any(|end| end == b"\r\n\r\n"));
    }
});
