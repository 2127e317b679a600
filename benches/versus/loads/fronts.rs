//! The same traffic through TLS and WebSocket, and connections that come and go.

use std::io;

use super::Load;
use super::core::Flow;
use super::jetstream::publish_into;
use crate::contender::{Server, Sync};
use crate::figures::{Run, measure};
use crate::front::Front;

const GROUP: &str = "other fronts";

pub fn loads() -> Vec<Load> {
    let fronts = [("TLS", Front::Tls), ("WebSocket", Front::WebSocket)];
    let mut loads: Vec<Load> = fronts.into_iter().flat_map(|(name, front)| traffic(name, front)).collect();
    let all = [("TCP", Front::Plain)].into_iter().chain(fronts);
    loads.extend(all.map(|(name, front)| {
        Load::core(GROUP, format!("connections opened and closed, {name}"), 4_000, connections).over(front)
    }));
    loads
}

fn traffic(name: &str, front: Front) -> Vec<Load> {
    let flow = Flow { publishers: 1, subscribers: 1, queue: "", size: 128 };
    let relaxed = (Sync::Relaxed, Sync::Relaxed);
    vec![
        Load::core(GROUP, format!("1 to 1, 128 B, {name}"), 1_000_000, move |server, messages| {
            flow.run(server, messages)
        })
        .over(front),
        Load::stream(
            GROUP,
            format!("stream, 256 in flight, 128 B, {name}"),
            relaxed,
            300_000,
            |server, messages| publish_into(server, messages, 256, 128),
        )
        .over(front),
    ]
}

/// One after the other, each until the server has answered.
fn connections(server: &mut Server, count: u64) -> io::Result<Run> {
    measure(server, count, || (0..count).try_for_each(|_| server.connect().map(drop)).map(|()| Vec::new()))
}
