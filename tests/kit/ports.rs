//! Ports for processes that must be told theirs before they start.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that Linux gives to outgoing connections, so that none of those takes one in between.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that was free a moment ago, another one each time.
pub fn free_port() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    // Processes that run side by side begin at different ports.
    let start = (std::process::id() * 31 % u32::from(COUNT)) as u16;
    let candidates = (0..COUNT).map(|_| TRIED.fetch_add(1, Ordering::Relaxed) % COUNT);
    let mut ports = candidates.map(|tried| FIRST + (start + tried) % COUNT);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
